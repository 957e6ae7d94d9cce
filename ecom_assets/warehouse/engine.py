"""The `Engine` interface: what the platform asks of any engine, and what every engine does alike."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Protocol, Self

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot as sg
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import ConnectionLostError, WarehouseError
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.schema import columns_to_add, conform, in_their_types, kind_of, schema_of
from ecom_assets.warehouse.sql_text import text

STEPS = ("file_creation", "slice_begun", "slice_written", "committed")
"""The moments that an engine announces; crash tests stop the process at each."""
RETRY_PAUSES_S = (1.0, 2.0, 4.0)
"""How long to wait before a slice is written again whose connection was lost."""
BATCH_ROWS = 100_000
"""Rows that are held in memory at a time when they come from outside the engine."""


class Watch(Protocol):
    """Who sees a slice being replaced, and may rewrite other tables in the same transaction."""

    def before(self) -> None:
        """Called before the old rows are deleted."""

    def after(self) -> None:
        """Called after the new rows are written."""


@dataclass(frozen=True)
class Written:
    """What a replaced slice came to."""

    row_count: int
    sql: str


class SqlNames:
    """Names as the dialect of a connection spells them."""

    con: SQLBackend

    def quoted(self, name: str) -> str:
        """Return the name of a schema, table or column as the engine's SQL spells it."""
        return str(sg.to_identifier(name, quoted=True).sql(dialect=self.con.dialect))

    def name_of(self, contract: type[Table]) -> str:
        """Return the table's name for SQL."""
        return f"{self.quoted(contract.layer)}.{self.quoted(contract.name)}"

    def columns_of(self, contract: type[Table]) -> str:
        """Return the names of the table's columns for SQL, in the contract's order."""
        return ", ".join(self.quoted(name) for name in contract.columns)

    def where(self, contract: type[Table], days: Days | None) -> str:
        """Return the WHERE clause of the slice of `days`; empty for the whole table."""
        if days is None:
            return ""
        column = self.quoted(str(contract.day_column))
        runs = [f"{column} >= DATE '{first}' AND {column} < DATE '{end}'" for first, end in days.runs()]
        return " WHERE " + (" OR ".join(runs) or "1 = 0")


class Engine(SqlNames, ABC):
    """One open warehouse. Tables are created on first use, empty, from their contracts.

    What an engine must know by itself: to open and close, to run statements in a transaction, to spell a table's DDL,
    and to take in rows that come from outside.
    """

    def __init__(self, address: str) -> None:
        """Take the address as people may see it, without secrets."""
        self.address = address
        self.on_step: Callable[[str], None] = lambda _step: None
        self._ready: set[str] = set()
        self._handed_out: dict[str, ir.Table] = {}

    def connect_through(self, account: Any) -> Self:  # noqa: ANN401, ARG002 (a resource of Dagster, which this does not import)
        """Use a Dagster resource to connect, where the engine has one; return the engine."""
        return self

    @abstractmethod
    def open(self) -> Self:
        """Connect.

        Raises:
            WarehouseError: It cannot be reached or used.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the warehouse back."""

    has_one_writer: ClassVar[bool] = False
    """Whether nobody else can write while it is open; runs take turns then."""

    def row_hash(self, _contract: type[Table]) -> str | None:
        """Return the SQL of a hash of a row that writes no text of it; None where the engine has none."""
        return None

    def exists(self) -> bool:
        """Tell whether there is anything to open yet."""
        return True

    @property
    def notice(self) -> str:
        """Return what people must be told about how it opened; empty if nothing."""
        return ""

    def heed_failures(self, _failures: Iterable[str]) -> bool:
        """Hear what steps failed with; tell whether opening the warehouse again fixes it."""
        return False

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which everything is committed, or nothing."""

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run a statement whose result nobody reads."""

    @abstractmethod
    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run a small query and return its rows by column name."""

    @abstractmethod
    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""

    @abstractmethod
    def take_in(self, contract: type[Table], batches: pa.RecordBatchReader) -> int:
        """Add rows from outside the engine, in the contract's columns and types; return how many."""

    @abstractmethod
    def create_statements(self, contract: type[Table]) -> list[str]:
        """Return the statements that create the table, its schema apart."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return the whole table, lazily."""
        name = contract.qualified_name()
        self.ensure(contract)
        # Asking for its columns takes longer than most checks, and a run asks for a table six times.
        if name not in self._handed_out or not self.holds(self._handed_out[name]):
            self._handed_out[name] = self.stored_table(contract)
        return self._handed_out[name]

    def stored_table(self, contract: type[Table]) -> ir.Table:
        """Return the whole table as it is stored, whatever its contract says."""
        return self.con.table(contract.name, database=contract.layer)

    def has(self, contract: type[Table]) -> bool:
        """Tell whether the table exists."""
        known = "information_schema.tables WHERE table_catalog = current_database()"
        named = f"table_schema = {text(contract.layer)} AND table_name = {text(contract.name)}"
        return bool(self.query(f"SELECT 1 FROM {known} AND {named}"))  # noqa: S608 (names come from contracts)

    def ensure(self, contract: type[Table]) -> None:
        """Create the table from its contract, or add the columns that the contract has gained.

        Raises:
            WarehouseError: The table differs in a way that adding columns does not fix.
        """
        if contract.qualified_name() in self._ready:
            return
        self._handed_out.pop(contract.qualified_name(), None)
        if self.has(contract):
            self._migrate(contract)
        else:
            self.create(contract)
        self._ready.add(contract.qualified_name())

    def create(self, contract: type[Table]) -> None:
        """Create the table, empty, with its schema."""
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.quoted(contract.layer)}")
        for statement in self.create_statements(contract):
            self.execute(statement)

    def add_column(self, contract: type[Table], name: str) -> None:
        """Add a column that the contract has gained; the rows that there are have null in it."""
        kind = self.type_of(kind_of(schema_of(contract)[name]))
        self.execute(f"ALTER TABLE {self.name_of(contract)} ADD COLUMN {self.quoted(name)} {kind}")

    def replace(self, contract: type[Table], rows: ir.Table, days: Days | None, watch: Watch | None = None) -> Written:
        """Put `rows` in the place of the slice of `days` (of the whole table if None), in one transaction.

        Rows of another database than this engine's are fetched in batches. A lost connection is fixed and the slice
        written again, which is safe because a slice written twice equals one written once. `watch` takes part in the
        transaction, and begins again with it.

        Raises:
            ContractError: `rows` lacks a column of the contract, or has one that it does not know.
            ConnectionLostError: The connection stayed lost.
        """
        for pause_s in (*RETRY_PAUSES_S, None):
            try:
                return self._replace(contract, rows, days, watch)
            except ConnectionLostError:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
                with suppress(WarehouseError):  # the next attempt says what is wrong
                    self.reconnect()
        raise AssertionError("unreachable")  # pragma: no cover

    def _replace(self, contract: type[Table], rows: ir.Table, days: Days | None, watch: Watch | None) -> Written:
        self.ensure(contract)
        rows = conform(rows, contract)
        is_own = self.holds(rows)
        sql = self.compile(rows) if is_own else str(rows.get_backend().compile(rows))
        with self.transaction():
            self.begin_slice(contract)
            self.on_step("slice_begun")
            if watch:
                watch.before()
            self.execute(f"DELETE FROM {self.name_of(contract)}{self.where(contract, days)}")  # noqa: S608 (names come from contracts)
            if is_own:
                count = self.insert(f"INSERT INTO {self.name_of(contract)} ({self.columns_of(contract)})\n{sql}")
            else:
                count = self.take_in(contract, in_their_types(rows.to_pyarrow_batches(chunk_size=BATCH_ROWS)))
            self.end_slice(contract)
            if watch:
                watch.after()
            self.on_step("slice_written")
        self.on_step("committed")
        return Written(count, sql)

    def slice_rows(self, contract: type[Table], days: Days) -> pa.Table:
        """Return the rows of some days, as a transaction that is open has left them."""
        where = self.where(contract, days)
        rows = self.query(f"SELECT {self.columns_of(contract)} FROM {self.name_of(contract)}{where}")  # noqa: S608 (names come from contracts)
        return pa.Table.from_pylist(rows, schema=schema_of(contract).to_pyarrow())

    def day_counts(self, contract: type[Table], days: Days) -> dict[date, int]:
        """Return the number of rows of each of some days that has any, as above."""
        day = self.quoted(str(contract.day_column))
        return {
            row["counted_day"]: int(row["n"])
            for row in self.query(
                f"SELECT {day} AS counted_day, count(*) AS n FROM {self.name_of(contract)}"  # noqa: S608 (as above)
                f"{self.where(contract, days)} GROUP BY 1"
            )
        }

    def rewrite(self, contract: type[Table], days: Days, make: Callable[[pa.Table], pa.Table]) -> None:
        """Within a transaction, put what `make` makes of the rows of some days in their place."""
        self.begin_slice(contract)
        made = make(self.slice_rows(contract, days))
        self.execute(f"DELETE FROM {self.name_of(contract)}{self.where(contract, days)}")  # noqa: S608 (as above)
        self.take_in(contract, made.to_reader())

    def holds(self, rows: ir.Table) -> bool:
        """Tell whether everything that `rows` are computed from lies in this warehouse."""
        return all(stored.source is self.con for stored in rows.op().find((ops.DatabaseTable, ops.SQLQueryResult)))

    def begin_slice(self, _contract: type[Table]) -> None:
        """Keep other writers of the table out until the transaction ends, where the engine does not by itself."""
        return

    def end_slice(self, _contract: type[Table]) -> None:
        """Do what the engine needs after rows were written, before they are committed."""
        return

    def reconnect(self) -> None:
        """Open a lost connection again, for the tables that were handed out too."""
        return

    def compile(self, rows: ir.Table) -> str:
        """Return the statement that computes `rows`."""
        return str(self.con.compile(rows, pretty=True))

    def clear(self, contracts: Iterable[type[Table]]) -> None:
        """Empty the tables, all or none."""
        present = [contract for contract in contracts if self.has(contract)]
        with self.transaction():
            for contract in present:
                self.execute(f"DELETE FROM {self.name_of(contract)}")  # noqa: S608 (names come from contracts)

    def drop(self, contract: type[Table]) -> None:
        """Remove the table, if it is there."""
        self.execute(f"DROP TABLE IF EXISTS {self.name_of(contract)}")
        self._ready.discard(contract.qualified_name())

    def put_in_place(self, fresh: type[Table], contract: type[Table]) -> None:
        """Let one table take the place and name of another of its layer, all or nothing."""
        with self.transaction():
            self.execute(f"DROP TABLE {self.name_of(contract)}")
            self.execute(f"ALTER TABLE {self.name_of(fresh)} RENAME TO {self.quoted(contract.name)}")
        self._ready.discard(fresh.qualified_name())

    def row_count(self, contract: type[Table]) -> int:
        """Return the number of rows of the whole table."""
        (row,) = self.query(f"SELECT count(*) AS n FROM {self.name_of(contract)}")  # noqa: S608 (names come from contracts)
        return int(row["n"])

    def some_rows(self, contract: type[Table], days: Days | None, limit: int) -> list[dict[str, Any]]:
        """Return a few rows of the slice of `days`, no particular ones."""
        where = self.where(contract, days)
        return self.query(f"SELECT {self.columns_of(contract)} FROM {self.name_of(contract)}{where} LIMIT {limit}")  # noqa: S608 (as above)

    def stored_schema(self, contract: type[Table]) -> ibis.Schema:
        """Return the columns that the table has, as Ibis sees them."""
        return self.con.get_schema(contract.name, database=contract.layer)

    def type_of(self, kind: dt.DataType) -> str:
        """Return an Ibis type as the engine's DDL spells it."""
        return str(self.con.compiler.type_mapper.to_string(kind))

    def _migrate(self, contract: type[Table]) -> None:
        found = self.stored_schema(contract)
        for name in columns_to_add(contract, found):
            self.add_column(contract, name)

    def column_definitions(self, contract: type[Table]) -> str:
        """Return the columns with types and NOT NULL, for a CREATE TABLE."""
        lines = [
            f"{self.quoted(name)} {self.type_of(kind_of(kind))}{'' if kind.nullable else ' NOT NULL'}"
            for name, kind in schema_of(contract).items()
        ]
        return ",\n  ".join(lines)
