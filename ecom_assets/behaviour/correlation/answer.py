"""The answer to a correlation: which event types and properties go with conversion,
by odds ratios.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, Field

from ecom_assets.behaviour.correlation.correlation import (
    entrants,
    event_type_counts,
    lies_on_the_way,
    odds_ratio,
    property_counts,
    rate_ratio,
)
from ecom_assets.behaviour.correlation.question import CorrelationQuestion
from ecom_assets.behaviour.correlation.text import lines
from ecom_assets.behaviour.events.missing import missing_type_warnings
from ecom_assets.behaviour.funnels.answer import check_size, funnel_events
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel.counts import can_count, store_entries
from ecom_assets.behaviour.funnels.matching import with_flags
from ecom_assets.behaviour.funnels.steps import ANY
from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.portable import has_kernels, rows_of
from ecom_assets.core.tables.queries import significant

ENTRANTS = "correlation_entrants"


class Correlated(BaseModel):
    """An event type, or a value of a property, and how it goes with conversion."""

    property: str | None = Field(description="The property; null for an event type")
    value: str = Field(description="Its value, or the event type", examples=["search"])
    converted_count: int = number("Converted with it", "count", "Visitors with it who converted")
    other_count: int = number(
        "Did not", "count", "Visitors with it who entered and did not convert"
    )
    factor: float = number(
        "Times as often", "score", "How many times as often they convert as those without it"
    )
    factor_low: float = number("Factor low", "score", "Lower end of its interval")
    factor_high: float = number("Factor high", "score", "Upper end of its interval")
    odds_ratio: float = number(
        "Odds ratio", "score", "How many times as high the odds to convert are with it"
    )
    low: float = number("Low", "score", "Lower end of its interval")
    high: float = number("High", "score", "Upper end of its interval")
    is_enough: bool = Field(description="Whether there are enough data for the interval to hold")


class CorrelationAnswer(QuestionAnswer):
    """The result of a correlation."""

    converted_count: int | None = number("Converted", "count", "Visitors who converted")
    other_count: int | None = number("Did not", "count", "Visitors who entered and did not convert")
    correlations: list[Correlated] = Field(
        description="The strongest first, those with too few data last"
    )
    on_the_way: list[str] = Field(
        [],
        description="Event types that are left out, since they lie on the way to the last step",
        examples=[["add_to_cart", "checkout_start"]],
    )


def compute(question: CorrelationQuestion, data: QuestionData) -> Answer:
    """Return how event types and properties correlate with conversion, the strongest first.

    Raises:
        DefinitionError: The definition does not fit the events.
        QuestionTooLargeError: The funnel has too many steps.
    """
    con, funnel = data.con, question.funnel
    check_size(funnel, data.source, "ask for fewer, or use `ecom correlation`")
    events, _ = funnel_events(data.events, funnel, SessionRule.preset("ga4"))
    entered = _entrants(con, events, funnel)
    (sizes,) = rows_of(
        entered.agg(all_count=entered.count(), converted_count=entered.is_converted.sum())
    )
    converted, entered_count = int(sizes["converted_count"] or 0), int(sizes["all_count"])
    totals = (converted, entered_count - converted)
    types_done = rows_of(event_type_counts(events, entered, funnel))
    on_the_way = [
        row["value"]
        for row in types_done
        if lies_on_the_way(row["value"], funnel, int(row["converted_count"]), converted)
    ]
    others = [row for row in types_done if row["value"] not in on_the_way]
    result = _compared(others, None, totals, question.confidence)
    for column in question.properties:
        rows = rows_of(property_counts(events, entered, funnel, column))
        result += _compared(rows, column, totals, question.confidence)
    types = [step.event_type for step in funnel.steps if step.event_type != ANY]
    return {
        "definition": question.to_mapping()
        | {"first_date": data.days[0], "last_date": data.days[1]},
        "converted_count": totals[0],
        "other_count": totals[1],
        "correlations": sorted(result, key=_strongest_first)[: question.limit],
        "on_the_way": sorted(on_the_way),
        "warnings": [
            *missing_type_warnings(con, events, types, data.source.source_names),
            *_warnings(totals),
        ],
    }


def _entrants(con: SQLBackend, events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the rows of `entrants`: stored, because every question about them reads them again."""
    if not has_kernels(con) or not can_count(funnel):
        return con.create_table(ENTRANTS, entrants(events, funnel), temp=True, overwrite=True)
    flagged, plain = with_flags(events, funnel)
    store_entries(con.con, str(con.compile(flagged)), plain, funnel.unit_column, ENTRANTS)
    return con.table(ENTRANTS, database=("temp", "main"))


def _compared(
    rows: Iterable[NamedValues],
    column: str | None,
    totals: tuple[int, int],
    confidence: float,
) -> list[Row]:
    """Return each event type, or value of a property, with its odds ratio;
    values that everybody has are left out.
    """
    result = []
    for row in rows:
        having = (int(row["converted_count"]), int(row["other_count"]))
        lacking = (totals[0] - having[0], totals[1] - having[1])
        if not any(lacking):
            continue
        ratio = odds_ratio(having, lacking, confidence)
        comparison = {
            "property": column,
            "value": row["value"],
            "converted_count": having[0],
            "other_count": having[1],
        }
        often = rate_ratio(having, lacking, confidence)
        comparison |= {"factor": significant(often.value)}
        comparison |= {"factor_low": significant(often.low), "factor_high": significant(often.high)}
        comparison |= {"odds_ratio": significant(ratio.value), "low": significant(ratio.low)}
        result.append(comparison | {"high": significant(ratio.high), "is_enough": ratio.is_enough})
    return result


def _strongest_first(row: Row) -> tuple[Any, ...]:
    """Return the sort key: by how far the ratio is from 1;
    those with too few data come last, by frequency.
    """
    name = (row["property"] or "", row["value"])
    if row["is_enough"]:
        return False, -abs(math.log(row["odds_ratio"])), *name
    return True, -(row["converted_count"] + row["other_count"]), *name


def _warnings(totals: tuple[int, int]) -> list[str]:
    if all(totals):
        return []
    if not any(totals):
        return ["Nobody entered the funnel, so there is nothing to compare."]
    return [
        (
            f"{'Everybody' if totals[0] else 'Nobody'} who entered the funnel converted, so there "
            "is nothing to compare."
        )
    ]


CORRELATION: Final = Kind(
    "correlation",
    CorrelationQuestion,
    CorrelationAnswer,
    compute,
    "Find which event types and properties go with the conversion of a funnel",
    lists=("correlations",),
    without="nobody entered",
    lines=lines,
)
