"""The results that runs recorded of checks and tables,
and the requests that people left for runs.
"""

import json
from collections.abc import Collection
from pathlib import Path

from ecom_assets.core.operations.requests import OperationsStore
from ecom_assets.core.rows import Answer, Row


def failing_checks(home: Path, hidden_tables: Collection[str] = ()) -> Answer:
    """Return the checks that failed or warned at their latest evaluation,
    and how many have a result; without those of some tables.
    """
    store = OperationsStore(home)
    rows = store.rows(
        "SELECT * FROM checks WHERE NOT is_passed ORDER BY is_warning, table_name, check_name"
    )
    counts = store.rows("SELECT table_name, count(*) AS n FROM checks GROUP BY table_name")
    return {
        "checks": [_check(row) for row in rows if row["table_name"] not in hidden_tables],
        "evaluated_count": sum(
            row["n"] for row in counts if row["table_name"] not in hidden_tables
        ),
    }


def _check(row: Row) -> Row:
    limit, _ = row.pop("limit_value"), row.pop("is_passed")
    return {
        **row,
        "is_warning": bool(row["is_warning"]),
        "limit": limit,
        "examples": json.loads(row["examples"]),
    }


def noted_tables(home: Path) -> dict[str, Row]:
    """Return what runs recorded of each table, by its name."""
    result = OperationsStore(home).rows("SELECT * FROM tables ORDER BY table_name")
    return {row["table_name"]: {**row, "is_written": bool(row["is_written"])} for row in result}
