"""Numbers of data quality: received rows and their outcomes,
quarantined rows by reason, and held days.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from ecom_assets.behaviour.events.contracts import EventAccountingDaily, QuarantinedEventSamples
from ecom_assets.commerce.orders.contracts import OrderAccountingDaily, QuarantinedOrderSamples
from ecom_assets.commerce.orders.queries import held_days
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import HIDDEN, Contract
from ecom_assets.core.tables.queries import (
    KnownDays,
    Page,
    Period,
    Reading,
    if_known,
    page_of,
    rows_in_period,
)

RowSource = Literal["events", "orders"]


@dataclass(frozen=True)
class Accounted:
    """The tables that account for the received rows of a source."""

    daily: Contract
    samples: Contract

    @property
    def day(self) -> str:
        """Return the day column, which both tables have."""
        return str(self.daily.day_column)


SOURCES: Final[Mapping[RowSource, Accounted]] = {
    "events": Accounted(EventAccountingDaily, QuarantinedEventSamples),
    "orders": Accounted(OrderAccountingDaily, QuarantinedOrderSamples),
}
COUNTS: Final = OrderAccountingDaily.numbers()
RECEIVED, *OUTCOMES = COUNTS


def known_days(reading: Reading) -> dict[str, KnownDays]:
    """Return the days from the first to the last row that was received of each source.

    A day whose rows are all quarantined is known here, even after the last day of clean rows. A
    source of which nothing was received ever has no days, and is left out if there is another one.
    """
    days_by_source: dict[str, KnownDays] = {}
    for source, tables in SOURCES.items():
        day = reading.table(tables.daily)[tables.day]
        (ends,) = reading.state(day.as_table().agg(first=day.min(), last=day.max()))
        clean = reading.known.get(source, KnownDays())
        firsts, lasts = (
            [end for end in pair if end]
            for pair in ((ends["first"], clean.first), (ends["last"], clean.last))
        )
        if firsts and lasts:
            days_by_source[source] = KnownDays(min(firsts), max(lasts))
    return days_by_source or {source: KnownDays() for source in SOURCES}


def row_accounting(reading: Reading, period: Period) -> Answer:
    """Return the outcomes of the received rows of a period: per source, per day,
    and by reject reason.
    """
    days = [row for source in SOURCES for row in _days(reading, source, period)]
    days.sort(key=lambda row: (row["accounted_date"], row["source"]))
    sources = []
    for source in SOURCES:
        source_days = [row for row in days if row["source"] == source]
        sums = _with_residue({column: sum(row[column] for row in source_days) for column in COUNTS})
        known = period.for_source(source) if source in period.known else period
        sources.append({"source": source, **if_known(sums, known)})
    reasons = [row for source in SOURCES for row in _reasons(reading, source, period)]
    reasons.sort(key=lambda row: (-row["row_count"], row["source"], row["reject_reason"]))
    return {"days": days, "sources": sources, "reasons": reasons}


def _days(reading: Reading, source: RowSource, period: Period) -> list[Row]:
    tables = SOURCES[source]
    rows = rows_in_period(reading, tables.daily)
    names = [name for name in COUNTS if name in tables.daily.columns]
    result = reading.rows(rows.select(tables.day, *names).order_by(tables.day), period)
    return [
        _with_residue(
            {
                "accounted_date": row[tables.day],
                "source": source,
                **{column: row.get(column, 0) for column in COUNTS},
            }
        )
        for row in result
    ]


def _with_residue(row: Row) -> Row:
    return {**row, "residue_count": row[RECEIVED] - sum(row[name] for name in OUTCOMES)}


def _reasons(reading: Reading, source: RowSource, period: Period) -> list[Row]:
    tables = SOURCES[source]
    rows = rows_in_period(reading, tables.samples)
    first = rows.filter(rows.sample_number == 1)
    day = first[tables.day]
    grouped = first.group_by("reject_reason").agg(
        row_count=first.row_count.sum().cast("int64"),
        refused_amount=first.refused_amount.sum(),
        unread_amount_count=first.unread_amount_count.sum().cast("int64"),
        first_date=day.min(),
        last_date=day.max(),
    )
    return [
        {"source": source, **row} for row in reading.rows(grouped.order_by("reject_reason"), period)
    ]


@dataclass(frozen=True)
class Wanted:
    """Which sample rows to return: of a source, for a reject reason or any, and at most so many."""

    source: RowSource
    reason: str | None = None
    limit: int = 20


def quarantined_samples(
    reading: Reading,
    period: Period,
    wanted: Wanted,
    *,
    may_see_people: bool,
    may_see_costs: bool,
) -> Answer:
    """Return sample rows that were quarantined in a period, the newest day first,
    and how many there are.

    Personal data and costs are replaced unless they may be seen.
    """
    tables = SOURCES[wanted.source]
    rows = rows_in_period(reading, tables.samples)
    if wanted.reason is not None:
        rows = rows.filter(rows.reject_reason == wanted.reason)
    order = [rows[tables.day].desc(), "reject_reason", "sample_number"]
    samples, total = page_of(reading, rows, order, Page(wanted.limit), period)
    hidden = {
        name
        for name, column in tables.samples.columns.items()
        if (column.pii and not may_see_people) or (column.is_cost and not may_see_costs)
    }
    return {"total_count": total, "samples": [_hidden(row, hidden) for row in samples]}


def _hidden(row: Row, hidden: Set[str]) -> Row:
    """Return a row with some columns hidden; null stays null."""
    return {
        name: HIDDEN if name in hidden and value is not None else value
        for name, value in row.items()
    }


def held(reading: Reading) -> list[Row]:
    """Return the days of arrival that are held back, of all sources, in ascending order."""
    return [{"source": "orders", **row} for row in held_days(reading)]


def newest_days(reading: Reading, contracts: Iterable[Contract]) -> dict[str, date | None]:
    """Return the newest day of each published table that is partitioned by day, by its name."""
    result = {}
    for contract in contracts:
        if contract.day_column:
            rows = reading.table(contract)
            (row,) = reading.state(rows.agg(newest=rows[contract.day_column].max()))
            result[contract.qualified_name()] = row["newest"]
    return result
