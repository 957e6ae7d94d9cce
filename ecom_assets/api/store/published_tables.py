"""The published tables on a connection of their own, with the notes that writers left beside them."""

from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.api.store.store import StoreReading
from ecom_assets.explain.notes import StoredNotes
from ecom_assets.tables.contract import Table

Row = dict[str, Any]


class PublishedTables:
    """The published tables on a connection of their own."""

    def __init__(self, reading: StoreReading, con: SQLBackend) -> None:
        """Set the published state, and the connection."""
        self._published = reading.published.tables
        self._con = con

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""
        return self._con.table(contract.name, database=contract.layer)

    def rows(self, question: ir.Table) -> list[Row]:
        """Return the rows of a small result."""
        rows: list[Row] = self._con.to_pyarrow(question).to_pylist()
        return rows

    @property
    def notes(self) -> StoredNotes:
        """Return the notes of writers."""
        return StoredNotes(self.query, self.is_stored, self.name_of)

    def has(self, contract: type[Table]) -> bool:
        """Return whether a table is published."""
        return contract.qualified_name() in self._published

    def is_stored(self, contract: type[Table]) -> bool:
        """Return whether a table of notes is stored with the published tables."""
        return contract.layer in self._con.list_databases() and contract.name in self._con.list_tables(
            database=contract.layer
        )

    def query(self, sql: str) -> list[Row]:
        """Run a small query."""
        rows: list[Row] = self._con.sql(sql).to_pyarrow().to_pylist()
        return rows

    @staticmethod
    def name_of(contract: type[Table]) -> str:
        """Return the name of a table for SQL."""
        return f'"{contract.layer}"."{contract.name}"'
