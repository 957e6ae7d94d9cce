"""The days of a trend query, and the periods that they have."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from ecom_assets.behaviour.questions.fields import A_YEAR_BEFORE, YEAR_OF_WEEKS
from ecom_assets.behaviour.trends.question import MOST_DAYS, TrendQuestion
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import (
    AHEAD_WEEKS,
    CLOCK_S,
    EPOCH_WEEKDAY,
    MONTHS,
    ONE_DAY,
    Days,
    Ends,
    day_starts_at,
    first_day_of,
    hours_of,
    next_start,
    utc_without_zone,
)
from ecom_assets.core.tables.values import WEEKDAYS

FEBRUARY: Final = 2


@dataclass(frozen=True)
class TrendRange:
    """The first and last day of a query, inclusive, and those of the data;
    hours begin in a time zone.

    Attributes:
        first: The first day of the query.
        last: Its last day.
        known_first: The first day of the data.
        known_last: Their last day.
        timezone: The time zone of days and hours.
        newest_at: The time of the newest event of the data, in UTC without a zone; None if it does
            not matter.
        missing: The days between the first and the last of the data of which nothing is known.
    """

    first: date
    last: date
    known_first: date
    known_last: date
    timezone: str = "UTC"
    newest_at: datetime | None = None
    missing: frozenset[date] = frozenset()

    @classmethod
    def between(
        cls,
        reach: tuple[date, date],
        within: Ends,
        timezone: str = "UTC",
        newest_at: datetime | None = None,
        missing: Iterable[date] = (),
    ) -> "TrendRange":
        """Return the range between two days; an end that is None is that of the data,
        if it is on its side.
        """
        first = within[0] or min(reach[0], within[1] or reach[0])
        if newest_at and newest_at.tzinfo:
            newest_at = utc_without_zone(newest_at)
        return cls(
            first,
            within[1] or max(reach[1], first),
            *reach,
            timezone,
            newest_at,
            frozenset(missing),
        )

    def check(self, trend: TrendQuestion) -> None:
        """Raise `DefinitionError` for too many days by the hour or minute."""
        days = (self.last - self.first).days + 1
        most = MOST_DAYS.get(trend.period, days)
        if days > most:
            raise DefinitionError(
                f"By the {trend.period} a trend has at most {most} days, not {days}; ask for "
                "fewer days, or with another period."
            )

    def compared(self, trend: TrendQuestion) -> "TrendRange":
        """Return the range that this one is compared with: of equal length before it,
        or a year before.

        A year before, days and weeks begin on the same weekdays, and longer periods on the same
        days of the year.
        """
        if trend.compare == A_YEAR_BEFORE and trend.period in MONTHS:
            return replace(self, first=a_year_before(self.first), last=a_year_before(self.last))
        back = YEAR_OF_WEEKS if trend.compare == A_YEAR_BEFORE else self.last - self.first + ONE_DAY
        return replace(self, first=self.first - back, last=self.last - back)

    def since_ever(self, trend: TrendQuestion) -> "TrendRange":
        """Return the range from the first day of the data,
        or of the first period if that is earlier.
        """
        return replace(self, first=min(self.known_first, period_of(self.first, trend)))

    def known_start(self, trend: TrendQuestion) -> date:
        """Return the start of the first period of the data."""
        if trend.is_by_clock:
            return day_starts_at(self.known_first, self.timezone)
        return period_of(self.known_first, trend)

    def starts(self, trend: TrendQuestion) -> list[date]:
        """Return the first day of each period that overlaps the range;
        of each hour or minute the UTC time.
        """
        if trend.is_by_clock:
            return list(self._times(CLOCK_S[trend.period]))
        result = [period_of(self.first, trend)]
        while (following := next_start(result[-1], trend.period)) <= self.last:
            result.append(following)
        return result

    def is_whole(self, start: date, trend: TrendQuestion) -> bool:
        """Return whether the range and the data have all days of a period;
        the newest day may still be incomplete.
        """
        first, last = self._days_of(start, trend)
        has_ends = (
            max(self.first, self.known_first) <= first
            and last <= self.last
            and last < self.known_last
        )
        return has_ends and self.missing.isdisjoint(Days.between(first, last + ONE_DAY).dates)

    def last_day_of(self, start: date, trend: TrendQuestion) -> date:
        """Return the last day of a period that the range and the data have."""
        return min(self._days_of(start, trend)[1], self.last, self.known_last)

    def is_known(self, start: date, trend: TrendQuestion) -> bool:
        """Return whether there are data for a day of the period within the range,
        and it began by the newest event.
        """
        if self.newest_at and self._begins_at(start) > self.newest_at:
            return False
        first, last = self._days_of(start, trend)
        first, last = (
            max(first, self.first, self.known_first),
            min(last, self.last, self.known_last),
        )
        return first <= last and not self.missing.issuperset(
            Days.between(first, last + ONE_DAY).dates
        )

    def _begins_at(self, start: date) -> datetime:
        return start if isinstance(start, datetime) else day_starts_at(start, self.timezone)

    def _times(self, length_s: int) -> Iterator[datetime]:
        for day in Days.between(self.first, self.last + ONE_DAY).dates:
            yield from map(utc_without_zone, hours_of(day, self.timezone, length_s))

    def _days_of(self, start: date, trend: TrendQuestion) -> tuple[date, date]:
        """Return the first and the last day of a period."""
        if isinstance(start, datetime):
            return (start.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone)).date(),) * 2
        return start, next_start(start, trend.period) - ONE_DAY


def a_year_before(day: date) -> date:
    """Return the same day a year before; of 29 February, the 28th."""
    return day.replace(
        year=day.year - 1, day=min(day.day, 28) if day.month == FEBRUARY else day.day
    )


def period_of(day: date, trend: TrendQuestion) -> date:
    """Return the first day of the period that contains a day; by the hour or minute,
    the day itself.
    """
    return day if trend.is_by_clock else first_day_of(day, trend.period, trend.week_start)


def number_of(start: date, trend: TrendQuestion) -> int:
    """Return the number of the period that starts on a day,
    as `period_number` and `hour_number` have it.
    """
    if isinstance(start, datetime):
        return int(start.replace(tzinfo=UTC).timestamp()) // CLOCK_S[trend.period]
    of_months = {
        "month": start.year * 12 + start.month,
        "quarter": start.year * 4 + (start.month + 2) // 3,
        "year": start.year,
    }
    if trend.period in of_months:
        return of_months[trend.period]
    days = (start - date(1970, 1, 1)).days
    if trend.period == "day":
        return days
    return (days + EPOCH_WEEKDAY - WEEKDAYS.index(trend.week_start) + 7 * AHEAD_WEEKS) // 7
