"""Which attempts of a funnel count by when they began: those of a range of days,
and those of each period.

A unit enters by the event that begins an attempt: of step 1, or in the order `any` of whichever
step comes first. Only entries are limited: later steps count for as long as the window is open.
Each cohort is the answer to the same question about the entries of its period, so a unit is in the
cohort of each period in which it entered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.matching import ENTRY, events_with_unit, matches
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.columns import meeting
from ecom_assets.core.tables.days import (
    ONE_DAY,
    DayRange,
    Days,
    day_starts_at,
    first_day_of,
    hour_start,
    hours_of,
    next_start,
    period_start,
    utc_without_zone,
)

COHORT: Final = "cohort_start"
MAX_COHORTS: Final = 1_000
HOURS: Final = {"hour": 1, "day": 24, "week": 168, "month": 744, "quarter": 2_208, "year": 8_784}


@dataclass(frozen=True)
class EntryLimits(DayRange):
    """The days of entry that are asked for, in a time zone."""

    timezone: str = "UTC"


@dataclass(frozen=True)
class Entries:
    """The days on which units may enter, both included, and until when there are data.

    Attributes:
        first: The first day.
        last: The last day.
        newest_at: The time of the newest event, in UTC.
        timezone: The time zone of the days.
    """

    first: date
    last: date
    newest_at: datetime
    timezone: str = "UTC"

    @classmethod
    def from_limits(
        cls, known_days: tuple[date, date], newest_at: datetime, limits: EntryLimits
    ) -> "Entries":
        """Return the entries that are asked for;
        an end that is not given is that of the data, `known_days`.
        """
        entered = limits.within(known_days[1])
        first = entered[0] or min(known_days[0], entered[1] or known_days[0])
        naive = utc_without_zone(newest_at) if newest_at.tzinfo else newest_at
        return cls(first, entered[1] or max(known_days[1], first), naive, limits.timezone)

    def are_complete(self, funnel: Funnel, end: datetime | None = None) -> bool:
        """Return whether the window of every entry before `end`, by default of all,
        is over in the data.
        """
        last = day_starts_at(self.last + ONE_DAY, self.timezone)
        window_s = funnel.within if len(funnel.steps) > 1 else 0
        return min(end or last, last) + timedelta(seconds=window_s) <= self.newest_at

    def bounds_us(self, cohorts: Sequence["EntryCohort"]) -> list[int]:
        """Return when the units of each cohort begin to enter, and when the last ones do,
        in microseconds since 1970.

        Args:
            cohorts: One cohort or more, each of which begins where the one before it ends.
        """
        first, end = (
            day_starts_at(day, self.timezone) for day in (self.first, self.last + ONE_DAY)
        )
        begins = [max(first, cohort.begins_at) for cohort in cohorts]
        return [_since_1970(at) for at in (*begins, min(end, cohorts[-1].end))]

    def as_json(self, funnel: Funnel) -> dict[str, Any]:
        """Return the days as an answer has them."""
        return {
            "first_date": str(self.first),
            "last_date": str(self.last),
            "timezone": self.timezone,
            "complete": self.are_complete(funnel),
        }


@dataclass(frozen=True)
class EntryCohort:
    """A period of entry: its key in the rows of an answer, how it is written,
    and when it begins and ends, in UTC.
    """

    key: date | datetime
    start: str
    begins_at: datetime
    end: datetime


def with_entries(events: ir.Table, entries: Entries) -> ir.Table:
    """Return the events from the first day of entry on, with `is_entry`:
    whether an attempt may begin at this one.
    """
    kept = events.filter(events.event_date >= ibis.literal(entries.first))
    return kept.mutate(**{ENTRY: kept.event_date <= ibis.literal(entries.last)})


def by_cohort(events: ir.Table, funnel: Funnel, units: Sequence[str], entries: Entries) -> ir.Table:
    """Return the events of each cohort of each unit, with `cohort_start` and `is_entry`.

    An event is in the cohort of each period in which its unit entered, from the first entry to the
    end of the window of the last one: so a funnel of `units` and `cohort_start` is all cohorts at
    once.
    """
    events = events_with_unit(meeting(events, funnel.where), units)
    kept = with_entries(events, entries)
    kept = kept.mutate(own_period=_period(kept, funnel, entries))
    begins = _can_begin(kept, funnel)
    begun = kept.filter(begins, kept[ENTRY])
    attempts = begun.group_by(*units, "own_period").agg(
        first_at=begun.event_at.min(), last_at=begun.event_at.max()
    )
    attempts = attempts.mutate(closes_at=attempts.last_at + ibis.interval(seconds=funnel.within))
    attempts = attempts.select(*units, "first_at", "closes_at", **{COHORT: attempts.own_period})
    same = [kept[unit] == attempts[unit] for unit in units]
    joined = kept.join(
        attempts, [*same, kept.event_at >= attempts.first_at, kept.event_at <= attempts.closes_at]
    )
    is_entry = joined[ENTRY] & (joined.own_period == joined[COHORT])
    return joined.select(*events.columns, COHORT, **{ENTRY: is_entry})


def cohorts_of(funnel: Funnel, entries: Entries) -> list[EntryCohort]:
    """Return every period that overlaps the days of entry and begins in the data,
    those without an entry too.

    Raises:
        DefinitionError: There are more than about a thousand.
    """
    days = (entries.last - entries.first).days + 1
    if days * 24 > MAX_COHORTS * HOURS[str(funnel.over)]:
        raise DefinitionError(
            f"From {entries.first} to {entries.last} there are more than {MAX_COHORTS:,} cohorts "
            f"by {funnel.over}; ask for fewer days, or for longer periods."
        )
    result = _hours(entries) if funnel.over == "hour" else _periods(funnel, entries)
    return [cohort for cohort in result if cohort.begins_at <= entries.newest_at]


def _hours(entries: Entries) -> list[EntryCohort]:
    days = Days.between(entries.first, entries.last + ONE_DAY).dates
    starts = [at for day in days for at in hours_of(day, entries.timezone)]
    ends = [
        *starts[1:],
        day_starts_at(entries.last + ONE_DAY, entries.timezone).replace(tzinfo=UTC),
    ]
    return [
        EntryCohort(
            utc_without_zone(at),
            at.isoformat(timespec="minutes"),
            utc_without_zone(at),
            utc_without_zone(end),
        )
        for at, end in zip(starts, ends, strict=True)
    ]


def key_of(value: object) -> object:
    """Return a cohort's start as engines give it, as `EntryCohort` has it: a day,
    or a time in UTC without a zone.
    """
    return utc_without_zone(value) if isinstance(value, datetime) and value.tzinfo else value


def _since_1970(at: datetime) -> int:
    return (at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _periods(funnel: Funnel, entries: Entries) -> list[EntryCohort]:
    start, result = first_day_of(entries.first, str(funnel.over), funnel.week_start), []
    while start <= entries.last:
        following = next_start(start, str(funnel.over))
        begins_at, end = (day_starts_at(day, entries.timezone) for day in (start, following))
        result.append(EntryCohort(start, str(start), begins_at, end))
        start = following
    return result


def _period(events: ir.Table, funnel: Funnel, entries: Entries) -> ir.Value:
    if funnel.over == "hour":
        days = Days.between(entries.first, entries.last + 2 * ONE_DAY)
        return hour_start(events.event_at, events.event_date, days, entries.timezone)
    return period_start(events.event_date, str(funnel.over), funnel.week_start)


def _can_begin(events: ir.Table, funnel: Funnel) -> ir.BooleanValue:
    steps = funnel.steps if funnel.order == "any" else funnel.steps[:1]
    return reduce(or_, [matches(events, step) for step in steps])
