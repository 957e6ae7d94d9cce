"""The part of a run's summary about segments and expected value. Not here: the rest of it (`run_summary.py`)."""

from typing import Any

import ibis.expr.types as ir

from ecom_assets.customers.contracts import CustomerSegments, LifetimeValue
from ecom_assets.customers.queries import segment_totals
from ecom_assets.tables.portable import can_be_null
from ecom_assets.warehouse.engine import Engine

MILLION = 1_000_000


def summarize_value(engine: Engine) -> dict[str, Any]:
    """Return customers by segment, and what to expect of all of them; null where there is no model."""
    segmented, valued = engine.table(CustomerSegments), engine.table(LifetimeValue)
    valued = can_be_null(valued, valued.columns)
    found = valued.agg(
        as_of_date=valued.as_of_date.max(),
        horizon_days=valued.horizon_days.max(),
        value_months=valued.value_months.max(),
        no_model_reason=valued.no_model_reason.max(),
        no_order_value_reason=valued.no_order_value_reason.max(),
        expected_alive=_exact(valued.alive_probability),
        expected_orders=_exact(valued.expected_order_count),
        lifetime_value_amount=valued.lifetime_value_amount.sum(),
    )
    row: dict[str, Any] = found.to_pyarrow().to_pylist()[0]
    for name in ("expected_alive", "expected_orders"):
        row[name] = None if row[name] is None else int(row[name]) / MILLION
    for name in ("as_of_date", "lifetime_value_amount"):
        row[name] = None if row[name] is None else str(row[name])
    return {**segment_totals(segmented), "value": row}


def value_lines(told: dict[str, Any]) -> list[str]:
    """Write segments and expected value for people; nothing where nobody ordered."""
    if not told["customers"]:
        return []
    some = [f"{one['segment']} {one['customers']:,}" for one in told["segments"] if one["customers"]]
    value = told["value"]
    lines = ["", f"Customers by segment at the end of {value['as_of_date']}: {told['customers']:,}", *_in_lines(some)]
    if value["no_model_reason"]:
        return [*lines, f"  no expected value: {value['no_model_reason'].replace('_', ' ')}"]
    to_come = f"{value['expected_orders']:,.0f} orders in {value['horizon_days']} days"
    lines.append(f"  {value['expected_alive']:,.0f} are expected to order again; {to_come}")
    if value["lifetime_value_amount"] is not None:
        lines.append(f"  expected value of {value['value_months']} months {float(value['lifetime_value_amount']):,.2f}")
    return lines


def _in_lines(parts: list[str], most: int = 6) -> list[str]:
    return [f"  {', '.join(parts[start : start + most])}" for start in range(0, len(parts), most)]


def _exact(numbers: ir.FloatingColumn) -> ir.IntegerScalar:
    # The numbers have six decimals; a sum of floats would depend on the order of rows.
    return (numbers * MILLION).round().cast("int64").sum()
