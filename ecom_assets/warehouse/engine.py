"""What the platform asks of any engine, and what every engine does alike.

Not here: anything that only one engine does (`duckdb.py`), or Dagster (`io_manager.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.contracts.table import Table
from ecom_assets.errors import ContractError, WarehouseError
from ecom_assets.transforms.days import Days

STEPS = ("file_creation", "slice_begun", "slice_written", "committed")
"""The moments that an engine announces; crash tests stop the process at each."""


@dataclass(frozen=True)
class Written:
    """What a replaced slice came to."""

    row_count: int
    sql: str


class Engine(ABC):
    """One open warehouse. Tables are created on first use, empty, from their contracts."""

    con: SQLBackend

    def __init__(self) -> None:
        self.on_step: Callable[[str], None] = _ignore
        self._ready: set[str] = set()

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which everything is committed, or nothing."""

    @abstractmethod
    def close(self) -> None:
        """Give the warehouse back."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return the whole table, lazily."""
        self.ensure(contract)
        return self.con.table(contract.name, database=contract.layer)

    def has(self, contract: type[Table]) -> bool:
        """Tell whether the table exists."""
        schemas = self.con.list_databases()
        return contract.layer in schemas and contract.name in self.con.list_tables(database=contract.layer)

    def ensure(self, contract: type[Table]) -> None:
        """Create the table from its contract, or add the columns that the contract has gained.

        Raises:
            WarehouseError: The table differs in a way that adding columns does not mend.
        """
        if contract.qualified_name() in self._ready:
            return
        if self.has(contract):
            self._migrate(contract)
        else:
            if contract.layer not in self.con.list_databases():
                self.con.create_database(contract.layer)
            self.con.create_table(contract.name, schema=schema_of(contract), database=contract.layer)
        self._ready.add(contract.qualified_name())

    def replace(self, contract: type[Table], rows: ir.Table, days: Days | None) -> Written:
        """Put `rows` in the place of the slice of `days` (of the whole table if None), in one transaction.

        Raises:
            ContractError: `rows` lacks a column of the contract, or has one that it does not know.
        """
        self.ensure(contract)
        sql = self.compile(conform(rows, contract))
        names = ", ".join(f'"{name}"' for name in contract.columns)
        target = _name(contract)
        with self.transaction():
            self.on_step("slice_begun")
            self.execute(f"DELETE FROM {target}{_where(contract, days)}")  # noqa: S608 (names come from contracts)
            count = self.insert(f"INSERT INTO {target} ({names})\n{sql}")
            self.on_step("slice_written")
        self.on_step("committed")
        return Written(count, sql)

    def compile(self, rows: ir.Table) -> str:
        """Return the statement that computes `rows`."""
        return str(self.con.compile(rows, pretty=True))

    def clear(self, contracts: Iterable[type[Table]]) -> None:
        """Empty the tables, all or none."""
        present = [contract for contract in contracts if self.has(contract)]
        with self.transaction():
            for contract in present:
                self.execute(f"DELETE FROM {_name(contract)}")  # noqa: S608 (names come from contracts)

    def row_count(self, contract: type[Table]) -> int:
        """Return the number of rows of the whole table."""
        (row,) = self.query(f"SELECT count(*) AS n FROM {_name(contract)}")  # noqa: S608 (names come from contracts)
        return int(row["n"])

    def some_rows(self, contract: type[Table], days: Days | None, limit: int) -> list[dict[str, Any]]:
        """Return a few rows of the slice of `days`, no particular ones."""
        return self.query(f"SELECT * FROM {_name(contract)}{_where(contract, days)} LIMIT {limit}")  # noqa: S608 (likewise)

    @abstractmethod
    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run a small query and return its rows by column name."""

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run a statement whose result nobody reads."""

    @abstractmethod
    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""

    def _migrate(self, contract: type[Table]) -> None:
        found = self.con.get_schema(contract.name, database=contract.layer)
        wanted = schema_of(contract)
        for name in found:
            if name not in wanted or _kind(found[name]) != _kind(wanted[name]):
                claim = f"has as {_kind(wanted[name])}" if name in wanted else "does not have"
                raise WarehouseError(
                    f"{contract.qualified_name()} has column {name!r} as {_kind(found[name])}, which its contract "
                    f"{claim}; only added columns migrate by themselves: drop the table and materialize it again, it "
                    "is rebuilt from raw."
                )
        for name in wanted:
            if name not in found:
                kind = self.con.compiler.type_mapper.to_string(_kind(wanted[name]))
                self.execute(f'ALTER TABLE {_name(contract)} ADD COLUMN "{name}" {kind}')


def schema_of(contract: type[Table]) -> ibis.Schema:
    """Return the contract's columns as an Ibis schema."""
    return ibis.schema(
        {name: dt.dtype(column.type).copy(nullable=column.nullable) for name, column in contract.columns.items()}
    )


def conform(rows: ir.Table, contract: type[Table]) -> ir.Table:
    """Bring `rows` into the contract's column order and types.

    Raises:
        ContractError: A column is missing or unknown.
    """
    missing = [name for name in contract.columns if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in contract.columns]
    if missing or unknown:
        raise ContractError(
            f"{contract.qualified_name()} was computed without {missing} and with {unknown}; make the columns "
            "equal to those of its contract."
        )
    kinds = {name: _kind(dt.dtype(column.type)) for name, column in contract.columns.items()}
    columns = {
        name: rows[name] if _kind(rows[name].type()) == kind else rows[name].cast(kind) for name, kind in kinds.items()
    }
    return rows.select(**columns)


def _name(contract: type[Table]) -> str:
    return f'"{contract.layer}"."{contract.name}"'


def _kind(dtype: dt.DataType) -> dt.DataType:
    return dtype.copy(nullable=True)


def _where(contract: type[Table], days: Days | None) -> str:
    if days is None:
        return ""
    runs = [
        f"\"{contract.day_column}\" >= DATE '{first}' AND \"{contract.day_column}\" < DATE '{end}'"
        for first, end in days.runs()
    ]
    return " WHERE " + (" OR ".join(runs) or "1 = 0")


def _ignore(_step: str) -> None:
    return
