"""Daily revenue from purchase events, for shops without order lines. METRICS "Sales of purchase events".

Each event of type purchase is one order of one item, worth its `cart_value`; each refund subtracts its own
`cart_value`. Revenue of order lines is in `sales/sales.py`.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.orders.orders import ALL, NONE
from ecom_assets.sales.contracts import PurchaseRevenueDaily
from ecom_assets.sales.dimensions import UNKNOWN
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.portable import ratio, union_all

PURCHASE, REFUND = "purchase", "refund"
PLACE_NAMES = {
    "country": ("country", "country_name", "geo_country", "geo_country_name"),
    "region": ("region", "region_name", "geo_region", "geo_region_name", "state"),
    "city_name": ("city", "city_name", "geo_city"),
}
"""Names of JSON values, at any depth of an event's properties, that give the place of the event."""
DIMENSIONS = ("product_category", *PLACE_NAMES)


def purchase_revenue_daily(events: ir.Table) -> ir.Table:
    """Return the totals of each day in `CleanEvents` and the sums by category and by place, `(all)` in the others."""
    bought = purchases_and_refunds(events)
    parts = [
        purchase_totals(bought, ["event_date", *kept]).mutate(
            **{name: ibis.literal(ALL) for name in DIMENSIONS if name not in kept}
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
