"""Rows of erased people that a source still has: they are left out of the raw tables, and only their number is kept."""

from datetime import date
from functools import partial
from typing import Any, Protocol

import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.tables.contract import Table, count, day, text
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import schema_of
from ecom_assets.warehouse.day_by_day import Replace
from ecom_assets.warehouse.engine import Engine, Written

FileDay = tuple[str, date]


class ErasedRows(Table):
    """One row per raw table, day of arrival and file with rows of erased people, which are left out and counted."""

    layer = "raw"
    group = "reconciliation"
    written_by = "run"
    key = ("received_date", "source_table", "source_file")
    day_column = "received_date"

    received_date = day("The day on which the rows arrived")
    source_table = text("The raw table that they are left out of, such as `raw.events`")
    source_file = text("The file within the source; empty if the rows come from no file")
    erased_count = count("Rows of erased people in the source", unit="rows")


class ErasedPeople(Protocol):
    """The erased people, whose rows must not be loaded again."""

    def left_out(self, contract: type[Table], rows: ir.Table) -> tuple[ir.Table, dict[FileDay, int]]:
        """Return the rows of a raw table without those of erased people, and the number of rows left out."""


def leaving_out(engine: Engine, people: ErasedPeople, replace: Replace) -> Replace:
    """Return a `replace` function that leaves out the rows of erased people and records their number."""

    def replaced(contract: type[Table], rows: ir.Table, days: Days) -> tuple[Written, Days]:
        rows, counts = people.left_out(contract, rows)
        written, kept = replace(contract, rows, days)
        note_counts(engine, contract, counts, kept)
        return written, kept

    return replaced


def note_counts(engine: Engine, contract: type[Table], counts: dict[FileDay, int], days: Days) -> None:
    """Replace the recorded counts of some days of a raw table."""
    known = {one["received_date"] for one in notes_of(engine, contract)}
    changed = Days.of(known.intersection(days.dates) | {arrived for _, arrived in counts})
    if not changed.dates:
        return
    engine.ensure(ErasedRows)
    with engine.transaction():
        engine.rewrite(ErasedRows, changed, partial(_renewed, contract.qualified_name(), counts, set(changed.dates)))


def notes_of(engine: Engine, contract: type[Table]) -> list[dict[str, Any]]:
    """Return the recorded counts of a raw table."""
    return [row for row in engine.noted_rows(ErasedRows) if row["source_table"] == contract.qualified_name()]


def _renewed(name: str, counts: dict[FileDay, int], days: set[date], old: pa.Table) -> pa.Table:
    others = [row for row in old.to_pylist() if row["source_table"] != name]
    fresh = [
        {"received_date": arrived, "source_table": name, "source_file": file, "erased_count": number}
        for (file, arrived), number in sorted(counts.items())
        if arrived in days
    ]
    return pa.Table.from_pylist([*others, *fresh], schema=schema_of(ErasedRows).to_pyarrow())
