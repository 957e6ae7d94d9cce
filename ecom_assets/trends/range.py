"""The days of a trend query, and the periods that they have."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from ecom_assets.errors import DefinitionError
from ecom_assets.tables.days import (
    AHEAD_WEEKS,
    EPOCH_WEEKDAY,
    HOUR_S,
    ONE_DAY,
    WEEKDAYS,
    Days,
    day_starts_at,
    hours_of,
)
from ecom_assets.trends.trend import MAX_HOURLY_DAYS, Trend

Ends = tuple[date | None, date | None]


@dataclass(frozen=True)
class Range:
    """The first and last day of a query, inclusive, and those of the data; hours begin in a time zone.

    Attributes:
        first: The first day of the query.
        last: Its last day.
        known_first: The first day of the data.
        known_last: Their last day.
        timezone: The time zone of days and hours.
        newest_at: The time of the newest event of the data, in UTC without a zone; None if it does not matter.
    """

    first: date
    last: date
    known_first: date
    known_last: date
    timezone: str = "UTC"
    newest_at: datetime | None = None

    @classmethod
    def of_question(
        cls, known: tuple[date, date], within: Ends, timezone: str = "UTC", newest_at: datetime | None = None
    ) -> "Range":
        """Return the days that are asked for; an end that is not given is that of the data, if it is on its side."""
        first = within[0] or min(known[0], within[1] or known[0])
        if newest_at and newest_at.tzinfo:
            newest_at = newest_at.astimezone(UTC).replace(tzinfo=None)
        return cls(first, within[1] or max(known[1], first), *known, timezone, newest_at)

    def check(self, trend: Trend) -> None:
        """Raise if there would be too many hours.

        Raises:
            DefinitionError: The range is too long.
        """
        days = (self.last - self.first).days + 1
        if trend.period == "hour" and days > MAX_HOURLY_DAYS:
            raise DefinitionError(
                f"By the hour a trend has at most {MAX_HOURLY_DAYS} days, not {days}; ask for fewer days, or with "
                "another period."
            )

    def warnings(self) -> list[str]:
        """Return a sentence if there are no data of any of the days."""
        if self.first <= self.known_last and self.last >= self.known_first:
            return []
        within = f"{self.first} to {self.last}"
        return [f"The data are of {self.known_first} to {self.known_last}, so nothing is known of {within}."]

    def before(self) -> "Range":
        """Return the range of equal length before this one."""
        length = self.last - self.first + ONE_DAY
        return replace(self, first=self.first - length, last=self.last - length)

    def since_ever(self, trend: Trend) -> "Range":
        """Return the range from the first day of the data, or of the first period if that is earlier."""
        return replace(self, first=min(self.known_first, period_of(self.first, trend)))

    def known_start(self, trend: Trend) -> date:
        """Return the start of the first period of the data."""
        if trend.period == "hour":
            return hours_of(self.known_first, self.timezone)[0].astimezone(UTC).replace(tzinfo=None)
        return period_of(self.known_first, trend)

    def starts(self, trend: Trend) -> list[date]:
        """Return the first day of each period that overlaps the range; of each hour the UTC time."""
        if trend.period == "hour":
            return list(self._hours())
        result = [period_of(self.first, trend)]
        while (following := _next(result[-1], trend.period)) <= self.last:
            result.append(following)
        return result

    def is_whole(self, start: date, trend: Trend) -> bool:
        """Return whether the range and the data have all days of a period; the newest day may still be incomplete."""
        first, last = self._days_of(start, trend)
        return max(self.first, self.known_first) <= first and last <= self.last and last < self.known_last

    def last_day_of(self, start: date, trend: Trend) -> date:
        """Return the last day of a period that the range and the data have."""
        return min(self._days_of(start, trend)[1], self.last, self.known_last)

    def is_known(self, start: date, trend: Trend) -> bool:
        """Return whether there are data for a day of the period within the range, and it began by the newest event."""
        if self.newest_at and self._begins_at(start) > self.newest_at:
            return False
        first, last = self._days_of(start, trend)
        return max(first, self.first) <= self.known_last and min(last, self.last) >= self.known_first

    def _begins_at(self, start: date) -> datetime:
        return start if isinstance(start, datetime) else day_starts_at(start, self.timezone)

    def _hours(self) -> Iterator[datetime]:
        for day in Days.between(self.first, self.last + ONE_DAY).dates:
            for at in hours_of(day, self.timezone):
                yield at.astimezone(UTC).replace(tzinfo=None)

    def _days_of(self, start: date, trend: Trend) -> tuple[date, date]:
        """Return the first and the last day of a period."""
        if isinstance(start, datetime):
            return (start.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone)).date(),) * 2
        return start, _next(start, trend.period) - ONE_DAY


def period_of(day: date, trend: Trend) -> date:
    """Return the first day of the period that contains a day; by the hour, the day itself."""
    if trend.period in {"hour", "day"}:
        return day
    if trend.period == "month":
        return day.replace(day=1)
    return day - (day.weekday() - WEEKDAYS.index(trend.week_start)) % 7 * ONE_DAY


def number_of(start: date, trend: Trend) -> int:
    """Return the number of the period that starts on a day, as `period_number` and `hour_number` have it."""
    if isinstance(start, datetime):
        return int(start.replace(tzinfo=UTC).timestamp()) // HOUR_S
    if trend.period == "month":
        return start.year * 12 + start.month
    days = (start - date(1970, 1, 1)).days
    if trend.period == "day":
        return days
    return (days + EPOCH_WEEKDAY - WEEKDAYS.index(trend.week_start) + 7 * AHEAD_WEEKS) // 7


def _next(start: date, period: str) -> date:
    if period == "month":
        return (start.replace(day=28) + 4 * ONE_DAY).replace(day=1)
    return start + (7 if period == "week" else 1) * ONE_DAY
