"""Days: the unit by which tables are cut, replaced and read. Half-open everywhere.

Not here: clocks. What day it is today is the caller's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

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
