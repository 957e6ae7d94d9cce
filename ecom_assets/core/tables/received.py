"""Received rows: what an asset returns of them, their gate, and their accounting.

All sources share one gate: events, orders, customers and stock. The checks are in
`sources/checks.py`, and `warehouse/raw_slices.py` keeps the rows of a day that a source has lost.

Terms: docs/glossary.md#received, #gate and #residue.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import reduce
from operator import sub
from statistics import median
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.errors import DefinitionError, SourceError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.contract import MONEY, Contract, amount, count
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, count_of, union_all

NO_DAYS = Days(())


class RowCounts:
    """How many rows a source sent, and what became of them."""

    received_count = count("Rows received", "Received", unit="rows", example=461)
    clean_count = count("Of these, clean rows that count", "Counted", unit="rows", example=450)
    quarantined_count = count(
        "Of these, refused for a reason, and kept (quarantined)",
        "Refused",
        unit="rows",
        better="down",
        example=6,
    )
    surplus_count = count(
        "Of these, further copies of a row that counts already (surplus)",
        "Copies left out",
        unit="rows",
        better="down",
        example=5,
    )


@dataclass(frozen=True)
class VisitorRows:
    """Rows of some visitors on other days than those of a slice, replaced with it."""

    rows: ir.Table
    visitors: ir.Table
    """The ids, in `visitor_id`."""
    days: Days
    changed: Days
    """Those of the days that count as written; on the others, the rows come out as they were."""


@dataclass(frozen=True)
class SliceOutput:
    """Rows that replace the rows of `days`, which can differ from the run's days.

    Without days, the table does not change. `metadata` is reported with the materialization; a
    `warning` is, too, and is in the run's log.
    """

    rows: ir.Table
    days: Days
    metadata: NamedValues = field(default_factory=dict)
    warning: str = ""
    absent: Days = NO_DAYS
    """Days of which the source says that it has nothing.

    The table keeps what it has of them, and they are noted.
    """
    unanswered: Days = NO_DAYS
    """Days for which the source did not answer.

    The table keeps what it has of them, and they are noted.
    """
    origin: str = ""
    """The value of `source` in the rows.

    They withdraw no row that came from another kind of source.
    """
    also: VisitorRows | None = None
    """What is replaced of other days."""
    supersedes: Days = NO_DAYS
    """Days of which these rows are a newer version.

    Fewer rows than before are no loss.
    """
    only_uploads: Days = NO_DAYS
    """Days of which rows of uploads are replaced, and no others."""
    only_files: frozenset[str] = frozenset()
    """The files whose rows are replaced, beside those of uploads; empty for those of all files."""

    @property
    def written_days(self) -> Days:
        """Return the days of which any row is replaced."""
        return (
            Days.from_dates([*self.days.dates, *self.also.changed.dates])
            if self.also
            else self.days
        )

    def require_rows(self, noun: str) -> "SliceOutput":
        """Return this output, or raise if it has no row of a source that always has some.

        Raises:
            SourceError: There is no row.
        """
        is_emptied = set(self.days.dates) <= set(self.only_uploads.dates)
        if not is_emptied and not count_of(self.rows):
            raise SourceError(
                f"No {noun} arrived for {self.days.dates[-1]}, so the table keeps its rows; check "
                "the source, and run again."
            )
        return self

    @classmethod
    def nothing(cls, no_rows: ir.Table, reason: str) -> "SliceOutput":
        """Return an output without rows and days, with the reason in its metadata."""
        return cls(no_rows, NO_DAYS, {"fetched": False, "not_fetched_because": reason})


@dataclass(frozen=True)
class NoSource:
    """The source of what a shop does not have.

    Attributes:
        output: Returns no rows, with the reason.
    """

    output: Callable[[], SliceOutput]

    def received(self, _days: Days) -> SliceOutput:
        """Return no rows for no days."""
        return self.output()

    @staticmethod
    def file_rows(_days: Days | None) -> "list[FileRows] | None":
        """Return None: there are no files."""
        return None

    @staticmethod
    def arrival_days(_days: Days) -> Days:
        """Return no days."""
        return NO_DAYS


@dataclass(frozen=True)
class FileRows:
    """The row counts of one file when it was last read: in total and by arrival day."""

    file: str
    row_count: int
    by_day: Mapping[date, int]


WEEKS = 4
"""The number of earlier weeks whose same weekday a day is compared with."""
LEAST_WEEKS = 2
"""With fewer earlier weeks, there is no usual count yet."""


PROOF: Final = "holds: "
"""How the column `left_out` begins of a row that breaks a proof of its mapping, which follows."""
BROKEN_PROOF: Final = "broken_proof"
BREAK_PROOFS: Final = "that are not as those of the file that the mapping was made from"
"""What to say of rows with this reason."""


def breaks_proof(raw: ir.Table) -> ir.BooleanValue:
    """Return whether rows break a proof of their mapping, which the column `left_out` names."""
    result: ir.BooleanValue = raw.left_out.startswith(PROOF).fill_null(NO)
    return result


def is_left_out(raw: ir.Table) -> ir.BooleanValue:
    """Return whether rows are what their mapping leaves out; those that break a proof are not."""
    return raw.left_out.notnull() & ~breaks_proof(raw)


NO_FAULT = frozenset({"left_out", "without_consent"})
"""Reject reasons that say nothing against a source.

Its owner leaves out such rows, or visitors do not want to be counted.
"""


@dataclass(frozen=True)
class SourceGate:
    """The limits beyond which the data of a source are blocked.

    `refused_share` (share of rows, 0.5): if more rows than this are refused, the mapping no longer
    fits the source. A few bad rows never reach half. `fall_share` (share of rows, 0.8): a day with
    less than the remaining fifth of the usual rows is incomplete or missing. Weekends and holidays
    of most shops stay above that. `least_count` (rows, 100): with fewer rows, a share is mostly
    chance. So days that usually have fewer rows are not compared, and fewer rows block nothing
    unless all of them are refused.
    """

    refused_share: float = 0.5
    fall_share: float = 0.8
    least_count: int = 100

    def __post_init__(self) -> None:
        """Raise if a limit is not a share."""
        for name in ("refused_share", "fall_share"):
            if not 0 < getattr(self, name) <= 1:
                raise DefinitionError(
                    f"{name} of {getattr(self, name)} is not a share; give more than 0, and 1 at "
                    "most."
                )

    def is_fall(self, before: float, now: int) -> bool:
        """Return whether there are far fewer rows now than before, or than usual."""
        return before >= self.least_count and now < before * (1 - self.fall_share)

    def is_refused(self, received: int, refused: int) -> bool:
        """Return whether too many rows were refused: more than the share, or all of a few."""
        if received < self.least_count:
            return 0 < received == refused
        return refused > received * self.refused_share

    def lost_days(
        self, stored: Mapping[date, int], values: Mapping[date, int], whole: Collection[date]
    ) -> Days:
        """Return the days that must not be replaced, because most or all of their rows are gone.

        `stored` and `values` count the rows of each day, in the table and in the source as it is
        now. A small drop is accepted on the days that the source reports as complete, `whole`.
        """
        is_small = not self.is_fall(sum(stored.values()), sum(values.get(day, 0) for day in stored))
        lost = [
            day
            for day, before in stored.items()
            if (before and not values.get(day)) or self.is_fall(before, values.get(day, 0))
        ]
        return Days.from_dates(day for day in lost if not (is_small and day in whole))


def usual_count(counts: Mapping[date, int], day: date, first: date) -> float | None:
    """Return the usual count of a day: the median of the same weekday, or None.

    Only days before `first`, the first day of the run, are used, so a first run over years has
    nothing to compare with. The result is also None for a day four weeks or more after `first`. A
    day without rows counts as zero if the table starts before it.
    """
    if not counts or (day - first).days >= 7 * WEEKS:
        return None
    start = min(counts)
    earlier = [day - timedelta(days=7 * weeks) for weeks in range(1, WEEKS + 1)]
    # A run of a week or two covers the nearest weeks; replace them by the same number of earlier
    # weeks.
    while earlier and earlier[0] >= first:
        earlier = [*earlier[1:], earlier[-1] - timedelta(days=7)]
    earlier_counts = [counts.get(earlier_day, 0) for earlier_day in earlier if earlier_day >= start]
    return median(earlier_counts) if len(earlier_counts) >= LEAST_WEEKS else None


def latest_count(counts: Mapping[date, int], day: date) -> float | None:
    """Return the usual count of a source that always delivers all: its recent median."""
    earlier = [
        counts[earlier_day]
        for earlier_day in sorted(counts)
        if earlier_day < day and counts[earlier_day]
    ][-WEEKS:]
    return median(earlier) if earlier else None


Counted = tuple[ir.Table, str, str | None]
"""Rows, the column of their day, and the column whose sum is the count; None to count the rows."""


def side_by_side(unit: Sequence[str], *parts: ir.Table) -> ir.Table:
    """Return one row per unit with the numbers of all parts; 0 where a part has no row.

    Numbers whose name ends in `_amount` are money, all others whole.
    """
    names = [name for part in parts for name in part.columns if name not in unit]
    kinds = {name: MONEY if name.endswith("_amount") else "int64" for name in names}

    def of_all(part: ir.Table) -> ir.Table:
        own = (
            part[name].cast(kind) if name in part.columns else ibis.literal(0, kind)
            for name, kind in kinds.items()
        )
        return part.select(*unit, **dict(zip(kinds, own, strict=True)))

    terms = union_all(*map(of_all, parts))
    return terms.group_by(*unit).agg(
        **{name: terms[name].sum().cast(kind) for name, kind in kinds.items()}
    )


def balance(days: Days | None, counted: Mapping[str, Counted]) -> ir.Table:
    """Return one row per day, in `day`, with each count and the `residue`.

    The residue is the first count minus all others.

    Received rows come first in `counted`. Without days, all count.
    """
    parts = []
    for name, (rows, day, summed) in counted.items():
        rows = rows if days is None else rows.filter(days.contain(rows[day]))  # noqa: PLW2901 (the same rows, fewer)
        parts.append(
            rows.group_by(day=rows[day]).agg(
                **{name: rows[summed].sum() if summed else rows.count()}
            )
        )
    per_day = side_by_side(["day"], *parts)
    return per_day.mutate(residue=reduce(sub, (per_day[name] for name in counted)))


SAMPLES: Final = 5
"""The most rows of a day and reason."""


class RefusedMoney:
    """What the rows of a day and reason come to, as far as their amounts can be read."""

    refused_amount = amount(
        "Sum of the amounts of these rows, without their signs; null if none can be read or has "
        "one",
        "Amount",
        nullable=True,
    )
    unread_amount_count = count(
        "Of these rows, those about money whose amount cannot be read",
        "No amount",
        unit="rows",
        nullable=True,
    )


def sampled_rows(quarantined: ir.Table, contract: Contract, days: Days) -> ir.Table:
    """Return the first quarantined rows of each day and reason, with their number.

    Their place is in `sample_number`, the number of all in `row_count`, and what they come to in
    the columns of `RefusedMoney`, from the columns `money` and `is_about_money` of the rows. Rows
    are ordered by the day of arrival (`received_date`), then by all of their text, and then by
    their other values, so rows that tie are equal in all of it.
    """
    day = str(contract.day_column)
    rows, by = quarantined.filter(days.contain(quarantined[day])), (day, "reject_reason")
    texts = [
        rows[name].fill_null("")
        for name, kind in rows.schema().items()
        if kind.is_string() and name not in by
    ]
    others = [
        key
        for name, kind in rows.schema().items()
        if kind.is_timestamp() or kind.is_numeric()
        for key in (rows[name].isnull(), rows[name])  # engines place nulls differently
    ]
    in_order = ibis.window(group_by=by, order_by=[rows.received_date, *texts, *others])
    of_reason = ibis.window(group_by=by)
    placed = rows.mutate(
        sample_number=ibis.row_number().over(in_order).cast("int64") + 1,
        row_count=rows.count().over(of_reason).cast("int64"),
        refused_amount=rows.is_about_money.ifelse(rows.money.abs(), ibis.null(MONEY))
        .sum()
        .over(of_reason)
        .cast(MONEY),
        unread_amount_count=(rows.is_about_money & rows.money.isnull())
        .ifelse(1, 0)
        .sum()
        .over(of_reason)
        .cast("int64"),
    )
    return placed.filter(placed.sample_number <= SAMPLES).select(*contract.columns)
