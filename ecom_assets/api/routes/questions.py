"""Funnels and retention of one's own. Not here: the counting (`answers/`), its bounds (`store.py`)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

import ibis.expr.types as ir
from fastapi import APIRouter
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from ecom_assets.api.auth.personal_data import require_personal
from ecom_assets.api.models import Answer, Money
from ecom_assets.api.parameters import Ask, Asking, JustSliced, Sliced
from ecom_assets.api.problems import documented
from ecom_assets.api.store.store import QuestionTooLargeError
from ecom_assets.errors import DefinitionError
from ecom_assets.funnels.definition import MAX_STEPS, MIN_STEPS, Funnel
from ecom_assets.funnels.queries import MOST_COMPILED_STEPS, check_columns, funnel_answer, is_small_enough
from ecom_assets.retention.queries import retention_answer
from ecom_assets.retention.rule import MAX_PERIOD, RetentionRule
from ecom_assets.sales.coverage import known_days
from ecom_assets.tables.queries import EVENTS, Extent, Period, TimeRange, cut, require, within

router = APIRouter(tags=["ad hoc"])
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Count = Callable[[SQLBackend, ir.Table, Extent], dict[str, Any]]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Order = Literal[
    "ordered", "strict_increase", "clickhouse_default", "strict_order", "allow_reentry", "strict_deduplication",
    "any", "exact",
]  # fmt: skip


class Body(BaseModel):
    """What all definitions may say: which days' events are looked at."""

    model_config = ConfigDict(extra="forbid")

    time_range: TimeRange | None = Field(None, description="Days whose events are looked at; default all")
    start_date: date | None = Field(None, description="First of them, for custom")
    end_date: date | None = Field(None, description="Last of them, for custom")

    def covered(self, newest: date) -> Period | None:
        """Return the days; None for all."""
        if self.time_range is None and self.start_date is None and self.end_date is None:
            return None
        return Period.of(newest, self.time_range, self.start_date, self.end_date)


class StepAsked(BaseModel):
    """A step: an event type, with conditions."""

    model_config = ConfigDict(extra="forbid")

    event_type: Name = Field(description="What happens", examples=["product_view"])
    where: dict[Name, Scalar] = Field(
        default_factory=dict,
        max_length=20,
        description="Values of columns; `properties.key` names a value inside the JSON column",
        examples=[{"product_category": "shoes"}],
    )


class ExclusionAsked(StepAsked):
    """An event that may not come between two steps."""

    after: int = Field(1, ge=1, le=MAX_STEPS, description="The step after which it may not happen")
    before: int | None = Field(None, ge=2, le=MAX_STEPS, description="The step before which; default the last")


class FunnelBody(Body):
    """A funnel's definition; see docs/metrics.md."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "steps": [
                        {"event_type": "product_view"},
                        {"event_type": "add_to_cart"},
                        {"event_type": "purchase"},
                    ],
                    "within": "7d",
                    "by": "product_category",
                }
            ]
        }
    )

    steps: list[StepAsked | Name] = Field(min_length=MIN_STEPS, max_length=MAX_STEPS, description="In order")
    within: str = Field("7d", max_length=30, description="Time from first to last step, such as 30m, 12h or 7d")
    order: Order = Field("ordered", description="What may lie between steps: docs/metrics.md")
    per: Literal["user", "session", "totals"] = Field("user", description="What is counted")
    hold: list[Name] = Field(default_factory=list, max_length=10, description="Columns that keep one value throughout")
    exclude: list[ExclusionAsked | Name] = Field(
        default_factory=list, max_length=20, description="Events that may not come between steps"
    )
    exclusion_rule: Literal["mixpanel", "posthog"] = Field("mixpanel", description="What an excluded event does")
    by: Name | None = Field(None, description="Column of the breakdown")
    by_attribution: str = Field("first", max_length=10, description="first, last, all or step_2 and the like")
    limit: int = Field(25, ge=1, le=1_000, description="Values that stand by themselves; the others are Other")

    def funnel(self) -> Funnel:
        """Return the definition."""
        told = self.model_dump(exclude={"time_range", "start_date", "end_date"}, exclude_none=True)
        return Funnel.from_mapping(told)


class Bar(BaseModel):
    """How many took so long."""

    from_s: int = Field(description="From so many seconds on")
    to_s: int | None = Field(description="To so many; null for all that took longer")
    count: int = Field(description="Units")


class FunnelStepAnswer(BaseModel):
    """How many got to a step, and how long it took them."""

    step: int = Field(description="Place of the step, from 1")
    event_type: str = Field(description="What happens")
    count: int = Field(description="Units that got there")
    conversion_from_start: float | None = Field(description="Share of those at step 1")
    conversion_from_previous: float | None = Field(description="Share of those at the step before")
    median_s_from_previous: float | None = Field(description="Median of the seconds since the step before")
    p90_s_from_previous: float | None = Field(description="90th percentile of these")
    median_s_from_start: float | None = Field(description="Median of the seconds since step 1")
    p90_s_from_start: float | None = Field(description="90th percentile of these")
    histogram_from_previous: list[Bar] = Field(description="How long it took since the step before")


class FunnelPart(BaseModel):
    """The funnel of one value of the breakdown."""

    value: str | None = Field(description="The value; Other for those beyond the limit")
    steps: list[FunnelStepAnswer] = Field(description="The steps in order")


class FunnelAnswer(Answer):
    """A funnel."""

    event_count: int = Field(description="Events that were looked at")
    steps: list[FunnelStepAnswer] = Field(description="The steps in order")
    total_count: int = Field(description="How many values the breakdown has")
    breakdown: list[FunnelPart] = Field(description="By value, the most frequent first")
    warnings: list[str] = Field(description="Event types asked for that no event has, a sentence each")


class RetentionBody(Body):
    """What retention is asked for; see docs/metrics.md."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"period": "week", "start": "purchase"}]})

    start: Name | None = Field(None, description="Event type that puts a visitor into a cohort; default any")
    returning: Name | None = Field(None, description="Event type that counts as coming back; default any")
    period: Literal["day", "week", "month"] = Field("week", description="Length of a period")
    mode: Literal["on", "on_or_after", "bracket"] = Field("on", description="What counts as coming back in N")
    clock: Literal["calendar", "rolling"] = Field("calendar", description="Periods of the calendar, or of 24 hours")
    week_start: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = Field(
        "monday", description="Weekday on which weeks begin"
    )
    brackets: list[tuple[StrictInt, StrictInt]] | None = Field(
        None, min_length=1, max_length=100, description="First and last period of each bracket, for mode=bracket"
    )
    last_period: StrictInt | None = Field(None, ge=0, le=MAX_PERIOD, description="Periods after this one are not told")

    def rule(self) -> RetentionRule:
        """Return the definition."""
        told = self.model_dump(exclude={"time_range", "start_date", "end_date", "brackets"}, exclude_none=True)
        if self.brackets is not None:
            if any(min(one) < 0 for one in self.brackets):
                raise DefinitionError("Periods of a bracket are counted from 0; give no negative ones.")
            told["brackets"] = tuple(self.brackets)
        return RetentionRule(**told)


class Cohort(BaseModel):
    """Those who began in one period."""

    cohort: date = Field(description="First day of the period")
    size: int = Field(description="Visitors")
    returned: list[int] = Field(description="Of these, those who came back, by period from 0")
    complete: list[bool] = Field(description="Whether the period is over for all of them")
    revenue: list[Money | None] = Field(description="What they had paid by then; null where events carry no money")
    lifetime_value: list[float | None] = Field(description="The same per visitor")


class RetentionTotal(BaseModel):
    """All cohorts that are complete in a period."""

    period: str = Field(description="The period, from 0; or the bracket", examples=["1"])
    cohorts: int = Field(description="Cohorts that are complete")
    size: int = Field(description="Their visitors")
    returned: int = Field(description="Those who came back")
    rate: float | None = Field(description="The share of these; null where no cohort is complete")
    revenue: Money | None = Field(description="What they had paid by then")
    lifetime_value: float | None = Field(description="The same per visitor")


class RetentionAnswer(Answer):
    """Retention of cohorts."""

    event_count: int = Field(description="Events that were looked at")
    total_count: int = Field(description="How many cohorts there are")
    cohorts: list[Cohort] = Field(description="By start")
    totals: list[RetentionTotal] = Field(description="By period")
    warnings: list[str] = Field(description="Event types asked for that no event has, a sentence each")


@router.post(
    "/analytics/funnel",
    response_model=FunnelAnswer,
    summary="A funnel of one's own",
    responses=documented(400, 409, 413),
)
def funnel(ask: Ask, asked: JustSliced, body: FunnelBody) -> dict[str, Any]:
    """Count a funnel over clean events; what would take too long or too much is refused."""
    definition = body.funnel()
    require_personal(ask.request.scope, definition)
    check_columns(definition, ask.reading.lacking)
    if not is_small_enough(ask.reading.engine_name, definition):
        raise QuestionTooLargeError(
            f"A funnel with a breakdown, exclusions or this order has at most {MOST_COMPILED_STEPS} steps here, "
            f"not {len(definition.steps)}; ask for fewer, or use `ecom funnel`."
        )
    return _answered(ask, asked, body, lambda con, events, _: funnel_answer(con, events, definition, ask.session_rule))


@router.post(
    "/analytics/retention",
    response_model=RetentionAnswer,
    summary="Retention of one's own",
    responses=documented(400, 409, 413),
)
def retention(ask: Ask, asked: JustSliced, body: RetentionBody) -> dict[str, Any]:
    """Count who came back, over clean events; what would take too long or too much is refused."""
    rule = body.rule()
    zone = ask.reading.timezone
    return _answered(ask, asked, body, lambda con, events, extent: retention_answer(con, events, rule, extent, zone))


def _answered(ask: Asking, asked: Sliced, body: Body, count: Count) -> dict[str, Any]:
    """Count over the events that are asked for, if they are not too many.

    Args:
        ask: The request.
        asked: Its parameters.
        body: Its definition.
        count: From a connection, events and their extent to the answer.
    """
    reading = ask.reading
    require(reading, EVENTS)
    known = known_days(reading, [EVENTS])
    covered = body.covered(known[EVENTS].last or reading.newest_date)
    events = within(reading.events(), covered)
    extent = Extent.of(reading, events)
    most = ask.settings.adhoc_most_events
    if extent.event_count > most:
        raise QuestionTooLargeError(
            f"The question is of {extent.event_count:,} events, more than the {most:,} of ECOM_ADHOC_MOST_EVENTS; ask "
            "about fewer days."
        )
    with reading.adhoc() as con:
        found = count(con, within(reading.events_in(con), covered), extent)
    definition = found.pop("definition")
    rows = "breakdown" if "breakdown" in found else "cohorts"
    numbers = cut({"event_count": extent.event_count, **found}, rows, asked.limit, asked.offset)
    period = replace(covered or extent.period(reading.newest_date), known=known)
    return ask.answer(asked, definition, numbers, period)
