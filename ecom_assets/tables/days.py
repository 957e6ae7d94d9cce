"""Days: the unit by which tables are cut, replaced and read. Half-open everywhere.

No clock is read here: what day it is today is the caller's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Final
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.portable import union_all

ONE_DAY = timedelta(days=1)
NO = ibis.literal(value=False)


@dataclass(frozen=True)
class Days:
    """A set of days in the reporting time zone, in order and without repeats; it may have gaps."""

    dates: tuple[date, ...]

    @classmethod
    def of(cls, dates: Iterable[date]) -> "Days":
        """Make a set of the given days."""
        return cls(tuple(sorted(set(dates))))

    @classmethod
    def between(cls, first: date, end: date) -> "Days":
        """Every day in `[first, end)`."""
        return cls(tuple(first + timedelta(days=n) for n in range((end - first).days)))

    @property
    def first(self) -> date:
        """Return the earliest day."""
        return self.dates[0]

    @property
    def end(self) -> date:
        """Return the day after the latest."""
        return self.dates[-1] + ONE_DAY

    def widened(self, *, before: int = 0, after: int = 0) -> "Days":
        """Add the given numbers of days before and after each day."""
        wider = [Days.between(first - before * ONE_DAY, end + after * ONE_DAY) for first, end in self.runs()]
        return Days.of(a_day for run in wider for a_day in run.dates)

    def runs(self) -> list[tuple[date, date]]:
        """Return the half-open runs of days without a gap."""
        runs: list[tuple[date, date]] = []
        for a_day in self.dates:
            if runs and runs[-1][1] == a_day:
                runs[-1] = (runs[-1][0], a_day + ONE_DAY)
            else:
                runs.append((a_day, a_day + ONE_DAY))
        return runs

    def contain(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date column holds one of these days."""
        if not self.dates:
            return NO
        return reduce(
            or_,
            [(column >= ibis.literal(first)) & (column < ibis.literal(end)) for first, end in self.runs()],
        )


def day_starts_at(a_day: date, timezone: str) -> datetime:
    """Return the UTC instant, without zone, at which a day of a time zone starts."""
    return datetime.combine(a_day, time(), ZoneInfo(timezone)).astimezone(UTC).replace(tzinfo=None)


def day_start(column: ir.DateColumn, days: Days, timezone: str) -> ir.TimestampColumn:
    """Return the UTC instant at which each day of a date column starts.

    Args:
        column: Days, all of them among `days` or between them.
        days: Bounds for the search of changes of the zone's offset, such as daylight saving.
        timezone: An IANA name.
    """
    midnight = column.cast("timestamp(6)")
    if timezone == "UTC" or not days.dates:
        return midnight
    *changes, (_, last_offset_s) = _offset_changes(days.first, days.end, timezone)
    offset_s = ibis.literal(last_offset_s, "int64")
    if changes:
        offset_s = ibis.cases(
            *((column < ibis.literal(until), before_s) for until, before_s in changes), else_=offset_s
        )
    return midnight - offset_s.cast("int64").as_interval("s")


def _offset_changes(first: date, end: date, timezone: str) -> list[tuple[date, int]]:
    changes: list[tuple[date, int]] = []
    for a_day in Days.between(first, end + ONE_DAY).dates:
        offset_s = int((datetime.combine(a_day, time()) - day_starts_at(a_day, timezone)).total_seconds())
        if changes and changes[-1][1] == offset_s:
            changes.pop()
        changes.append((a_day + ONE_DAY, offset_s))
    return changes


def day_table(days: Days) -> ir.Table:
    """Return the days as rows of one column, `day`, made of literals alone; there must be one at least."""
    numbers = number_table((days.end - days.first).days)
    dated = numbers.select(day=_moved(ibis.literal(days.first), numbers.number))
    return dated.filter(days.contain(dated.day))


def number_table(count: int) -> ir.Table:
    """Return the whole numbers from 0, so many and one at least, as rows of one column, `number`, made of literals."""
    digits = union_all(*(ibis.literal(n, "int64").name("digit").as_table() for n in range(10)))
    numbers = digits.select(number="digit")
    for power in range(1, len(str(count - 1))):
        tens = digits.select(more=digits.digit * 10**power)
        both = numbers.cross_join(tens)
        numbers = both.select(number=both.number + both.more)
    return numbers.filter(numbers.number < count)


def start_of_week(day: ir.DateValue, weekday: int = 0) -> ir.DateValue:
    """Return the first day of the week that a day is in: the Monday, or another weekday counted from it."""
    since = day.day_of_week.index().cast("int64")
    if weekday:
        since = (since + 7 - weekday) % 7
    return _moved(day, -since)


def month_start(day: ir.DateValue) -> ir.DateValue:
    """Return the first day of the month that a day is in."""
    return _moved(day, 1 - day.day().cast("int64"))


def iso_year_number(monday: ir.DateValue) -> ir.IntegerValue:
    """Return the year that an ISO week belongs to: that of its Thursday."""
    return _thursday(monday).year().cast("int64")


def iso_week_number(monday: ir.DateValue) -> ir.IntegerValue:
    """Return the number of an ISO week in its year: how many Thursdays of the year there were, its own included."""
    return ((_thursday(monday).day_of_year().cast("int64") + 6) // 7).cast("int64")


def _thursday(monday: ir.DateValue) -> ir.DateValue:
    return _moved(monday, ibis.literal(3, "int64"))


def _moved(day: ir.DateValue, by_days: ir.IntegerValue) -> ir.DateValue:
    # Engines make an instant of a day and an interval, which Ibis takes for a day and would not cast to one.
    return (day.cast("timestamp(6)") + by_days.as_interval("D")).cast("date")


WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday."""
AHEAD_WEEKS = 110_000
"""Weeks added before dividing, as engines disagree on how to divide what lies before 1970."""


def period_number(day: ir.DateValue, period: str, week_start: str = "monday") -> ir.IntegerValue:
    """Return the number of the period that a day is in; neighbours differ by one."""
    if period == "month":
        return (day.year().cast("int64") * 12 + day.month().cast("int64")).cast("int64")
    days = (day.cast("timestamp(6)").epoch_seconds().cast("int64") // 86_400).cast("int64")
    if period == "day":
        return days
    return ((days + EPOCH_WEEKDAY - WEEKDAYS.index(week_start) + 7 * AHEAD_WEEKS) // 7).cast("int64")


def period_start(day: ir.DateValue, period: str, week_start: str = "monday") -> ir.DateValue:
    """Return the first day of the period that a day is in."""
    if period == "day":
        return day
    return month_start(day) if period == "month" else start_of_week(day, WEEKDAYS.index(week_start))


FIRST_PLAUSIBLE = date(1990, 1, 1)
LAST_PLAUSIBLE = date(2099, 12, 31)


def is_plausible(day: date) -> bool:
    """Tell whether something can have happened on a day."""
    return FIRST_PLAUSIBLE <= day <= LAST_PLAUSIBLE


def is_implausible(moment: ir.TimestampColumn, first_day: date = FIRST_PLAUSIBLE) -> ir.BooleanValue:
    """Tell whether an instant lies a day or more outside of the plausible days; a missing one does not."""
    first = ibis.literal(datetime.combine(first_day - ONE_DAY, time()), type="timestamp")
    end = ibis.literal(datetime(2100, 1, 2), type="timestamp")  # noqa: DTZ001 (UTC without saying so)
    return ((moment < first) | (moment >= end)).fill_null(NO)
