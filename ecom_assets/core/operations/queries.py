"""The results that runs recorded of checks and tables,
and the requests that people left for runs.
"""

import json
from pathlib import Path
from typing import Any

from ecom_assets.core.operations.requests import OperationsStore, Row


def failing_checks(home: Path) -> dict[str, Any]:
    """Return the checks that failed or warned at their latest evaluation,
    and how many have a result.
    """
    store = OperationsStore(home)
    rows = store.rows(
        "SELECT * FROM checks WHERE NOT is_passed ORDER BY is_warning, table_name, check_name"
    )
    (count,) = store.rows("SELECT count(*) AS n FROM checks") or [{"n": 0}]
    return {"checks": [_check(row) for row in rows], "evaluated_count": count["n"]}


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
