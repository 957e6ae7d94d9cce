"""What two states of the same days differ in, as restatements have it."""

import pyarrow as pa

from ecom_assets.commerce.reconciliation.restatements import (
    MOST_ROWS,
    ChangedNumber,
    StateComparison,
)
from ecom_assets.core.tables.contract import Table


def changed_numbers(
    contract: type[Table],
    before: pa.Table,
    after: pa.Table,
    *,
    run_id: str = "",
    most_rows: int = MOST_ROWS,
) -> list[ChangedNumber]:
    """Compare two states of the same days, and return the changes sorted by key and column."""
    comparison = StateComparison(contract, run_id, most_rows)
    comparison.add(before, after)
    return comparison.changes()
