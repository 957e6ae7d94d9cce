"""Order lines as sales, and daily revenue from them: METRICS "Sales"."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.orders.orders import ALL, NONE, order_key
from ecom_assets.sales.contracts import ProductSalesDaily, RevenueDaily, Sales
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
