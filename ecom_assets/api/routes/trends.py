"""The route for custom trends by POST: counts and sums of events over time."""

from typing import Any, Literal

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.parameters import Context, JustSliced
from ecom_assets.api.questions import (
    Body,
    Breakdown,
    Conditions,
    Name,
    QuestionEvents,
    RequestBody,
    Weekday,
    question_router,
)
from ecom_assets.questions.answer import PeriodStart, QuestionAnswer
from ecom_assets.tables.first_events import MAX_TIMES
from ecom_assets.tables.queries import Extent
from ecom_assets.trends.definition import MAX_SERIES, Trend
from ecom_assets.trends.queries import trend_answer
from ecom_assets.trends.range import Range

questions = question_router()


class SeriesBody(RequestBody):
    """A series: which events, and the measure of them."""

    event_type: Name | None = Field(None, description="What happens; default anything", examples=["purchase"])
    measure: str = Field(
        "count",
        max_length=20,
        description="count, visitors, wau, mau, distinct, sum, mean, min, max, median, p25 to p99; mean_per_visitor "
        "and so on",
    )
    of: Name | None = Field(
        None, description="Number column, for distinct any column; not for count and visitors", examples=["cart_amount"]
    )
    each: Literal["sum", "mean", "min", "max"] | None = Field(
        None, description="How a visitor's values of the column are combined, for measures per visitor; default sum"
    )
    where: Conditions
    occurrence: Literal["every", "first_time", "first_ever"] | None = Field(
        None,
        description="first_time: only a visitor's first that meets the conditions, in all data; first_ever: of its "
        "type",
    )


class TrendBody(Body):
    """The definition of a trend; see docs/metrics.md."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"series": ["purchase:visitors", "*:visitors"], "formula": "A / B"}]}
    )

    series: list[SeriesBody | Name] = Field(
        min_length=1, max_length=MAX_SERIES, description="Lines, also as text such as purchase:sum(cart_amount)"
    )
    period: Literal["minute", "hour", "day", "week", "month", "quarter", "year"] = Field(
        "day", description="Length of a period"
    )
    kind: Literal["trend", "stickiness", "lifecycle"] = Field(
        "trend", description="Values by period, visitors by number of periods, or visitors by state and period"
    )
    week_start: Weekday = Field("monday", description="Weekday on which weeks begin")
    by: Breakdown | None = Field(None, description="Column to compare, bins such as cart_amount:bins=5, or up to 5")
    limit: int = Field(10, ge=1, le=1_000, description="How many values to show; the others are (other)")
    where: Conditions
    per: Name = Field("user", description="user, or properties.key: its values take the place of visitors")
    at_least: StrictInt = Field(1, ge=1, le=MAX_TIMES, description="Events that a period of stickiness needs")
    cumulative: bool = Field(default=False, description="Whether a period has all that came since the first")
    moving_average: int = Field(1, ge=1, le=1_000, description="Mean of so many periods up to each")
    compare: bool = Field(default=False, description="Whether the range of as many days before stands beside it")
    formula: str | None = Field(None, max_length=200, description="Arithmetic over the series A, B and so on")
    preset: Literal["posthog", "amplitude", "mixpanel", "clickhouse", "ga4"] | None = Field(
        None, description="What this tool would do wherever the body says nothing"
    )


class Line(BaseModel):
    """The values of a series, or of one value of its breakdown."""

    name: str = Field(description="What a formula calls the series", examples=["A"])
    event_type: str | None = Field(description="What happens; null for anything")
    measure: str = Field(description="What is measured", examples=["visitors"])
    of: str | None = Field(None, description="Of which column")
    each: str | None = Field(None, description="How a visitor's values of it are combined")
    where: Any = Field(None, description="What must hold of an event")
    occurrence: str | None = Field(None, description="Which of a visitor's events count; null for every one")
    breakdown: str | None = Field(description="The value; null where none are compared")
    total: float | None = Field(description="The same over all of the range; visitors are distinct there")
    values: list[float | None] = Field(description="By period; null where it is not known")
    previous: list[float | None] | None = Field(None, description="By period of the range before")


class FormulaLine(BaseModel):
    """The values of the formula, for one value of the breakdown."""

    breakdown: str | None = Field(description="The value; null where none are compared")
    values: list[float | None] = Field(description="By period; null where it is not known")


class StickyVisitors(BaseModel):
    """The visitors who did something in a number of periods."""

    period_count: int = Field(description="In so many periods", examples=[3])
    exactly: int = Field(description="Visitors who did it in so many periods")
    at_least: int = Field(description="Visitors who did it in so many periods or more")


class Stickiness(BaseModel):
    """In how many periods visitors did something, for a series and a value of its breakdown."""

    name: str = Field(description="Name of the series", examples=["A"])
    event_type: str | None = Field(description="What happens; null for anything")
    measure: str = Field(description="As requested; visitors are counted in any case")
    where: Any = Field(None, description="What must hold of an event")
    breakdown: str | None = Field(description="The value; null where none are compared")
    visitor_count: int = Field(description="Visitors who did it at all")
    visitors: list[StickyVisitors] = Field(description="From one period to all of the range")


class Lifecycle(BaseModel):
    """Visitors by state, for a series."""

    name: str = Field(description="Name of the series", examples=["A"])
    event_type: str | None = Field(description="What happens; null for anything")
    measure: str = Field(description="As requested; visitors are counted in any case")
    where: Any = Field(None, description="What must hold of an event")
    new: list[int | None] = Field(description="By period: visitors who do it for the first time in the data")
    returning: list[int | None] = Field(description="Those who did it in the period before, too")
    resurrecting: list[int | None] = Field(description="Those who did it earlier, but not in the period before")
    dormant: list[int | None] = Field(description="Those who did it in the period before and not in this one")


class TrendAnswer(QuestionAnswer):
    """The result of a custom trend."""

    periods: list[PeriodStart] = Field(description="First day of each period; start of each hour")
    complete: list[bool] = Field(description="Whether all of its days are in the range and can no longer grow")
    total_count: int = Field(description="How many lines there are")
    series: list[Line] = Field(description="By series, then by value, the most frequent first")
    formula: list[FormulaLine] | None = Field(description="By value; null where no formula is requested")
    stickiness: list[Stickiness] | None = Field(None, description="By series, then by value; null for another kind")
    lifecycle: list[Lifecycle] | None = Field(None, description="By series; null for another kind")
    warnings: list[str] = Field(description="Requested event types that no event has, a sentence each")


@questions.post("/analytics/trend", response_model=TrendAnswer, summary="A custom trend")
def trend(context: Context, parameters: JustSliced, body: TrendBody) -> dict[str, Any]:
    """Return counts of events or visitors over time, or statistics of a number column."""
    definition = Trend.from_mapping(body.as_definition())
    require_personal(context.request.scope, definition.columns)
    question = QuestionEvents(context, body)

    def count(con: SQLBackend, events: ir.Table, extent: Extent) -> dict[str, Any]:
        seen = question.seen(con) if definition.is_compared else events
        reach = Range.of_question(
            question.reach(extent), question.days, question.timezone, question.newest_at, question.known.missing
        )
        return trend_answer(con, seen, definition, reach)

    return question.answer(parameters, count, reads_all=definition.reads_all)
