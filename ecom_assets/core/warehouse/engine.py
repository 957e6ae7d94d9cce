"""The `Engine` interface: what the platform needs from an engine, with common behaviour.

Terms: docs/glossary.md#engine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import urlsplit

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot as sg
from ibis.backends.duckdb import Backend
from ibis.backends.sql import SQLBackend
from ibis.common.exceptions import TableNotFound

from ecom_assets.core.errors import ContractError, WarehouseError
from ecom_assets.core.retrying import reconnecting
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.settings.memory import limit_beside
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.computations import ComparedInputs, RequestedComputation
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import (
    arrow_schema_of,
    batches_of,
    columns_to_add,
    columns_to_loosen,
    conform,
    is_as_declared,
    kind_of,
    schema_of,
)
from ecom_assets.core.tables.received import VisitorRows
from ecom_assets.core.warehouse.computed_from import ComputedFrom, ComputedNotes
from ecom_assets.core.warehouse.day_notes import (
    Computations,
    LateRows,
    LoadedDays,
    TableComputation,
    WrittenSlices,
    forget_writes,
    note_write,
)
from ecom_assets.core.warehouse.local import connect, keep_within
from ecom_assets.core.warehouse.sql_text import text, type_name

BATCH_ROWS = 100_000
"""The number of rows in one batch, and so in memory, when rows come from outside the engine."""


class SliceHooks(Protocol):
    """Hooks around the replacement of a slice.

    They may rewrite other tables in the same transaction.
    """

    def before(self) -> None:
        """Called before the old rows are deleted."""

    def after(self) -> None:
        """Called after the new rows are written."""


@dataclass(frozen=True)
class Written:
    """The result of replacing a slice."""

    row_count: int
    sql: str


@dataclass(frozen=True)
class DatasetNames:
    """How OpenLineage names the tables of a warehouse: https://openlineage.io/docs/spec/naming."""

    namespace: str
    prefix: str = ""

    def name_of(self, layer: str, table: str) -> str:
        """Return what a table is called in the namespace: the prefix, its layer and its name."""
        return f"{self.prefix}{layer}.{table}"


@cache
def _quoted(name: str, dialect: Any) -> str:  # noqa: ANN401 (sqlglot's, by its name or class)
    """Return a quoted name, written once in a process: a run asks for names of contracts alone,
    several thousand times.
    """
    return str(sg.to_identifier(name, quoted=True).sql(dialect=dialect))


def broken_contract(reason: str) -> ContractError:
    """Return the refusal of new rows that break the contract of their table."""
    return ContractError(
        f"The new rows break the table's contract ({reason}); the old rows were kept: correct the "
        "source."
    )


class Engine(ABC):
    """One open warehouse. An empty table is created from its contract on first use.

    A subclass must open and close the warehouse, run statements in a transaction, write the DDL of
    a table, and load rows that come from outside the engine.
    """

    con: SQLBackend

    def __init__(self, address: str) -> None:
        """Set the address that is shown to users, without secrets."""
        self.address = address
        self.on_step: Callable[[str], None] = lambda _step: None
        self._ready: set[str] = set()
        self._found: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
        self._handed_out: dict[str, ir.Table] = {}
        self.notes_writes = False
        self.run_id: str | None = None
        self.loaded = LoadedDays(self)
        self.late = LateRows(self)
        self._computed_notes = ComputedNotes(self)

    def noting_writes(self) -> Self:
        """Record from now on which days are written, and return the engine.

        An engine that cannot do so at little cost records nothing.
        """
        return self

    def reading(self) -> Self:
        """Refuse to write from now on, if the engine can do so; return the engine."""
        return self

    def connect_through(self, service: Any) -> Self:  # noqa: ANN401, ARG002 (a resource of Dagster, which this does not import)
        """Connect through the Dagster resource that the declaration names; return the engine."""
        return self

    def dataset_names(self) -> DatasetNames:
        """Return how OpenLineage names the tables."""
        parts = urlsplit(self.address)
        return DatasetNames(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")

    def server(self) -> dict[str, Any] | None:
        """Return the server of the tables for data contracts; None if the standard lacks it."""
        return None

    def is_same_database(self, _other: "Engine") -> bool:
        """Return whether another open warehouse is this one, however its address is spelled."""
        return False

    def file_reader(self, settings: Settings) -> Backend:
        """Return the DuckDB connection that reads files of events and orders."""
        con = connect()
        keep_within(con, limit_beside(settings), settings.home.absolute() / "reading.tmp")
        return con

    def attached(self, _path: Path) -> AbstractContextManager[str] | None:
        """Return what opens a DuckDB file for the engine's SQL and yields its name, or None."""
        return None

    @abstractmethod
    def open(self) -> Self:
        """Connect.

        Raises:
            WarehouseError: The warehouse cannot be reached or used.
        """

    def close(self) -> None:
        """Close the connection, so that others can use the warehouse."""
        if "con" in vars(self):
            with suppress(WarehouseError):  # such as a lost connection: checks are evaluated again
                self.finish_notes()
            self.con.disconnect()

    has_one_writer: ClassVar[bool] = False
    """Whether only one process can write at a time, so that runs take turns."""

    def row_hash(self, _contract: Contract) -> str | None:
        """Return the SQL that hashes a row without a conversion to text; None if there is none."""
        return None

    def exists(self) -> bool:
        """Return whether the warehouse exists yet."""
        return True

    @property
    def notice(self) -> str:
        """Return a warning about how the warehouse was opened; empty if there is none."""
        return ""

    def mark_damaged(self, _failures: Iterable[str]) -> bool:
        """Take the errors of failed steps; return whether opening it again fixes them."""
        return False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything done inside, or nothing."""
        self.execute("BEGIN")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._computed_notes.forget()
            with suppress(
                WarehouseError
            ):  # an engine without space, or a lost connection, may have rolled back
                self.execute("ROLLBACK")
            raise

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run a statement and discard its result."""

    @abstractmethod
    def query(self, sql: str) -> list[Row]:
        """Run a small query and return its rows by column name."""

    def rows_of(self, rows: ir.Table) -> list[Row]:
        """Return the rows of a small result, and notice a lost connection or damage.

        Ibis by itself does not.
        """
        # Until Ibis has a public method that loads tables of this process, without running an
        # expression.
        self.con._run_pre_execute_hooks(rows)  # noqa: SLF001 (as above)
        return self.query(self.compile(rows))

    @abstractmethod
    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""

    @abstractmethod
    def take_in(self, contract: Contract, batches: pa.RecordBatchReader) -> int:
        """Insert rows from outside the engine, in the contract's columns; return how many."""

    @abstractmethod
    def create_statements(self, contract: Contract) -> list[str]:
        """Return the statements that create the table, without the one that creates its schema."""

    def quoted(self, name: str) -> str:
        """Return the name of a schema, table or column, quoted for the engine's SQL."""
        return _quoted(name, self.con.dialect)

    def text_of(self, value: str) -> str:
        """Return a string literal of the engine's SQL."""
        return str(sg.exp.Literal.string(value).sql(dialect=self.con.dialect))

    def name_of(self, contract: Contract) -> str:
        """Return the table's name for SQL."""
        return f"{self.quoted(contract.layer)}.{self.quoted(contract.name)}"

    def columns_of(self, contract: Contract) -> str:
        """Return the names of the table's columns for SQL, in the contract's order."""
        return ", ".join(self.quoted(name) for name in contract.columns)

    replaces_visitors: bool = True
    """Whether a slice can replace rows of some visitors on other days, too."""

    def where(self, contract: Contract, days: Days | None) -> str:
        """Return the WHERE clause of the slice of `days`; empty for the whole table."""
        if days is None:
            return ""
        column = self.quoted(str(contract.day_column))
        runs = [
            f"{column} >= DATE '{first}' AND {column} < DATE '{end}'" for first, end in days.runs()
        ]
        return " WHERE " + (" OR ".join(runs) or "1 = 0")

    def table(self, contract: Contract) -> ir.Table:
        """Return the whole table, lazily."""
        name = contract.qualified_name()
        self.ensure(contract)
        # Reading the columns takes longer than most checks, and a run uses each table about six
        # times.
        if name not in self._handed_out or not self.holds(self._handed_out[name]):
            self._handed_out[name] = self.stored_table(contract)
        return self._handed_out[name]

    def loaded_days(self, raw: Contract, days: Days | None) -> Days:
        """Return those of some days, or of all, that a run has loaded into a raw table."""
        return self.loaded.among(raw, days)

    def late_days(self, raw: Contract, days: Days) -> Days:
        """Return the other days that late rows of a raw table count for.

        These are rows that arrived on `days`, and that a run left out.
        """
        return self.late.beside(raw, days)

    def compared_inputs(self, computation: RequestedComputation) -> ComparedInputs | None:
        """Return whether something has to be computed again; None if that cannot be known, as where
        no writes are noted, or the engine has no hash of rows.
        """
        return self._computed_notes.compared_inputs(computation) if self.notes_writes else None

    def note_passed(self, results: Mapping[ComparedInputs, int]) -> None:
        """Note that checks have passed, with the number of rows that each looked at."""
        self._computed_notes.note_passed(results)

    def finish_notes(self) -> None:
        """Write which checks have passed; until then only this object knows."""
        self._computed_notes.flush()

    def readable(self, contract: Contract) -> ir.Table:
        """Return the whole table, lazily, for those who read all of it.

        Where the engine's files allow that, they are read past the engine.
        """
        return self.table(contract)

    def stored_table(self, contract: Contract) -> ir.Table:
        """Return the whole table with its stored columns, even if they differ from its contract."""
        return self.table_of(contract, self.stored_schema(contract))

    def has(self, contract: Contract) -> bool:
        """Return whether the table exists."""
        return contract.qualified_name() in self._ready or self.has_named(
            contract.layer, contract.name
        )

    def ensure(self, contract: Contract) -> None:
        """Create the table from its contract, or add its new columns.

        Columns that may be null by the contract may be null from now on.

        Raises:
            WarehouseError: The table differs in a way that adding columns does not fix.
        """
        if self.is_ready(contract):
            return
        self._handed_out.pop(contract.qualified_name(), None)
        result = self.found_schema(contract)
        if result is None:
            self.create(contract)
            self._handed_out[contract.qualified_name()] = self.table_of(
                contract, schema_of(contract)
            )
        else:
            for name in columns_to_add(contract, result):
                self.add_column(contract, name)
            for name in columns_to_loosen(contract, result):
                self.let_be_null(contract, name)
        self._ready.add(contract.qualified_name())

    def is_ready(self, contract: Contract) -> bool:
        """Return whether the table is known to be as its contract says.

        All tables are looked at when the first one is asked for: one statement instead of two for
        each. What was missing or different then is looked at again by `ensure`.
        """
        name = contract.qualified_name()
        if name in self._ready:
            return True
        columns = self.found_columns().get(name)
        if columns is None or not is_as_declared(contract, result := self.schema_from(columns)):
            return False
        self._ready.add(name)
        self._handed_out[name] = self.table_of(contract, result)
        return True

    def found_columns(self) -> Mapping[str, Sequence[NamedValues]]:
        """Return the columns of the tables that were there at the first look, by qualified name."""
        if self._found is None:
            columns: dict[str, list[NamedValues]] = {}
            for row in self.read_columns():
                columns.setdefault(row["table_name"], []).append(row)
            self._found = columns
        return self._found

    def read_columns(self) -> Iterable[NamedValues]:
        """Return the stored columns of all tables and views, by one statement, in their order:
        `table_name` with the layer, `column_name`, `data_type` and `is_nullable`.

        An engine that reads them without a statement returns none.
        """
        return ()

    def schema_from(self, columns: Iterable[NamedValues]) -> ibis.Schema:
        """Return the columns of a table of `read_columns`."""
        mapper = self.con.compiler.type_mapper
        return ibis.schema(
            {
                row["column_name"]: mapper.from_string(
                    row["data_type"], nullable=bool(row["is_nullable"])
                )
                for row in columns
            }
        )

    def table_of(self, contract: Contract, columns: ibis.Schema) -> ir.Table:
        """Return a table whose stored columns are known, lazily."""
        layer = ops.Namespace(catalog=None, database=contract.layer)
        table: ir.Table = ops.DatabaseTable(
            contract.name, schema=columns, source=self.con, namespace=layer
        ).to_expr()
        return table

    def _forget(self, contract: Contract) -> None:
        """Forget the columns of a table that is gone or becomes another one."""
        name = contract.qualified_name()
        self._ready.discard(name)
        if self._found is not None:
            self._found = {n: columns for n, columns in self._found.items() if n != name}

    def create(self, contract: Contract) -> None:
        """Create the empty table, and its schema if needed."""
        if not any(name.startswith(f"{contract.layer}.") for name in self._ready):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.quoted(contract.layer)}")
        for statement in self.create_statements(contract):
            self.execute(statement)

    def add_column(self, contract: Contract, name: str) -> None:
        """Add a new column of the contract; it is null in existing rows."""
        kind = self.type_of(kind_of(schema_of(contract)[name]))
        self.execute(f"ALTER TABLE {self.name_of(contract)} ADD COLUMN {self.quoted(name)} {kind}")

    def let_be_null(self, contract: Contract, name: str) -> None:
        """Let a stored column be null, as its contract does now."""
        self.execute(
            f"ALTER TABLE {self.name_of(contract)} ALTER COLUMN {self.quoted(name)} DROP NOT NULL"
        )

    def replace(  # noqa: PLR0913, PLR0917 (a slice, and what is done with it)
        self,
        contract: Contract,
        rows: ir.Table,
        days: Days | None,
        hooks: SliceHooks | None = None,
        also: VisitorRows | None = None,
        upstream: Mapping[str, Sequence[str]] | None = None,
        compared: ComparedInputs | None = None,
    ) -> Written:
        """Replace the slice of `days` (the whole table if None) with `rows` in one transaction.

        With `also`, rows of visitors on other days are replaced in it too. With `upstream`, the
        stored columns that `rows` are computed from, by table, it is noted how they were computed,
        and with `compared` what from. Days whose rows come out as they were are not noted as
        written.

        Rows of another database are fetched in batches. If the connection is lost, the engine
        reconnects and writes the slice again, which is safe because the operation is idempotent.
        `hooks` run within the transaction, and run again when the transaction is retried.

        Raises:
            ContractError: `rows` lacks a column of the contract, or has an unknown column.
            ConnectionLostError: The connection was lost, and every retry failed.
        """
        return reconnecting(self.reconnect)(
            self._replace, contract, rows, days, hooks, also, upstream, compared
        )

    def _replace(  # noqa: PLR0913, PLR0917 (as `replace`)
        self,
        contract: Contract,
        rows: ir.Table,
        days: Days | None,
        hooks: SliceHooks | None,
        also: VisitorRows | None,
        upstream: Mapping[str, Sequence[str]] | None,
        compared: ComparedInputs | None,
    ) -> Written:
        self._ensure_noted(contract)
        rows = conform(rows, contract)
        is_own = self.holds(rows)
        sql = self.compile(rows) if is_own else str(rows.get_backend().compile(rows))
        visitor_statements = self._statements_of(contract, also) if also else ()
        written = Days.from_dates([*days.dates, *also.changed.dates]) if days and also else days
        with self.transaction():
            self.begin_slice(contract)
            self.on_step("slice_begun")
            if hooks:
                hooks.before()
            before = self._day_hashes(contract, written)
            self.execute(f"DELETE FROM {self.name_of(contract)}{self.where(contract, days)}")  # noqa: S608 (names come from contracts)
            if is_own:
                count = self.insert(f"{self._into(contract)}\n{self.in_order(sql, contract, days)}")
            else:
                with batches_of(rows, BATCH_ROWS) as batches:
                    count = self.take_in(contract, batches)
            if visitor_statements:
                self.execute(visitor_statements[0])
                count += self.insert(visitor_statements[1])
            self.note_write(
                contract,
                self._changed(contract, written, before),
                None if upstream is None else TableComputation(sql, upstream),
            )
            if compared is not None:
                self._computed_notes.note_table(compared)
            self.end_slice(contract)
            if hooks:
                hooks.after()
            self.on_step("slice_written")
        self.on_step("committed")
        return Written(count, sql)

    def _day_hashes(self, contract: Contract, days: Days | None) -> dict[date | None, Any] | None:
        """Return a number for the rows of each of some days that has some: other rows have another.

        A table that is not cut by day has one number. None where nobody asks for it, or where the
        engine has no hash of rows that costs little.
        """
        row_hash = self.row_hash(contract) if self.notes_writes else None
        if row_hash is None or contract.written_by != "asset":
            return None
        day = self.quoted(contract.day_column) if contract.day_column else "CAST(NULL AS DATE)"
        return {
            row["hashed_day"]: (row["n"], row["hash_sum"])
            for row in self.query(
                f"SELECT {day} AS hashed_day, count(*) AS n, sum({row_hash}) AS hash_sum "  # noqa: S608 (names come from contracts)
                f"FROM {self.name_of(contract)}{self.where(contract, days)} GROUP BY 1"
            )
        }

    def hash_of(self, contract: Contract) -> str:
        """Return a text for the rows of a table: other rows have another, the order does not count.

        The engine must have a `row_hash`.
        """
        (row,) = self.query(
            f"SELECT count(*) AS n, sum({self.row_hash(contract)}) AS hash_sum "  # noqa: S608 (names come from contracts)
            f"FROM {self.name_of(contract)}"
        )
        return f"{row['n']} {row['hash_sum']}"

    def _changed(
        self,
        contract: Contract,
        days: Days | None,
        before: dict[date | None, tuple[int, Any]] | None,
    ) -> Days | None:
        """Return those of the days of a write that have other rows than `before`; all of them where
        that is not known, and None for the whole table.
        """
        if before is None:
            return days
        after = self._day_hashes(contract, days) or {}
        changed = {day for day in before.keys() | after.keys() if before.get(day) != after.get(day)}
        if days is None:
            return None if changed else Days(())
        return Days.from_dates(day for day in changed if day is not None)

    def _into(self, contract: Contract) -> str:
        return f"INSERT INTO {self.name_of(contract)} ({self.columns_of(contract)})"

    def _statements_of(self, contract: Contract, also: VisitorRows) -> tuple[str, str]:
        """Return the statements that delete the rows of visitors, and that insert the new ones."""
        visitors = f"{self.quoted('visitor_id')} IN ({self.compile(also.visitors)})"
        days = self.where(contract, also.days).removeprefix(" WHERE ")
        sql = self.in_order(self.compile(conform(also.rows, contract)), contract, also.days)
        delete = f"DELETE FROM {self.name_of(contract)} WHERE ({days}) AND {visitors}"  # noqa: S608 (names come from contracts)
        return delete, f"{self._into(contract)}\n{sql}"

    def in_order(self, sql: str, _contract: Contract, _days: Days | None) -> str:
        """Return the query whose rows are inserted, sorted where this makes reading days faster."""
        return sql

    def note_write(
        self,
        contract: Contract,
        days: Days | None,
        computation: TableComputation | None = None,
    ) -> None:
        """Record, within a transaction, that it writes days of an asset's table (None for all)."""
        if contract.written_by != "asset":
            self._computed_notes.forget()
        elif self.notes_writes:
            write_id = note_write(self, contract, days, computation)
            self._computed_notes.follow(contract, write_id)

    def _forget_writes(self, contract: Contract) -> None:
        self._computed_notes.forget()
        if self.notes_writes and self.has(WrittenSlices):
            forget_writes(self, contract)

    def _ensure_noted(self, contract: Contract) -> None:
        self.ensure(contract)
        self.make_views(contract)
        if self.notes_writes:
            for notes in (WrittenSlices, Computations, ComputedFrom):
                self.ensure(notes)  # not in the transaction: if it is rolled back, so is the table

    def slice_rows(self, contract: Contract, days: Days) -> pa.Table:
        """Return the rows of some days, including uncommitted changes of the open transaction."""
        where = self.where(contract, days)
        rows = self.query(
            f"SELECT {self.columns_of(contract)} FROM {self.name_of(contract)}{where}"  # noqa: S608 (as above)
        )
        return pa.Table.from_pylist(rows, schema=arrow_schema_of(contract))

    def day_counts(self, contract: Contract, days: Days | None) -> dict[date, int]:
        """Return the row count of each of some days (None for all) that has rows.

        Uncommitted changes are included.
        """
        day = self.quoted(str(contract.day_column))
        return {
            row["counted_day"]: int(row["n"])
            for row in self.query(
                f"SELECT {day} AS counted_day, count(*) AS n FROM {self.name_of(contract)}"  # noqa: S608 (as above)
                f"{self.where(contract, days)} GROUP BY 1"
            )
        }

    def noted_rows(self, contract: Contract) -> list[Row]:
        """Return all rows of a small table; none if there is no such table yet."""
        if not self.has(contract):
            return []
        return self.query(f"SELECT {self.columns_of(contract)} FROM {self.name_of(contract)}")  # noqa: S608 (names come from contracts)

    def rewrite(self, contract: Contract, days: Days, make: Callable[[pa.Table], pa.Table]) -> None:
        """Replace the rows of some days with the result of `make`; call it within a transaction."""
        self.begin_slice(contract)
        made = make(self.slice_rows(contract, days))
        self.execute(f"DELETE FROM {self.name_of(contract)}{self.where(contract, days)}")  # noqa: S608 (as above)
        self.take_in(contract, made.to_reader())
        self.note_write(contract, days)

    def rewrite_about(
        self, notes: Contract, days: Days, about: Mapping[str, str], rows: pa.Table
    ) -> None:
        """Replace the rows of some days that have a value in a column, such as the name of the
        table that they are about; call it within a transaction that keeps other writers of them
        out.
        """
        matches = [f"{self.quoted(name)} = {self.text_of(value)}" for name, value in about.items()]
        of_days = self.where(notes, days).removeprefix(" WHERE ")
        self.execute(
            f"DELETE FROM {self.name_of(notes)} WHERE {' AND '.join(matches)} AND ({of_days})"  # noqa: S608 (as above)
        )
        self.take_in(notes, rows.to_reader())
        self.note_write(notes, days)

    def holds(self, rows: ir.Table) -> bool:
        """Return whether all tables that `rows` are computed from are in this warehouse."""
        sources = rows.op().find((ops.DatabaseTable, ops.SQLQueryResult, ops.InMemoryTable))
        return all(getattr(source, "source", None) is self.con for source in sources)

    def begin_slice(self, _contract: Contract) -> None:
        """Lock out other writers until the transaction ends, where the engine does not do so."""
        return

    def end_slice(self, _contract: Contract) -> None:
        """Called after the rows are written and before they are committed."""
        return

    def reconnect(self) -> None:
        """Open a lost connection again; tables that were returned earlier use the new one."""
        return

    def compile(self, rows: ir.Table) -> str:
        """Return the SQL that computes `rows`."""
        return str(self.con.compile(rows, pretty=True))

    def clear(self, contracts: Iterable[Contract]) -> None:
        """Delete all rows of the tables, in one transaction."""
        present = [contract for contract in contracts if self.has(contract)]
        for contract in present:
            self._ensure_noted(contract)
        with self.transaction():
            for contract in present:
                self.begin_slice(contract)
                self.execute(f"DELETE FROM {self.name_of(contract)}")  # noqa: S608 (names come from contracts)
                self.note_write(contract, None)

    def remove(
        self, contract: Contract, conditions: Sequence[str], kept: ir.Table, days: Days | None
    ) -> None:
        """Delete rows of a table; `purge` then removes their bytes.

        Args:
            contract: The table.
            conditions: The conditions of rows to delete, each as SQL; each is a statement of its
                own.
            kept: All other rows of `days`, for engines that write slices instead of deleting rows.
            days: The days that have such rows; None for the whole table.
        """
        del kept
        self._ensure_noted(contract)
        with self.transaction():
            self.begin_slice(contract)
            for condition in conditions:
                self.execute(f"DELETE FROM {self.name_of(contract)} WHERE {condition}")  # noqa: S608 (made by `sql_text`)
            self.note_write(contract, days)
            if self.notes_writes:
                self._computed_notes.clear()

    def purge(self, _contracts: Iterable[Contract]) -> str:
        """Remove the bytes of deleted rows from disk.

        Returns a sentence about what a person still has to do.
        """
        return ""

    def copied_file(self, _fresh: Path, _kept: Iterable[Contract]) -> bool:
        """Make a DuckDB file that has some tables and no byte of others, faster than by their rows.

        Returns whether it was made; what is at the path otherwise is to be removed.
        """
        return False

    def left_over_files(self) -> list[Path]:
        """Return the files beside the tables in which rows can be left, which `purge` removes.

        Such files are damaged ones, for example.
        """
        return []

    def drop(self, contract: Contract) -> None:
        """Drop the table if it exists."""
        self.execute(f"DROP TABLE IF EXISTS {self.name_of(contract)}")
        self._forget(contract)
        self._forget_writes(contract)

    def put_in_place(self, fresh: Contract, contract: Contract) -> None:
        """Replace a table with another one of its layer, in one transaction.

        The other one takes its name and foreign keys.
        """
        self._ensure_noted(fresh)
        with self.transaction():
            self.drop(contract)
            self.execute(
                f"ALTER TABLE {self.name_of(fresh)} RENAME TO {self.quoted(contract.name)}"
            )
            self.refer_to(contract)
            self.restore_views()
            self.note_write(contract, None)
            self._forget_writes(fresh)
        self._forget(fresh)

    creates_view: ClassVar[str] = "CREATE VIEW IF NOT EXISTS"
    """How a statement begins that creates a view, which another run may have created meanwhile."""

    def make_views(self, contract: Contract) -> None:
        """Make the views of a table that are not there; what has the name of one is left alone."""
        for name, statement in self.views_of(contract).items():
            view = f"{contract.layer}.{name}"
            if view not in self._ready and view not in self.found_columns():
                if not self.has_named(contract.layer, name):
                    self.execute(statement)
                self._ready.add(view)

    def views_of(self, contract: Contract) -> dict[str, str]:
        """Return the statements that create the views of a table, by the names of the views."""
        return {
            name: f"{self.creates_view} {self.quoted(contract.layer)}.{self.quoted(name)} AS\n"
            f"{view.query.format(table=self.name_of(contract))}"
            for name, view in contract.views.items()
        }

    def has_named(self, layer: str, name: str) -> bool:
        """Return whether a schema has a table or a view of a name."""
        tables = "information_schema.tables WHERE table_catalog = current_database()"
        named = f"table_schema = {text(layer)} AND table_name = {text(name)}"
        return bool(self.query(f"SELECT 1 FROM {tables} AND {named}"))  # noqa: S608 (names come from contracts)

    def refer_to(self, contract: Contract) -> None:  # noqa: B027 (only some engines have foreign keys)
        """Create the foreign keys that refer to a replaced table, where the engine has some."""

    def restore_views(self) -> None:  # noqa: B027 (only some engines have views of others)
        """Make the views again that were dropped with a replaced table, where some are."""

    def row_count(self, contract: Contract) -> int:
        """Return the number of rows of the whole table."""
        (row,) = self.query(f"SELECT count(*) AS n FROM {self.name_of(contract)}")  # noqa: S608 (names come from contracts)
        return int(row["n"])

    def row_counts(self, contracts: Iterable[Contract]) -> dict[str, int]:
        """Return the numbers of rows of whole tables, by qualified name."""
        counts = [
            f"SELECT {text(contract.qualified_name())} AS table_name, count(*) AS n "  # noqa: S608 (names come from contracts)
            f"FROM {self.name_of(contract)}"
            for contract in contracts
        ]
        rows = self.query("\nUNION ALL ".join(counts)) if counts else []
        return {row["table_name"]: int(row["n"]) for row in rows}

    def has_rows(self, contract: Contract) -> bool:
        """Return whether a table is there with a row, whatever columns it has: an older release
        may have written it.
        """
        query = f"SELECT 1 AS is_there FROM {self.name_of(contract)} LIMIT 1"  # noqa: S608 (as above)
        return self.has(contract) and bool(self.query(query))

    def counted_and_some_rows(
        self, contract: Contract, days: Days | None, limit: int
    ) -> tuple[int, list[Row]]:
        """Return the number of rows of the whole table, and any few rows of the slice of `days`."""
        where = self.where(contract, days)
        shown = (
            f"SELECT 1 AS is_shown, {self.columns_of(contract)} "  # noqa: S608 (as above)
            f"FROM {self.name_of(contract)}{where} LIMIT {limit}"
        )
        rows = self.query(
            f"SELECT counted.*, shown.* FROM (SELECT count(*) AS rows_of_table "  # noqa: S608 (as above)
            f"FROM {self.name_of(contract)}) AS counted LEFT JOIN ({shown}) AS shown ON 1 = 1"
        )
        row_count = int(rows[0]["rows_of_table"])
        return row_count, [
            {name: row[name] for name in contract.columns} for row in rows if row["is_shown"]
        ]

    def some_rows(self, contract: Contract, days: Days | None, limit: int) -> list[Row]:
        """Return any few rows of the slice of `days`."""
        where = self.where(contract, days)
        return self.query(
            f"SELECT {self.columns_of(contract)} FROM {self.name_of(contract)}{where} LIMIT {limit}"  # noqa: S608 (as above)
        )

    def stored_schema(self, contract: Contract) -> ibis.Schema:
        """Return the stored columns of the table as an Ibis schema."""
        return self.con.get_schema(contract.name, database=contract.layer)

    def found_schema(self, contract: Contract) -> ibis.Schema | None:
        """Return the stored columns of the table; None if there is no such table yet."""
        try:
            return self.stored_schema(contract)
        except TableNotFound:
            return None

    def type_of(self, kind: dt.DataType) -> str:
        """Return the name of an Ibis type in the engine's DDL."""
        return type_name(self.con.compiler.type_mapper, kind)

    def column_definitions(self, contract: Contract) -> str:
        """Return the columns with types and NOT NULL, for a CREATE TABLE."""
        lines = [
            f"{self.quoted(name)} "
            f"{self.type_of(kind_of(kind))}{'' if kind.nullable else ' NOT NULL'}"
            for name, kind in schema_of(contract).items()
        ]
        return ",\n  ".join(lines)
