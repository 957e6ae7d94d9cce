"""What a warehouse holds, so that two can be compared whatever the order of their rows.

What is about runs and their requests is left out.
"""

from pathlib import Path

import duckdb

from ecom_assets.commerce.reconciliation.contracts import Restatements
from ecom_assets.core.tables.contract import Table
from ecom_assets.orchestration.registry import ALL
from ecom_assets.outputs.delivery.contracts import DeadLetters, Deliveries, ReconciliationDaily

TABLES = "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
OF_RUNS = (Restatements, DeadLetters, ReconciliationDaily)
"""Tables of when and in how many attempts things succeeded."""
WHATEVER_THE_RUN: dict[type[Table], str] = {Deliveries: "record_date, destination, record_id"}
"""Where only some columns are about that, the other columns."""


def contents(warehouse: Path) -> dict[str, tuple[int, int]]:
    """Return the number of rows and a hash over all of them, for every table that is there."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        made = {name for (name,) in con.execute(TABLES).fetchall()}
        return {
            contract.qualified_name(): _content(
                con, contract.qualified_name(), WHATEVER_THE_RUN.get(contract, "*")
            )
            for contract in ALL
            if contract not in OF_RUNS and contract.qualified_name() in made
        }


def _content(con: duckdb.DuckDBPyConnection, table: str, columns: str) -> tuple[int, int]:
    rows = f"(SELECT {columns} FROM {table})"
    actual = con.execute(f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {rows} AS t").fetchone()
    assert actual is not None
    return actual[0], int(actual[1])
