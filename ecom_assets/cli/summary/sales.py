"""What a run's sales come to: orders, revenue, and the newest week's new and returning customers.

Not here: sessions and funnels (`run_summary.py`).
"""

from typing import Any

import ibis.expr.types as ir

from ecom_assets.orders.contracts import DuplicateOrders, HeldOrderDays, QuarantinedOrders
from ecom_assets.orders.held_day_log import DEFAULT_RULE, held_dates, held_days, told
from ecom_assets.orders.held_days import ORDERS
from ecom_assets.orders.orders import ALL, OrderRule
from ecom_assets.sales.contracts import CustomerRetention, Sales
from ecom_assets.sales.sales import added_up
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.warehouse.engine import Engine

KINDS = ("new", "returning", "refunded")


def summarize_sales(engine: Engine, days: Days, rule: OrderRule = DEFAULT_RULE) -> dict[str, Any]:
    """Return the sales of some days; money as decimal strings, averages null where nothing was sold.

    `held_days` are the days of arrival that are held back, whichever days are asked for; `held_order_days` are those of
    the days that are asked for on which held lines were ordered.
    """
    sold = engine.table(Sales)
    sold = sold.filter(days.contain(sold.order_date))
    sums = added_up(sold.mutate(whole=1), ["whole"]).to_pyarrow().to_pylist()
    row = sums[0] if sums else {}
    orders, revenue = int(row.get("order_count", 0)), row.get("revenue_amount", 0)
    refused = engine.table(QuarantinedOrders)
    refused = refused.filter(days.contain(refused.received_date))
    reasons = refused.group_by("reject_reason").agg(rows=refused.count()).to_pyarrow().to_pylist()
    return {
        "orders": orders,
        "customers": int(row.get("customer_count", 0)),
        "items_sold": int(row.get("sold_item_count", 0)),
        "shipped_amount": _money(row.get("shipped_amount", 0)),
        "refunded_amount": _money(row.get("refunded_amount", 0)),
        "revenue_amount": _money(revenue),
        "average_order_value": _money(revenue / orders) if orders else None,
        "quarantined": {one["reject_reason"]: one["rows"] for one in sorted(reasons, key=_most_first)},
        "duplicates": _surplus(engine.table(DuplicateOrders), days),
        "held_days": [told(row) for row in held_days(engine, HeldOrderDays)],
        "held_order_days": _held_order_days(engine, days, rule),
    }


def summarize_retention(engine: Engine, days: Days) -> dict[str, Any] | None:
    """Return the newest week of some days that has orders: customers, orders and revenue by kind; None without one."""
    mondays = Days.of(day - day.weekday() * ONE_DAY for day in days.dates)
    weeks = engine.table(CustomerRetention)
    weeks = weeks.filter(mondays.contain(weeks.week_start_date), weeks.item_category == ALL, weeks.city_id == ALL)
    found = weeks.order_by(weeks.week_start_date.desc()).limit(1).to_pyarrow().to_pylist()
    if not found:
        return None
    return {"week_start_date": str(found[0]["week_start_date"]), **{kind: _of_kind(found[0], kind) for kind in KINDS}}


def sales_lines(summary: dict[str, Any]) -> list[str]:
    """Write the sales of a run's summary for people."""
    sales, week = summary["sales"], summary["retention"]
    held = sales["held_order_days"]
    if not sales["orders"] and week is None:
        return ["", "No sales on these days", *_held_lines(held)]
    amounts = f"shipped {_shown(sales['shipped_amount'])}, refunded {_shown(sales['refunded_amount'])}"
    average = f"{_shown(sales['average_order_value'])} per order"
    lines = [
        "",
        "Sales" if sales["source"] == "orders" else "Sales, from purchase events",
        f"  {sales['orders']:,} orders of {sales['customers']:,} customers, {sales['items_sold']:,} items",
        f"  revenue {_shown(sales['revenue_amount'])}: {amounts}; {average}",
        *_held_lines(held),
    ]
    if week is not None:
        lines += ["", f"Customers in the week from {week['week_start_date']}"]
        lines += [
            f"  {kind:10} {one['customers']:>8,} with {one['orders']:>8,} orders {_shown(one['amount']):>16}"
            for kind, one in ((kind, week[kind]) for kind in KINDS)
        ]
    return lines


def _held_order_days(engine: Engine, days: Days, rule: OrderRule) -> list[str]:
    asked = {str(day) for day in days.dates}
    return [day for day in held_dates(engine, rule).get(ORDERS, {}) if day in asked]


def _held_lines(held: list[str] | None) -> list[str]:
    return [f"  without the order lines of {', '.join(held)} that are held back"] if held else []


def _of_kind(week: dict[str, Any], kind: str) -> dict[str, Any]:
    amount = week["refunded_amount" if kind == "refunded" else f"{kind}_revenue_amount"]
    return {
        "customers": int(week[f"{kind}_customers_count"]),
        "orders": int(week[f"{kind}_orders_count"]),
        "amount": _money(amount),
    }


def _surplus(duplicates: ir.Table, days: Days) -> int:
    arrived = duplicates.filter(days.contain(duplicates.received_date))
    return int(arrived.surplus_count.sum().to_pyarrow().as_py() or 0)


def _most_first(one: dict[str, Any]) -> tuple[int, str]:
    return -one["rows"], one["reject_reason"]


def _money(amount: Any) -> str:  # noqa: ANN401 (a decimal, or 0 where there is no row)
    return f"{amount:.2f}"


def _shown(amount: str | None) -> str:
    if amount is None:
        return "-"
    whole, _, cents = amount.partition(".")
    return f"{int(whole):,}.{cents}" if not whole.startswith("-0") else amount
