"""Sales: order lines as sales and daily revenue, and that of purchase events. METRICS "Sales"."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.orders.orders import ALL, NONE, order_key
from ecom_assets.sales.contracts import ProductSalesDaily, PurchaseRevenueDaily, RevenueDaily, Sales
from ecom_assets.sales.dimensions import UNKNOWN
from ecom_assets.tables.contract import AMOUNT, MONEY
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import ratio, union_all

DIMENSIONS = ("channel", "city_id", "item_category", "sales_channel")
ORDER = ["order_date", "order_id", "customer_id", "status"]


def sales(lines: ir.Table, channels: ir.Table, days: Days) -> ir.Table:
    """Return one row per order line of `days`, from all rows of `UserOrderLog`.

    `channels` have the `channel` of each order, see `attribution/credit.py`.
    """
    lines = lines.filter(days.contain(lines.order_date)).left_join(channels, ORDER).select(lines, channels.channel)
    is_refund = lines.status == "refunded"
    return lines.mutate(
        channel=lines.channel.fill_null(NONE),
        quantity=is_refund.ifelse(-lines.quantity, lines.quantity),
        revenue_amount=is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(AMOUNT),
    ).select(*Sales.columns)


def product_sales_daily(sold: ir.Table, days: Days) -> ir.Table:
    """Return one row per day of `days` and item, from all rows of `Sales`."""
    sold = sold.filter(days.contain(sold.order_date))
    return added_up(sold, ["order_date", "item_id"]).select(*ProductSalesDaily.columns)


def revenue_daily(sold: ir.Table, days: Days) -> ir.Table:
    """Return the totals of each of `days` and the sums by each dimension, `(all)` in the others, from all `Sales`."""
    sold = sold.filter(days.contain(sold.order_date))
    parts = [
        added_up(sold, ["order_date", *kept]).mutate(
            **{name: ibis.literal(ALL) for name in DIMENSIONS if name not in kept}
        )
        for kept in ((), *((name,) for name in DIMENSIONS))
    ]
    return union_all(*(part.select(*RevenueDaily.columns) for part in parts))


def added_up(sold: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return counts and amounts of order lines per unit; `order_key` defines which lines are one order."""
    is_refund = sold.status == "refunded"
    order = sold.order_id if "order_date" in unit else order_key(sold)
    sums = sold.group_by(*unit).agg(
        order_count=order.nunique(where=~is_refund),
        refund_count=order.nunique(where=is_refund),
        customer_count=sold.customer_id.nunique(where=~is_refund),
        sold_item_count=sold.quantity.sum(where=~is_refund).fill_null(0),
        refunded_item_count=(-sold.quantity).sum(where=is_refund).fill_null(0),
        shipped_amount=_sum(sold.revenue_amount, ~is_refund),
        refunded_amount=_sum(sold.revenue_amount, is_refund),
        revenue_amount=sold.revenue_amount.sum().cast(MONEY),
    )
    return sums.mutate(average_order_value=ratio(sums.revenue_amount, sums.order_count))


def _sum(money: ir.DecimalColumn, where: ir.BooleanValue) -> ir.DecimalValue:
    return money.sum(where=where).fill_null(ibis.literal(0, MONEY)).cast(MONEY)


PURCHASE, REFUND = "purchase", "refund"
PLACE_NAMES = {
    "country": ("country", "country_name", "geo_country", "geo_country_name"),
    "region": ("region", "region_name", "geo_region", "geo_region_name", "state"),
    "city_name": ("city", "city_name", "geo_city"),
}
"""Names of JSON values, at any depth of an event's properties, that give the place of the event."""
PURCHASE_DIMENSIONS = ("product_category", *PLACE_NAMES)


def purchase_revenue_daily(events: ir.Table) -> ir.Table:
    """Return the totals of each day in `CleanEvents` and the sums by category and by place, `(all)` in the others."""
    bought = purchases_and_refunds(events)
    parts = [
        purchase_totals(bought, ["event_date", *kept]).mutate(
            **{name: ibis.literal(ALL) for name in PURCHASE_DIMENSIONS if name not in kept}
        )
        for kept in ((), ("product_category",), tuple(PLACE_NAMES))
    ]
    return union_all(*(part.select(*PurchaseRevenueDaily.columns) for part in parts))


def purchases_and_refunds(events: ir.Table) -> ir.Table:
    """Return the events of purchases and refunds with the category and the place that they count for."""
    bought = events.filter(events.event_type.isin([PURCHASE, REFUND]))
    return bought.mutate(
        product_category=bought.product_category.fill_null(NONE),
        **{level: _named(bought.properties, names) for level, names in PLACE_NAMES.items()},
    )


def purchase_totals(events: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return counts and amounts of purchases and refunds per unit; an amount is null if none of its events has one."""
    events = events.filter(events.event_type.isin([PURCHASE, REFUND]))
    is_refund = events.event_type == REFUND
    money = events.cart_amount.cast(MONEY)
    signed = is_refund.ifelse(-money, money)
    counts = events.group_by(*unit).agg(
        order_count=is_refund.ifelse(0, 1).sum().cast("int64"),
        refund_count=is_refund.ifelse(1, 0).sum().cast("int64"),
        customer_count=events.visitor_id.nunique(where=~is_refund),
        shipped=signed.sum(where=~is_refund).cast(MONEY),
        refunded=signed.sum(where=is_refund).cast(MONEY),
        revenue_amount=signed.sum().cast(MONEY),
    )
    nothing = ibis.literal(0, MONEY)
    rows = counts.mutate(
        sold_item_count=counts.order_count,
        refunded_item_count=counts.refund_count,
        shipped_amount=(counts.order_count == 0).ifelse(nothing, counts.shipped).cast(MONEY),
        refunded_amount=(counts.refund_count == 0).ifelse(nothing, counts.refunded).cast(MONEY),
    ).drop("shipped", "refunded")
    return rows.mutate(average_order_value=ratio(rows.revenue_amount, rows.order_count))


def _named(properties: ir.StringColumn, names: Sequence[str]) -> ir.StringValue:
    """Return a text from the properties, found by a pattern, because engines parse JSON differently."""
    return properties.re_extract(f'"({"|".join(names)})" *: *"([^"]*)"', 2).nullif("").fill_null(UNKNOWN)
