"""How SQL names a table, its columns and the slice of some days. Not here: statements (`engine.py`)."""

import sqlglot as sg
from ibis.backends.sql import SQLBackend

from ecom_assets.contracts.table import Table
from ecom_assets.transforms.days import Days


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
