"""Whole answers about weeks of customers, and orders beside events, field by field, from the small shop's files."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from ecom_assets_tests.api.plain_coverage import if_known
from ecom_assets_tests.api.plain_shop import ZERO, PlainShop, Row, Span

DAY: Final = timedelta(days=1)
CAUSES: Final = ("missing_event", "missing_order", "amount_differs", "duplicate", "refund", "time_zone_shift")


def customer_weeks(shop: PlainShop, span: Span, category: str | None = None, city_id: str | None = None) -> Row:
    """`/analytics/customers/retention`."""
    mondays = sorted({_monday(line["day"]) for line in shop.lines if _is_of(line, category, city_id)})
    weeks = [_week(shop, monday, category, city_id) for monday in mondays if span.has(monday)]
    return {"total_count": len(weeks), "weeks": weeks}


def _monday(day: date) -> date:
    return day - day.weekday() * DAY


def _is_of(line: Row, category: str | None, city_id: str | None) -> bool:
    return category in {None, line["category"]} and city_id in {None, line["city_id"]}


def _week(shop: PlainShop, monday: date, category: str | None, city_id: str | None) -> Row:
    firsts: dict[str, date] = {}
    for line in shop.lines:
        if line["status"] == "shipped":
            firsts[line["customer_id"]] = min(line["day"], firsts.get(line["customer_id"], date.max))
    orders: dict[str, set[Any]] = defaultdict(set)
    refunds: dict[str, set[Any]] = defaultdict(set)
    paid: dict[str, Decimal] = defaultdict(lambda: ZERO)
    back = ZERO
    for line in shop.lines:
        if _monday(line["day"]) != monday or not _is_of(line, category, city_id):
            continue
        if line["status"] == "shipped":
            orders[line["customer_id"]].add(line["order"])
            paid[line["customer_id"]] += line["amount"]
        else:
            refunds[line["customer_id"]].add(line["order"])
            back += line["amount"]
    new = {who for who in {*orders, *refunds} if who in firsts and _monday(firsts[who]) == monday}
    return {
        "week_start_date": str(monday),
        "iso_year_number": monday.isocalendar().year,
        "iso_week_number": monday.isocalendar().week,
        "item_category": category or "(all)",
        "city_id": city_id or "(all)",
        "customers_count": len(orders),
        "new_customers_count": len(new & set(orders)),
        "returning_customers_count": len(set(orders) - new),
        "refunded_customers_count": len(refunds),
        "one_order_customers_count": sum(len(some) == 1 for some in orders.values()),
        "several_orders_customers_count": sum(len(some) > 1 for some in orders.values()),
        "new_orders_count": sum(len(some) for who, some in orders.items() if who in new),
        "returning_orders_count": sum(len(some) for who, some in orders.items() if who not in new),
        "refunded_orders_count": sum(len(some) for some in refunds.values()),
        "new_revenue_amount": f"{sum((some for who, some in paid.items() if who in new), ZERO):.2f}",
        "returning_revenue_amount": f"{sum((some for who, some in paid.items() if who not in new), ZERO):.2f}",
        "refunded_amount": f"{-back:.2f}",
    }


def reconciliation(shop: PlainShop, span: Span) -> Row:
    """`/analytics/reconciliation`: an order is made by one purchase event, at its instant, and refunds by none."""
    days = [_day(shop, day) for day in span.days]
    days = [day for day in days if day["order_count"] or day["event_count"]]
    names = [name for name in _day(shop, span.first) if name != "reconciled_date"]
    total: Row = {}
    for name in names:
        whole = sum((Decimal(str(day[name])) for day in days), ZERO)
        total[name] = f"{whole:.2f}" if name.endswith("_amount") else int(whole)
    return {"reconciliation": if_known(total, shop, span, "orders", "events"), "total_count": len(days), "days": days}


def _day(shop: PlainShop, day: date) -> Row:
    sums: dict[str, dict[Any, Decimal]] = {"shipped": defaultdict(lambda: ZERO), "refunded": defaultdict(lambda: ZERO)}
    for line in shop.lines:
        if line["day"] == day:
            sums[line["status"]][line["order"]] += line["amount"]
    result = {
        (event["user_id"], event["at"]): Decimal(event["cart_value"])
        for event in shop.events
        if event["event_type"] == "purchase" and event["at"].date() == day
    }
    sold, back = sums["shipped"], sums["refunded"]
    assert result.keys() == sold.keys(), "each order of the shop has one event"
    differ = [order for order in sold if sold[order] != result[order]]
    refunded = -sum(back.values(), ZERO)
    by_cause: Row = {f"{cause}_count": 0 for cause in CAUSES} | {f"{cause}_amount": "0.00" for cause in CAUSES}
    by_cause |= {
        "amount_differs_count": len(differ),
        "amount_differs_amount": f"{sum((sold[one] - result[one] for one in differ), ZERO):.2f}",
        "refund_count": len(back),
        "refund_amount": f"{refunded:.2f}",
    }
    ordered, answer = sum(sold.values(), ZERO) + refunded, sum(result.values(), ZERO)
    return {
        "reconciled_date": str(day),
        "order_count": len(sold) + len(back),
        "event_count": len(result),
        "matched_count": len(sold) - len(differ),
        "order_amount": f"{ordered:.2f}",
        "event_amount": f"{answer:.2f}",
        "difference_amount": f"{ordered - answer:.2f}",
        **by_cause,
    }
