"""Rows of raw tables that are gone: how many there must be, which losses are declared,
and what else is a loss.

Each write of a raw table notes in its transaction how many rows it left of each day. Code that
takes rows away on purpose declares it here: `declared_loss` around the removal, or
`SliceOutput.supersedes` for rows that newer versions replace. Any other day with fewer rows than
noted has lost some, and nothing is computed from it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa

from ecom_assets.core.tables.contract import Contract, count, text
from ecom_assets.core.tables.contract import day as day_of
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of
from ecom_assets.core.warehouse.day_notes import (
    DayNotes,
    Withdrawals,
    noted_days,
    notes_of,
    renew_notes,
)
from ecom_assets.core.warehouse.engine import Engine

ARRIVED = "received_date"
LISTED = 5
"""The most days that a sentence names."""


class StoredRows(DayNotes):
    """One row per raw table and day of arrival with rows:
    how many the last write or removal left of it.
    """

    received_date = day_of("The day on which the rows arrived")
    source_table = text("The raw table that has them, such as `raw.events`")
    stored_count = count("Rows that the table must have of the day", unit="rows")


@dataclass(frozen=True)
class LostRows:
    """The row counts of a day, before and now."""

    day: date
    before: int
    now: int


def noted_counts(engine: Engine, contract: Contract) -> dict[date, int]:
    """Return how many rows a raw table must have of each day; empty if it was never noted."""
    notes = notes_of(engine, StoredRows, contract.qualified_name())
    return {row["received_date"]: int(row["stored_count"]) for row in notes}


def lost_rows(engine: Engine, contract: Contract) -> list[LostRows]:
    """Return the days of a raw table that have fewer rows than were noted."""
    lost = _lost(engine, contract)
    # Another run may have written between the two statements; it does not do so twice.
    return _lost(engine, contract) if lost else []


def _lost(engine: Engine, contract: Contract) -> list[LostRows]:
    noted = noted_counts(engine, contract)
    return fewer(noted, engine.day_counts(contract, None) if noted else {})


def fewer(before: Mapping[date, int], now: Mapping[date, int]) -> list[LostRows]:
    """Return the days that have fewer rows now than before."""
    counts = (LostRows(day, number, now.get(day, 0)) for day, number in sorted(before.items()))
    return [lost for lost in counts if lost.now < lost.before]


def listed(lost: Iterable[LostRows]) -> str:
    """Return the days of a loss with their numbers of rows, such as
    `30 of the 120 rows of 2026-03-02`.
    """
    each = [f"{row.before - row.now:,} of the {row.before:,} rows of {row.day}" for row in lost]
    more = [f"more of {len(each) - LISTED:,} other days"] if len(each) > LISTED else []
    return ", ".join([*each[:LISTED], *more])


def loss_sentence(contract: Contract, lost: list[LostRows]) -> str:
    """Return the sentence about rows that are gone from a raw table, with the remedy."""
    days = f"--from {lost[0].day} --to {lost[-1].day}"
    return (
        f"{contract.qualified_name()} has lost {listed(lost)}, which no erasure, limit or allowed "
        f"withdrawal took; load these days again with `ecom run {days}`, or accept the loss with "
        "`--allow-withdrawal` there."
    )


@contextmanager
def declared_loss(engine: Engine, contract: Contract, days: Days | None = None) -> Iterator[None]:
    """Let the block remove rows of some days of a raw table, or of all, without counting as a loss.

    If it is killed, these days have no note, and are not compared until something is written or
    removed again.
    """
    noted = noted_days(engine, StoredRows, contract.qualified_name())
    changed = Days.from_dates(noted if days is None else noted & set(days.dates))
    if not changed.dates:
        yield
        return
    renew_notes(engine, StoredRows, contract.qualified_name(), changed, [])
    yield
    rows = _rows(engine.day_counts(contract, changed))
    renew_notes(engine, StoredRows, contract.qualified_name(), changed, rows)


def note_stored(engine: Engine, contract: Contract, counts: Mapping[date, int], days: Days) -> None:
    """Record within a transaction how many rows a write leaves of some days."""
    make = partial(_with_counts, contract.qualified_name(), counts)
    engine.rewrite(StoredRows, days, make)


def _with_counts(source_table: str, counts: Mapping[date, int], old: pa.Table) -> pa.Table:
    others = [row for row in old.to_pylist() if row["source_table"] != source_table]
    fresh = [{**row, "source_table": source_table} for row in _rows(counts)]
    return pa.Table.from_pylist([*others, *fresh], schema=arrow_schema_of(StoredRows))


def _rows(counts: Mapping[date, int]) -> list[dict[str, object]]:
    return [
        {"received_date": day, "stored_count": number}
        for day, number in sorted(counts.items())
        if number
    ]


@dataclass(frozen=True)
class StrandedRows:
    """Rows of a table of which no row is left in the raw table of the same source."""

    table: str
    raw: str
    counts: Mapping[date, int]


def stranded_rows(engine: Engine, tables: Iterable[Contract]) -> list[StrandedRows]:
    """Return the rows of staging tables whose raw rows are gone, by day of arrival.

    Days that were withdrawn, erased or beyond the limit are left out: their raw rows are gone on
    purpose.
    """
    present = [contract for contract in tables if engine.has(contract)]
    result = []
    for raw in (
        contract
        for contract in present
        if contract.layer == "raw" and contract.written_by == "asset"
    ):
        built = [
            c
            for c in present
            if c.layer == "staging" and c.group == raw.group and ARRIVED in c.columns
        ]
        noted = notes_of(engine, Withdrawals, raw.qualified_name())
        meant = {row["received_date"] for row in noted if row["withdrawn_at"] is not None}
        counts = engine.day_counts(raw, None) if built else {}
        for contract in (
            contract for contract in built if contract.name in {raw.name, f"quarantined_{raw.name}"}
        ):
            days = {
                day: n
                for day, n in _arrived(engine, contract).items()
                if day not in meant and day not in counts
            }
            if days:
                result.append(StrandedRows(contract.qualified_name(), raw.qualified_name(), days))
    return result


def _arrived(engine: Engine, contract: Contract) -> dict[date, int]:
    column = engine.quoted(ARRIVED)
    rows = engine.query(
        f"SELECT {column} AS arrived, count(*) AS n FROM {engine.name_of(contract)} GROUP BY 1"  # noqa: S608 (names come from contracts)
    )
    return {row["arrived"]: int(row["n"]) for row in rows if row["arrived"]}


def stranded_sentence(stranded: list[StrandedRows]) -> str:
    """Return the sentence about rows whose raw rows are gone, with the remedy."""
    first = stranded[0]
    days = sorted(first.counts)
    return (
        f"{first.table} has {sum(first.counts.values()):,} rows that arrived from {days[0]} to "
        f"{days[-1]}, and {first.raw} has none of them any more; load these days again with `ecom "
        f"run --from {days[0]} --to {days[-1]}`."
    )
