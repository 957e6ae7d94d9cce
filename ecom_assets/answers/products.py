"""Products: the top ones of a period, one in detail, categories, and stock that needs attention.

Sums of `mart.product_performance`, whose purchases are those of orders; without orders, of purchase events. Not here:
how these are counted (`transforms/product_performance.py`).
"""

from decimal import Decimal
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.answers.change import CHANGE, compared, share
from ecom_assets.answers.period import Period
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sales import ZERO
from ecom_assets.contracts.performance import ProductPerformance
from ecom_assets.contracts.sales import Item, Sales
from ecom_assets.transforms.sales import MONEY

SortBy = Literal["revenue", "units", "conversion", "views"]
SORTED_BY: Final = {
    "revenue": "revenue_amount",
    "units": "sold_item_count",
    "conversion": "purchases_per_view",
    "views": "product_view_count",
}
COUNTS: Final = (
    "product_view_count",
    "add_to_cart_count",
    "remove_from_cart_count",
    "purchase_count",
    "sold_item_count",
    "refunded_item_count",
)
AMOUNTS: Final = ("shipped_amount", "refunded_amount", "revenue_amount")
NUMBERS: Final = (*COUNTS, *AMOUNTS, "purchases_per_view")
MOST_RELATED: Final = 10
DEFINITION: Final = {name: ProductPerformance.columns[name].description for name in NUMBERS} | {
    "conversion": "purchases_per_view; products without a view come last",
    "change": CHANGE,
    "related": "Products of which a line was shipped in the same orders, of all time; the most frequent first",
}


def top_products(  # noqa: PLR0913 (each is one of the question's parameters)
    reading: Reading, period: Period, sort_by: SortBy, category: str | None, *, limit: int, offset: int = 0
) -> dict[str, Any]:
    """Return the first products of a period by a number, and how many there are."""
    table = reading.table(ProductPerformance)
    sums = _added(table.filter(period.contains(table.event_date)), ["product_id"])
    sums = sums.mutate(purchases_per_view=_per_view(sums))
    items = reading.table(Item).select(item_id="item_id", item_name="item_name", item_category="item_category")
    named = sums.left_join(items, sums.product_id == items.item_id)
    named = named.mutate(product_category=ibis.coalesce(named.product_category, named.item_category))
    if category is not None:
        named = named.filter(named.product_category == category)
    ranked = named.mutate(total_count=named.count().over(ibis.window()))
    by = ranked[SORTED_BY[sort_by]]
    first = ranked.order_by(by.desc(nulls_first=False), ranked.product_id).limit(limit, offset=offset)
    rows = reading.rows(first)
    total = rows[0]["total_count"] if rows else reading.rows(named.agg(n=named.count()))[0]["n"]
    products = [{"rank_number": offset + n, **_told(row)} for n, row in enumerate(rows, start=1)]
    return {"sort_by": sort_by, "total_count": int(total), "products": products}


def product(reading: Reading, period: Period, product_id: str) -> dict[str, Any] | None:
    """Return a product's numbers, of the period before too, day by day, and what is bought with it; None if unknown."""
    table, items = reading.table(ProductPerformance), reading.table(Item)
    mine = table.filter(table.product_id == product_id)
    days = reading.rows(_added(period.with_previous(mine, "event_date"), ["event_date", "is_current"]))
    item = next(iter(reading.rows(items.filter(items.item_id == product_id).limit(1))), None)
    if not days and item is None and not reading.rows(mine.select("product_id").limit(1)):
        return None
    now, before = (_numbers(_sum([row for row in days if row["is_current"] == which])) for which in (1, 0))
    by_day = {row["event_date"]: row for row in days if row["is_current"]}
    told = sorted((row for row in days if row["product_category"]), key=lambda row: row["event_date"])
    category = told[-1]["product_category"] if told else None
    return {
        "product_id": product_id,
        "product_name": item and item["item_name"],
        "product_category": category or (item and item["item_category"]),
        "product": now,
        **compared(now, before, NUMBERS, period),
        "trend": [{"event_date": day, **_numbers(by_day.get(day))} for day in period.days.dates],
        "related": related(reading, product_id),
    }


def related(reading: Reading, product_id: str) -> list[Row]:
    """Return the products that were shipped most often in the same orders, ties by id."""
    sold, items = reading.table(Sales), reading.table(Item)
    shipped = sold.filter(sold.status == "shipped")
    order = ["order_date", "order_id", "customer_id"]
    with_it = shipped.filter(shipped.item_id == product_id).select(*order).distinct()
    together = shipped.select(*order, "item_id").join(with_it, order).distinct()
    counted = together.group_by("item_id").agg(order_count=together.count())
    # The product itself is in all of its orders, so one row more than are told has it, and tells how many these are.
    first = counted.order_by(counted.order_count.desc(), counted.item_id != product_id, counted.item_id)
    named = first.limit(MOST_RELATED + 1).left_join(items, "item_id")
    named = named.select("item_id", "item_name", "item_category", "order_count")
    rows = reading.rows(named.order_by(named.order_count.desc(), named.item_id))
    whole = max((row["order_count"] for row in rows if row["item_id"] == product_id), default=0)
    return [
        {
            "product_id": row["item_id"],
            "product_name": row["item_name"],
            "product_category": row["item_category"],
            "order_count": int(row["order_count"]),
            "order_share": share(row["order_count"], whole),
        }
        for row in rows
        if row["item_id"] != product_id
    ]


def _sum(rows: list[Row]) -> Row | None:
    if not rows:
        return None
    counts: Row = {name: sum(row[name] for row in rows) for name in COUNTS}
    return counts | {name: sum((row[name] for row in rows), ZERO) for name in AMOUNTS}


def _added(rows: ir.Table, unit: list[str]) -> ir.Table:
    sums: dict[str, ir.Value] = {name: rows[name].sum().cast("int64") for name in COUNTS}
    sums |= {name: rows[name].sum().cast(MONEY) for name in AMOUNTS}
    # One product may carry several categories over time; the last by day, then by text, is told.
    category = rows.product_category.argmax(rows.event_date, where=rows.product_category.notnull())
    return rows.group_by(*unit).agg(product_category=category, **sums)


def _per_view(sums: ir.Table) -> ir.FloatingValue:
    return sums.purchase_count.cast("float64") / sums.product_view_count.cast("float64").nullif(0)


def _told(row: Row) -> Row:
    return {
        "product_id": row["product_id"],
        "product_name": row["item_name"],
        "product_category": row["product_category"],
        **_numbers(row),
    }


def _numbers(row: Row | None) -> Row:
    counts = {name: int(row[name]) if row else 0 for name in COUNTS}
    amounts: dict[str, Decimal] = {name: row[name] if row else ZERO for name in AMOUNTS}
    return {**counts, **amounts, "purchases_per_view": share(counts["purchase_count"], counts["product_view_count"])}
