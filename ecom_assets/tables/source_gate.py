"""The source gate: the drop in rows, or the share of rejected rows, that blocks the downstream tables.

All sources share one definition: events, orders, customers and stock. The checks are in `sources/checks.py`.
`warehouse/withdrawals.py` keeps the rows of a day that a source has lost.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from ecom_assets.errors import DefinitionError
from ecom_assets.tables.days import Days

WEEKS = 4
"""The number of earlier weeks that a day is compared with, on the same weekday: a Sunday with Sundays."""
LEAST_WEEKS = 2
"""With fewer earlier weeks, there is no usual count yet."""


LARGE_SHARE = 0.05
"""Share of rows that may be refused without a warning."""


@dataclass(frozen=True)
class SourceGate:
    """The limits beyond which the data of a source are blocked.

    `refused_share` (share of rows, 0.5): if more rows than this are refused, the mapping no longer fits the source. A
    few bad rows never reach half. `fall_share` (share of rows, 0.8): a day with less than the remaining fifth of the
    usual rows is incomplete or missing. Weekends and holidays of most shops stay above that. `least_count` (rows, 100):
    with fewer rows, a share is mostly chance. So days that usually have fewer rows are not compared, and fewer rows
    block nothing unless all of them are refused.
    """

    refused_share: float = 0.5
    fall_share: float = 0.8
    least_count: int = 100

    def __post_init__(self) -> None:
        """Raise if a limit is not a share."""
        for name in ("refused_share", "fall_share"):
            if not 0 < getattr(self, name) <= 1:
                raise DefinitionError(
                    f"{name} of {getattr(self, name)} is not a share; give more than 0, and 1 at most."
                )

    def is_fall(self, before: float, now: int) -> bool:
        """Return whether there are far fewer rows now than before, or than usual."""
        return before >= self.least_count and now < before * (1 - self.fall_share)

    def is_refused(self, received: int, refused: int) -> bool:
        """Return whether too many received rows were refused: more than the share, or all of a few rows."""
        if received < self.least_count:
            return 0 < received == refused
        return refused > received * self.refused_share

    def lost_days(self, stored: Mapping[date, int], values: Mapping[date, int], whole: Collection[date]) -> Days:
        """Return the days that must not be replaced, because most or all of their rows are gone.

        `stored` and `values` count the rows of each day, in the table and in the source as it is now. A small drop is
        accepted on the days that the source reports as complete, `whole`.
        """
        is_small = not self.is_fall(sum(stored.values()), sum(values.get(day, 0) for day in stored))
        lost = [
            day
            for day, before in stored.items()
            if (before and not values.get(day)) or self.is_fall(before, values.get(day, 0))
        ]
        return Days.of(day for day in lost if not (is_small and day in whole))


def usual_count(counts: Mapping[date, int], day: date, first: date) -> float | None:
    """Return the usual count of a day: the median of the same weekday in earlier weeks; None if too few are known.

    Only days before `first`, the first day of the run, are used, so a first run over years has nothing to compare with.
    The result is also None for a day four weeks or more after `first`. A day without rows counts as zero if the table
    starts before it.
    """
    if not counts or (day - first).days >= 7 * WEEKS:
        return None
    start = min(counts)
    earlier = [day - timedelta(days=7 * weeks) for weeks in range(1, WEEKS + 1)]
    # A run of a week or two covers the nearest weeks; replace them by the same number of earlier weeks.
    while earlier and earlier[0] >= first:
        earlier = [*earlier[1:], earlier[-1] - timedelta(days=7)]
    known = [counts.get(one, 0) for one in earlier if one >= start]
    return median(known) if len(known) >= LEAST_WEEKS else None


def latest_count(counts: Mapping[date, int], day: date) -> float | None:
    """Return the usual count of a source that always delivers everything: the median of its last deliveries."""
    earlier = [counts[one] for one in sorted(counts) if one < day and counts[one]][-WEEKS:]
    return median(earlier) if earlier else None
