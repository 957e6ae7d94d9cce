"""Days: the unit by which tables are partitioned, replaced and read. All ranges are half-open.

Nothing here reads the clock: the caller passes today's date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, reduce
from operator import or_
from typing import Final
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from ecom_assets.core.clock import is_zone
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.portable import NO, union_all
from ecom_assets.core.tables.values import WEEKDAYS, parse_days

ONE_DAY = timedelta(days=1)
FIRST_DATE: Final = date(1900, 1, 1)
LAST_DATE: Final = date(2200, 12, 31)
"""The first and the last day that can be asked for."""


@dataclass(frozen=True)
class Days:
    """A set of days in the reporting time zone: sorted, without duplicates, possibly with gaps."""

    dates: tuple[date, ...]

    @classmethod
    def from_dates(cls, dates: Iterable[date]) -> Days:
        """Return the set of some days."""
        return cls(tuple(sorted(set(dates))))

    @classmethod
    def between(cls, first: date, end: date) -> Days:
        """Return every day in `[first, end)`."""
        return cls(tuple(first + timedelta(days=n) for n in range((end - first).days)))

    @classmethod
    def through(cls, first: date, last: date) -> Days:
        """Return the days from the first to the last, both included."""
        return cls.between(first, last + ONE_DAY)

    @property
    def first(self) -> date:
        """Return the earliest day."""
        return self.dates[0]

    @property
    def end(self) -> date:
        """Return the day after the latest day."""
        return self.dates[-1] + ONE_DAY

    @property
    def is_none(self) -> bool:
        """Return whether there are no days."""
        return not self.dates

    def first_literal(self) -> ir.DateScalar:
        """Return the earliest day as a literal."""
        return ibis.literal(self.first)

    def span_digits(self) -> int:
        """Return how many digits number the days from the earliest to the latest, from 0 on."""
        return len(str((self.end - self.first).days - 1))

    def from_first(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date is not before these days."""
        return column >= self.first_literal()

    def before_end(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date is not after these days."""
        return column < ibis.literal(self.end)

    def widened(self, *, before: int = 0, after: int = 0) -> Days:
        """Return these days together with some days before and after each of them."""
        wider = [
            Days.between(first - before * ONE_DAY, end + after * ONE_DAY)
            for first, end in self.runs()
        ]
        return Days.from_dates(day for run in wider for day in run.dates)

    def runs(self) -> list[tuple[date, date]]:
        """Return the half-open ranges of consecutive days."""
        runs: list[tuple[date, date]] = []
        for day in self.dates:
            if runs and runs[-1][1] == day:
                runs[-1] = (runs[-1][0], day + ONE_DAY)
            else:
                runs.append((day, day + ONE_DAY))
        return runs

    def contain(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date column holds one of these days."""
        if not self.dates:
            return ibis.literal(value=False)
        return reduce(
            or_,
            [
                (column >= ibis.literal(first)) & (column < ibis.literal(end))
                for first, end in self.runs()
            ],
        )

    def reached_by(self, first: ir.DateColumn, last: ir.DateColumn) -> ir.BooleanValue:
        """Return the condition that one of these days lies between two dates, both included."""
        if not self.dates:
            return ibis.literal(value=False)
        return reduce(
            or_,
            [
                (first < ibis.literal(end)) & (last >= ibis.literal(start))
                for start, end in self.runs()
            ],
        )

    def begin_on(self, column: ir.DateColumn) -> ir.BooleanValue:
        """Return the condition that a date is the first of a range of these days."""
        return Days.from_dates(first for first, _ in self.runs()).contain(column)

    def offset_changes(self, timezone: str) -> tuple[list[tuple[date, int]], int]:
        """Return the offsets of a zone's midnights in seconds: the earlier ones in order, each with
        its end, and the last one.
        """
        *changes, (_, last_offset_s) = _offset_changes(self.first, self.end, timezone)
        return changes, last_offset_s

    def instant_offsets(self, timezone: str) -> list[tuple[datetime, int]]:
        """Return the offsets of a zone in seconds, in order, each with its end in UTC."""
        return _offsets(self.first, self.end, timezone)


@dataclass(frozen=True)
class OtherDays:
    """All days but some."""

    than: Days

    def contain(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date column holds one of the others."""
        return ~self.than.contain(column)


ANY_DAYS: Final = Days((date(2000, 1, 1), date(2037, 12, 31)))
"""For tables that are not cut by days: changes of clocks are looked for between these two."""


def listed_days(days: Days) -> str:
    """Return days as text: each range of consecutive days by its first and last day."""
    return ", ".join(span_text(first, end - ONE_DAY) for first, end in days.runs())


def span_text(first: date | str, last: date | str) -> str:
    """Return the first and the last day of a span as people read them, one day alone."""
    return str(first) if first == last else f"{first} to {last}"


def spans_text(parts: Iterable[Days]) -> str:
    """Return parts of a run, without gaps, as a tag: `2026-01-03/2026-01-05,2026-03-01/…`."""
    return ",".join(f"{part.first}/{part.dates[-1]}" for part in parts)


def days_of_spans(text: str) -> Days:
    """Return the days of parts from such a tag."""
    spans = [map(date.fromisoformat, span.split("/")) for span in text.split(",") if span]
    return Days.from_dates(day for first, last in spans for day in Days.through(first, last).dates)


CLOCK_CHANGE_S: Final = 3 * 3600
"""The most by which clocks can go forward, which can move the end of a time to a later day."""


def days_after(seconds: int) -> int:
    """Return how many days after its day a time from a moment can reach.

    Clock changes are included.
    """
    return -(-(seconds + CLOCK_CHANGE_S) // 86_400)


def utc_without_zone(at: datetime) -> datetime:
    """Return an instant with a zone as tables have it: in UTC, as a naive datetime."""
    return at.astimezone(UTC).replace(tzinfo=None)


def day_starts_at(day: date, timezone: str) -> datetime:
    """Return the UTC time, as a naive datetime, at which a day starts in a time zone."""
    return utc_without_zone(datetime.combine(day, time(), ZoneInfo(timezone)))


def day_start(column: ir.DateColumn, days: Days, timezone: str) -> ir.TimestampColumn:
    """Return the UTC time at which each day of a date column starts.

    Changes of the zone's offset, such as daylight saving, are looked for in `days`: no day is
    outside of their range. A table that has no days of its own takes `ANY_DAYS`.

    Raises:
        DefinitionError: There are no days, so the offset is not known.
    """
    _require_days(days)
    midnight = column.cast("timestamp(6)")
    if timezone == "UTC":
        return midnight
    changes, last_offset_s = days.offset_changes(timezone)
    offset_s = ibis.literal(last_offset_s, "int64")
    if changes:
        offset_s = ibis.cases(
            *((column < ibis.literal(until), before_s) for until, before_s in changes),
            else_=offset_s,
        )
    return midnight - offset_s.cast("int64").as_interval("s")


def _require_days(days: Days) -> None:
    if days.is_none:
        raise DefinitionError(
            "What clocks show depends on which days there are, and none were given; give those of "
            "the rows, or ANY_DAYS for a table that is not cut by days."
        )


MINUTE_S: Final = 60
QUARTER_S: Final = 900
"""Clocks change at a full quarter of an hour."""
LONGEST_DAY_S: Final = 25 * 3_600
LONG_AFTER: Final = datetime(9999, 1, 1)  # noqa: DTZ001 (in UTC, as all instants in tables)
HOUR_S: Final = 3_600
CLOCK_S: Final = {"minute": MINUTE_S, "hour": HOUR_S}
"""The lengths of the periods that are shorter than a day, in seconds."""


def hour_start(
    at: ir.TimestampValue, day: ir.DateColumn, days: Days, timezone: str, length_s: int = HOUR_S
) -> ir.TimestampValue:
    """Return the UTC time at which the hour of a moment starts.

    Hours are counted from the start of the local day.

    `at` is in UTC and `day` in the time zone; `days` is as for `day_start`. Another `length_s`, one
    of `CLOCK_S`, is for periods of another length.
    """
    midnight = day_start(day, days, timezone)
    since_s = at.epoch_seconds().cast("int64") - midnight.epoch_seconds().cast("int64")
    return midnight + ((since_s // length_s).cast("int64") * length_s).as_interval("s")


def clock_hour(at: ir.TimestampValue, days: Days, timezone: str) -> ir.IntegerValue:
    """Return the hour, from 0 to 23, that clocks in a time zone show at each moment.

    `at` is in UTC. `days` has the days of the moments in UTC, and one more on each side; a table
    that is not cut by days takes `ANY_DAYS`. Where clocks go back, the hour that they show twice
    has the moments of both.

    Raises:
        DefinitionError: There are no days, as of `day_start`.
    """
    _require_days(days)
    *changes, (_, last_offset_s) = days.instant_offsets(timezone)
    offset_s = ibis.literal(last_offset_s, "int64")
    if changes:
        branches = ((at < ibis.literal(until, "timestamp(6)"), before) for until, before in changes)
        offset_s = ibis.cases(*branches, else_=offset_s)
    return (at + offset_s.cast("int64").as_interval("s")).hour().cast("int64")


@lru_cache
def _offsets(first: date, end: date, timezone: str) -> list[tuple[datetime, int]]:
    """Return the offsets of a time zone in seconds, in order, each with its end in UTC."""
    zone = ZoneInfo(timezone)
    runs: list[tuple[datetime, int]] = []
    for day in Days.through(first, end).dates:
        start = day_starts_at(day, timezone)
        quarters = range(0, LONGEST_DAY_S, QUARTER_S) if _changes(day, timezone) else (0,)
        for second in quarters:
            at = start + timedelta(seconds=second)
            offset_s = int(
                (at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) - at).total_seconds()
            )
            if not runs or runs[-1][1] != offset_s:
                runs.append((at, offset_s))
    ends = [*(begins_at for begins_at, _ in runs[1:]), LONG_AFTER]
    return [(ends_at, offset_s) for ends_at, (_, offset_s) in zip(ends, runs, strict=True)]


def day_of(at: ir.TimestampValue, days: Days, timezone: str) -> ir.DateValue:
    """Return the day of each moment in a time zone.

    `days` has their days in UTC, and one more on each side.
    """
    first = days.first
    runs: list[tuple[datetime, ir.DateValue]] = []
    for day in Days.between(first, days.end).dates:
        start, end = day_starts_at(day, timezone), day_starts_at(day + ONE_DAY, timezone)
        offset, is_changed = datetime.combine(day, time()) - start, _changes(day, timezone)
        offset_s = ibis.literal(int(offset.total_seconds()), "int64")
        # A day on which the clock changes has two offsets, but is one day.
        result = ibis.literal(day) if is_changed else (at + offset_s.as_interval("s")).cast("date")
        if runs and not is_changed and day > first and not _changes(day - ONE_DAY, timezone):
            runs.pop()
        runs.append((end, result))
    *earlier, (_, last) = runs
    branches = [(at < ibis.literal(until, "timestamp(6)"), result) for until, result in earlier]
    return ibis.cases(*branches, else_=last) if branches else last


def _changes(day: date, timezone: str) -> bool:
    """Return whether the clock changes on a day."""
    return day_starts_at(day + ONE_DAY, timezone) - day_starts_at(day, timezone) != ONE_DAY


def hours_of(day: date, timezone: str, length_s: int = HOUR_S) -> list[datetime]:
    """Return the times at which the hours of a day start; there are 23 or 25 at clock changes."""
    zone = ZoneInfo(timezone)
    start, end = (day_starts_at(at, timezone).replace(tzinfo=UTC) for at in (day, day + ONE_DAY))
    count = -(-int((end - start).total_seconds()) // length_s)
    return [(start + timedelta(seconds=n * length_s)).astimezone(zone) for n in range(count)]


def period_text(start: date, timezone: str) -> str:
    """Return the start of a period as text: its day, or its hour with the zone's offset."""
    if isinstance(start, datetime):
        return (
            start.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).isoformat(timespec="minutes")
        )
    return str(start)


def hour_number(at: ir.TimestampValue, length_s: int = HOUR_S) -> ir.IntegerValue:
    """Return the number of the hour that starts at a UTC time; they are consecutive."""
    return (at.epoch_seconds().cast("int64") // length_s).cast("int64")


def _offset_changes(first: date, end: date, timezone: str) -> list[tuple[date, int]]:
    changes: list[tuple[date, int]] = []
    for day in Days.through(first, end).dates:
        offset_s = int(
            (datetime.combine(day, time()) - day_starts_at(day, timezone)).total_seconds()
        )
        if changes and changes[-1][1] == offset_s:
            changes.pop()
        changes.append((day + ONE_DAY, offset_s))
    return changes


def day_table(days: Days) -> ir.Table:
    """Return the days, at least one, as a table of literals with the column `day`."""
    # As many numbers as there are of so many digits: one more day is the same statement.
    numbers = number_table(10 ** days.span_digits())
    dated = numbers.select(day=add_days(days.first_literal(), numbers.number))
    return dated.filter(days.contain(dated.day))


def number_table(count: int) -> ir.Table:
    """Return the numbers from 0 to `count - 1` as a table of literals, in `number`."""
    digits = union_all(*(ibis.literal(n, "int64").name("digit").as_table() for n in range(10)))
    numbers = digits.select(number="digit")
    for power in range(1, len(str(count - 1))):
        tens = digits.select(more=digits.digit * 10**power)
        pairs = numbers.cross_join(tens)
        numbers = pairs.select(number=pairs.number + pairs.more)
    return numbers.filter(numbers.number < count)


def weekday_number(day: ir.DateValue) -> ir.IntegerValue:
    """Return the number of the weekday of a day; Monday is 1."""
    return day.day_of_week.index().cast("int64") + 1


def start_of_week(day: ir.DateValue, weekday: int = 0) -> ir.DateValue:
    """Return the first day of the week of a day; weeks start on `weekday`, Monday is 0."""
    since = day.day_of_week.index().cast("int64")
    if weekday:
        since = (since + 7 - weekday) % 7
    return add_days(day, -since)


def month_start(day: ir.DateValue) -> ir.DateValue:
    """Return the first day of the month that a day is in."""
    return add_days(day, 1 - day.day().cast("int64"))


def quarter_start(day: ir.DateValue) -> ir.DateValue:
    """Return the first day of the quarter that a day is in."""
    # 28 and 56 days before the first of a month are in the month before it, and in the one before
    # that.
    months_before = (day.month().cast("int64") - 1) % 3
    return month_start(add_days(month_start(day), -28 * months_before))


def year_start(day: ir.DateValue) -> ir.DateValue:
    """Return the first day of the year that a day is in."""
    return add_days(day, 1 - day.day_of_year().cast("int64"))


def iso_year_number(monday: ir.DateValue) -> ir.IntegerValue:
    """Return the year that an ISO week belongs to: the year of its Thursday."""
    return _thursday(monday).year().cast("int64")


def iso_week_number(monday: ir.DateValue) -> ir.IntegerValue:
    """Return the number of an ISO week in its year: the number of Thursdays until its own."""
    return ((_thursday(monday).day_of_year().cast("int64") + 6) // 7).cast("int64")


def _thursday(monday: ir.DateValue) -> ir.DateValue:
    return add_days(monday, ibis.literal(3, "int64"))


def add_days(day: ir.DateValue, by_days: ir.IntegerValue) -> ir.DateValue:
    """Return the day that is some days after another; before it for a negative number."""
    # Engines return a timestamp for a date plus an interval. Ibis expects a date there and would
    # skip the cast to one.
    return (day.cast("timestamp(6)") + by_days.as_interval("D")).cast("date")


EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday."""
AHEAD_WEEKS = 110_000
"""Weeks that are added before a division.

Engines divide the negative numbers before 1970 differently.
"""


def period_number(day: ir.DateValue, period: str, week_start: str = "monday") -> ir.IntegerValue:
    """Return the number of the period that a day is in; numbers are consecutive."""
    year, month = day.year().cast("int64"), day.month().cast("int64")
    if period in {"month", "quarter", "year"}:
        return {"month": year * 12 + month, "quarter": year * 4 + (month + 2) // 3, "year": year}[
            period
        ].cast("int64")
    days = (day.cast("timestamp(6)").epoch_seconds().cast("int64") // 86_400).cast("int64")
    if period == "day":
        return days
    return ((days + EPOCH_WEEKDAY - WEEKDAYS.index(week_start) + 7 * AHEAD_WEEKS) // 7).cast(
        "int64"
    )


def period_start(day: ir.DateValue, period: str, week_start: str = "monday") -> ir.DateValue:
    """Return the first day of the period that a day is in."""
    if period == "day":
        return day
    if period == "week":
        return start_of_week(day, WEEKDAYS.index(week_start))
    return {"month": month_start, "quarter": quarter_start, "year": year_start}[period](day)


MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
"""The lengths of the periods that begin with a month, in months."""


def first_day_of(day: date, period: str, week_start: str = "monday") -> date:
    """Return what `period_start` does, of one day."""
    if period == "day":
        return day
    if period == "week":
        return day - (day.weekday() - WEEKDAYS.index(week_start)) % 7 * ONE_DAY
    return date(day.year, (day.month - 1) // MONTHS[period] * MONTHS[period] + 1, 1)


def next_start(start: date, period: str) -> date:
    """Return the first day of the period after the one that begins on a day."""
    if period in MONTHS:
        months = start.year * 12 + start.month - 1 + MONTHS[period]
        return date(months // 12, months % 12 + 1, 1)
    return start + (7 if period == "week" else 1) * ONE_DAY


def is_implausible(moment: ir.TimestampColumn, first_day: date) -> ir.BooleanValue:
    """Return whether a timestamp is more than a day outside the plausible days.

    It is false for a missing one.
    """
    first = ibis.literal(datetime.combine(first_day - ONE_DAY, time()), type="timestamp")
    end = ibis.literal(datetime(2100, 1, 2), type="timestamp")  # noqa: DTZ001 (UTC without saying so)
    return ((moment < first) | (moment >= end)).fill_null(NO)


def check_age(*days: date | None) -> None:
    """Refuse days that no data are of, with which dates cannot be computed.

    Raises:
        DefinitionError: A day is of another age.
    """
    if strange := [day for day in days if day and not FIRST_DATE <= day <= LAST_DATE]:
        raise DefinitionError(
            f"Days from {FIRST_DATE} to {LAST_DATE} can be asked for, not {strange[0]}."
        )


Ends = tuple[date | None, date | None]
"""The first and the last day; None where there is no such end."""


@dataclass(frozen=True)
class DayRange:
    """The days that a question is about; None: taken from the data.

    Attributes:
        first: The first day.
        last: The last day, included.
        day_count: The number of days up to the last one, if given instead of the first.
    """

    first: date | None = None
    last: date | None = None
    day_count: int | None = None

    @property
    def is_given(self) -> bool:
        """Whether any of the days is given."""
        return (self.first, self.last, self.day_count) != (None, None, None)

    @classmethod
    def read(
        cls, first: date | None, last: date | None, length: str | None, names: tuple[str, str]
    ) -> DayRange:
        """Return the days from a first to a last one; a length such as 30d may replace the first.

        `names` are what the first and the last day are called.

        Raises:
            DefinitionError: They cannot be combined, are of another age, or the length is not whole
                days.
        """
        check_age(first, last)
        if first and last and last < first:
            raise DefinitionError(f"{names[0]}={first} is after {names[1]}={last}; swap them.")
        if length is None:
            return cls(first, last)
        if first:
            raise DefinitionError(
                f"`last` and `{names[0]}` both say where the days begin; leave one of them out."
            )
        return cls(None, last, parse_days(length))

    def within(self, newest: date) -> Ends:
        """Return the first and the last day, given the newest day of the data."""
        if self.day_count is None:
            return self.first, self.last
        end = self.last or newest
        return end - timedelta(days=self.day_count - 1), end


def rows_between(rows: ir.Table, day: str, ends: Ends) -> ir.Table:
    """Return the rows with a date in the column `day` between the ends, both included; None is no
    end.
    """
    first, last = ends
    rows = rows.filter(rows[day] >= ibis.literal(first)) if first else rows
    return rows.filter(rows[day] <= ibis.literal(last)) if last else rows


def days_definition(ends: Ends) -> dict[str, str | None]:
    """Return the days for the definition of an answer; nothing if all days count."""
    if ends == (None, None):
        return {}
    first, last = (str(day) if day else None for day in ends)
    return {"first_date": first, "last_date": last}


def have_same_days(zone: str, other_zone: str, first: date, last: date) -> bool:
    """Return whether days of two zones, from the first to the last, begin at the same times; if one
    of them is not known, whether it is called as the other.
    """
    if zone == other_zone or not (is_zone(zone) and is_zone(other_zone)):
        return zone == other_zone
    zones = ZoneInfo(zone), ZoneInfo(other_zone)
    midnight = datetime.combine(first, time())
    for number in range((last - first).days + 2):  # a day ends where the next one begins
        at = midnight + timedelta(days=number)
        begun, begun_there = (at.replace(tzinfo=each).astimezone(UTC) for each in zones)
        if begun != begun_there:
            return False
    return True
