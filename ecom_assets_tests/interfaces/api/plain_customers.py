"""The small shop's customers by tier, engagement, market and data quality,
recounted from its files.
"""

from collections import Counter, defaultdict
from datetime import date, timedelta
from statistics import median
from typing import Any

from ecom_assets_tests.interfaces.api.plain_behaviour import lasts_s, views
from ecom_assets_tests.interfaces.api.plain_reconciliation import visit_coverage
from ecom_assets_tests.interfaces.api.plain_shop import ZERO, PlainShop, Row

KNOWN = {
    "customer_tier": ("basic", "premium", "enterprise"),
    "engagement_level": ("high", "medium", "low"),
    "market_segment": (),
    "quality_band": ("high", "medium", "low"),
}
MARKETS = {"DE": "EU-Central", "JP": "APAC", "US": "US-West", "BR": "other"}
SCORED = (
    "email",
    "first_name",
    "last_name",
    "city",
    "country",
    "created_at",
    "updated_at",
    "last_login_at",
)


def profiles(shop: PlainShop, dimension: str | None = None) -> Row:
    """`/analytics/customers/profiles`."""
    described = [_described(shop, person) for person in shop.people]
    rows = []
    for name, expected in KNOWN.items():
        counts = Counter(person[name] for person in described)
        rows += [
            {
                "dimension": name,
                "value": value,
                "customer_count": counts[value],
                "customer_share": round(counts[value] / len(described), 6),
            }
            for value in (*expected, *sorted(counts.keys() - set(expected)))
        ]
    values = [row for row in rows if dimension in {None, row["dimension"]}]
    of_visits = dimension in {None, "engagement_level"}
    return {
        "as_of_date": str(shop.newest),
        "visit_coverage_rate": visit_coverage(shop, shop.known("events")) if of_visits else None,
        "total_count": len(values),
        "profiles": values,
    }


def _described(shop: PlainShop, person: Row) -> dict[str, str]:
    points = 100 - 10 * sum(not person.get(name) for name in SCORED)
    return {
        "customer_tier": _tier(shop, person["id"]),
        "engagement_level": _level(shop, person["id"]),
        "market_segment": MARKETS[person["country"]],
        "quality_band": "high" if points >= 90 else "medium" if points >= 70 else "low",
    }


def _tier(shop: PlainShop, who: str) -> str:
    signs = {"shipped": 1, "refunded": -1}
    mine = [line for line in shop.lines if line["customer_id"] == who]
    paid = sum(
        (signs[line["status"]] * line["amount"] for line in mine if line["status"] in signs), ZERO
    )
    return "enterprise" if paid >= 500 else "premium" if paid >= 100 else "basic"


def _level(shop: PlainShop, who: str) -> str:
    recent = [
        session
        for session in shop.sessions
        if session.who == who and session.day > shop.newest - timedelta(days=30)
    ]
    engaged_s = sum(
        lasts_s(session)
        for session in recent
        if lasts_s(session) > 10 or session.has("purchase") or views(session) >= 2
    )
    if len(recent) >= 5 and engaged_s >= 600:
        return "high"
    return "medium" if len(recent) >= 2 and engaged_s >= 60 else "low"


def due_again(shop: PlainShop) -> Row:
    """`/analytics/customers/due-again`."""
    orders: dict[str, set[tuple[date, Any]]] = defaultdict(set)
    for line in shop.lines:
        if line["status"] == "shipped":
            orders[line["customer_id"]].add((line["day"], line["order"]))
    days = {who: sorted(day for day, _ in some) for who, some in orders.items()}
    waits = [(each[1] - each[0]).days for each in days.values() if len(each) > 1]
    once = {who: each[0] for who, each in days.items() if len(each) == 1}
    newest = shop.known("orders").last
    due = {who: day for who, day in once.items() if (newest - day).days > median(waits)}
    rows = [_due(shop, who, (newest - day).days) for who, day in due.items()]
    rows.sort(key=lambda row: (-float(row["revenue_amount"]), row["customer_id"]))
    return {
        "source": "orders",
        "as_of_date": str(newest),
        "median_days_to_second_order": median(waits),
        "came_back_customer_count": len(waits),
        "once_customer_count": len(once),
        "due_customer_count": len(due),
        "total_count": len(due),
        "customers": rows,
    }


def _due(shop: PlainShop, who: str, ago: int) -> Row:
    mine = [line for line in shop.lines if line["customer_id"] == who]
    bought = [line for line in mine if line["status"] == "shipped"]
    brought = sum((line["amount"] if line in bought else -line["amount"] for line in mine), ZERO)
    return {
        "customer_id": who,
        "order_id": f"{who}-{int(bought[0]['at'].timestamp())}",
        "order_date": str(bought[0]["day"]),
        "days_since_count": ago,
        "revenue_amount": f"{brought:.2f}",
        "product_names": ", ".join(sorted({f"The {line['item_id']}" for line in bought})),
    }
