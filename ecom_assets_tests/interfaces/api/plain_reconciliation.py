"""Whole answers about weeks of customers, orders beside events, and channels,
from the small shop's files.
"""

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pytest

from ecom_assets_tests.commerce.attribution.attribution_reference import LOOKBACK_S, shares
from ecom_assets_tests.interfaces.api.plain_shop import ZERO, PlainShop, Row, Span, if_known

DAY: Final = timedelta(days=1)
CAUSES: Final = (
    "missing_event",
    "missing_order",
    "amount_differs",
    "other_parts",
    "duplicate",
    "refund",
    "time_zone_shift",
)


def customer_weeks(
    shop: PlainShop, span: Span, category: str | None = None, city_id: str | None = None
) -> Row:
    """`/analytics/customers/retention`."""
    mondays = sorted(
        {_monday(line["day"]) for line in shop.lines if _is_of(line, category, city_id)}
    )
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
            firsts[line["customer_id"]] = min(
                line["day"], firsts.get(line["customer_id"], date.max)
            )
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
    new_paid = sum((some for who, some in paid.items() if who in new), ZERO)
    returning_paid = sum((some for who, some in paid.items() if who not in new), ZERO)
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
        "unknown_customer_orders_count": 0,
        "refunded_orders_count": sum(len(some) for some in refunds.values()),
        "new_revenue_amount": f"{new_paid:.2f}",
        "returning_revenue_amount": f"{returning_paid:.2f}",
        "unknown_customer_revenue_amount": "0.00",
        "refunded_amount": f"{-back:.2f}",
    }


def reconciliation(shop: PlainShop, span: Span) -> Row:
    """`/analytics/reconciliation`: an order is made by one purchase event, at its instant,
    and refunds by none.
    """
    days = [_day(shop, day) for day in span.days]
    days = [day for day in days if day["order_count"] or day["event_count"]]
    names = [name for name in _day(shop, span.first) if name != "reconciled_date"]
    total: Row = {}
    for name in names:
        whole = sum((Decimal(str(day[name])) for day in days), ZERO)
        total[name] = f"{whole:.2f}" if name.endswith("_amount") else int(whole)
    return {
        "reconciliation": if_known(total, shop, span, "orders", "events"),
        "sent_sums": None,  # no event names its order
        "total_count": len(days),
        "days": days,
    }


def _day(shop: PlainShop, day: date) -> Row:
    sums: dict[str, dict[Any, Decimal]] = {
        "shipped": defaultdict(lambda: ZERO),
        "refunded": defaultdict(lambda: ZERO),
    }
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
    by_cause: Row = {f"{cause}_count": 0 for cause in CAUSES} | {
        f"{cause}_amount": "0.00" for cause in CAUSES
    }
    difference = sum((sold[order] - result[order] for order in differ), ZERO)
    by_cause |= {
        "amount_differs_count": len(differ),
        "amount_differs_amount": f"{difference:.2f}",
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


Credit = dict[str, tuple[Fraction, Fraction]]
"""Orders and revenue by channel."""
NOTHING: Final = (Fraction(0), Fraction(0))


def credited(shop: PlainShop, span: Span, model: str) -> Credit:
    """Orders and revenue of some days; a refund takes back from those to whom
    the last order was credited.
    """
    actual: Credit = defaultdict(lambda: NOTHING)
    by_order: dict[tuple[Any, str], list[Row]] = defaultdict(list)
    for line in shop.lines:
        if span.has(line["day"]):
            by_order[line["order"], line["status"]].append(line)
    for (order, status), lines in by_order.items():
        is_sale = status == "shipped"
        amount = Fraction(sum((line["amount"] for line in lines), ZERO)) * (1 if is_sale else -1)
        who, at = order if is_sale else _last_order(shop, *order)
        for channel, share in shares(model, _touches(shop, who, at), _second(at)).items():
            orders, revenue = actual[channel]
            actual[channel] = (orders + share * is_sale, revenue + share * amount)
    return dict(actual)


def visit_coverage(shop: PlainShop, span: Span) -> Any:
    """The share of what orders sold, on days that events know, whose customers have any visit."""
    known = shop.known("events")
    sold = [
        line
        for line in shop.lines
        if line["status"] == "shipped" and span.has(line["day"]) and known.has(line["day"])
    ]
    total = sum((line["amount"] for line in sold), ZERO)
    visitors = {session.who for session in shop.sessions}
    met = sum((line["amount"] for line in sold if line["order"][0] in visitors), ZERO)
    return pytest.approx(float(met / total)) if total else None


def attribution(shop: PlainShop) -> Row:
    """`POST /analytics/attribution` of all purchase events, each to the visits
    before it in equal parts.
    """
    actual: Credit = defaultdict(lambda: NOTHING)
    bought = [event for event in shop.events if event["event_type"] == "purchase"]
    for event in bought:
        paid = Fraction(Decimal(event["cart_value"] or 0))
        for channel, share in shares(
            "linear", _touches(shop, event["user_id"], event["at"]), _second(event["at"])
        ).items():
            credit, revenue = actual[channel]
            actual[channel] = (credit + share, revenue + share * paid)
    in_order = sorted(actual, key=lambda channel: (-actual[channel][0], channel))
    channels = [
        {
            "channel": channel,
            "credit": pytest.approx(float(actual[channel][0]), abs=1e-6),
            "revenue": pytest.approx(float(actual[channel][1]), abs=0.05),
            "removal_effect": None,
        }
        for channel in in_order
    ]
    counts = {
        "event_count": len(shop.events),
        "conversions": len(bought),
        "total_count": len(channels),
    }
    return {**counts, "model": "linear", "channels": channels, "notes": []}


def _last_order(shop: PlainShop, who: str, at: datetime) -> tuple[str, datetime]:
    """The last order before a refund."""
    shipped = (line["order"] for line in shop.lines if line["status"] == "shipped")
    return who, max(when for customer, when in shipped if customer == who and when <= at)


def _touches(shop: PlainShop, who: str, at: datetime) -> list[tuple[int, str]]:
    """When sessions of the look-back started, and the channel by which each came."""
    starts = sorted(
        (_second(session.events[0]["at"]), session.channel)
        for session in shop.sessions
        if session.who == who
    )
    return [touch for touch in starts if _second(at) - LOOKBACK_S <= touch[0] <= _second(at)]


def _second(at: datetime) -> int:
    return int(at.timestamp())


def money(amount: Fraction) -> str:
    """An amount as answers have it."""
    return f"{Decimal(amount.numerator) / Decimal(amount.denominator):.2f}"
