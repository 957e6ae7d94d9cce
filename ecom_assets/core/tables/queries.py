"""The common parts of all `queries.py` modules: periods, comparison, paging, `Reading`.

A period ends on the newest day in the data, not on today's date: docs/adr/0019.

Terms: docs/glossary.md#reading.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from ecom_assets.core.errors import DefinitionError, EcomError
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import FIRST_DATE, LAST_DATE, ONE_DAY, Days

TimeRange = Literal["today", "week", "month", "quarter", "year", "custom"]
Coverage = Literal["whole", "part", "none"]
"""How much of a range of days is in the data."""
LENGTHS: Final = {"today": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
"""The number of days in each range, including the newest day in the data."""
MOST_DAYS: Final = 3_660
START, END, BEFORE_START, EARLIER_START = PARAMETERS = tuple(ibis.param("date") for _ in range(4))
"""The parameters of queries: a range's first and last day, and two earlier first days.

Queries use these parameters instead of literal dates, so that the same query serves every range.
`Reading.rows` binds them.
"""


@dataclass(frozen=True)
class KnownDays:
    """The first and last day in the data of a source, and the days between without rows.

    First and last are None if there are no data. Outside of them, and on missing days, it is
    unknown whether nothing happened or nothing was recorded.

    Attributes:
        first: The first day.
        last: The last day.
        held: The held days, in order: their new rows are blocked, and the table keeps the earlier
            rows.
        unknown: The held days with missing rows; for the other held days, the earlier copies of all
            rows are known.
        missing: The days, in order, of which nothing was received, though the source would have had
            rows.
    """

    first: date | None = None
    last: date | None = None
    held: tuple[date, ...] = ()
    unknown: frozenset[date] = frozenset()
    missing: tuple[date, ...] = ()

    @classmethod
    def from_texts(
        cls, first: str | None, last: str | None, missing: Sequence[str] = ()
    ) -> "KnownDays":
        """Return the days from text in the format YYYY-MM-DD."""
        first_day, last_day = (date.fromisoformat(day) if day else None for day in (first, last))
        return cls(first_day, last_day, missing=tuple(sorted(map(date.fromisoformat, missing))))

    def with_held(self, noted: Mapping[str, str]) -> "KnownDays":
        """Return the same days with the held days, from `warehouse.held_days`."""
        held = {date.fromisoformat(day): amount for day, amount in noted.items()}
        unknown = frozenset(day for day, amount in held.items() if amount == "none")
        missing = tuple(day for day in self.missing if day not in held)
        return replace(self, held=tuple(sorted(held)), unknown=unknown, missing=missing)

    @property
    def dates(self) -> set[date]:
        """Return every known day: without missing days, and without held days that have no row."""
        if self.first is None or self.last is None:
            return set()
        return set(Days.through(self.first, self.last).dates) - self.unknown - set(self.missing)

    def within(self, start: date, end: date) -> "KnownDays":
        """Return the known days within a range."""
        held, missing = (
            tuple(day for day in days if start <= day <= end) for days in (self.held, self.missing)
        )
        nothing = KnownDays(held=held, unknown=self.unknown & set(held), missing=missing)
        if self.first is None or self.last is None:
            return nothing
        unknown = self.unknown | set(missing)
        first, last = max(self.first, start), min(self.last, end)
        while first <= last and first in unknown:
            first += ONE_DAY
        while first <= last and last in unknown:
            last -= ONE_DAY
        return replace(nothing, first=first, last=last) if first <= last else nothing

    def coverage(self, start: date, end: date) -> Coverage:
        """Return whether all, some or none of the days in a range are known."""
        days = self.within(start, end)
        if days.first is None:
            return "none"
        has_all = (days.first, days.last) == (start, end) and not (days.held or days.missing)
        return "whole" if has_all else "part"


@dataclass(frozen=True)
class Period:
    """A range of days, including both ends.

    `known` maps each source that the numbers are counted from to its known days. If it is empty,
    all days are known.
    """

    time_range: TimeRange
    start_date: date
    end_date: date
    known: Mapping[str, KnownDays] = field(default_factory=dict, hash=False)

    @classmethod
    def from_range(
        cls,
        newest: date,
        time_range: TimeRange | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> "Period":
        """Return the requested period: by default 30 days, and `custom` if only dates are set.

        A named range ends on the `newest` day in the data; a custom one includes `start` and `end`.

        Raises:
            DefinitionError: A custom range lacks a date, ends before it starts or is too long; or
                another has dates.
        """
        has_dates = start is not None or end is not None
        time_range = time_range or ("custom" if has_dates else "month")
        if time_range == "custom":
            return cls._custom(start, end)
        if has_dates:
            raise DefinitionError(
                f"time_range={time_range} has its own days, so start_date and end_date do not go "
                "with it; leave them out, or ask with time_range=custom."
            )
        return cls(time_range, newest - (LENGTHS[time_range] - 1) * ONE_DAY, newest)

    @classmethod
    def _custom(cls, start: date | None, end: date | None) -> "Period":
        if start is None or end is None:
            raise DefinitionError(
                "time_range=custom needs both start_date and end_date, as YYYY-MM-DD."
            )
        if end < start:
            raise DefinitionError(f"start_date={start} is after end_date={end}; swap them.")
        if start < FIRST_DATE or end > LAST_DATE:
            raise DefinitionError(
                f"Days from {FIRST_DATE} to {LAST_DATE} can be asked for, not {start} to {end}."
            )
        if (end - start).days >= MOST_DAYS:
            raise DefinitionError(f"{start} to {end} is more than {MOST_DAYS} days; ask for fewer.")
        return cls("custom", start, end)

    @property
    def day_count(self) -> int:
        """Return the number of days."""
        return (self.end_date - self.start_date).days + 1

    @property
    def previous(self) -> "Period":
        """Return the period of the same length right before this one."""
        length = timedelta(days=self.day_count)
        return Period("custom", self.start_date - length, self.end_date - length, self.known)

    def for_source(self, source: str) -> "Period":
        """Return the same period with the known days of one source only."""
        return replace(
            self, known={name: days for name, days in self.known.items() if name == source}
        )

    @property
    def data(self) -> Coverage:
        """Return how many of its days all sources have: `whole`, `part` or `none`."""
        result = [days.coverage(self.start_date, self.end_date) for days in self.known.values()]
        if all(coverage == "whole" for coverage in result):
            return "whole"
        return "none" if all(coverage == "none" for coverage in result) else "part"

    @property
    def coverage(self) -> Answer:
        """Return which days of it and of the period before are known, held or missing."""
        fields: dict[str, Any] = {}
        for prefix, days in (("", self), ("previous_", self.previous)):
            known = days.known_days
            fields |= {
                f"{prefix}data": days.data,
                f"{prefix}known_from": known.first,
                f"{prefix}known_to": known.last,
            }
            fields |= {f"{prefix}held_days": known.held, f"{prefix}missing_days": known.missing}
        return fields

    @property
    def is_unknown(self) -> bool:
        """Return whether no source has any of its days, so that no number is known."""
        return self.data == "none"

    @property
    def known_days(self) -> KnownDays:
        """Return the first and last day that every source knows, and days that any lacks."""
        sources = self.known.values()
        firsts = [self.start_date, *(days.first for days in sources if days.first)]
        lasts = [self.end_date, *(days.last for days in sources if days.last)]
        held = tuple(sorted({day for days in sources for day in days.held}))
        unknown: frozenset[date] = frozenset().union(*(days.unknown for days in sources))
        missing = tuple(sorted({day for days in sources for day in days.missing}))
        result = KnownDays(max(firsts), min(lasts), held, unknown, missing)
        if not all(days.first for days in sources):
            result = replace(result, first=None, last=None)
        return result.within(self.start_date, self.end_date)

    @property
    def is_comparable(self) -> bool:
        """Return whether it can be compared with the period before: all days of both are known."""
        return self.data == self.previous.data == "whole"

    @property
    def days(self) -> Days:
        """Return the days of the period as a set."""
        return Days.through(self.start_date, self.end_date)

    def contains(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date column holds a day of the period."""
        return (column >= self.start_date) & (column <= self.end_date)

    @property
    def parameters(self) -> dict[ir.Scalar, date]:
        """Return the value of each query parameter."""
        before = self.previous
        days = (self.start_date, self.end_date, before.start_date, before.previous.start_date)
        return dict(zip(PARAMETERS, days, strict=True))


def unfinished_day(period: Period, timezone: str, known_at: datetime) -> date | None:
    """Return the day of a period that was not over, in a time zone, at an instant, or None.

    Its numbers are provisional.
    """
    today, known_to = known_at.astimezone(ZoneInfo(timezone)).date(), period.known_days.last
    return (
        today
        if known_to is not None and period.start_date <= today <= min(period.end_date, known_to)
        else None
    )


def unfinished_day_of_sources(period: Period, timezone: str, known_at: datetime) -> date | None:
    """Return the same if any source has a part of the day."""
    of_sources = map(period.for_source, period.known)
    return next(
        (day for own in of_sources if (day := unfinished_day(own, timezone, known_at))), None
    )


def range_of(period: Period, timezone: str, known_at: datetime) -> Answer:
    """Return the `Range` of an answer: its days, and which are known or not over.

    Args:
        period: The days.
        timezone: Their time zone.
        known_at: When the data were read or published.
    """
    previous = period.previous
    return {
        "time_range": period.time_range,
        "start_date": period.start_date,
        "end_date": period.end_date,
        "day_count": period.day_count,
        "timezone": timezone,
        "provisional_from": unfinished_day(period, timezone, known_at),
        "previous_start_date": previous.start_date,
        "previous_end_date": previous.end_date,
        **period.coverage,
        "sources": {name: period.for_source(name).coverage for name in period.known},
    }


def provisional_lines(day: date | str | None) -> list[str]:
    """Return a sentence about the day from which numbers are provisional, if there is one."""
    return [f"{day} is not over: its numbers are provisional, and grow."] if day else []


def in_period(day: ir.Column) -> ir.BooleanValue:
    """Return the condition that a date column holds a day of the requested range."""
    return (day >= START) & (day <= END)


def with_previous(table: ir.Table, day: str) -> ir.Table:
    """Return the rows of the requested range and the one before, with `is_current` 1 and 0."""
    rows = table.filter(table[day] >= BEFORE_START, table[day] <= END)
    return rows.mutate(is_current=(rows[day] >= START).ifelse(1, 0))


StateRow = Mapping[str, Any]
"""A row that all answers from one state share, so that none can change it."""


def read_only(rows: Iterable[NamedValues]) -> tuple[StateRow, ...]:
    """Return rows that nobody can change, nor what is inside them."""
    return tuple(_read_only(row) for row in rows)


def _read_only(value: Any) -> Any:  # noqa: ANN401 (any value of a column)
    if isinstance(value, Mapping):
        return MappingProxyType({name: _read_only(inside) for name, inside in value.items()})
    return tuple(map(_read_only, value)) if isinstance(value, list) else value


class NotPublishedError(EcomError):
    """A table is not in what is published, which may be older than this version."""


class NoSourceError(EcomError):
    """The query needs a source that the shop does not have.

    An answer of zero would look like bad business.
    """


class NoOrdersError(NoSourceError):
    """The query is about sales, but there are neither order lines nor purchase events."""


class HasTables(Protocol):
    """Tables by their contract, whatever connection they are read by."""

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""


class Reading(Protocol):
    """A consistent snapshot of the tables.

    All queries see the same data, even if new data are published meanwhile.
    """

    newest_date: date
    """The newest day in the data, in the reporting time zone."""
    known: Mapping[str, KnownDays]
    """The known days of each source; see `serving/reading.py`."""
    timezone: str
    """The reporting time zone, an IANA name."""
    currency: str
    """The currency of all amounts, as an ISO 4217 code; empty where it is unknown."""
    not_recorded: frozenset[str]
    """What the events of the shop do not record; see `behaviour/events/recorded.py`."""

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""

    def events(self) -> ir.Table:
        """Return clean events."""

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result, in order, by column name.

        `period` is bound to `PARAMETERS`.
        """

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a query without a period, which answers from a snapshot share;
        see `read_only`.
        """


Fetch = Callable[[ir.Table], Sequence[NamedValues]]
"""A function that returns the rows of a small result."""


ZERO: Final = Decimal("0.00")


def mean(amount: Decimal | None, count: float) -> Decimal | None:
    """Return an amount per unit, which is rounded where it is shown; None without either.

    Of what is shared, such as credit for a customer, there can be parts.
    """
    whole = Decimal(str(count)) if isinstance(count, float) else count
    return amount / whole if count and amount is not None else None


@dataclass(frozen=True)
class Extent:
    """The number of events that a query reads, and their first and last day, or None."""

    event_count: int
    first_date: date | None
    last_date: date | None

    @classmethod
    def from_events(cls, reading: Reading, events: ir.Table) -> "Extent":
        """Count events and find their first and last day, by one statement."""
        days = events.event_date
        (row,) = reading.rows(
            events.agg(event_count=events.count(), first_date=days.min(), last_date=days.max())
        )
        return cls(**row)

    @property
    def day_count(self) -> int:
        """Return the number of days from the first to the last."""
        return (
            (self.last_date - self.first_date).days + 1 if self.first_date and self.last_date else 0
        )

    def period(self, newest: date) -> Period:
        """Return the days of the events; the newest day in the data if there are no events."""
        return Period("custom", self.first_date or newest, self.last_date or newest)


def of_period(rows: ir.Table, period: Period | None) -> ir.Table:
    """Return an expression with the days of a period in place of `PARAMETERS`."""
    if period is None:
        return rows
    days = {name.op(): ibis.literal(day).op() for name, day in period.parameters.items()}
    bound: ir.Table = rows.op().replace(days).to_expr()
    return bound


def events_in_period(events: ir.Table, period: Period | None) -> ir.Table:
    """Return the events of a period; all events without one."""
    return events if period is None else events.filter(period.contains(events.event_date))


DECIMALS = 6
"""Decimal places of shares and means: enough for one in a million, equal on every engine.

They show one in a million, and are equal on every engine.
"""
CHANGE = (
    "By what share the number changed from the period before; null where that was zero, and where "
    "the data do not hold all days of both (range.data, range.previous_data)"
)


def share(part: Decimal | float | None, whole: Decimal | float | None) -> float | None:
    """Return a share; None if the denominator is zero or unknown, or the part is unknown."""
    return round(float(part) / float(whole), DECIMALS) if whole and part is not None else None


def significant(value: float) -> float:
    """Return a number of any size rounded to the digits that are the same on every machine."""
    return float(f"{value:.{DECIMALS}g}")


def changes(now: NamedValues, before: NamedValues, names: Iterable[str]) -> dict[str, float | None]:
    """Return the relative change of each number; None from zero, or if either is unknown."""
    return {name: _change(now[name], before[name]) for name in names}


def compared(
    now: NamedValues, before: NamedValues, names: Iterable[str], period: Period
) -> dict[str, Answer | None]:
    """Return the numbers of the period before and their change; None if none of its days is known.

    The changes are None unless all days of both periods are known. Otherwise a shop would seem to
    grow because earlier days are missing, or to shrink because days have not happened yet.
    """
    return {
        "previous": None if period.previous.is_unknown else dict(before),
        "change": changes(now, before, names) if period.is_comparable else dict.fromkeys(names),
    }


def if_known(numbers: NamedValues, period: Period) -> Answer:
    """Return the numbers of a period; None for each if none of its days is known.

    Unknown is not zero.
    """
    return dict.fromkeys(numbers) if period.is_unknown else dict(numbers)


def with_unknown_total(numbers: NamedValues) -> Answer:
    """Return the numbers of days of which none is known: None for each.

    How many rows a list would have is not known either.
    """
    return {
        name: (value or None) if name == "total_count" else value for name, value in numbers.items()
    }


def revenue_compared(now: Decimal | None, before: Decimal | None, period: Period) -> Answer:
    """Return the earlier revenue and its change, as fields of a row in a list."""
    name = "revenue_amount"
    comparison = compared({name: now}, {name: before}, [name], period)
    previous, change = comparison["previous"], comparison["change"]
    return {
        "previous_revenue_amount": previous and previous[name],
        "revenue_change": change and change[name],
    }


def _change(now: Any, before: Any) -> float | None:  # noqa: ANN401 (whole numbers, money, shares or None)
    if now is None or before is None or not before:
        return None
    return round(
        float((Decimal(str(now)) - Decimal(str(before))) / abs(Decimal(str(before)))), DECIMALS
    )


@dataclass(frozen=True)
class Page:
    """Which rows of a list to return: at most `limit`, after skipping `offset`."""

    limit: int
    offset: int = 0


def page_of(
    reading: Reading,
    rows: ir.Table,
    order: Sequence[ir.Value | str],
    page: Page,
    period: Period | None = None,
) -> tuple[list[Row], int]:
    """Return a page of a table's rows, and the number of all its rows.

    The sort order must have no ties. `period` has the days to bind to `PARAMETERS`, if the table
    uses them.
    """
    counted = rows.mutate(total_count=rows.count().over(ibis.window()))
    result = reading.rows(counted.order_by(order).limit(page.limit, offset=page.offset), period)
    if result:
        total = result[0]["total_count"]
    else:
        total = reading.rows(rows.agg(total_count=rows.count()), period)[0]["total_count"]
    return [
        {name: value for name, value in row.items() if name != "total_count"} for row in result
    ], int(total)


def cut(answer: NamedValues, name: str, limit: int | None, offset: int) -> Answer:
    """Return an answer with a page of its list, and the number of rows in the whole list.

    An answer whose list has only the first rows says their number itself.
    """
    rows = answer[name]
    last = None if limit is None else offset + limit
    return {"total_count": len(rows), **answer, name: rows[offset:last]}


EVENTS: Final[Literal["events"]] = "events"
STOCK: Final[Literal["stock"]] = "stock"
NOTHING: Final = KnownDays()
NEEDED: Final = {
    EVENTS: "There are no events to count this from; set ECOM_EVENTS, and run `ecom run`.",
    STOCK: (
        "There is no stock to take alerts from; set ECOM_CATALOGUE or ECOM_CATALOGUE_API_URL, "
        "and run `ecom run`."
    ),
}


def require(reading: Reading, source: Literal["events", "stock"]) -> None:
    """Raise if the shop lacks a source.

    Raises:
        NoSourceError: The source has no data.
    """
    if reading.known.get(source, NOTHING).first is None:
        raise NoSourceError(NEEDED[source])


ALL: Final = "(all)"
"""In a key column of a total: rows of every value are in it."""


def totals_by(rows: ir.Table, names: Iterable[str], dimension: str | None = None) -> ir.Table:
    """Return the rows of a mart that are by one of its dimensions `names`, or its totals."""
    totals = rows.filter(*(rows[name] == ALL for name in names if name != dimension))
    return totals if dimension is None else totals.filter(totals[dimension] != ALL)


def rows_in_period(reading: Reading, contract: Contract) -> ir.Table:
    """Return the rows of a table on the days of the requested range."""
    rows = reading.table(contract)
    return rows.filter(in_period(rows[str(contract.day_column)]))


def rejected_rows(
    reading: Reading, quarantined: Contract, duplicates: Contract, period: Period
) -> Answer:
    """Return the counts of quarantined rows by reason, most frequent first, and of surplus copies.

    The first table has a column `reject_reason`, the second one `surplus_count`.
    """
    rejected, surplus = rows_in_period(reading, quarantined), rows_in_period(reading, duplicates)
    reasons = reading.rows(rejected.group_by("reject_reason").agg(n=rejected.count()), period)
    (copies,) = reading.rows(surplus.agg(n=surplus.surplus_count.sum()), period)
    ordered = sorted(reasons, key=lambda row: (-row["n"], row["reject_reason"]))
    return {
        "quarantined": {row["reject_reason"]: int(row["n"]) for row in ordered},
        "duplicates": int(copies["n"] or 0),
    }


def revenue_of(rows: Iterable[Row]) -> Decimal:
    """Return the total revenue of all rows whose revenue is known."""
    return sum((row["revenue_amount"] for row in rows if row["revenue_amount"] is not None), ZERO)


def by_revenue(row: Row) -> Decimal:
    """Return the sort key for the most revenue first; unknown revenue sorts as zero."""
    return -(row["revenue_amount"] or ZERO)
