"""Checks of products: they add up to the sales, and alerts are about the newest stock."""

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.products.contracts import InventoryAlerts, ProductPerformance, RawStock
from ecom_assets.commerce.products.performance import ORDERS
from ecom_assets.commerce.products.stock import newest_stock
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all


@check(ProductPerformance, reads=(Sales, ProductPerformance))
def products_add_up_to_sales(days: Days | None, sold: ir.Table, products: ir.Table) -> BrokenRows:
    """On each day with orders, the revenue and items of products equal those of the sales."""
    from_orders = products.filter(products.sales_source == ORDERS)
    sides = union_all(
        sold.select(day="order_date", items="quantity", money="revenue_amount"),
        from_orders.select(
            day="event_date",
            items=from_orders.refunded_item_count - from_orders.sold_item_count,
            money=(-from_orders.revenue_amount).cast(MONEY),
        ),
    )
    sides = rows_on_days(sides, "day", days)
    sums = sides.group_by("day").agg(
        items_residue=sides["items"].sum(), money_residue=sides.money.sum().cast(MONEY)
    )
    # A shop that now counts sales from events can have orders of older days.
    sums = sums.semi_join(from_orders, sums.day == from_orders.event_date)
    return BrokenRows(sums.filter((sums.items_residue != 0) | (sums.money_residue != 0)), sums)


@check(InventoryAlerts, reads=(RawStock, InventoryAlerts))
def alerts_are_about_the_newest_stock(
    _days: Days | None, raw: ir.Table, alerts: ir.Table
) -> BrokenRows:
    """Every alert is of a product's newest stock; products without stock, and only these,
    are out of stock.
    """
    newest = newest_stock(raw).select(
        "product_id", newest_date="received_date", newest_count="stock_count"
    )
    joined = alerts.left_join(newest, "product_id")
    same = (joined.newest_date == joined.as_of_date) & (joined.newest_count == joined.stock_count)
    right = same & ((joined.alert == "out_of_stock") == (joined.stock_count <= 0))
    wrong = joined.filter(~right.fill_null(ibis.literal(value=False))).select(
        "product_id", "alert", "as_of_date"
    )
    silent = newest.filter(newest.newest_count <= 0).anti_join(alerts, "product_id")
    unsaid = silent.select("product_id", alert=ibis.literal("missing"), as_of_date="newest_date")
    return BrokenRows(union_all(wrong, unsaid), alerts)


PRODUCT_CHECKS = [products_add_up_to_sales, alerts_are_about_the_newest_stock]
"""All checks of products and stock, in addition to the contracts."""
