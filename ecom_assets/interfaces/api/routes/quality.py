"""Routes for data quality: what became of received rows,
sample rows that were quarantined, and held days.
"""

from dataclasses import replace
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.events import queries as event_queries
from ecom_assets.behaviour.events.contracts import CleanEvents, DuplicateEvents
from ecom_assets.behaviour.questions.answer import AnswerFields, Money, definition_of, number
from ecom_assets.commerce.orders.contracts import HeldOrderDays, OrderAccountingDaily
from ecom_assets.commerce.quality import queries
from ecom_assets.commerce.quality.queries import RowSource
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.core.tables.measures import meanings
from ecom_assets.core.tables.queries import Page, Period
from ecom_assets.interfaces.api.auth.callers import may_see_costs, may_see_people
from ecom_assets.interfaces.api.parameters import (
    Context,
    DaysParameters,
    JustSliced,
    RequestContext,
    SlicedOfDays,
    row_of,
    total_of,
)

router = APIRouter(tags=["quality"])
SOURCE = (
    "Whose rows: `events` by the day that they count for, `orders` by the day on which lines "
    "arrived"
)
RESIDUE = "Received rows that are in no table: anything but 0 means that rows were lost"


class ReceivedRowCounts(
    row_of(OrderAccountingDaily.columns, without=("received_date",), are_known=False)  # type: ignore[misc]  # a model of a function
):
    """What became of received rows; null where no day of the range is known."""

    source: RowSource = Field(description=SOURCE)
    residue_count: int | None = number("Lost", "count", RESIDUE, examples=[0])


class DayCounts(
    row_of(OrderAccountingDaily.columns, without=("received_date",))  # type: ignore[misc]  # a model of a function
):
    """What became of the received rows of a day."""

    source: RowSource = Field(description=SOURCE)
    residue_count: int = number("Lost", "count", RESIDUE, examples=[0])
    accounted_date: date = number("Day", "date", "The day")


class Reason(BaseModel):
    """Why rows were quarantined, and how many."""

    source: RowSource = Field(description=SOURCE)
    reject_reason: str = Field(
        description="The first reason that applies", examples=["missing_identity"]
    )
    row_count: int = number("Rows", "count", "Rows quarantined for it")
    refused_amount: Money | None = number(
        "Amount",
        "money",
        (
            "Sum of the amounts of these rows, without their signs; null if none can be read or "
            "has one"
        ),
        examples=["1250.00"],
    )
    unread_amount_count: int | None = number(
        "No amount",
        "count",
        "Of these rows, those about money whose amount cannot be read",
        examples=[2],
    )
    first_date: date = number("First", "date", "First day with such a row")
    last_date: date = number("Last", "date", "Last day with such a row")


class QualityAnswer(AnswerFields):
    """What became of received rows, and why rows were quarantined."""

    total_count: int | None = total_of("days and sources", 60)
    days: list[DayCounts] = Field(description="A row per day and source, in order")
    sources: list[ReceivedRowCounts] = Field(
        description="Sums over the days of the period: of events by the day that they count for, "
        "of order lines by arrival; null where no day of the period is between the "
        "first and the last row of the source"
    )
    reasons: list[Reason] = Field(description="Quarantined rows by reason, the most frequent first")


def _period(context: RequestContext, parameters: DaysParameters) -> Period:
    """Return the requested days; a named range ends on the newest day in the data,
    as rows of any source count.
    """
    return replace(context.period(parameters), known=queries.known_days(context.reading))


@router.get("/analytics/quality", response_model=QualityAnswer, summary="Received rows by outcome")
def row_accounting(context: Context, parameters: Annotated[SlicedOfDays, Query()]) -> Answer:
    """Return what became of the received rows of each day and source,
    and the quarantined rows by reason.
    """
    period = _period(context, parameters)
    result = queries.row_accounting(context.reading, period)
    definition = definition_of(
        QualityAnswer, *queries.COUNTS, "residue_count", "sources", "reasons", "days"
    )
    return context.answer(parameters, definition, parameters.cut(result, "days"), period)


class SamplesParameters(DaysParameters):
    """Which sample rows to return."""

    source: RowSource = Field("events", description=SOURCE)
    reason: str | None = Field(
        None, max_length=100, description="Only rows with this reject reason"
    )
    limit: int = Field(20, ge=1, le=1_000, description="Most rows to return")


class SamplesAnswer(AnswerFields):
    """Sample rows that were quarantined."""

    total_count: int | None = total_of("sample rows", 5)
    samples: list[Row] = Field(
        description="The first rows of each day and reason, at most five, the newest day first; "
        f"without the scope `personal`, what is personal data reads {HIDDEN}"
    )


@router.get(
    "/analytics/quality/samples",
    response_model=SamplesAnswer,
    summary="Sample rows that were quarantined",
)
def quarantined_samples(
    context: Context, parameters: Annotated[SamplesParameters, Query()]
) -> Answer:
    """Return the first rows of each day and reject reason;
    personal data needs the scope `personal`.
    """
    context.do_not_keep()  # what one caller may see, another may not
    period = _period(context, parameters)
    wanted = queries.Wanted(parameters.source, parameters.reason, parameters.limit)
    result = queries.quarantined_samples(
        context.reading,
        period,
        wanted,
        may_see_people=may_see_people(context.request.scope),
        may_see_costs=may_see_costs(context.request.scope),
    )
    definition = definition_of(SamplesAnswer, "samples")
    definition["row_count"] = "Rows of the day that were quarantined for this reason"
    definition["refused_amount"] = "Sum of the amounts of these rows, without their signs"
    return context.answer(parameters, definition, result, period)


class ConflictsParameters(DaysParameters):
    """Which events to return."""

    limit: int = Field(20, ge=1, le=1_000, description="Most rows to return")


class ConflictingEvent(
    row_of(CleanEvents.columns, only=("event_date", *event_queries.OF_EVENT), are_known=False)  # type: ignore[misc]  # a model of a function
):
    """An event whose id another event has, too."""

    event_date: date = number("Day", "date", "The day on which it happened")
    source_event_id: str = Field(
        description="The id as received, which several events have", examples=["o-5001"]
    )
    event_id: str = Field(
        description=DuplicateEvents.columns["event_id"].description,
        examples=["o-5001~0123456789abcdef"],
    )


class ConflictsAnswer(AnswerFields):
    """Events that share an id, and disagree in who, what or amount."""

    total_count: int | None = total_of("such events", 2)
    conflicts: list[ConflictingEvent] = Field(
        description="Events that share an id and disagree in who, what or amount: all of them "
        f"count. By id; without the scope `personal`, who each is of reads {HIDDEN}"
    )


@router.get(
    "/analytics/quality/conflicts",
    response_model=ConflictsAnswer,
    summary="Events that share an id and disagree",
)
def conflicting_events(
    context: Context, parameters: Annotated[ConflictsParameters, Query()]
) -> Answer:
    """Return events that share an id and disagree, with who, what and amount;
    who needs the scope `personal`.
    """
    context.do_not_keep()  # what one caller may see, another may not
    period = _period(context, parameters)
    result = event_queries.conflicts(
        context.reading,
        period,
        Page(parameters.limit),
        may_see_people=may_see_people(context.request.scope),
    )
    return context.answer(parameters, definition_of(ConflictsAnswer, "conflicts"), result, period)


class HeldOrderDay(row_of(HeldOrderDays.columns)):  # type: ignore[misc]  # a model of a function
    """A day of arrival that is held back."""

    source: str = Field(description="Whose day", examples=["orders"])


class HeldDaysAnswer(AnswerFields):
    """The days that are held back."""

    total_count: int = Field(description="How many held days there are", examples=[3])
    held_days: list[HeldOrderDay] = Field(description="In order of the days")


@router.get(
    "/analytics/quality/held-days", response_model=HeldDaysAnswer, summary="Days that are held back"
)
def held_days(context: Context, parameters: JustSliced) -> Answer:
    """Return the days of arrival whose rows are held back until they are
    released or better data arrive.
    """
    result = parameters.cut({"held_days": queries.held(context.reading)}, "held_days")
    return context.answer(parameters, meanings(HeldOrderDays.columns), result, "sales")
