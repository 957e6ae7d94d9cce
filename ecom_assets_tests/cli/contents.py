"""What a warehouse holds, so that two can be compared whatever the order of their rows. Not here: making one.

The log of changed numbers depends on which runs there were, and is left out.
"""

from pathlib import Path

import duckdb

from ecom_assets.contracts.registry import ALL
from ecom_assets.contracts.restatements import Restatements


def contents(warehouse: Path) -> dict[str, tuple[int, int]]:
    """Return the number of rows and a hash over all of them, for every table."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return {
            contract.qualified_name(): _content(con, contract.qualified_name())
            for contract in ALL
            if contract is not Restatements
        }


def _content(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    found = con.execute(f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM {table} AS t").fetchone()
    assert found is not None
    return found[0], int(found[1])
