"""Notes of what tables and checks were computed from, so that they are left alone while it is the
same.

Inputs are compared by the id of the newest write of each: a write that leaves the rows as they were
has none (see `Engine.replace`). Tables that assets do not write, such as notes about days, are
compared by a hash of their rows. What computes, rules and columns are compared by the key of
kept statements, see `table_statements.py`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecom_assets.core.tables.computations import ComparedInputs, RequestedComputation
from ecom_assets.core.tables.contract import Contract, Table, count, text
from ecom_assets.core.warehouse.day_notes import EmptyDays, WrittenSlices
from ecom_assets.core.warehouse.sql_text import text as literal
from ecom_assets.core.warehouse.statements import NoShapeError, key_of
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engine import Engine


class ComputedFrom(Table):
    """One row per table or check that needs not be computed again over some days while all that it
    was computed from is the same.
    """

    layer = "raw"
    written_by = "engine"
    key = ("table_name", "check_name", "run_days")

    table_name = text("The table, such as `mart.revenue_daily`")
    check_name = text("The check of it that passed; empty for the table itself")
    run_days = text("The days of the run, as ranges of which the end is left out")
    inputs = text("Digest of functions, rules, columns, days, and newest writes of what it reads")
    write_id = text("The newest write of the table then; empty if it never had a row")
    row_count = count("Rows of the table then, or rows that the check looked at", unit="rows")
    run_id = text("The Dagster run that computed it")


Key = tuple[str, str, str]
"""The table, the check (empty for the table), and the days of the run."""
Note = tuple[str, str, int, str]
"""The digest, the newest write, the number of rows, and the run."""


class ComputedNotes:
    """Compares what is asked with the notes of a warehouse.

    Where one process writes at a time, notes and newest writes are read once, and followed.
    """

    def __init__(self, engine: "Engine") -> None:
        """Set the open warehouse."""
        self._engine = engine
        self._writes: dict[str, str] | None = None
        self._notes: dict[Key, Note] | None = None
        self._hashes: dict[Contract, str] = {}
        self._passed: dict[ComparedInputs, int] = {}

    def forget(self) -> None:
        """Read everything again next time."""
        self._writes = self._notes = None
        self._hashes.clear()

    def follow(self, contract: Contract, write_id: str | None) -> None:
        """Take in the newest write of a table, which may still be rolled back; see `forget`."""
        if self._writes is not None and write_id is not None:
            self._writes[contract.qualified_name()] = write_id

    def clear(self) -> None:
        """Remove all notes, so that everything is computed again: they have digests of rows, and
        rows of a person are being erased.
        """
        self.forget()
        self._engine.execute(f"DELETE FROM {self._engine.name_of(ComputedFrom)}")  # noqa: S608 (names come from contracts)

    def compared_inputs(self, computation: RequestedComputation) -> ComparedInputs | None:
        """Return whether a table or a check has to be computed again; None if that cannot be known:
        what it is computed from cannot be written as text.
        """
        if not TABLE_STATEMENTS.is_on or self._engine.row_hash(computation.contract) is None:
            return None
        try:
            keys = [
                TABLE_STATEMENTS.key(function, arguments)
                for function, arguments in computation.calls
            ]
        except NoShapeError:
            return None
        if not self._engine.has_one_writer:  # another process may have written meanwhile
            self.forget()
        read = {
            *computation.tables,
            *((computation.loaded_from, EmptyDays) if computation.loaded_from else ()),
        }
        for contract in (WrittenSlices, ComputedFrom, *read):
            self._engine.ensure(contract)
        tables = sorted((table.qualified_name(), self._state_of(table)) for table in read)
        inputs = key_of(
            keys, computation.contract.qualified_name(), computation.days.dates, tables
        ).hex()
        return self._compared(ComparedInputs(computation, inputs))

    def _compared(self, compared: ComparedInputs) -> ComparedInputs:
        name = compared.computation.contract.qualified_name()
        if self._notes is None:
            self._notes = {
                (row["table_name"], row["check_name"], row["run_days"]): (
                    row["inputs"],
                    row["write_id"],
                    int(row["row_count"]),
                    row["run_id"],
                )
                for row in self._engine.noted_rows(ComputedFrom)
            }
        note = self._notes.get(_key_of(compared.computation))
        if note is None:
            return compared
        inputs, write_id, row_count, run_id = note
        if inputs != compared.inputs:
            return compared
        if compared.computation.check:
            return ComparedInputs(compared.computation, inputs, run_id, row_count)
        self._engine.ensure(compared.computation.contract)
        if write_id != self._newest_writes().get(name, ""):
            return compared
        is_whole = row_count == self._engine.row_count(compared.computation.contract)
        return ComparedInputs(compared.computation, inputs, run_id if is_whole else None)

    def _state_of(self, table: Contract) -> str:
        """Return what says whether the rows of a table are others."""
        if table.written_by == "asset":
            write_id = self._newest_writes().get(table.qualified_name(), "")
            # Rows of which no write is noted, as an older release left them.
            is_known = write_id or not self._engine.row_count(table)
            return write_id if is_known else self._engine.hash_of(table)
        if table not in self._hashes:
            self._hashes[table] = self._engine.hash_of(table)
        return self._hashes[table]

    def _newest_writes(self) -> dict[str, str]:
        if self._writes is None:
            name = self._engine.name_of(WrittenSlices)
            rows = self._engine.query(
                f"SELECT DISTINCT written.table_name, written.write_id FROM {name} AS written "  # noqa: S608 (names come from contracts)
                f"JOIN (SELECT table_name, max(write_number) AS number FROM {name} "
                "GROUP BY table_name) AS newest ON written.table_name = newest.table_name "
                "AND written.write_number = newest.number"
            )
            self._writes = {row["table_name"]: row["write_id"] for row in rows}
        return self._writes

    def note_table(self, compared: ComparedInputs) -> None:
        """Note what a table was computed from; call it in the transaction that writes the table,
        after the write is noted.

        Notes of the table that an earlier write left are removed with those of its checks.
        """
        name = compared.computation.contract.qualified_name()
        write_id = self._newest_writes().get(name, "")
        self._write(
            {compared: self._engine.row_count(compared.computation.contract), **self._passed},
            f"table_name = {literal(name)} AND write_id <> {literal(write_id)}",
        )

    def note_passed(self, results: Mapping[ComparedInputs, int]) -> None:
        """Note that checks have passed, with the number of rows that each looked at: in the next
        transaction that writes a table, or in the end. Until then, none of it is known.
        """
        self._passed |= results

    def flush(self) -> None:
        """Write what is not written yet."""
        if self._passed:
            self._engine.ensure(ComputedFrom)
            self._write(self._passed, "1 = 0")

    def _write(self, noted: Mapping[ComparedInputs, int], outdated: str) -> None:
        rows, same = [], []
        writes, run_id = self._newest_writes(), self._engine.run_id or ""
        newest = {
            _key_of(compared.computation): (compared, row_count)
            for compared, row_count in noted.items()
        }
        for key, (compared, row_count) in newest.items():
            write_id = writes.get(key[0], "")
            texts = ", ".join(map(literal, (*key, compared.inputs, write_id)))
            rows.append(f"({texts}, {row_count}, {literal(run_id)})")
            same.append(f"({', '.join(map(literal, key))})")
        notes = self._engine.name_of(ComputedFrom)
        self._engine.execute(
            f"DELETE FROM {notes} WHERE ({outdated}) OR "  # noqa: S608 (names come from contracts)
            f"(table_name, check_name, run_days) IN ({', '.join(same)});\n"
            f"INSERT INTO {notes} ({self._engine.columns_of(ComputedFrom)}) "
            f"VALUES {', '.join(rows)}"
        )
        self._notes, self._passed = None, {}


def _key_of(computation: RequestedComputation) -> Key:
    """Return the table, the check, and the days of the run as ranges."""
    spans = " ".join(f"{first}/{end}" for first, end in computation.days.runs())
    return computation.contract.qualified_name(), computation.check, spans
