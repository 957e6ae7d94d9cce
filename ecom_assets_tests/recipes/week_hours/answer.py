"""The answer about hours of the week: events by weekday and hour."""

from typing import Any, Final

from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.core.tables.columns import holds
from ecom_assets.core.tables.days import days_definition
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.values import WEEKDAYS
from ecom_assets_tests.recipes.week_hours.question import WeekHoursQuestion
from ecom_assets_tests.recipes.week_hours.text import lines


class WeekHour(BaseModel):
    """An hour of the week in which something happened."""

    weekday: str = Field(title="Weekday", description="Weekday in UTC")
    hour: int = number("Hour", "count", "Hour of that day in UTC, from 0 to 23")
    event_count: int = number("Events", "count", "Events of that hour, over all weeks")


class WeekHoursAnswer(QuestionAnswer):
    """When events happen."""

    hours: list[WeekHour] = Field(description="Hours with events, from Monday on")


def compute(question: WeekHoursQuestion, data: QuestionData) -> dict[str, Any]:
    """Return the events of each hour of the week."""
    events = data.events.filter(holds(data.events, question.where))
    if question.event_type != "*":
        events = events.filter(events.event_type == question.event_type)
    events = events.mutate(weekday=events.event_at.day_of_week.index(), hour=events.event_at.hour())
    by_hour = (
        events.group_by("weekday", "hour")
        .agg(event_count=events.count())
        .order_by("weekday", "hour")
    )
    return {
        "definition": question.to_mapping() | days_definition(data.days),
        "hours": [{**row, "weekday": WEEKDAYS[row["weekday"]]} for row in rows_of(by_hour)],
    }


WEEK_HOURS: Final = Kind(
    "week-hours",
    WeekHoursQuestion,
    WeekHoursAnswer,
    compute,
    "Events by hour of the week",
    tool="week_hours",
    lists=("hours",),
    lines=lines,
)
