"""The calendar periods that a shop looks at: its last day, its last week, and this month so far.

The newest day in the data decides which these are, not the clock. A period is whole: each source of
a number has all of its days, and none of them is still going on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from ecom_assets.core.tables.days import ONE_DAY, first_day_of
from ecom_assets.core.tables.queries import Period

PeriodName = Literal["day", "week", "month"]
WEEK: Final = timedelta(days=7)
YEAR_OF_WEEKS: Final = 52 * WEEK
"""A year before a day or a week: the same weekday."""
MOST_WEEKS_BACK: Final = 8
"""How far back a whole day or week is looked for."""


@dataclass(frozen=True)
class CalendarPeriod:
    """Days of the calendar, and those that they stand beside, each from its first to its last."""

    days: tuple[date, date]
    before: tuple[date, date]
    year_before: tuple[date, date]


def calendar_periods(
    period: Period, week_start: str, open_from: date | None
) -> dict[PeriodName, CalendarPeriod]:
    """Return the last whole day, the last whole week, and the month so far, those that there are.

    Args:
        period: Its last day is the newest that may be shown; it knows the days of its sources.
        week_start: The weekday on which weeks begin, such as `monday`.
        open_from: The first day that is not over; None if all are.
    """
    newest = period.end_date if open_from is None else min(period.end_date, open_from - ONE_DAY)
    day = next((day for day in _back(newest, ONE_DAY) if _is_whole(period, day, day)), None)
    first = first_day_of(newest + ONE_DAY, "week", week_start) - WEEK
    weeks = (start for start in _back(first, WEEK) if _is_whole(period, start, _end_of_week(start)))
    week = next(weeks, None)
    result: dict[PeriodName, CalendarPeriod] = {}
    if day is not None:
        result |= {"day": _weekly(day, day), "month": _month_so_far(day)}
    if week is not None:
        result["week"] = _weekly(week, _end_of_week(week))
    return result


def _back(start: date, step: timedelta) -> Iterator[date]:
    for number in range(MOST_WEEKS_BACK * WEEK // step):
        yield start - number * step


def _end_of_week(start: date) -> date:
    return start + WEEK - ONE_DAY


def _is_whole(period: Period, first: date, last: date) -> bool:
    return Period("custom", first, last, period.known).data == "whole"


def _weekly(first: date, last: date) -> CalendarPeriod:
    """Return a day or a week beside the same weekdays a week and 52 weeks before."""
    before, year_before = ((first - back, last - back) for back in (WEEK, YEAR_OF_WEEKS))
    return CalendarPeriod((first, last), before, year_before)


def _month_so_far(last: date) -> CalendarPeriod:
    """Return the month up to a day, beside the same dates of the month before and the year before.

    A month that is over stands beside whole months, whatever their lengths.
    """
    first = last.replace(day=1)
    is_over = (last + ONE_DAY).day == 1
    end_of_last_month = first - ONE_DAY
    before = end_of_last_month.replace(day=1), _same_day(end_of_last_month, last.day, is_over)
    end_last_year = _end_of_month(first.replace(year=first.year - 1))
    year_before = end_last_year.replace(day=1), _same_day(end_last_year, last.day, is_over)
    return CalendarPeriod((first, last), before, year_before)


def _end_of_month(day: date) -> date:
    return (day.replace(day=28) + 4 * ONE_DAY).replace(day=1) - ONE_DAY


def _same_day(end_of_month: date, number: int, is_over: bool) -> date:  # noqa: FBT001 (read where it is called)
    """Return the day of a number in a month, at most its last; the last if the other is over."""
    return end_of_month if is_over else end_of_month.replace(day=min(number, end_of_month.day))
