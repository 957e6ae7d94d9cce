"""Answers to questions about correlation, computed from clean events."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.correlation.correlation import Correlation, entrants, event_type_counts, property_counts
from ecom_assets.correlation.odds_ratio import odds_ratio
from ecom_assets.events.missing import missing_type_warnings
from ecom_assets.funnels.answer import funnel_events
from ecom_assets.funnels.columns import with_flags
from ecom_assets.funnels.definition import ANY, Funnel
from ecom_assets.funnels.kernel.counts import store_entries, suits
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.tables.portable import has_kernels
from ecom_assets.tables.queries import DECIMALS

ENTRANTS = "correlation_entrants"
Row = dict[str, Any]


def correlation_answer(con: SQLBackend, events: ir.Table, correlation: Correlation) -> dict[str, Any]:
    """Return how event types and properties correlate with conversion, the strongest first.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`.
        correlation: The definition.

    Raises:
        DefinitionError: The definition does not fit the events.
    """
    funnel = correlation.funnel
    events, _ = funnel_events(events, funnel, SessionRule.preset("ga4"))
    entered = _entrants(con, events, funnel)
    (sizes,) = _rows(con, entered.agg(all_count=entered.count(), converted_count=entered.is_converted.sum()))
    converted, entered_count = int(sizes["converted_count"] or 0), int(sizes["all_count"])
    totals = (converted, entered_count - converted)
    result = _compared(_rows(con, event_type_counts(events, entered, funnel)), None, totals, correlation)
    for column in correlation.properties:
        result += _compared(_rows(con, property_counts(events, entered, funnel, column)), column, totals, correlation)
    return {
        "definition": correlation.to_mapping(),
        "converted_count": totals[0],
        "other_count": totals[1],
        "correlations": sorted(result, key=_strongest_first)[: correlation.limit],
        "warnings": [
            *missing_type_warnings(con, events, [step.event_type for step in funnel.steps if step.event_type != ANY]),
            *_warnings(totals),
        ],
    }


def _entrants(con: SQLBackend, events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the rows of `entrants`: stored, because every question about them reads them again."""
    if not has_kernels(con) or not suits(funnel):
        return con.create_table(ENTRANTS, entrants(events, funnel), temp=True, overwrite=True)
    flagged, plain = with_flags(events, funnel)
    store_entries(con.con, str(con.compile(flagged)), plain, funnel.unit_column, ENTRANTS)
    return con.table(ENTRANTS, database=("temp", "main"))


def _rows(con: SQLBackend, table: ir.Table) -> list[Row]:
    rows: list[Row] = con.to_pyarrow(table).to_pylist()
    return rows


def _compared(
    rows: Iterable[Mapping[str, Any]], column: str | None, totals: tuple[int, int], correlation: Correlation
) -> list[Row]:
    """Return each event type, or value of a property, with its odds ratio; values that everybody has are left out."""
    result = []
    for row in rows:
        having = (int(row["converted_count"]), int(row["other_count"]))
        lacking = (totals[0] - having[0], totals[1] - having[1])
        if not any(lacking):
            continue
        ratio = odds_ratio(having, lacking, correlation.confidence)
        comparison = {"property": column, "value": row["value"], "converted_count": having[0], "other_count": having[1]}
        comparison |= {"odds_ratio": _significant(ratio.value), "low": _significant(ratio.low)}
        result.append(comparison | {"high": _significant(ratio.high), "is_enough": ratio.is_enough})
    return result


def _strongest_first(row: Row) -> tuple[Any, ...]:
    """Return the sort key: by how far the ratio is from 1; those with too few data come last, by frequency."""
    name = (row["property"] or "", row["value"])
    if row["is_enough"]:
        return False, -abs(math.log(row["odds_ratio"])), *name
    return True, -(row["converted_count"] + row["other_count"]), *name


def _significant(value: float) -> float:
    """Return a ratio rounded to the digits that are the same on every machine."""
    return float(f"{value:.{DECIMALS}g}")


def _warnings(totals: tuple[int, int]) -> list[str]:
    if all(totals):
        return []
    if not any(totals):
        return ["Nobody entered the funnel, so there is nothing to compare."]
    return [
        f"{'Everybody' if totals[0] else 'Nobody'} who entered the funnel converted, so there is nothing to compare."
    ]
