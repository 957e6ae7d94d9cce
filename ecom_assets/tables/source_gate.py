"""The gate of a source: how much less than usual, or how much that is rejected, stops what is built on it.

One definition for every source: events, orders, customers and stock. The checks are in `sources/checks.py`; keeping the
rows of a day that a source has lost is in `warehouse/withdrawals.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from ecom_assets.errors import DefinitionError
from ecom_assets.tables.days import Days

WEEKS = 4
"""Earlier weeks that a day is compared with, by the same weekday: a Sunday with Sundays."""
LEAST_WEEKS = 2
"""With fewer of them, nothing is usual yet."""


@dataclass(frozen=True)
class SourceGate:
    """Where a source's day stops being believed.

    `refused_share` (share of rows, 0.5): if more than this is refused, the mapping no longer fits the source; single
    bad rows never make half of it. `fall_share` (share of rows, 0.8): a day that has less than the remaining fifth of
    what is usual was cut off or not delivered; weekends and holidays of most shops stay above. `least_count` (rows,
    100): of fewer rows a share is chance, so days that usually have fewer are not compared, and fewer rows stop nothing
    unless all of them are refused.
    """

    refused_share: float = 0.5
    fall_share: float = 0.8
    least_count: int = 100

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name in ("refused_share", "fall_share"):
            if not 0 < getattr(self, name) <= 1:
                raise DefinitionError(f"{name} of {getattr(self, name)} is no share; give more than 0, and 1 at most.")

    def is_fall(self, before: float, now: int) -> bool:
        """Tell whether far fewer rows are there than there were, or than is usual."""
        return before >= self.least_count and now < before * (1 - self.fall_share)

    def is_refused(self, received: int, refused: int) -> bool:
        """Tell whether too many of the rows received were refused: more than the share, or all of a few."""
        if received < self.least_count:
            return 0 < received == refused
        return refused > received * self.refused_share

    def lost_days(self, stored: Mapping[date, int], found: Mapping[date, int], whole: Collection[date]) -> Days:
        """Return the days that must not be replaced, because most or all of their rows are gone.

        Args:
            stored: Rows of each day that the table has.
            found: Rows of each day that the source has now.
            whole: Days that the source says are whole; small falls of these are believed.
        """
        is_small = not self.is_fall(sum(stored.values()), sum(found.get(day, 0) for day in stored))
        lost = [
            day
            for day, before in stored.items()
            if (before and not found.get(day)) or self.is_fall(before, found.get(day, 0))
        ]
        return Days.of(day for day in lost if not (is_small and day in whole))


def usual_count(counts: Mapping[date, int], day: date, first: date) -> float | None:
    """Return what is usual for a day: the median of the same weekday of the weeks before; None if too few are known.

    Only days before `first`, the run's first day, are compared with, so that a first run over years is compared with
    nothing; nor are days more than four weeks later. A day within the time that the table covers counts as none where
    it has no rows.
    """
    if not counts or (day - first).days >= 7 * WEEKS:
        return None
    start = min(counts)
    earlier = [day - timedelta(days=7 * weeks) for weeks in range(1, WEEKS + 1)]
    # A window of a week or two reaches over the nearest weeks; as many are taken from further back.
    while earlier and earlier[0] >= first:
        earlier = [*earlier[1:], earlier[-1] - timedelta(days=7)]
    known = [counts.get(one, 0) for one in earlier if one >= start]
    return median(known) if len(known) >= LEAST_WEEKS else None


def latest_count(counts: Mapping[date, int], day: date) -> float | None:
    """Return what is usual for a source that brings everything each time: the median of the last times before."""
    earlier = [counts[one] for one in sorted(counts) if one < day and counts[one]][-WEEKS:]
    return median(earlier) if earlier else None
