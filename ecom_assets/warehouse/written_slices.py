"""The days of each table that were written, recorded by the writer, so that readers of changes need not read rows.

The note is part of the transaction that writes. A reader compares the version of a day, the id of the newest write that
covers it, with the version that it saw last: equal versions are equal rows. How each table was computed last is
recorded too, for explanations only.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from ecom_assets.clock import now_utc
from ecom_assets.tables.contract import Table, count, day, instant, text
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import schema_of
from ecom_assets.warehouse.sql_text import text as literal

if TYPE_CHECKING:
    from ecom_assets.warehouse.engine import Engine

ALL_DAYS: Final = (date.min, date.max)
"""The days of a write that replaces a whole table."""
CODE_VERSION: Final = version("ecom-assets")
"""The version of the code that writes."""


class WrittenSlices(Table):
    """One row per table and range of days that were written together; a later write of all of them removes the row."""

    layer = "raw"
    group = "reconciliation"
    written_by = "engine"
    key = ("table_name", "write_id", "first_date")

    table_name = text("The table, such as `mart.revenue_daily`")
    first_date = day("The first day of the range")
    end_date = day("The day after its last day")
    write_number = count("Place among the writes of the table; the newest counts", unit="place")
    write_id = text("Id of the write; no two writes have the same")
    run_id = text("The Dagster run that wrote; null where no run did", nullable=True)
    code_version = text("The version of ecom_assets that wrote; null in notes of an earlier one", nullable=True)
    written_at = instant("When it was written; null in notes of an earlier version", nullable=True)


Range = tuple[date, date, str]
"""A first day, the day after the last one, and the version of these days."""


@dataclass(frozen=True)
class Writes:
    """The ranges of days of a table that were written, the newest write first."""

    ranges: Sequence[Range] = ()

    def version(self, day: date | None) -> str:
        """Return the version of a day, or of the whole table if None; empty if no write of it was recorded."""
        return next((version for first, end, version in self.ranges if day is None or first <= day < end), "")


def note_write(engine: "Engine", contract: type[Table], days: Days | None) -> None:
    """Record that some days of a table, or all, were replaced; call it in the transaction that replaces them.

    The engine must keep other writers of the table out until the transaction ends.
    """
    ranges = [ALL_DAYS] if days is None else list(days.runs())
    if not ranges:
        return
    place, name = engine.name_of(WrittenSlices), literal(contract.qualified_name())
    inside = " OR ".join(f"(first_date >= DATE '{first}' AND end_date <= DATE '{end}')" for first, end in ranges)
    (newest,) = engine.query(f"SELECT max(write_number) AS number FROM {place} WHERE table_name = {name}")  # noqa: S608 (names come from contracts)
    number, write = (newest["number"] or 0) + 1, literal(uuid.uuid4().hex)
    by = f"{literal(engine.run_id)}, {literal(CODE_VERSION)}, TIMESTAMP '{now_text()}'"
    rows = ", ".join(f"({name}, DATE '{first}', DATE '{end}', {number}, {write}, {by})" for first, end in ranges)
    engine.execute(f"DELETE FROM {place} WHERE table_name = {name} AND ({inside})")  # noqa: S608 (as above)
    engine.execute(f"INSERT INTO {place} ({engine.columns_of(WrittenSlices)}) VALUES {rows}")  # noqa: S608 (as above)


def now_text() -> str:
    """Return the current time in UTC as text for SQL."""
    return now_utc().replace(tzinfo=None).isoformat(sep=" ")


def forget_writes(engine: "Engine", contract: type[Table]) -> None:
    """Remove the records of a dropped table."""
    name = literal(contract.qualified_name())
    engine.execute(f"DELETE FROM {engine.name_of(WrittenSlices)} WHERE table_name = {name}")  # noqa: S608 (as above)


def writes_of(engine: "Engine", contract: type[Table]) -> Writes:
    """Return the recorded writes of a table; none if the engine does not record them."""
    if not engine.notes_writes:
        return Writes()
    engine.ensure(WrittenSlices)
    rows = engine.query(
        f"SELECT first_date, end_date, write_id FROM {engine.name_of(WrittenSlices)} "  # noqa: S608 (as above)
        f"WHERE table_name = {literal(contract.qualified_name())} ORDER BY write_number DESC"
    )
    # A column that the contract has gained is a change of every row.
    columns = hashlib.sha256(str(schema_of(contract)).encode()).hexdigest()[:8]
    return Writes([(row["first_date"], row["end_date"], f"{row['write_id']}-{columns}") for row in rows])


class Computations(Table):
    """One row per table: how its newest write computed it."""

    layer = "raw"
    group = "reconciliation"
    written_by = "engine"
    key = ("table_name",)

    table_name = text("The table, such as `mart.revenue_daily`")
    run_id = text("The Dagster run that wrote it last")
    code_version = text("The version of ecom_assets that did")
    computed_at = instant("When it did")
    upstream_columns = text("The stored columns that it reads, by table, as JSON")
    sql = text("The statement that computed the rows")


def note_computation(
    engine: "Engine", contract: type[Table], run_id: str, sql: str, upstream: Mapping[str, list[str]]
) -> None:
    """Record how a table was computed, if the engine records its writes.

    `upstream` has the stored columns that the statement reads, by table.
    """
    if not engine.notes_writes:
        return
    engine.ensure(Computations)
    place, name = engine.name_of(Computations), literal(contract.qualified_name())
    by = f"{literal(run_id)}, {literal(CODE_VERSION)}, TIMESTAMP '{now_text()}'"
    values = f"{name}, {by}, {literal(json.dumps(upstream, sort_keys=True))}, {literal(sql)}"
    with engine.transaction():
        engine.begin_slice(contract)  # another run that writes the table waits, so that one row stays
        engine.execute(f"DELETE FROM {place} WHERE table_name = {name}")  # noqa: S608 (names come from contracts)
        engine.execute(f"INSERT INTO {place} ({engine.columns_of(Computations)}) VALUES ({values})")  # noqa: S608 (as above)
