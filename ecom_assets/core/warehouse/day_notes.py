"""Notes of the warehouse: about days of raw tables,
and about the days of each table that were written.

A write is noted in the transaction that makes it, so that readers of changes need not read rows: a
reader compares the version of a day, the id of the newest write that covers it, with the version
that it saw last. Equal versions are equal rows. How each table was computed last is recorded too,
for explanations only.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar, Final

import pyarrow as pa

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import Contract, Table, count, day, instant, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, schema_of
from ecom_assets.core.warehouse.sql_text import text as literal

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engine import Engine


class DayNotes(Table, abstract=True):
    """Notes about days of raw tables."""

    layer = "raw"
    written_by = "run"
    key: ClassVar[tuple[str, ...]] = ("received_date", "source_table")
    day_column = "received_date"

    received_date = day("The day on which the rows arrived")
    source_table = text("The raw table, such as `raw.events`")


class AbsentDays(DayNotes):
    """One row per raw table and day of which the source said, when it was last asked,
    that it has nothing.
    """

    received_date = day("The day of which the source has nothing")
    source_table = text("The raw table, such as `raw.user_order_log`")
    kept_count = count("Rows of the day that the table has all the same, and keeps", unit="rows")
    noticed_at = instant("When a run first noticed it")
    run_id = text("The run that noticed it last")


class UnansweredDays(DayNotes):
    """One row per raw table and day that a run asked a source for which did not answer."""

    received_date = day("The day that the source was asked for")
    source_table = text("The raw table, such as `raw.raw_stock`")
    kept_count = count("Rows of the day that the table has all the same, and keeps", unit="rows")
    noticed_at = instant("When a run first noticed it")
    run_id = text("The run that noticed it last")


class EmptyDays(DayNotes):
    """One row per raw table and day of arrival that a run loaded and that had no rows."""

    received_date = day("The day of which the source had no rows when a run asked for them")
    source_table = text("The raw table that was loaded, such as `raw.events`")


class LateDays(DayNotes):
    """One row per raw table, day of arrival and other day that rows which arrived on it count for.

    It is written by a run over the first day without the other one. Runs over the day of arrival
    compute the other day, too, until a run loads both.
    """

    key = ("received_date", "source_table", "late_date")

    received_date = day("The day of arrival whose rows have changed")
    source_table = text("The raw table that was loaded, such as `raw.events`")
    late_date = day("The day that rows of it count for, which was no day of the run")


class Withdrawals(DayNotes):
    """One row per raw table and day of arrival of which the source has lost the rows,
    all or most of them.

    While `withdrawn_at` is null the day is held: the table keeps the rows that it had.
    """

    received_date = day("The day on which the rows had arrived")
    source_table = text("The raw table that has them, such as `raw.events`")
    stored_count = count("Rows that the table had of the day", unit="rows")
    offered_count = count("Rows that the source has of it now", unit="rows")
    noticed_at = instant("When a run saw it")
    withdrawn_at = instant("When the rows were withdrawn; null while they are held", nullable=True)
    run_id = text("The run that saw it last")


class ErasedRows(DayNotes):
    """One row per raw table, day of arrival and file with rows of erased people,
    which are left out and counted.
    """

    key = ("received_date", "source_table", "source_file")

    received_date = day("The day on which the rows arrived")
    source_table = text("The raw table that they are left out of, such as `raw.events`")
    source_file = text("The file within the source; empty if the rows come from no file")
    erased_count = count("Rows of erased people in the source", unit="rows")


def notes_of(engine: "Engine", notes: type[DayNotes], source_table: str | None = None) -> list[Row]:
    """Return the notes about one raw table or about all, sorted by day."""
    matches = [
        row for row in engine.noted_rows(notes) if source_table in {None, row["source_table"]}
    ]
    return sorted(matches, key=lambda row: (row["received_date"], row["source_table"]))


def noted_days(engine: "Engine", notes: type[DayNotes], source_table: str) -> set[date]:
    """Return the days of a raw table that have notes."""
    return {row["received_date"] for row in notes_of(engine, notes, source_table)}


def renew_notes(
    engine: "Engine", notes: type[DayNotes], source_table: str, days: Days, rows: Iterable[Row]
) -> None:
    """Replace the notes about some days of a raw table;
    one about a day that had a note keeps its `noticed_at`.
    """

    def renewed(old: pa.Table) -> pa.Table:
        stored = old.to_pylist()
        other_rows = [row for row in stored if row["source_table"] != source_table]
        before = {
            row["received_date"]: row for row in stored if row["source_table"] == source_table
        }
        fresh = []
        for row in rows:
            earlier = before.get(row["received_date"], {})
            since = {"noticed_at": earlier["noticed_at"]} if "noticed_at" in earlier else {}
            fresh.append({**row, **since, "source_table": source_table})
        return pa.Table.from_pylist([*other_rows, *fresh], schema=arrow_schema_of(notes))

    engine.ensure(notes)
    with engine.transaction():
        engine.rewrite(notes, days, renewed)


def note_absent(
    engine: "Engine", contract: Contract, answered: Days, absent: Days, run_id: str
) -> None:
    """Record the days of which a source has nothing,
    and remove the records of other days that it answered for.

    Such a day, without an increment, is a fact, not a fault: the table keeps the rows that it has
    of it.
    """
    _note_kept(engine, AbsentDays, contract, answered, absent, run_id)


def note_unanswered(
    engine: "Engine", contract: Contract, answered: Days, unanswered: Days, run_id: str
) -> None:
    """Record the days for which a source did not answer, and remove the records of other days that
    it answered for.
    """
    _note_kept(engine, UnansweredDays, contract, answered, unanswered, run_id)


def _note_kept(  # noqa: PLR0913, PLR0917 (each is a table, days, or the run)
    engine: "Engine",
    notes: type[DayNotes],
    contract: Contract,
    answered: Days,
    noted: Days,
    run_id: str,
) -> None:
    """Record some days of a raw table with the rows that it keeps of them."""
    name, days = contract.qualified_name(), Days.from_dates({*answered.dates, *noted.dates})
    if not noted.dates and not noted_days(engine, notes, name) & set(days.dates):
        return
    kept = engine.day_counts(contract, noted) if noted.dates else {}
    values = {"noticed_at": now_utc_without_zone(), "run_id": run_id}
    rows = [{"received_date": day, "kept_count": kept.get(day, 0), **values} for day in noted.dates]
    renew_notes(engine, notes, name, days, rows)


def absent_lines(rows: Iterable[Row]) -> list[str]:
    """Return a sentence for each day of which a source has nothing."""
    return [
        f"{row['source_table']}: the source has nothing of {row['received_date']}, seen first on "
        f"{row['noticed_at']:%Y-%m-%d %H:%M} UTC; {_kept_rows_sentence(row['kept_count'])}"
        for row in rows
    ]


def _kept_rows_sentence(number: int) -> str:
    return (
        f"the {number:,} rows that came otherwise stay." if number else "the day is without rows."
    )


class LoadedDays:
    """Returns which days of raw tables a run has loaded; asks the warehouse once for each day.

    A late row belongs to an earlier day than the one on which it arrived. Of a day that no run has
    loaded, late rows are only a part of its rows, from which nothing may be published. A day with
    rows was loaded; of a day without rows, a note says so.
    """

    def __init__(self, engine: "Engine") -> None:
        """Set the open warehouse."""
        self._engine = engine
        self._loaded_by_table: dict[Contract, dict[date, bool]] = {}

    def among(self, raw: Contract, days: Days | None) -> Days:
        """Return those of some days, or of all, that a run has loaded into `raw`."""
        if days is None:
            return Days.from_dates(self._stored(raw, None))
        loaded_by_day = self._loaded_by_table.setdefault(raw, {})
        if unknown := set(days.dates) - loaded_by_day.keys():
            loaded = self._stored(raw, Days.from_dates(unknown))
            loaded_by_day.update({day: day in loaded for day in unknown})
        return Days.from_dates(day for day in days.dates if loaded_by_day[day])

    def note(self, raw: Contract, days: Days, with_rows: Iterable[date]) -> None:
        """Record that a run has loaded some days of `raw`, of which those `with_rows` have rows."""
        self._loaded_by_table.pop(raw, None)
        name = raw.qualified_name()
        fresh = Days.from_dates(
            set(days.dates) - set(with_rows) - noted_days(self._engine, EmptyDays, name)
        )
        if fresh.dates:
            renew_notes(
                self._engine,
                EmptyDays,
                name,
                fresh,
                [{"received_date": day} for day in fresh.dates],
            )

    def _stored(self, raw: Contract, days: Days | None) -> set[date]:
        self._engine.ensure(raw)
        noted = noted_days(self._engine, EmptyDays, raw.qualified_name())
        return {
            *self._engine.day_counts(raw, days),
            *(noted if days is None else noted & set(days.dates)),
        }


class LateRows:
    """Returns which other days the late rows of a run's days change; asks once for each run."""

    def __init__(self, engine: "Engine") -> None:
        """Set the open warehouse."""
        self._engine = engine
        self._by_run: dict[tuple[Contract, Days], Days] = {}

    def beside(self, raw: Contract, days: Days) -> Days:
        """Return the loaded days, none of `days`,
        that rows of `raw` count for which arrived on `days`.
        """
        if (raw, days) not in self._by_run:
            arrived = set(days.dates)
            notes = notes_of(self._engine, LateDays, raw.qualified_name())
            late = {row["late_date"] for row in notes if row["received_date"] in arrived} - arrived
            self._by_run[raw, days] = self._engine.loaded.among(raw, Days.from_dates(late))
        return self._by_run[raw, days]

    def note(self, raw: Contract, days: Days, run: Days, late: Iterable[tuple[date, date]]) -> None:
        """Note, in the open transaction, changed rows of the arrival `days` of a run:
        pairs of arrival and own day.

        Notes whose days are both in the run are removed.
        """
        self._by_run.clear()
        name, own = raw.qualified_name(), set(run.dates)
        added = {pair for pair in late if pair[1] not in own}
        arrived = Days.from_dates(
            {pair[0] for pair in added}
            | {
                row["received_date"]
                for row in notes_of(self._engine, LateDays, name)
                if row["received_date"] in days.dates and row["late_date"] in own
            }
        )
        if not arrived.dates:
            return

        def renewed(old: pa.Table) -> pa.Table:
            stored = old.to_pylist()
            others = [row for row in stored if row["source_table"] != name]
            kept = {
                (row["received_date"], row["late_date"])
                for row in stored
                if row["source_table"] == name
            }
            pairs = sorted({pair for pair in kept | added if pair[1] not in own})
            fresh = [
                {"received_date": pair[0], "source_table": name, "late_date": pair[1]}
                for pair in pairs
            ]
            return pa.Table.from_pylist([*others, *fresh], schema=arrow_schema_of(LateDays))

        self._engine.rewrite(LateDays, arrived, renewed)


ALL_DAYS: Final = (date.min, date.max)
"""The days of a write that replaces a whole table."""
CODE_VERSION: Final = version("ecom-assets")
"""The version of the code that writes."""


class WrittenSlices(Table):
    """One row per table and range of days that were written together;
    a later write of all of them removes the row.
    """

    layer = "raw"
    written_by = "engine"
    key = ("table_name", "write_id", "first_date")

    table_name = text("The table, such as `mart.revenue_daily`")
    first_date = day("The first day of the range")
    end_date = day("The day after its last day")
    write_number = count("Place among the writes of the table; the newest counts", unit="place")
    write_id = text("Id of the write; no two writes have the same")
    run_id = text("The Dagster run that wrote; null where no run did", nullable=True)
    code_version = text(
        "The version of ecom_assets that wrote; null in notes of an earlier one", nullable=True
    )
    written_at = instant("When it was written; null in notes of an earlier version", nullable=True)


Range = tuple[date, date, str]
"""A first day, the day after the last one, and the version of these days."""


@dataclass(frozen=True)
class Writes:
    """The ranges of days of a table that were written, the newest write first."""

    ranges: Sequence[Range] = ()

    def version(self, day: date | None) -> str:
        """Return the version of a day, or of the whole table if None;
        empty if no write of it was recorded.
        """
        return next(
            (version for first, end, version in self.ranges if day is None or first <= day < end),
            "",
        )


@dataclass(frozen=True)
class TableComputation:
    """How the rows of a write are computed.

    Attributes:
        sql: The statement.
        upstream: The stored columns that it reads, by table.
    """

    sql: str
    upstream: Mapping[str, Sequence[str]]


def note_write(
    engine: "Engine",
    contract: Contract,
    days: Days | None,
    computation: TableComputation | None = None,
) -> str | None:
    """Record that some days of a table, or all, were replaced, and how they were computed;
    call it in the transaction that replaces them.

    The engine must keep other writers of the table out until the transaction ends. The id of the
    write is returned; None if there are no days.
    """
    write_id = uuid.uuid4().hex
    statements = _write_statements(engine, contract, days, write_id)
    has_days = bool(statements)
    if computation is not None:
        statements += _computation_statements(engine, contract, engine.run_id, computation)
    if statements:
        engine.execute(";\n".join(statements))
    return write_id if has_days else None


def _write_statements(
    engine: "Engine", contract: Contract, days: Days | None, write_id: str
) -> list[str]:
    ranges = [ALL_DAYS] if days is None else list(days.runs())
    if not ranges:
        return []
    notes, name = engine.name_of(WrittenSlices), literal(contract.qualified_name())
    write, rows = (
        literal(write_id),
        ", ".join(f"(DATE '{first}', DATE '{end}')" for first, end in ranges),
    )
    inside = " OR ".join(
        f"(first_date >= DATE '{first}' AND end_date <= DATE '{end}')" for first, end in ranges
    )
    by = f"{literal(engine.run_id)}, {literal(CODE_VERSION)}, TIMESTAMP '{now_text()}'"
    newest = f"max(write_number) AS number FROM {notes} WHERE table_name = {name}"
    insert = (
        f"INSERT INTO {notes} ({engine.columns_of(WrittenSlices)}) "  # noqa: S608 (as above)
        f"SELECT {name}, first_date, end_date, coalesce(newest.number, 0) + 1, {write}, {by} "
        f"FROM (SELECT {newest}) AS newest, (VALUES {rows}) AS written(first_date, end_date)"
    )
    delete = f"DELETE FROM {notes} WHERE table_name = {name} AND write_id <> {write} AND ({inside})"  # noqa: S608 (as above)
    return [insert, delete]


def now_text() -> str:
    """Return the current time in UTC as text for SQL."""
    return now_utc_without_zone().isoformat(sep=" ")


def forget_writes(engine: "Engine", contract: Contract) -> None:
    """Remove the records of a dropped table."""
    name = literal(contract.qualified_name())
    engine.execute(f"DELETE FROM {engine.name_of(WrittenSlices)} WHERE table_name = {name}")  # noqa: S608 (as above)


def writes_of(engine: "Engine", contract: Contract) -> Writes:
    """Return the recorded writes of a table; none if the engine does not record them."""
    return writes_by_table(engine, [contract])[contract.qualified_name()]


def writes_by_table(engine: "Engine", contracts: Iterable[Contract]) -> dict[str, Writes]:
    """Return the recorded writes of tables, by qualified name;
    none if the engine does not record them.
    """
    by_name = {contract.qualified_name(): contract for contract in contracts}
    rows: dict[str, list[Row]] = {name: [] for name in by_name}
    if engine.notes_writes and by_name:
        engine.ensure(WrittenSlices)
        for row in engine.query(
            f"SELECT table_name, first_date, end_date, write_id "  # noqa: S608 (names come from contracts)
            f"FROM {engine.name_of(WrittenSlices)} "
            f"WHERE table_name IN ({', '.join(map(literal, by_name))}) ORDER BY write_number DESC"
        ):
            rows[row["table_name"]].append(row)
    return {name: _writes(by_name[name], of_table) for name, of_table in rows.items()}


def _writes(contract: Contract, rows: Sequence[Row]) -> Writes:
    if not rows:
        return Writes()
    # A column that the contract has gained is a change of every row.
    columns = hashlib.sha256(str(schema_of(contract)).encode()).hexdigest()[:8]
    return Writes(
        [(row["first_date"], row["end_date"], f"{row['write_id']}-{columns}") for row in rows]
    )


def run_writes(engine: "Engine") -> dict[str, tuple[datetime, str]]:
    """Return when each table was written last, in UTC, and by which run, also where that changed no
    row; without the tables of which that is not recorded.
    """
    name = engine.name_of(WrittenSlices)
    # All columns, since a table of an earlier version has fewer.
    newest = (
        f"SELECT * FROM {name} AS noted WHERE write_number = (SELECT max(write_number) FROM {name} "  # noqa: S608 (names come from contracts)
        "AS newest WHERE newest.table_name = noted.table_name)"
    )
    rows = engine.query(newest) if engine.has(WrittenSlices) else []
    rows += [row | {"written_at": row["computed_at"]} for row in engine.noted_rows(Computations)]
    writes: dict[str, tuple[datetime, str]] = {}
    for row in rows:
        if row.get("written_at") and row.get("run_id"):
            write = (row["written_at"].replace(tzinfo=UTC), row["run_id"])
            writes[row["table_name"]] = max(write, writes.get(row["table_name"], write))
    return writes


class Computations(Table):
    """One row per table: how its newest write computed it."""

    layer = "raw"
    written_by = "engine"
    key = ("table_name",)

    table_name = text("The table, such as `mart.revenue_daily`")
    run_id = text("The Dagster run that wrote it last")
    code_version = text("The version of ecom_assets that did")
    computed_at = instant("When it did")
    upstream_columns = text("The stored columns that it reads, by table, as JSON")
    sql = text("The statement that computed the rows")


def note_computation(
    engine: "Engine", contract: Contract, run_id: str, computation: TableComputation
) -> None:
    """Record how a table was computed by several writes, if the engine records its writes."""
    if not engine.notes_writes:
        return
    engine.ensure(Computations)
    with engine.transaction():
        engine.begin_slice(
            contract
        )  # another run that writes the table waits, so that one row stays
        engine.execute(";\n".join(_computation_statements(engine, contract, run_id, computation)))


def _computation_statements(
    engine: "Engine", contract: Contract, run_id: str | None, computation: TableComputation
) -> list[str]:
    notes, name = engine.name_of(Computations), literal(contract.qualified_name())
    by = f"{literal(run_id)}, {literal(CODE_VERSION)}, TIMESTAMP '{now_text()}'"
    upstream = literal(json.dumps(computation.upstream, sort_keys=True))
    values = f"{name}, {by}, {upstream}, {literal(computation.sql)}"
    return [
        f"DELETE FROM {notes} WHERE table_name = {name}",  # noqa: S608 (names come from contracts)
        f"INSERT INTO {notes} ({engine.columns_of(Computations)}) VALUES ({values})",  # noqa: S608 (as above)
    ]
