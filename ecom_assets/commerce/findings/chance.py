"""When a number of some days is beyond chance, by the days before it alone.

What is usual is the median of the same weekday of up to eight weeks before, as alerts take it; the
mean where that is small, since a median of small counts jumps. The spread is that of days around
what is usual of their weekday, over all weekdays. A bound is as many spreads away as chance
exceeds once in a hundred looks, however many numbers are looked at (Bonferroni), by Student's t
with the degrees of freedom that a median deviation is worth: 0.37 of those of a standard deviation
(Rousseeuw and Croux 1993). It is no nearer than the bound of a Poisson count, or of a binomial
share.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import NormalDist, fmean, median
from typing import Final

from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.usual import FEWEST_WEEKS, USUAL_WEEKS, usual_spread

WEEK: Final = 7
FALSE_ALARMS: Final = 0.01
"""How often a look at all numbers may find one by chance alone."""
LEAST_COUNT: Final = 30
"""A fall of fewer is not looked for; of a share, of as many at least."""
LEAST_PARTS: Final = 10
"""How many of those that a share is of usually have to be inside, and outside."""
SMALL: Final = 5
"""Below, the usual number is the mean."""
LEAST_RISE: Final = 5
"""Fewer are no rise."""
MEDIAN_IS_WORTH: Final = 0.37


@dataclass(frozen=True)
class DailyNumber:
    """A number by day: a count, or the share of `parts` in `wholes`.

    Attributes:
        parts: The count of each day; days without one have 0.
        wholes: What it is a share of; None for a count.
        is_rise: Whether more than usual is worth a look, instead of less.
    """

    parts: Mapping[date, float]
    wholes: Mapping[date, float] | None = None
    is_rise: bool = False

    def of(self, days: Sequence[date]) -> float | None:
        """Return the number of some days together; None for a share of nothing."""
        part = sum(self.parts.get(day, 0) for day in days)
        if self.wholes is None:
            return part
        whole = self.size(days)
        return part / whole if whole else None

    def size(self, days: Sequence[date]) -> float:
        """Return of how many a share of some days is; 0 for a count."""
        return sum(self.wholes.get(day, 0) for day in days) if self.wholes is not None else 0


@dataclass(frozen=True)
class NumberLook:
    """A number of some days beside what is usual, before it is known how many are looked at."""

    days: tuple[date, ...]
    number: DailyNumber
    value: float
    usual: float
    spread: float
    freedom: float

    def bound(self, looks: int) -> float:
        """Return how far chance lets the number go, of so many that are looked at."""
        tail = FALSE_ALARMS / looks
        by_spread = student_quantile(1 - tail, self.freedom) * self.spread
        far = NormalDist().inv_cdf(1 - tail)
        if self.number.wholes is not None:
            share = sqrt(self.usual * (1 - self.usual) / self.number.size(self.days))
            return max(self.usual - max(by_spread, far * share), 0.0)
        # The root of a Poisson count has the same spread, one half, whatever it is.
        if self.number.is_rise:
            return max(self.usual + by_spread, (sqrt(self.usual) + far / 2) ** 2)
        return max(min(self.usual - by_spread, max(sqrt(self.usual) - far / 2, 0.0) ** 2), 0.0)

    def is_beyond(self, bound: float) -> bool:
        """Return whether the number is further away than a bound."""
        return self.value > bound if self.number.is_rise else self.value < bound

    def distance(self, bound: float) -> float:
        """Return how far off the number is, as a multiple of how far chance lets it be."""
        return abs(self.value - self.usual) / abs(bound - self.usual) if bound != self.usual else 0


def looks_at(
    number: DailyNumber, last: date, known: frozenset[date], *, each_day: bool = True
) -> Iterator[NumberLook]:
    """Yield the looks at the last seven days together, and at each of them, as far as enough is
    known and there are enough of what is counted.

    Args:
        number: What is looked at.
        last: The last of the seven days.
        known: The days whose number is known; one without rows is 0 there.
        each_day: Whether each day is looked at by itself, too.
    """
    week = tuple(last - back * ONE_DAY for back in reversed(range(WEEK)))
    spans = [week, *((day,) for day in reversed(week) if each_day)]
    for days in spans:
        look = _look(number, days, known)
        if look is not None:
            yield look


def _look(number: DailyNumber, days: tuple[date, ...], known: frozenset[date]) -> NumberLook | None:
    value = number.of(days) if known.issuperset(days) else None
    before = _before(number, days, known)
    if value is None or len(before) < FEWEST_WEEKS:
        return None
    usual = _usual(number, before)
    if not _is_enough(number, days, value, usual):
        return None
    deviations, freedom = _deviations(number, days[-1], known)
    if not deviations:
        return None
    scale = 1 / sqrt(len(days)) if number.wholes is not None else sqrt(len(days))
    spread = max(
        usual_spread(deviations) * scale, usual_spread([earlier - usual for earlier in before])
    )
    return NumberLook(days, number, value, usual, spread, MEDIAN_IS_WORTH * freedom)


def _before(number: DailyNumber, days: Sequence[date], known: frozenset[date]) -> list[float]:
    """Return the number of the same weekdays of each of the weeks before that is known."""
    result = []
    for weeks in range(1, USUAL_WEEKS + 1):
        earlier = [day - weeks * WEEK * ONE_DAY for day in days]
        value = number.of(earlier) if known.issuperset(earlier) else None
        if value is not None:
            result.append(value)
    return result


def _usual(number: DailyNumber, before: Sequence[float]) -> float:
    middle = median(before)
    is_small = number.wholes is None and middle < SMALL
    return fmean(before) if is_small else middle


def _is_enough(number: DailyNumber, days: Sequence[date], value: float, usual: float) -> bool:
    if number.wholes is not None:
        size = number.size(days)
        return size >= LEAST_COUNT and size * min(usual, 1 - usual) >= LEAST_PARTS
    return value >= LEAST_RISE if number.is_rise else usual >= LEAST_COUNT


def _deviations(number: DailyNumber, last: date, known: frozenset[date]) -> tuple[list[float], int]:
    """Return how far days were from the usual of their weekday, and their degrees of freedom."""
    result: list[float] = []
    freedom = 0
    for back in range(WEEK):
        before = _before(number, (last - back * ONE_DAY,), known)
        if len(before) >= FEWEST_WEEKS:
            usual = _usual(number, before)
            result += [earlier - usual for earlier in before]
            freedom += len(before) - 1
    return result, freedom


def student_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t by Fisher's expansion around the normal one.

    Abramowitz and Stegun 26.7.5; at 8 degrees of freedom and one in 100,000 0.5 % too small.
    """
    x = NormalDist().inv_cdf(probability)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / freedom**power for power, term in enumerate(terms, start=1))
