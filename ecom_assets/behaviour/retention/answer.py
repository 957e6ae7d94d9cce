"""The answer to custom retention: its cohorts with who came back, and who they are in one cell."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Final

import ibis.expr.types as ir
from pydantic import BaseModel, Field

from ecom_assets.behaviour.identity.queries import device_warnings
from ecom_assets.behaviour.questions.answer import Kind, Money, PeriodStart, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.questions.whole_lists import Take, take_rows
from ecom_assets.behaviour.retention import counting
from ecom_assets.behaviour.retention.activity import activity, event_activity
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.behaviour.retention.text import lines
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.days import ONE_DAY

ORDER_TYPES: Final = ("purchase", "refund")


class RetentionCohort(BaseModel):
    """The visitors who started in one period."""

    cohort: PeriodStart = Field(
        description="First day of the period; start of the hour, with the zone's offset"
    )
    size: int = number("Size", "count", "Visitors")
    returned: list[int] = number(
        "Came back", "count", "Of these, those who came back, by period from 0"
    )
    complete: list[bool] = Field(description="Whether the period is over for all of them")
    revenue: list[Money | None] = number(
        "Revenue so far", "money", "What they had paid by then; null where events carry no money"
    )
    lifetime_value: list[float | None] = number("Per visitor", "money", "The same per visitor")
    sum: list[float] | None = Field(
        None, description="The sum of the column by then; null where none is requested"
    )


class RetentionTotal(BaseModel):
    """The sums over all cohorts that are complete in a period."""

    period: str = Field(
        title="Period", description="The period, from 0; or the bracket", examples=["1"]
    )
    cohorts: int = number("Complete cohorts", "count", "Cohorts that are complete")
    size: int = number("Their visitors", "count", "Their visitors")
    returned: int = number("Came back", "count", "Those who came back")
    rate: float | None = number(
        "Share", "rate", "The share of these; null where no cohort is complete"
    )
    revenue: Money | None = number("Revenue so far", "money", "What they had paid by then")
    lifetime_value: float | None = number("Per visitor", "money", "The same per visitor")
    sum: float | None = Field(
        None, description="The sum of the column by then; null where none is requested"
    )
    sum_per_visitor: float | None = Field(None, description="The same per visitor")


class RetentionPart(BaseModel):
    """The retention of one value of the breakdown."""

    value: str = Field(
        description="The value; (none) for a missing one, (other) for those beyond the limit"
    )
    cohorts: list[RetentionCohort] = Field(description="By start")
    totals: list[RetentionTotal] = Field(description="By period")


class RetentionAnswer(QuestionAnswer):
    """The result of custom retention."""

    total_count: int | None = Field(description="How many cohorts there are")
    cohorts: list[RetentionCohort] = Field(description="By start")
    totals: list[RetentionTotal] = Field(description="By period")
    breakdown: list[RetentionPart] = Field(
        [], description="By value, those with most visitors first"
    )


class InCell(BaseModel):
    """Somebody in a cell."""

    visitor_id: str = Field(title="Visitor", description="The visitor")


class RetentionWhoAnswer(QuestionAnswer):
    """Who is in a cell of custom retention."""

    cohort: str = Field(description="Of this cohort")
    period: str | None = Field(description="Of this period; null for the whole cohort")
    count: int = Field(description="How many they are")
    total_count: int | None = Field(description="How many the whole list has: all of them")
    who: list[InCell] = Field(description="In order of their ids")


def compute(question: RetentionQuestion, data: QuestionData) -> Answer:
    """Return cohorts with who came back, from events or order lines.

    Raises:
        DefinitionError: The rule does not fit the events.
        UsageError: Orders are asked for what they do not have.
    """
    query, until = _query(question, data), _whole_until(question, data)
    if data.source.of_orders:
        return counting.answer_activity(query, until)
    answer = counting.retention_answer(query, until, data.source.source_names)
    return answer | {
        "warnings": [*answer["warnings"], *device_warnings(data.events, data.extent.event_count)]
    }


def _query(question: RetentionQuestion, data: QuestionData) -> counting.RetentionQuery:
    is_of_orders = data.source.of_orders
    rule = _of_orders(question) if is_of_orders else question
    build: counting.Build = activity if is_of_orders else event_activity
    between = data.days if question.reads_all else (None, None)
    return counting.RetentionQuery(
        data.con, data.events, rule, data.opened.timezone, build, between, data.keep
    )


def _of_orders(rule: RetentionQuestion) -> RetentionQuestion:
    """Return the rule for orders, whose event types are purchase (the default) and refund."""
    if rule.per != "user":
        raise UsageError(
            f"--per {rule.per} is a key of events, which orders do not have; ask with --events "
            "PATH."
        )
    rule = rule.changed(
        start=rule.start_type or "purchase", returning=rule.return_type or "purchase"
    )
    counting.check_types([name for name in (rule.start, rule.returning) if name], ORDER_TYPES)
    return rule


def _whole_until(question: RetentionQuestion, data: QuestionData) -> date | None:
    """Return the last day of which the data are whole;
    None where the events that are looked at say it.
    """
    last = data.extent.last_date
    # The visitors of a segment may all have gone before the newest day of the data.
    return question.whole_until or (last - ONE_DAY if data.segment and last else None)


RETENTION: Final = Kind(
    "retention",
    RetentionQuestion,
    RetentionAnswer,
    compute,
    "Who of each period's new visitors, or customers, came back, and what they were worth",
    lists=("cohorts", "breakdown"),
    of_orders=True,
    writes=("--who", "Write who counts in which cell to this .parquet or .csv file."),
    lines=lines,
)


def _compute_who(
    listed: counting.CellList, question: RetentionQuestion, data: QuestionData
) -> Answer:
    answer = counting.who_answer(_query(question, data), listed, _whole_until(question, data))
    return answer | {"total_count": answer["count"]}  # the list itself has the first of them only


def take_visitors(take: Take) -> Callable[[ir.Table], object]:
    """Return what has the visitors of a `CellList` taken block by block."""
    return lambda visitors: take_rows(take, visitors, InCell)


def who_of(listed: counting.CellList) -> Kind[RetentionQuestion, RetentionWhoAnswer]:
    """Return the kind of question that asks who is in a cell."""
    return Kind(
        "retention_who",
        RetentionQuestion,
        RetentionWhoAnswer,
        partial(_compute_who, listed),
        "Who is in a cell of retention",
        lists=("who",),
    )
