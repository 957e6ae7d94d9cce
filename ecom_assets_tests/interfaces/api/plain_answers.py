"""Whole answers about sales, customers, products and stock, field by field,
from the small shop's files.

An answer is compared as a whole, so that a field that nobody recomputes cannot go by.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.tables.measures import measures_of
from ecom_assets_tests.interfaces.api import plain_people, plain_reconciliation
from ecom_assets_tests.interfaces.api.plain_shop import (
    COUNTRIES,
    ZERO,
    PlainShop,
    Row,
    Span,
    change,
    compared,
    coverage,
    if_known,
)
from ecom_assets_tests.interfaces.api.shop_files import CITIES, PRODUCTS, STOCK

BOTH: Final = ("orders", "events")
URGENCY: Final = ("out_of_stock", "low", "overstock", "dead")


@dataclass(frozen=True)
class Near:
    """A number, as text too, that is not given more exactly than this."""

    number: float
    within: float

    def __eq__(self, other: object) -> bool:
        """Return whether another number is as near."""
        return (
            isinstance(other, int | float | str) and abs(float(other) - self.number) <= self.within
        )

    __hash__ = None  # type: ignore[assignment]  # as nearness is no equality


def _revenue_compared(
    now: object, before: object, shop: PlainShop, span: Span, *sources: str
) -> Row:
    answer = compared({"revenue": now}, {"revenue": before}, shop, span, *sources)
    return {
        "previous_revenue_amount": answer["previous"] and answer["previous"]["revenue"],
        "revenue_change": answer["change"]["revenue"],
    }


def _count(rows: list[Any], shop: PlainShop, span: Span, *sources: str) -> int | None:
    return None if coverage(shop, span, *sources) == "none" else len(rows)


def _share(part: object, whole: object) -> float | None:
    return (
        round(float(Decimal(str(part)) / Decimal(str(whole))), 6) if Decimal(str(whole)) else None
    )


def sales(shop: PlainShop, span: Span) -> Row:
    """`/analytics/sales`."""
    now = shop.sales(span)
    answer = compared(now, shop.sales(span.before), shop, span, "orders")
    if answer["change"]["average_order_value"] is not None:
        averages = [shop.average_order_value(days) for days in (span, span.before)]
        answer["change"]["average_order_value"] = change(*averages)
    return {"source": "orders", "sales": if_known(now, shop, span, "orders"), **answer}


CUSTOM_SALES: Final[Row] = {
    "measures": ["revenue_amount", "order_count"],
    "by": ["product"],
    "over": "month",
    "limit": 2,
    "share": True,
}


def custom_sales(shop: PlainShop) -> Row:
    """`POST /analytics/sales` as `CUSTOM_SALES` asks: the two products that brought most and the
    rest, by month.
    """
    span, by_item = shop.known("orders"), defaultdict(list)
    for line in shop.lines:
        by_item[line["item_id"]].append(line)
    ranked = sorted(
        by_item,
        key=lambda item: (-Decimal(shop.sales(span, by_item[item])["revenue_amount"]), item),
    )
    groups = {item: by_item[item] for item in ranked[:2]}
    groups["(other)"] = [line for line in shop.lines if line["item_id"] not in groups]
    months = {
        "2026-01-01": Span(date(2026, 1, 1), date(2026, 1, 31)),
        "2026-02-01": Span(date(2026, 2, 1), span.last),
    }

    def row(lines: list[Row], days: Span, start: str | None, item: str = "") -> Row:
        own, whole = (
            {name: shop.sales(days, some)[name] for name in CUSTOM_SALES["measures"]}
            for some in (lines, shop.lines)
        )
        label = item if item in {"", "(other)"} else lines[0]["item_name"]
        return {
            "by": {"product": item} if item else {},
            "label": label,
            "start": start,
            "is_complete": days.first >= span.first and start != "2026-02-01",
            "numbers": own,
            "previous": {},
            "change": {},
            "share": {name: _share(own[name], whole[name]) for name in own},
        }

    measures = measures_of(SalesMeasures)
    return {
        "event_count": len(shop.lines),
        "total_count": 6,
        "sales": [
            row(lines, days, start, item)
            for item, lines in groups.items()
            for start, days in months.items()
        ],
        "measures": [
            {
                "name": name,
                "label": measures[name].label,
                "meaning": measures[name].description,
                "format": measures[name].shown_as,
                "adds_up": name == "revenue_amount",
            }
            for name in CUSTOM_SALES["measures"]
        ],
        "values": [row(lines, span, None, item) for item, lines in groups.items()],
        "totals": [row(shop.lines, days, start) for start, days in months.items()],
        "total": row(shop.lines, span, None),
    }


def trend(shop: PlainShop, span: Span, granularity: str = "day") -> Row:
    """`/analytics/revenue/trend` by parts of days."""
    starts = {
        "day": lambda day: day,
        "week": lambda day: day - timedelta(days=day.weekday()),
        "month": lambda day: day.replace(day=1),
    }
    parts: dict[date, list[date]] = {}
    for day in span.days:
        parts.setdefault(starts[granularity](day), []).append(day)
    points = [
        {"start_date": str(part[0]), "end_date": str(part[-1]), "started_at": None}
        | _point(shop, Span(part[0], part[-1]), shop.lines)
        for part in parts.values()
    ]
    return {
        "source": "orders",
        "granularity": granularity,
        "total_count": len(points),
        "points": points,
    }


def hourly_trend(shop: PlainShop, span: Span) -> Row:
    """`/analytics/revenue/trend` by the hour."""
    hours = [(day, hour) for day in span.days for hour in range(24)]
    points = [
        {"start_date": str(day), "end_date": str(day), "started_at": f"{day}T{hour:02}:00:00Z"}
        | _point(shop, Span(day, day), [line for line in shop.lines if line["at"].hour == hour])
        for day, hour in hours
    ]
    return {"source": "orders", "granularity": "hour", "total_count": len(points), "points": points}


def _point(shop: PlainShop, part: Span, lines: list[Row]) -> Row:
    answer = if_known(shop.sales(part, lines), shop, part, "orders")
    return {"data": coverage(shop, part, "orders"), **answer}


def channels(shop: PlainShop, span: Span, model: str = "last_non_direct") -> Row:
    """`/analytics/revenue/by-channel`, of models that credit an order as a whole."""
    now, before = (plain_reconciliation.credited(shop, days, model) for days in (span, span.before))
    whole = shop.sales(span)["revenue_amount"]
    rows = []
    for name in {**now, **before}:
        orders, _ = now.get(name, plain_reconciliation.NOTHING)
        revenue, revenue_before = (
            plain_reconciliation.money(actual.get(name, plain_reconciliation.NOTHING)[1])
            for actual in (now, before)
        )
        answer = if_known(
            {"order_count": float(orders), "revenue_amount": revenue}, shop, span, *BOTH
        )
        answer |= {"channel": name, "revenue_share": _share(revenue, whole)}
        rows.append(answer | _revenue_compared(revenue, revenue_before, shop, span, *BOTH))
    answer = {
        "source": "orders",
        "dimension": "marketing_channel",
        "model": model,
        "unit": "order",
        "visit_coverage_rate": plain_reconciliation.visit_coverage(shop, span),
        "total_count": len(rows),
    }
    return {
        **answer,
        "channel_data": naming(rows, "channel"),
        "channels": _by_revenue(rows, "channel"),
    }


def naming(rows: list[Row], column: str) -> str | None:
    """Return whether all, some or none of what was sold has a name."""
    sold = [
        row[column] != "(none)"
        for row in rows
        if row["order_count"] or Decimal(row["revenue_amount"] or 0)
    ]
    return (
        {(True, True): "whole", (False, True): "part", (False, False): "none"}[all(sold), any(sold)]
        if sold
        else None
    )


def discounts(shop: PlainShop, span: Span) -> Row:
    """`/analytics/discounts`."""
    by_code: dict[str, list[Row]] = defaultdict(list)
    whole = []
    for line in shop.lines:
        if span.has(line["day"]) and line["status"] == "shipped" and line["discount_amount"]:
            whole.append(line)
            for code in (line["discount_codes"] or "(none)").split(","):
                by_code[code].append(line)
    rows = [_discounted(mine) | {"discount_code": code} for code, mine in by_code.items()]
    rows.sort(key=lambda row: (-Decimal(row["discount_amount"]), row["discount_code"]))
    total = _discounted(whole) if whole else if_known(_discounted([]), shop, span, "orders")
    return {
        "source": "orders",
        "total": total,
        "total_count": _count(rows, shop, span, "orders"),
        "discounts": rows,
    }


def _discounted(lines: list[Row]) -> Row:
    paid = sum((line["amount"] for line in lines), Decimal(0))
    taken_off = sum((Decimal(line["discount_amount"]) for line in lines), Decimal(0))
    return {
        "order_count": len({line["order"] for line in lines}),
        "customer_count": len({line["customer_id"] for line in lines}),
        "gross_sales_amount": f"{paid + taken_off:.2f}",
        "discount_amount": f"{taken_off:.2f}",
        "shipped_amount": f"{paid:.2f}",
        "discount_rate": _share(taken_off, paid + taken_off),
    }


def places(shop: PlainShop, span: Span, level: str = "country") -> Row:
    """`/analytics/geographic`."""
    ids = {name: number for number, name in CITIES.items()}
    lines: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for line in (line for line in shop.lines if span.has(line["day"])):
        country, region = COUNTRIES[line["city_name"]]
        finer = {"country": (None, None, None), "region": (region, None, None)}
        lines[
            country, *finer.get(level, (region, ids[line["city_name"]], line["city_name"]))
        ].append(line)
    whole = shop.sales(span)["revenue_amount"]
    columns = ("country", "region", "city_id", "city_name")
    rows = []
    for place, mine in lines.items():
        sold = shop.sales(span, mine)
        answer: Row = dict(zip(columns, place, strict=True))
        answer |= sold
        rows.append(answer | {"revenue_share": _share(sold["revenue_amount"], whole)})
    total = _count(rows, shop, span, "orders")
    return {
        "source": "orders",
        "level": level,
        "total_count": total,
        "places": _by_revenue(rows, *columns),
    }


def customers(shop: PlainShop, span: Span) -> Row:
    """`/analytics/customers`."""
    now = shop.customers(span)
    chances, worths = plain_people.worth(shop)
    revenue = Decimal(shop.sales(shop.span(365))["revenue_amount"])
    value = {
        "customer_count": len(chances),
        "revenue_per_customer_amount": f"{revenue / len(chances):.2f}",
        "lifetime_value_amount": Near(sum(worths) / len(worths), 0.02),
        "churn_risk_rate": Near(1 - sum(chances) / len(chances), 1e-5),
        "at_risk_customer_count": sum(chance < 0.5 for chance in chances),
        "no_model_reason": None,
        "no_order_value_reason": None,
    }
    answer = compared(now, shop.customers(span.before), shop, span, "orders")
    return {
        "source": "orders",
        "customers": if_known(now, shop, span, "orders"),
        **answer,
        "value": value,
    }


def customer_segments(shop: PlainShop) -> Row:
    """`/analytics/customers/segments`."""
    segments = plain_people.segments(shop)
    return {"source": "orders", "total_count": len(segments), "segments": segments}


NO_COSTS: Row = dict.fromkeys(("gross_profit_amount", "gross_margin_rate", "cost_coverage_rate"))
"""The profit of a product in a shop that states no costs."""


def top_products(shop: PlainShop, span: Span, sort_by: str = "revenue", limit: int = 50) -> Row:
    """`/analytics/products/top`."""
    names = {"revenue": "revenue_amount", "units": "sold_item_count", "views": "product_view_count"}
    column = {**names, "conversion": "purchases_per_view"}[sort_by]
    seen = {row["product_id"] for row in shop.events if span.has(row["at"].date())}
    seen |= {line["item_id"] for line in shop.lines if span.has(line["day"])}
    counted = {name: _product(shop, name, span) for name in PRODUCTS if name in seen}

    def sort_key(name: str) -> tuple[bool, Decimal, str]:
        number = counted[name][column]
        return number is None, -Decimal(str(number or 0)), name

    order = sorted(counted, key=sort_key)
    rows = [
        {"rank_number": rank, **_named(name), **counted[name], **NO_COSTS}
        for rank, name in enumerate(order, start=1)
    ]
    return {
        "source": "orders",
        "sort_by": sort_by,
        "total_count": _count(rows, shop, span, *BOTH),
        "view_coverage_rate": _view_coverage(shop, span),
        "products": rows[:limit],
    }


def _view_coverage(shop: PlainShop, span: Span) -> float | None:
    """The share of what was paid, on days with events, for products that were ever looked at."""
    days = {row["at"].date() for row in shop.events}
    kinds = {"product_view", "add_to_cart"}
    looked = {row["product_id"] for row in shop.events if row["event_type"] in kinds}
    sold = [
        line
        for line in shop.lines
        if line["status"] == "shipped" and span.has(line["day"]) and line["day"] in days
    ]
    met = sum((line["amount"] for line in sold if line["item_id"] in looked), ZERO)
    return _share(met, sum((line["amount"] for line in sold), ZERO))


def one_product(shop: PlainShop, span: Span, product: str) -> Row:
    """`/analytics/products/{product_id}`."""
    now, before = _product(shop, product, span), _product(shop, product, span.before)
    orders = {
        line["order"]
        for line in shop.lines
        if line["item_id"] == product and line["status"] == "shipped"
    }
    return {
        **_named(product),
        "source": "orders",
        "view_coverage_rate": _view_coverage(shop, span),
        "product": now,
        "previous": compared(now, before, shop, span, *BOTH)["previous"],
        "change": {
            name: compared(now, before, shop, span, *_sources(name))["change"][name] for name in now
        },
        "profit": NO_COSTS,
        "total_count": len(span.days),
        "trend": [
            {"event_date": str(day), **_product(shop, product, Span(day, day))} for day in span.days
        ],
        "related": [
            {**_named(other), "order_count": count, "order_share": _share(count, len(orders))}
            for other, count in shop.bought_with(product)[:10]
        ],
    }


def _product(shop: PlainShop, product: str, span: Span) -> Row:
    """A product's numbers, each null where its own source knows no day."""
    return {
        name: if_known({name: number}, shop, span, *_sources(name)[:1])[name]
        if name != "purchases_per_view"
        else number
        for name, number in shop.product(product, span).items()
    }


def _sources(name: str) -> tuple[str, ...]:
    """Where a product's number is counted."""
    if name == "purchases_per_view":
        return BOTH
    return (
        ("events",)
        if name in {"product_view_count", "add_to_cart_count", "remove_from_cart_count"}
        else ("orders",)
    )


def categories(shop: PlainShop, span: Span) -> Row:
    """`/analytics/categories`."""
    whole = shop.sales(span)["revenue_amount"]
    rows = []
    for name in dict.fromkeys(PRODUCTS.values()):
        lines = [line for line in shop.lines if line["category"] == name]
        sold, views = shop.sales(span, lines), shop.category_views(name, span)
        before = shop.sales(span.before, lines)["revenue_amount"]
        if not any(views.values()) and not any(
            span.has(line["day"]) or span.before.has(line["day"]) for line in lines
        ):
            continue
        views |= {
            "cart_rate": _share(views["cart_session_count"], views["viewing_session_count"]),
            "purchase_rate": _share(
                views["purchase_session_count"], views["viewing_session_count"]
            ),
        }
        answer = _revenue_compared(sold["revenue_amount"], before, shop, span, "orders")
        rows.append(
            {
                "product_category": name,
                "product_name": None,
                **if_known(views, shop, span, "events"),
                **if_known(sold, shop, span, "orders"),
                "revenue_share": _share(sold["revenue_amount"], whole),
                "revenue_change": answer["revenue_change"],
            }
        )
    total = _count(rows, shop, span, *BOTH)
    answer = {
        "source": "orders",
        "category_data": naming(rows, "product_category"),
        "category_coverage_rate": 1.0 if naming(rows, "product_category") else None,
        "total_count": total,
    }
    return {**answer, "categories": _by_revenue(rows, "product_category")}


def alerts(shop: PlainShop) -> Row:
    """`/analytics/inventory/alerts`."""
    actual = [alert for alert in (_alert(shop, name) for name in PRODUCTS) if alert is not None]
    actual.sort(
        key=lambda alert: (
            URGENCY.index(alert["alert"]),
            alert["days_of_cover"],
            alert["product_id"],
        )
    )
    counts = {kind: sum(row["alert"] == kind for row in actual) for kind in URGENCY}
    return {"counts": counts, "total_count": len(actual), "alerts": actual}


def _alert(shop: PlainShop, product: str) -> Row | None:
    stock, reorder, lead = (
        int(str(number)) if number != "" else None for number in STOCK.get(product, (50, "", ""))
    )
    days = min(28, (shop.newest - shop.known("orders").first).days + 1)
    sold = shop.product(product, shop.span(28))["sold_item_count"]
    shipped = [
        line["day"]
        for line in shop.lines
        if line["item_id"] == product and line["status"] == "shipped"
    ]
    assert stock is not None
    in_stock = days - (stock <= 0 and shop.newest not in shipped)
    paid = Decimal(shop.product(product, shop.span(28))["shipped_amount"])
    cover = stock * days / sold
    is_low = (reorder is not None and stock < reorder) or (lead is not None and cover < lead)
    alert = (
        "out_of_stock" if stock <= 0 else "low" if is_low else "overstock" if cover > 180 else None
    )
    if alert is None:
        return None
    return {
        **_named(product),
        "alert": alert,
        "as_of_date": str(shop.newest),
        "stock_count": stock,
        "reorder_point_count": reorder,
        "lead_time_days": lead,
        "sold_item_count": sold,
        "sales_days_count": days,
        "daily_sold_items": sold / days,
        "days_of_cover": cover,
        "last_sold_date": str(max(shipped)),
        "in_stock_days_count": in_stock,
        "reorder_days_count": 28,
        "reorder_item_count": None
        if lead is None
        else max(0, math.ceil(Fraction(sold * (lead + 28), in_stock) - stock)),
        "day_without_stock_amount": Near(float(paid / in_stock), 0.0051),
    }


def _named(product: str) -> Row:
    return {
        "product_id": product,
        "product_name": f"The {product}",
        "product_category": PRODUCTS[product],
    }


def _by_revenue(rows: list[Row], *then: str) -> list[Row]:
    def sort_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return -Decimal(row["revenue_amount"] or 0), *(
            row[name] for name in then if row[name] is not None
        )

    return sorted(rows, key=sort_key)
