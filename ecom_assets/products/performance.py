"""Product performance: how often each product was viewed, added to carts, bought and refunded, by day.

A purchase event names one product of an order and no quantities, so sales are taken from orders if a shop has them.
Without orders, a purchase event counts as one item of its product, and its amount is the revenue. This is right for
logs with one event per bought item, such as REES46.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.products.contracts import ProductPerformance
from ecom_assets.sales.sales import added_up
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import ratio, union_all

ORDERS, EVENTS = "orders", "events"
TYPES = ("product_view", "add_to_cart", "remove_from_cart")
OF_SALES = ("purchase", "refund")
SOLD = ("purchase_count", "sold_item_count", "refunded_item_count")
OF_VIEWS = (*(f"{kind}_count" for kind in TYPES), "viewing_visitor_count", "cart_visitor_count")
COUNTS = (*OF_VIEWS, *SOLD)
PRICED = "priced_count"
"""Positive if an order, or an event of a purchase or refund, has an amount."""
AMOUNTS = ("shipped_amount", "refunded_amount", "revenue_amount")


def product_performance(
    events: ir.Table, sold: ir.Table, days: Days, sales_source: str, *, has_views: bool = True
) -> ir.Table:
    """Return one row per day of `days` and product, from all rows of `SessionEvents` and `Sales`.

    `sales_source` is `orders`, or `events` for a shop without orders; without events (`has_views`), views are unknown.
    """
    events = events.filter(days.contain(events.event_date))
    unnamed = _unnamed_days(events)
    events = events.filter(events.product_id.notnull())
    parts = [_performance(events), _sold(sold, days) if sales_source == ORDERS else _bought(events)]
    columns = ("event_date", "product_id", "product_category", *COUNTS, *AMOUNTS, PRICED)
    parts_union = union_all(*(part.select(*columns) for part in parts))
    rows = parts_union.group_by("event_date", "product_id").agg(
        product_category=parts_union.product_category.min(),
        **{name: parts_union[name].sum() for name in COUNTS},
        **{name: parts_union[name].sum().cast(MONEY) for name in AMOUNTS},
        **{PRICED: parts_union[PRICED].sum()},
    )
    rows = _without_unknown(rows, has_views=has_views)
    rows = rows if sales_source == ORDERS else _without_unnamed(rows, unnamed)
    return rows.mutate(
        cart_rate=ratio(rows.cart_visitor_count, rows.viewing_visitor_count),
        purchases_per_cart=ratio(rows.purchase_count, rows.add_to_cart_count),
        purchases_per_view=ratio(rows.purchase_count, rows.product_view_count),
        sales_source=ibis.literal(sales_source),
    ).select(*ProductPerformance.columns)


def _without_unknown(rows: ir.Table, *, has_views: bool) -> ir.Table:
    """Return the sums with null for unknown views, and for the amounts of sales without any amount."""
    is_unpriced = (rows.purchase_count + rows.refunded_item_count > 0) & (rows[PRICED] == 0)
    unknown = {name: is_unpriced.ifelse(ibis.null(MONEY), rows[name]) for name in AMOUNTS}
    views = {} if has_views else {name: ibis.null("int64") for name in OF_VIEWS}
    return rows.mutate(**unknown, **views).drop(PRICED)


def _unnamed_days(events: ir.Table) -> ir.Table:
    """Return the days, as `unnamed_date`, with purchases or refunds of which none names a product."""
    sold = events.filter(events.event_type.isin(OF_SALES))
    by_day = sold.group_by("event_date").agg(named_count=sold.product_id.count())
    return by_day.filter(by_day.named_count == 0).select(unnamed_date="event_date")


def _without_unnamed(rows: ir.Table, unnamed: ir.Table) -> ir.Table:
    """Return the sums with null for sales on the days that `_unnamed_days` returns."""
    joined = rows.left_join(unnamed, rows.event_date == unnamed.unnamed_date)
    is_unknown = joined.unnamed_date.notnull()
    unknown = {name: is_unknown.ifelse(ibis.null(rows[name].type()), joined[name]) for name in (*SOLD, *AMOUNTS)}
    return joined.mutate(**unknown).drop("unnamed_date")


def _performance(events: ir.Table) -> ir.Table:
    """Return views and carts, which only events have."""
    events = events.filter(events.event_type.isin(TYPES))
    each = events.group_by("event_date", "product_id", "visitor_id").agg(
        product_category=events.product_category.min(),
        **{f"{kind}_count": (events.event_type == kind).ifelse(1, 0).sum() for kind in TYPES},
    )
    has_viewed = each.product_view_count > 0
    rows = each.group_by("event_date", "product_id").agg(
        product_category=each.product_category.min(),
        viewing_visitor_count=has_viewed.ifelse(1, 0).sum(),
        cart_visitor_count=(has_viewed & (each.add_to_cart_count > 0)).ifelse(1, 0).sum(),
        **{f"{kind}_count": each[f"{kind}_count"].sum() for kind in TYPES},
    )
    return _completed(rows)


def _sold(sold: ir.Table, days: Days) -> ir.Table:
    """Return sales from order lines."""
    sold = sold.filter(days.contain(sold.order_date))
    result = added_up(sold, ["order_date", "item_id"])
    result = result.mutate(**{PRICED: ibis.literal(1, "int64")})
    return _completed(result.rename(event_date="order_date", product_id="item_id", purchase_count="order_count"))


def _bought(events: ir.Table) -> ir.Table:
    """Return sales from events of purchases and refunds."""
    events = events.filter(events.event_type.isin(OF_SALES))
    is_refund = events.event_type == "refund"
    money = events.cart_amount.fill_null(ibis.literal(0, MONEY)).cast(MONEY)
    nothing = ibis.literal(0, MONEY)
    rows = events.group_by("event_date", "product_id").agg(
        product_category=events.product_category.min(),
        purchase_count=is_refund.ifelse(0, 1).sum(),
        sold_item_count=is_refund.ifelse(0, 1).sum(),
        refunded_item_count=is_refund.ifelse(1, 0).sum(),
        shipped_amount=is_refund.ifelse(nothing, money).sum().cast(MONEY),
        refunded_amount=is_refund.ifelse(-money, nothing).sum().cast(MONEY),
        revenue_amount=is_refund.ifelse(-money, money).sum().cast(MONEY),
        **{PRICED: events.cart_amount.count()},
    )
    return _completed(rows)


def _completed(rows: ir.Table) -> ir.Table:
    """Return the rows with zero, or null for the category, in the columns that they lack."""
    nothing = {
        **dict.fromkeys((*COUNTS, PRICED), ibis.literal(0, "int64")),
        **dict.fromkeys(AMOUNTS, ibis.literal(0, MONEY)),
        "product_category": ibis.null("string"),
    }
    return rows.mutate(**{name: value for name, value in nothing.items() if name not in rows.columns})
