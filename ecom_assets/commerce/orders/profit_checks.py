"""Checks of what order lines say beside what was paid: discounts fit the prices,
and fees the payments.

Lines that say none of it are not looked at.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO

CENT = ibis.literal("0.01").cast(MONEY)
"""By how much shares of a line may be rounded."""
HIGH_FEE_PERCENT = 20


def _shipped(days: Days | None, lines: ir.Table) -> ir.Table:
    of_run = rows_on_days(lines, "order_date", days)
    return of_run.filter(of_run.status == "shipped")


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def discounts_are_within_prices(days: Days | None, lines: ir.Table) -> BrokenRows:
    """No line's discount is above its price before discounts; else one of the two is another
    column.
    """
    shipped = _shipped(days, lines)
    stated = shipped.filter(shipped.discount_amount.notnull(), shipped.gross_amount.notnull())
    wrong = stated.filter(stated.discount_amount > stated.gross_amount)
    return BrokenRows(
        wrong.select("order_id", "item_id", "gross_amount", "discount_amount").order_by(
            "order_id", "item_id"
        ),
        stated,
    )


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def discounts_add_up_to_orders(days: Days | None, lines: ir.Table) -> BrokenRows:
    """The discounts of an order's lines add up to what was paid less than its prices; else a
    discount of the whole order is on no line.
    """
    shipped = _shipped(days, lines)
    has_both = (shipped.discount_amount.notnull() & shipped.gross_amount.notnull()).fill_null(NO)
    orders = shipped.group_by("order_date", "order_id").agg(
        line_count=shipped.count(),
        stated_count=has_both.ifelse(1, 0).sum(),
        gross_amount=shipped.gross_amount.sum().cast(MONEY),
        discount_amount=shipped.discount_amount.sum().cast(MONEY),
        payment_amount=shipped.payment_amount.sum().cast(MONEY),
    )
    orders = orders.filter(orders.line_count == orders.stated_count)
    # What is paid above the prices is a fee, such as for wrapping.
    missing = orders.gross_amount - orders.discount_amount - orders.payment_amount
    wrong = orders.filter(missing > orders.line_count * CENT)
    shown = ("order_id", "gross_amount", "discount_amount", "payment_amount")
    return BrokenRows(wrong.select(*shown).order_by("order_id"), orders)


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def fees_are_small(days: Days | None, lines: ir.Table) -> BrokenRows:
    """No order's payment costs more than 20 % of what was paid; else fees are in another unit."""
    shipped = _shipped(days, lines)
    orders = shipped.group_by("order_date", "order_id").agg(
        payment_fee_amount=shipped.payment_fee_amount.sum().cast(MONEY),
        paid_amount=(
            shipped.payment_amount
            + shipped.shipping_amount.fill_null(0)
            + shipped.tax_amount.fill_null(0)
        )
        .sum()
        .cast(MONEY),
    )
    orders = orders.filter(orders.payment_fee_amount.notnull(), orders.paid_amount > 0)
    wrong = orders.filter(orders.payment_fee_amount * 100 > orders.paid_amount * HIGH_FEE_PERCENT)
    return BrokenRows(
        wrong.select("order_id", "payment_fee_amount", "paid_amount").order_by("order_id"), orders
    )


PROFIT_CHECKS = [discounts_are_within_prices, discounts_add_up_to_orders, fees_are_small]
