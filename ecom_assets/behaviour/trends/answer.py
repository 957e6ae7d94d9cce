"""The answer to a trend: its typed model, and how it is computed from a question and its events."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Kind, PeriodStart, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.trends.queries import trend_answer
from ecom_assets.behaviour.trends.question import TrendQuestion
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.behaviour.trends.text import lines
from ecom_assets.behaviour.trends.trend import STATES
from ecom_assets.core.rows import Answer, NamedValues


class Line(BaseModel):
    """The values of a series, or of one value of its breakdown."""

    name: str = Field(description="What a formula calls the series", examples=["A"])
    event_type: str | None = Field(description="What happens; null for anything")
    measure: str = Field(description="What is measured", examples=["visitors"])
    of: str | None = Field(None, description="Of which column")
    each: str | None = Field(None, description="How a visitor's values of it are combined")
    where: Any = Field(None, description="What must hold of an event")
    occurrence: str | None = Field(
        None, description="Which of a visitor's events count; null for every one"
    )
    breakdown: str | None = Field(description="The value; null where none are compared")
    total: float | None = number(
        "Total", "decimal", "The same over all of the range; visitors are distinct there"
    )
    values: list[float | None] = number("Value", "decimal", "By period; null where it is not known")
    previous: list[float | None] | None = number(
        "Before", "decimal", "By period of the range before", default=None
    )


class FormulaLine(BaseModel):
    """The values of the formula, for one value of the breakdown."""

    breakdown: str | None = Field(description="The value; null where none are compared")
    total: float | None = number("Total", "decimal", "The formula of the totals of the series")
    values: list[float | None] = number("Value", "decimal", "By period; null where it is not known")


class StickyVisitors(BaseModel):
    """The visitors who did something in a number of periods."""

    period_count: int = number("Periods", "count", "In so many periods", examples=[3])
    exactly: int | None = number("Exactly", "count", "Visitors who did it in so many periods")
    at_least: int | None = number(
        "At least", "count", "Visitors who did it in so many periods or more"
    )


class OfVisitors(BaseModel):
    """A series of which visitors are counted."""

    name: str = Field(description="Name of the series", examples=["A"])
    event_type: str | None = Field(description="What happens; null for anything")
    measure: str = Field(description="As requested; visitors are counted in any case")
    where: Any = Field(None, description="What must hold of an event")


class Stickiness(OfVisitors):
    """In how many periods visitors did something, for a series and a value of its breakdown."""

    breakdown: str | None = Field(description="The value; null where none are compared")
    visitor_count: int | None = number("Visitors", "count", "Visitors who did it at all")
    visitors: list[StickyVisitors] = Field(description="From one period to all of the range")


class Lifecycle(OfVisitors):
    """Visitors by state, for a series."""

    new: list[int | None] = number(
        "New", "count", "By period: visitors who do it for the first time in the data"
    )
    returning: list[int | None] = number(
        "Returning", "count", "Those who did it in the period before, too"
    )
    resurrecting: list[int | None] = number(
        "Resurrecting", "count", "Those who did it earlier, but not in the period before"
    )
    dormant: list[int | None] = number(
        "Dormant", "count", "Those who did it in the period before and not in this one"
    )


class TrendAnswer(QuestionAnswer):
    """The result of a custom trend."""

    periods: list[PeriodStart] = Field(description="First day of each period; start of each hour")
    complete: list[bool] = Field(
        description="Whether all of its days are in the range and can no longer grow"
    )
    total_count: int | None = Field(description="How many lines there are")
    series: list[Line] = Field(description="By series, then by value, the most frequent first")
    formula: list[FormulaLine] | None = Field(
        description="By value; null where no formula is requested"
    )
    stickiness: list[Stickiness] | None = Field(
        None, description="By series, then by value; null for another kind"
    )
    lifecycle: list[Lifecycle] | None = Field(None, description="By series; null for another kind")


def compute(question: TrendQuestion, data: QuestionData) -> Answer:
    """Return the values of each series by period;
    a period is unknown if nothing at all is known of its days.

    Raises:
        DefinitionError: The definition does not fit the events or the days.
    """
    opened = data.opened
    days = TrendRange.between(
        data.event_days, data.days, opened.timezone, opened.newest_at, opened.known.missing
    )
    answer = partial(
        trend_answer, data.con, data.all_events, question, source_names=data.source.source_names
    )
    result = answer(days)
    # Over files it takes most of the time of a question to see which days have no event.
    if not _has_empty_period(result):
        return result
    missing = opened.missing(days.known_first, days.known_last)
    return result if missing == days.missing else answer(replace(days, missing=missing))


def _has_empty_period(result: NamedValues) -> bool:
    lines = [series["values"] for series in result["series"]]
    lines += [part[state] for part in result.get("lifecycle", ()) for state in STATES]
    return any(not any(values) for values in zip(*lines, strict=True))


TREND: Final = Kind(
    "trend",
    TrendQuestion,
    TrendAnswer,
    compute,
    "Events, visitors and sums over time",
    lists=("series", "stickiness", "lifecycle"),
    without="there is no trend",
    compares_itself=True,
    lines=lines,
)
