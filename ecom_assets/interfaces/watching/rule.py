"""When a number is worth a message: bounds, changes, and what is expected for a weekday and hour.

No store, no clock.

What is expected is robust: the median of the same weekday, and hour, of up to eight weeks before,
give or take a number of usual spreads. The spread is that of values around the median of their own
weekday, over all weekdays (`tables/usual.py`). It is no less than chance alone makes it: that of a
Poisson count, or of a share of so many; 2 % where that is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from math import sqrt
from operator import attrgetter
from statistics import median
from typing import Final

from ecom_assets.core.tables import formats
from ecom_assets.core.tables.usual import FEWEST_WEEKS, USUAL_WEEKS, usual_spread
from ecom_assets.interfaces.boards.model import USUAL_SPREADS, NumberAlert

LEAST_SHARE: Final = 0.02
"""The least spread of a number that is not a count, as a share of the number."""
LENGTHS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class WatchedPoint:
    """A number of one period.

    Attributes:
        starts_at: When the period begins, on the clock of the shop's zone.
        value: The number; None where it is not known, or there is nothing to divide by.
        is_complete: Whether all of the period is known and over: others are not evaluated.
        size: Of a share, how many it is a share of; None where that is not known.
    """

    starts_at: datetime
    value: float | None
    is_complete: bool
    size: float | None = None

    @property
    def day(self) -> date:
        """Return the day on which the period begins."""
        return self.starts_at.date()


@dataclass(frozen=True)
class AlertFinding:
    """What an alert says of a period.

    Attributes:
        point: The number.
        is_breach: Whether it is worth a message.
        low: Least value that is not; None without.
        high: Most value that is not; None without.
        usual: What it is compared with: the value before, or the median; None for bounds.
        base: The period that it is compared with, where that is one.
        reason: Why, as the end of a sentence, such as "41 % less than on 2026-11-17".
    """

    point: WatchedPoint
    is_breach: bool
    low: float | None
    high: float | None
    usual: float | None
    base: datetime | None
    reason: str


@dataclass(frozen=True)
class Episode:
    """Periods in a row that are worth a message, from the first to the last;
    `is_over` if one after them is not.
    """

    first: AlertFinding
    last: AlertFinding
    is_over: bool


def findings(
    alert: NumberAlert, points: Sequence[WatchedPoint], shown: "ValueFormat | None" = None
) -> list[AlertFinding]:
    """Return what an alert says of each complete period whose number is known, in order.

    A period that has nothing to compare with yet is left out.
    """
    by_start = {
        point.starts_at: point for point in points if point.is_complete and point.value is not None
    }
    rule = _AlertRule(alert, by_start, shown or ValueFormat())
    results = (rule.finding(point) for _, point in sorted(by_start.items()))
    return [finding for finding in results if finding is not None]


def episodes(findings: Sequence[AlertFinding]) -> list[Episode]:
    """Return the incidents that there would have been: the back-test of an alert."""
    runs = [list(run) for is_breach, run in groupby(findings, attrgetter("is_breach")) if is_breach]
    return [Episode(run[0], run[-1], is_over=run[-1] is not findings[-1]) for run in runs]


@dataclass(frozen=True)
class ValueFormat:
    """How values of the number are written: `unit` stands before or after,
    and a rate is a percentage.
    """

    is_rate: bool = False
    is_count: bool = False
    currency: str = ""
    is_quantity: bool = False

    def __call__(self, value: float) -> str:
        """Return a value as a text."""
        if self.is_rate:
            return formats.rate(value)
        if self.is_quantity:
            return formats.quantity(value)
        text = formats.number(value) if self.is_count else formats.amount(value, self.currency)
        return f"{text} {self.currency}".strip()


@dataclass(frozen=True)
class _AlertRule:
    """An alert over the numbers that are known, by the begin of their period."""

    alert: NumberAlert
    by_start: Mapping[datetime, WatchedPoint]
    shown: ValueFormat

    def finding(self, point: WatchedPoint) -> AlertFinding | None:
        if self.alert.when in {"above", "below"}:
            result: AlertFinding | None = self._by_bound(point)
        elif self.alert.when in {"rises", "falls"}:
            result = self._by_change(point)
        else:
            result = self._by_history(point)
        if result is None or not result.is_breach or self._is_enough(result):
            return result
        few = f"of fewer than {self.alert.least_count:,}, which says nothing"
        return replace(result, is_breach=False, reason=few)

    def _is_enough(self, result: AlertFinding) -> bool:
        """Return whether a number is of enough to say something."""
        least, point = self.alert.least_count, result.point
        if point.size is not None:
            before = self.by_start.get(result.base) if result.base and result.usual else None
            sizes = [point.size, *([before.size] if before and before.size is not None else [])]
            return min(sizes) >= least
        if not self.shown.is_count or self.alert.when in {"above", "below"}:
            return True
        return max(_value(point), result.usual or 0) >= least

    def _by_bound(self, point: WatchedPoint) -> AlertFinding:
        value, limit = _value(point), self.alert.limit or 0.0
        is_above = self.alert.when == "above"
        is_breach = value > limit if is_above else value < limit
        low, high = (None, limit) if is_above else (limit, None)
        base = point.starts_at - timedelta(days=7)
        reason = f"{self.alert.when} the bound of {self.shown(limit)}"
        return AlertFinding(point, is_breach, low, high, None, base, reason)

    def _by_change(self, point: WatchedPoint) -> AlertFinding | None:
        is_week = self.alert.compared_with == "week_before"
        base = self.by_start.get(
            point.starts_at - (timedelta(days=7) if is_week else LENGTHS[self.alert.every])
        )
        if base is None or not base.value:
            return None
        value, before, limit = _value(point), base.value, self.alert.limit or 0.0
        change, is_rise = value / before - 1, self.alert.when == "rises"
        bound = before * (1 + limit if is_rise else 1 - limit)
        is_breach = value > bound if is_rise else value < bound
        low, high = (None, bound) if is_rise else (bound, None)
        more = "more" if change >= 0 else "less"
        reason = f"{abs(100 * change):.0f}% {more} than {when_of(base.starts_at, self.alert.every)}"
        return AlertFinding(point, is_breach, low, high, before, base.starts_at, reason)

    def _by_history(self, point: WatchedPoint) -> AlertFinding | None:
        sample = self._sample(point)
        if len(sample) < FEWEST_WEEKS:
            return None
        usual = median(sample.values())
        spread = (self.alert.limit or USUAL_SPREADS) * self._spread(point, usual)
        low, high, value = usual - spread, usual + spread, _value(point)
        low = max(low, 0.0) if min(sample.values()) >= 0 else low
        weekday = f"{point.starts_at:%A}s" if self.alert.every != "week" else "weeks"
        at = f" at {point.starts_at:%H:%M}" if self.alert.every == "hour" else ""
        of_weeks = f"the last {len(sample)} {weekday}{at}"
        reason = f"outside of {self.shown(low)} to {self.shown(high)}, which {of_weeks} let expect"
        return AlertFinding(point, not low <= value <= high, low, high, usual, max(sample), reason)

    def _sample(self, point: WatchedPoint) -> dict[datetime, float]:
        """Return the values of the same weekday and hour in the weeks before."""
        starts = [
            point.starts_at - timedelta(days=7 * number) for number in range(1, USUAL_WEEKS + 1)
        ]
        return {start: _value(self.by_start[start]) for start in starts if start in self.by_start}

    def _spread(self, point: WatchedPoint, usual: float) -> float:
        """Return how far values of these weeks usually are from the median of their own weekday."""
        weekdays = range(1 if self.alert.every == "week" else 7)
        weekday_points = [
            replace(point, starts_at=point.starts_at - timedelta(days=number))
            for number in weekdays
        ]
        samples = [list(self._sample(weekday_point).values()) for weekday_point in weekday_points]
        deviations = [
            value - median(sample)
            for sample in samples
            if len(sample) >= FEWEST_WEEKS
            for value in sample
        ]
        by_chance = (
            sqrt(max(usual * (1 - usual), 0.0) / point.size)
            if point.size
            else LEAST_SHARE * abs(usual)
        )
        return max(usual_spread(deviations), sqrt(abs(usual)) if self.shown.is_count else by_chance)


def _value(point: WatchedPoint) -> float:
    assert point.value is not None  # noqa: S101 (`findings` takes only points with a value)
    return point.value


def when_of(start: datetime, every: str) -> str:
    """Return a period as the end of a sentence, such as "on Tue 2026-11-17"."""
    if every == "hour":
        return f"on {start:%a %Y-%m-%d at %H:%M}"
    return f"in the week from {start:%Y-%m-%d}" if every == "week" else f"on {start:%a %Y-%m-%d}"
