"""The part of a run's summary that is about customers. Not here: the rest of it (`run_summary.py`)."""

from typing import Any

from ecom_assets.contracts.customers import CUSTOMER_TIERS, MARKET_SEGMENTS, QUALITY_BANDS, Customers
from ecom_assets.transforms.stacking import can_be_null
from ecom_assets.warehouse.engine import Engine

COLUMNS = {
    "tiers": ("customer_tier", CUSTOMER_TIERS),
    "segments": ("market_segment", MARKET_SEGMENTS),
    "quality_bands": ("quality_band", QUALITY_BANDS),
}


def customer_totals(engine: Engine) -> dict[str, Any]:
    """Return how many customers there are as of the newest fetch, by tier, market segment and quality band."""
    table = engine.table(Customers)
    current = table.filter(table.is_current)
    current = can_be_null(current, ["as_of_date"])
    found = current.agg(count=current.count(), as_of=current.as_of_date.max()).to_pyarrow().to_pylist()[0]
    totals: dict[str, Any] = {"count": int(found["count"]), "as_of": str(found["as_of"]) if found["as_of"] else None}
    for name, (column, values) in COLUMNS.items():
        rows = current.group_by(value=current[column]).agg(customers=current.count()).to_pyarrow().to_pylist()
        counts = {row["value"]: int(row["customers"]) for row in rows}
        totals[name] = {value: counts.get(value, 0) for value in values}
    return totals


def customer_lines(totals: dict[str, Any]) -> list[str]:
    """Return the totals as people read them; nothing where there are no customers."""
    if not totals["count"]:
        return []
    lines = [
        f"  {name.replace('_', ' '):14} " + ", ".join(f"{value} {count:,}" for value, count in totals[name].items())
        for name in COLUMNS
    ]
    return ["", f"Customers at the end of {totals['as_of']}: {totals['count']:,}", *lines]
