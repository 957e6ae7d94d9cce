"""The part of a run's summary that is about customers. Not here: the rest of it (`run_summary.py`)."""

from typing import Any

import ibis.expr.types as ir

from ecom_assets.customers.contracts import Customers, DuplicateCustomers, QuarantinedCustomers, RawCustomers
from ecom_assets.delivery.customers_file import customer_counts
from ecom_assets.rules import segments_of
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import can_be_null
from ecom_assets.warehouse.engine import Engine

COLUMNS = {
    "tiers": "customer_tier",
    "segments": "market_segment",
    "quality_bands": "quality_band",
    "engagement_sources": "engagement_source",
}
SHOWN = ("tiers", "segments", "quality_bands")


def customer_totals(engine: Engine, settings: Settings, days: Days) -> dict[str, Any]:
    """Return how many customers there are as of the newest fetch, and what the fetches of some days brought."""
    table = engine.table(Customers)
    current = can_be_null(table.filter(table.is_current), ["as_of_date"])
    as_of = current.as_of_date.max().to_pyarrow().as_py()
    counts = customer_counts(table, segments_of(settings).names)
    return {
        "count": counts["total_customers"],
        "as_of": str(as_of) if as_of else None,
        **{name: counts[column] for name, column in COLUMNS.items()},
        "mean_data_quality_score": counts["mean_data_quality_score"],
        "flawed_fields": counts["flawed_fields"],
        **_received(engine, days),
    }


def customer_lines(totals: dict[str, Any]) -> list[str]:
    """Return the totals as people read them; nothing where there are no customers."""
    if not totals["count"]:
        return []
    lines = [
        f"  {name.replace('_', ' '):14} " + ", ".join(f"{value} {count:,}" for value, count in totals[name].items())
        for name in SHOWN
    ]
    flawed = ", ".join(f"{name} {count:,}" for name, count in totals["flawed_fields"].items())
    lines.append(f"  mean score     {totals['mean_data_quality_score']:.2f}; missing or invalid: {flawed or 'nothing'}")
    lines += _hint(totals)
    if by_api := totals["engagement_sources"]["api"]:
        lines.append(f"  engagement     of {by_api:,} without sessions by the API's score")
    return ["", f"Customers at the end of {totals['as_of']}: {totals['count']:,}", *lines]


def _hint(totals: dict[str, Any]) -> list[str]:
    """Return what to do where no customer has a field that all are expected to have."""
    lacking = [name for name, count in totals["flawed_fields"].items() if count == totals["count"]]
    if not lacking:
        return []
    advice = (
        "if your API does not have that, leave it out of a mapping (ECOM_CUSTOMER_API_MAPPING), and it costs no points."
    )
    return [f"  No customer has a valid {' or '.join(lacking)}: {advice}"]


def customer_quality_lines(totals: dict[str, Any]) -> list[str]:
    """Return what became of the records that the fetches brought; nothing where nothing was fetched."""
    refused = totals["quarantined"]
    if not totals["received"]:
        return []
    what = f"Quarantined customers: {sum(refused.values()):,} of {totals['received']:,} records"
    lines = [f"{what}; surplus copies left out: {totals['duplicates']:,}"]
    return lines + [f"  {reason:48} {count:>8,}" for reason, count in refused.items()]


def _received(engine: Engine, days: Days) -> dict[str, Any]:
    """Return received, quarantined and surplus records; what is left of them is the customers of those days."""
    raw, refused, surplus = (
        _of_days(engine.table(contract), days) for contract in (RawCustomers, QuarantinedCustomers, DuplicateCustomers)
    )
    reasons = refused.group_by("reject_reason").agg(rows=refused.count()).to_pyarrow().to_pylist()
    ordered = sorted(reasons, key=lambda row: (-row["rows"], row["reject_reason"]))
    return {
        "received": int(raw.count().to_pyarrow().as_py()),
        "quarantined": {row["reject_reason"]: int(row["rows"]) for row in ordered},
        "duplicates": int(surplus.surplus_count.sum().to_pyarrow().as_py() or 0),
    }


def _of_days(rows: ir.Table, days: Days) -> ir.Table:
    return rows.filter(days.contain(rows.received_date))
