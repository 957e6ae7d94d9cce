"""What `queries.py` files share: periods and which of their days are known, comparison, paging, and `Reading`.

A period ends on the newest day in the data, not on the clock's: docs/adr/0019.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, EcomError
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import ONE_DAY, Days

TimeRange = Literal["today", "week", "month", "quarter", "year", "custom"]
Coverage = Literal["whole", "part", "none"]
"""How much of some days the data hold."""
LENGTHS: Final = {"today": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
"""Days of each range, the newest day in the data included."""
MOST_DAYS: Final = 3_660
START, END, BEFORE_START, EARLIER_START = PARAMETERS = tuple(ibis.param("date") for _ in range(4))
"""The first and the last day of a range, the first of the days before it, and of the days before these.

Questions name these, not days, so that one about other days is the same question: `Reading.rows` puts the days in.
"""
FIRST_DATE: Final = date(1900, 1, 1)
LAST_DATE: Final = date(2200, 12, 31)


@dataclass(frozen=True)
class KnownDays:
    """The first and the last day that the data of a source hold; both None where there are none.

    Before the first and after the last nobody knows whether nothing happened or nothing was kept.

    Attributes:
        first: The first day.
        last: The last day.
        held: The days whose rows are held back, in order.
        unknown: Those among them of which rows are missing; of the others the earlier copies of all rows are known.
    """

    first: date | None = None
    last: date | None = None
    held: tuple[date, ...] = ()
    unknown: frozenset[date] = frozenset()

    @classmethod
    def of_texts(cls, first: str | None, last: str | None) -> "KnownDays":
        """Return the days that are written as YYYY-MM-DD."""
        return cls(date.fromisoformat(first) if first else None, date.fromisoformat(last) if last else None)

    def with_held(self, noted: Mapping[str, str]) -> "KnownDays":
        """Return the same days with those held back, from how much of each is known (see `warehouse.held_days`)."""
        held = {date.fromisoformat(day): known for day, known in noted.items()}
        unknown = frozenset(day for day, known in held.items() if known == "none")
        return replace(self, held=tuple(sorted(held)), unknown=unknown)

    def within(self, start: date, end: date) -> "KnownDays":
        """Return those that are among some days."""
        held = tuple(day for day in self.held if start <= day <= end)
        nothing = KnownDays(held=held, unknown=self.unknown & set(held))
        if self.first is None or self.last is None:
            return nothing
        first, last = max(self.first, start), min(self.last, end)
        while first <= last and first in self.unknown:
            first += ONE_DAY
        while first <= last and last in self.unknown:
            last -= ONE_DAY
        return replace(nothing, first=first, last=last) if first <= last else nothing

    def coverage(self, start: date, end: date) -> Coverage:
        """Return how many of some days are known."""
        known = self.within(start, end)
        if known.first is None:
            return "none"
        return "whole" if (known.first, known.last) == (start, end) and not known.held else "part"


@dataclass(frozen=True)
class Period:
    """A run of days, both ends included.

    `known` has the known days of each source that is counted in them. Without any, all days count as known.
    """

    time_range: TimeRange
    start_date: date
    end_date: date
    known: Mapping[str, KnownDays] = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls, newest: date, time_range: TimeRange | None = None, start: date | None = None, end: date | None = None
    ) -> "Period":
        """Return the days that are asked for; 30 where nothing is, `custom` where only dates are given.

        Args:
            newest: The newest day in the data.
            time_range: Which days.
            start: First day of a custom range.
            end: Last day of it.

        Raises:
            DefinitionError: A custom range lacks a day, ends before it starts or is too long; or another has days.
        """
        has_dates = start is not None or end is not None
        time_range = time_range or ("custom" if has_dates else "month")
        if time_range == "custom":
            return cls._custom(start, end)
        if has_dates:
            raise DefinitionError(
                f"time_range={time_range} has its own days, so start_date and end_date do not go with it; leave them "
                "out, or ask with time_range=custom."
            )
        return cls(time_range, newest - (LENGTHS[time_range] - 1) * ONE_DAY, newest)

    @classmethod
    def _custom(cls, start: date | None, end: date | None) -> "Period":
        if start is None or end is None:
            raise DefinitionError("time_range=custom needs both start_date and end_date, as YYYY-MM-DD.")
        if end < start:
            raise DefinitionError(f"start_date={start} is after end_date={end}; swap them.")
        if start < FIRST_DATE or end > LAST_DATE:
            raise DefinitionError(f"Days from {FIRST_DATE} to {LAST_DATE} can be asked for, not {start} to {end}.")
        if (end - start).days >= MOST_DAYS:
            raise DefinitionError(f"{start} to {end} is more than {MOST_DAYS} days; ask for fewer.")
        return cls("custom", start, end)

    @property
    def day_count(self) -> int:
        """Return how many days it has."""
        return (self.end_date - self.start_date).days + 1

    @property
    def previous(self) -> "Period":
        """Return as many days, right before."""
        length = timedelta(days=self.day_count)
        return Period("custom", self.start_date - length, self.end_date - length, self.known)

    def of_source(self, source: str) -> "Period":
        """Return the same days as one of the sources knows them."""
        return replace(self, known={name: days for name, days in self.known.items() if name == source})

    @property
    def data(self) -> Coverage:
        """Return how many of its days are known: `whole` where every source knows all, `none` where none knows any."""
        found = [one.coverage(self.start_date, self.end_date) for one in self.known.values()]
        if all(one == "whole" for one in found):
            return "whole"
        return "none" if all(one == "none" for one in found) else "part"

    @property
    def known_days(self) -> KnownDays:
        """Return the first and the last of its days that every source knows, and those that one holds back."""
        sources = self.known.values()
        firsts = [self.start_date, *(one.first for one in sources if one.first)]
        lasts = [self.end_date, *(one.last for one in sources if one.last)]
        held = tuple(sorted({day for one in sources for day in one.held}))
        unknown: frozenset[date] = frozenset().union(*(one.unknown for one in sources))
        found = KnownDays(max(firsts), min(lasts), held, unknown)
        if not all(one.first for one in sources):
            found = replace(found, first=None, last=None)
        return found.within(self.start_date, self.end_date)

    @property
    def is_comparable(self) -> bool:
        """Tell whether its numbers can be compared with those of the days before: all of both are known."""
        return self.data == self.previous.data == "whole"

    @property
    def days(self) -> Days:
        """Return its days as a set."""
        return Days.between(self.start_date, self.end_date + ONE_DAY)

    def contains(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date column holds one of its days."""
        return (column >= self.start_date) & (column <= self.end_date)

    @property
    def parameters(self) -> dict[ir.Scalar, date]:
        """Return the day of each parameter."""
        before = self.previous
        days = (self.start_date, self.end_date, before.start_date, before.previous.start_date)
        return dict(zip(PARAMETERS, days, strict=True))


def in_period(day: ir.Column) -> ir.BooleanValue:
    """Return the condition that a date column holds a day of the range that is asked about."""
    return (day >= START) & (day <= END)


def with_previous(table: ir.Table, day: str) -> ir.Table:
    """Return the rows of the range that is asked about and of the days before, `is_current` being 1 for it, else 0."""
    rows = table.filter(table[day] >= BEFORE_START, table[day] <= END)
    return rows.mutate(is_current=(rows[day] >= START).ifelse(1, 0))


Row = dict[str, Any]


class NoSourceError(EcomError):
    """The question is about a source that the shop did not give: a zero would be taken for bad business."""


class NoOrdersError(NoSourceError):
    """The question is about sales, and there are neither order lines nor purchase events."""


class Reading(Protocol):
    """Tables of one moment: whatever is published meanwhile, all questions are answered from the same."""

    newest_date: date
    """The newest day in the data, in the reporting time zone."""
    known: Mapping[str, KnownDays]
    """The days that the data of each source hold, see `serving/source_days.py`."""
    timezone: str
    """The reporting time zone, an IANA name."""
    currency: str
    """Of all amounts, by ISO 4217."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""

    def events(self) -> ir.Table:
        """Return clean events."""

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result by column name, in its order.

        Args:
            question: What is asked.
            period: The days that it is asked about, where it names those by `PARAMETERS`.
        """

    def state(self, question: ir.Table) -> list[Row]:
        """Return the same of a question that is about no days: all answers from this moment share its rows."""


Fetch = Callable[[ir.Table], list[Row]]
"""Returns the rows of a small result."""


def fetch_rows(question: ir.Table) -> list[Row]:
    """Return the rows of a small result of tables that are open in an engine, as those of files are."""
    rows: list[Row] = question.to_pyarrow().to_pylist()
    return rows


ZERO: Final = Decimal("0.00")


def mean(amount: Decimal | None, count: int) -> Decimal | None:
    """Return an amount per unit to the cent, None without units or amount."""
    return (amount / count).quantize(Decimal("0.01")) if count and amount is not None else None


@dataclass(frozen=True)
class Extent:
    """How many events a question is of, and their days; these are None where there are none."""

    event_count: int
    first_date: date | None
    last_date: date | None

    @classmethod
    def of(cls, reading: Reading, events: ir.Table) -> "Extent":
        """Count the events."""
        days = events.event_date
        (row,) = reading.rows(events.agg(event_count=events.count(), first_date=days.min(), last_date=days.max()))
        return cls(**row)

    def period(self, newest: date) -> Period:
        """Return the days of the events; the newest day in the data where there are none."""
        return Period("custom", self.first_date or newest, self.last_date or newest)


def within(events: ir.Table, period: Period | None) -> ir.Table:
    """Return the events of a period, all of them without one."""
    return events if period is None else events.filter(period.contains(events.event_date))


DECIMALS = 6
"""Places of shares and means: enough for a share of a million, and the same on every engine."""
CHANGE = (
    "(this period minus the one before) ÷ |the one before|; null where that is zero, and where the data do not hold "
    "all days of both (range.data, range.previous_data)"
)


def share(part: Decimal | float | None, whole: Decimal | float | None) -> float | None:
    """Return a share, or None where there is nothing to share, or the part is unknown."""
    return round(float(part) / float(whole), DECIMALS) if whole and part is not None else None


def changes(now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str]) -> dict[str, float | None]:
    """Return the change of each number, as a share of its size before; None where that is zero or unknown."""
    return {name: _change(now[name], before[name]) for name in names}


def compared(
    now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str], period: Period
) -> dict[str, dict[str, Any] | None]:
    """Return the numbers of the days before, None where the data hold none of these; and how each number changed.

    Without all days of both there is no change to tell: a shop does not grow by what was not kept, nor shrink by days
    that have not happened.
    """
    return {
        "previous": None if period.previous.data == "none" else dict(before),
        "change": changes(now, before, names) if period.is_comparable else dict.fromkeys(names),
    }


def if_known(numbers: Mapping[str, Any], period: Period) -> dict[str, Any]:
    """Return the numbers of a period; None for each where none of its days is known, as nothing is not zero."""
    return dict(numbers) if period.data != "none" else dict.fromkeys(numbers)


def revenue_compared(now: Decimal | None, before: Decimal | None, period: Period) -> dict[str, Any]:
    """Return the same of revenue alone, as rows of lists have it."""
    name = "revenue_amount"
    told = compared({name: now}, {name: before}, [name], period)
    previous, change = told["previous"], told["change"]
    return {"previous_revenue_amount": previous and previous[name], "revenue_change": change and change[name]}


def _change(now: Any, before: Any) -> float | None:  # noqa: ANN401 (whole numbers, money, shares or None)
    if now is None or before is None or not before:
        return None
    return round(float((Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))), DECIMALS)


@dataclass(frozen=True)
class Page:
    """Which rows of a list: so many at most, after those that are left out at its start."""

    limit: int
    offset: int = 0


def page_of(
    reading: Reading, rows: ir.Table, order: Sequence[ir.Value | str], page: Page, period: Period | None = None
) -> tuple[list[Row], int]:
    """Return some rows of a table, and how many it has.

    Args:
        reading: Where the table is.
        rows: The table.
        order: What its rows are in the order of; no two may tie.
        page: Which of them.
        period: The days that the table names.
    """
    counted = rows.mutate(total_count=rows.count().over(ibis.window()))
    found = reading.rows(counted.order_by(order).limit(page.limit, offset=page.offset), period)
    total = found[0]["total_count"] if found else reading.rows(rows.agg(n=rows.count()), period)[0]["n"]
    return [{name: value for name, value in row.items() if name != "total_count"} for row in found], int(total)


def cut(answer: Mapping[str, Any], name: str, limit: int | None, offset: int) -> dict[str, Any]:
    """Return an answer with a part of its list, and how many rows the whole has."""
    rows = answer[name]
    last = None if limit is None else offset + limit
    return {**answer, "total_count": len(rows), name: rows[offset:last]}


EVENTS: Final[Literal["events"]] = "events"
STOCK: Final[Literal["stock"]] = "stock"
NOTHING: Final = KnownDays()
NEEDED: Final = {
    EVENTS: "There are no events to count this from; set ECOM_EVENTS, and run `ecom run`.",
    STOCK: "There is no stock to tell alerts from; set ECOM_CATALOGUE or ECOM_CATALOGUE_API_URL, and run `ecom run`.",
}


def require(reading: Reading, source: Literal["events", "stock"]) -> None:
    """Refuse a shop that lacks a source.

    Raises:
        NoSourceError: It does.
    """
    if reading.known.get(source, NOTHING).first is None:
        raise NoSourceError(NEEDED[source])


def rejected_rows(
    reading: Reading, quarantined: type[Table], duplicates: type[Table], period: Period
) -> dict[str, Any]:
    """Return the rows of a period that are quarantined, by reason, the most frequent first, and the surplus copies.

    Args:
        reading: Where the tables are.
        quarantined: A table with `reject_reason`.
        duplicates: A table with `surplus_count`.
        period: Days of the tables' partition columns.
    """
    rejected, surplus = (_in_partitions(reading, contract) for contract in (quarantined, duplicates))
    reasons = reading.rows(rejected.group_by("reject_reason").agg(n=rejected.count()), period)
    (copies,) = reading.rows(surplus.agg(n=surplus.surplus_count.sum()), period)
    ordered = sorted(reasons, key=lambda row: (-row["n"], row["reject_reason"]))
    return {
        "quarantined": {row["reject_reason"]: int(row["n"]) for row in ordered},
        "duplicates": int(copies["n"] or 0),
    }


def _in_partitions(reading: Reading, contract: type[Table]) -> ir.Table:
    table = reading.table(contract)
    return table.filter(in_period(table[contract.day_column or ""]))


def revenue_of(rows: Iterable[Row]) -> Decimal:
    """Return the revenue of all rows that have one."""
    return sum((row["revenue_amount"] for row in rows if row["revenue_amount"] is not None), ZERO)


def by_revenue(row: Row) -> Decimal:
    """Return the sort key that puts rows with most revenue first; unknown revenue sorts as none."""
    return -(row["revenue_amount"] or ZERO)
