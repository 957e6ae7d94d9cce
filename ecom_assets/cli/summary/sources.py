"""What a run's summary says of sources that are not there: null and why, never zero; and the sales of purchase events.

Not here: the numbers of sources that are there (`run_summary.py` and its parts).
"""

from collections.abc import Mapping
from typing import Any, Final

from ecom_assets.sales.coverage import ORDERS, PURCHASES
from ecom_assets.sales.purchase_revenue import purchase_totals
from ecom_assets.sessions.contracts import SessionEvents
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.source import has_customers
from ecom_assets.sources.order_reports.source import has_events, has_orders
from ecom_assets.sources.stock import has_stock
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine

COUNTED_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "events": (
        "sessions", "funnel", "funnels", "cohorts", "carts", "channels", "journeys", "search", "quarantined",
        "duplicates",
    ),
    "orders": ("retention", "reconciliation"),
    "customers": ("customers",),
    "stock": ("inventory",),
}  # fmt: skip
"""The parts of the summary that nothing can be said of without a source."""
REASONS: Final = {
    "events": "no events; set ECOM_EVENTS",
    "orders": "no order lines; set ECOM_ORDERS or ECOM_ORDER_API_URL",
    "customers": "no customers; set ECOM_CUSTOMER_API_URL",
    "stock": "no stock; set ECOM_CATALOGUE or ECOM_CATALOGUE_API_URL",
}


def without_unknown(engine: Engine, settings: Settings, days: Days, summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with null for what its sources do not tell, and `missing`: the reason by source."""
    is_there = {
        "events": has_events(settings),
        "orders": has_orders(settings),
        "customers": has_customers(settings),
        "stock": has_stock(settings),
    }
    missing = {source: reason for source, reason in REASONS.items() if not is_there[source]}
    nulls = dict.fromkeys(part for source in missing for part in COUNTED_FROM[source])
    sales = {"source": ORDERS, **summary["sales"]} if is_there["orders"] else _purchases(engine, days)
    found = {**summary, **nulls, "sales": sales, "missing": missing}
    if not found["segments"]["customers"] and sales is None:
        found["segments"] = None
    if sales and sales["source"] == PURCHASES and sales["revenue_amount"] is None:
        found["channels"] = _without_money(found["channels"])
    return found


def missing_lines(summary: Mapping[str, Any]) -> list[str]:
    """Write for people what is not there, and what would bring it."""
    return ["", *(f"Left out: {reason}" for reason in summary["missing"].values())] if summary["missing"] else []


def _purchases(engine: Engine, days: Days) -> dict[str, Any] | None:
    """Return the sales of purchase events on some days, as `summarize_sales` has those of order lines.

    None where no event ever was a purchase.
    """
    events = engine.table(SessionEvents)
    if not purchase_totals(events.mutate(whole=1), ["whole"]).to_pyarrow().num_rows:
        return None
    of_days = events.filter(days.contain(events.event_date)).mutate(whole=1)
    rows = purchase_totals(of_days, ["whole"]).to_pyarrow().to_pylist()
    row = rows[0] if rows else dict.fromkeys(("shipped_amount", "refunded_amount", "revenue_amount"), 0)
    orders, revenue = int(row.get("order_count", 0)), row["revenue_amount"]
    return {
        "source": PURCHASES,
        "orders": orders,
        "customers": int(row.get("customer_count", 0)),
        "items_sold": int(row.get("sold_item_count", 0)),
        **{name: _money(row[name]) for name in ("shipped_amount", "refunded_amount", "revenue_amount")},
        "average_order_value": _money(revenue / orders) if orders and revenue is not None else None,
        "quarantined": None,
        "duplicates": None,
        "held_days": None,
        "held_order_days": None,
    }


def _without_money(channels: dict[str, Any]) -> dict[str, Any]:
    models = {
        model: [{**one, "revenue_amount": None} for one in credited] for model, credited in channels["models"].items()
    }
    return {**channels, "models": models}


def _money(amount: Any) -> str | None:  # noqa: ANN401 (a decimal, 0 where there is no row, or None)
    return None if amount is None else f"{amount:.2f}"
