"""Customers by segment, and what to expect of all of them, as commands print them; scripts read the shapes.

Not here: where the rows come from.
"""

from decimal import Decimal
from math import fsum
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.contracts.customer_value import SEGMENTS
from ecom_assets.transforms.ratio import ratio


def segment_totals(segmented: ir.Table) -> dict[str, Any]:
    """Return the customers of each segment, empty ones too; shares and means are null where there is nobody."""
    sums = segmented.group_by("segment").agg(
        customers=segmented.count(),
        orders=segmented.order_count.sum(),
        revenue=segmented.revenue_amount.sum(),
        recency_days=ratio(segmented.recency_days.sum(), segmented.count()),
    )
    found = {row["segment"]: row for row in sums.to_pyarrow().to_pylist()}
    customers = sum(row["customers"] for row in found.values())
    return {
        "customers": customers,
        "segments": [
            {
                "segment": name,
                "customers": int(row.get("customers", 0)),
                "share": row["customers"] / customers if row else (0.0 if customers else None),
                "orders": int(row.get("orders", 0)),
                "revenue_amount": f"{row.get('revenue', 0):.2f}",
                "mean_recency_days": row.get("recency_days"),
            }
            for name, row in ((name, found.get(name, {})) for name in SEGMENTS)
        ],
    }


def value_totals(rows: pa.Table) -> dict[str, Any]:
    """Return sums over rows of `LifetimeValue`; null without a model, zero without customers."""
    return {
        "customers": rows.num_rows,
        "repeat_customers": pc.sum(pc.greater(rows["repeat_order_count"], 0)).as_py() or 0,
        "expected_alive": _sum(rows["alive_probability"]),
        "expected_orders": _sum(rows["expected_order_count"]),
        "lifetime_value_amount": _money(rows["lifetime_value_amount"]),
    }


def _sum(column: pa.ChunkedArray) -> float | None:
    # Exact, so that the order of rows does not matter.
    return round(fsum(column.drop_null().to_pylist()), 6) if len(column) > column.null_count else None


def _money(column: pa.ChunkedArray) -> str | None:
    return f"{sum(column.drop_null().to_pylist(), Decimal(0)):.2f}" if len(column) > column.null_count else None
