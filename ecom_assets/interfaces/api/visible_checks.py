"""The results of checks that somebody may see: those about costs only who may see costs."""

from pathlib import Path
from typing import Any, Final

from ecom_assets.commerce.costs.contracts import COST_TABLES, cost_columns
from ecom_assets.core.operations import queries
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.orchestration.registry import ALL

COST_COLUMNS: Final = {
    table.qualified_name(): columns for table in ALL if (columns := cost_columns(table))
}


def failing_checks(home: Path, *, with_costs: bool) -> dict[str, Any]:
    """Return the checks that failed or warned at their latest evaluation, and how many have a
    result; without those of tables about costs, and without costs in rows of others, unless these
    may be seen.
    """
    if with_costs:
        return queries.failing_checks(home)
    result = queries.failing_checks(home, COST_TABLES)
    checks = [
        {
            **check,
            "examples": [_without_costs(row, check["table_name"]) for row in check["examples"]],
        }
        for check in result["checks"]
    ]
    return {**result, "checks": checks}


def _without_costs(example: Any, table: str) -> Any:  # noqa: ANN401 (as JSON has it)
    """Return a row that breaks a check with its costs hidden."""
    if not isinstance(example, dict):
        return example
    costs = COST_COLUMNS.get(table, frozenset())
    return {
        name: HIDDEN if name in costs and value is not None else value
        for name, value in example.items()
    }
