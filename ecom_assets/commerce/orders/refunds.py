"""Refunds of money for no item, which are spread over what is left of the items of their order.

Shops pay money back without saying for what, such as Shopify's adjustments. Each item of the order
has the part of such a refund that it has of what is left: what was paid for it, less what was paid
back for it before. METRICS "Profit"; docs/metrics/sales.md#refunds-without-an-item.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.orders import (
    CHARGES,
    ORDER_COSTS,
    WITHOUT_ITEM,
    is_without_item,
)
from ecom_assets.core.tables.contract import AMOUNT, MONEY, QUANTITY
from ecom_assets.core.tables.shares import share, units, units_of_currency

SPREAD: Final = ("revenue_amount", "discount_amount", *CHARGES, *ORDER_COSTS)
"""The amounts of a refund that its parts share."""
OF_ITEM: Final = ("item_id", "item_category", "vendor")
"""What each part has of its item."""
PART_OF: Final = " > "
"""What is between the ids of a refund and of an item in the id of a part."""


def refund_parts(lines: ir.Table, every_line: ir.Table, currency: str = "") -> ir.Table:
    """Return a row per refund without an item and item of its order of which something is left.

    A refund has no row where its order has no items up to its day, or nothing is left of them.
    Refunds without an item count for what is left of the order, not of an item.

    Args:
        lines: The rows of `UserOrderLog` whose refunds are spread.
        every_line: All rows of `UserOrderLog`: items may have been sold long before.
        currency: The currency of lines that say none.

    Returns:
        `refund_id` (the line's `uniq_id`); `part_…` for each of `OF_ITEM`; and the weights of the
        item for `share`, in units, with the `step` of the refund's currency.
    """
    refunds = lines.filter(is_without_item(lines)).select(
        refund_id="uniq_id",
        refunded_order="order_id",
        refunded_date="order_date",
        refunded_at="ordered_at",
        refund_currency="currency",
    )
    of_order = every_line.select(
        "uniq_id", "order_id", "order_date", "ordered_at", "status", "payment_amount", *OF_ITEM
    )
    pairs = of_order.join(refunds, of_order.order_id == refunds.refunded_order)
    is_loose, has_item = is_without_item(pairs), pairs.item_id.notin(WITHOUT_ITEM)
    is_earlier = (pairs.ordered_at < pairs.refunded_at) | (
        (pairs.ordered_at == pairs.refunded_at) & (pairs.uniq_id < pairs.refund_id)
    )
    is_sold = (pairs.status == "shipped") & has_item & (pairs.order_date <= pairs.refunded_date)
    # What goes back at the same time for an item goes back first.
    is_returned = (pairs.status == "refunded") & has_item & (pairs.ordered_at <= pairs.refunded_at)
    # Other lines are counted with nothing instead of left out: an engine that expects few lines
    # after so many conditions puts all of them in memory, and takes five times as long.
    pairs = pairs.mutate(
        is_sold=is_sold,
        signed_amount=ibis.cases(
            (is_sold, pairs.payment_amount),
            (is_returned | (is_loose & is_earlier), -pairs.payment_amount),
            else_=ibis.literal(0, AMOUNT),
        ),
    )
    items = pairs.group_by("refund_id", "item_id").agg(
        left_amount=pairs.signed_amount.sum().cast(MONEY),
        part_item_category=pairs.item_category.max(where=pairs.is_sold),
        part_vendor=pairs.vendor.max(where=pairs.is_sold),
        refund_currency=pairs.refund_currency.max(),
    )
    return _weighted(items, currency)


def _weighted(items: ir.Table, currency: str) -> ir.Table:
    """Return items of which something is left with their weights, of orders of which something is
    left.
    """
    nothing = ibis.literal(0, MONEY)
    has_item = items.item_id.notin(WITHOUT_ITEM)
    items = items.mutate(
        # An item can be paid back beyond its price, which the others are not worth less for.
        weight_amount=(has_item & (items.left_amount > 0)).ifelse(items.left_amount, nothing),
        spread_amount=has_item.ifelse(nothing, -items.left_amount),
    )
    of_refund = ibis.window(group_by="refund_id")
    items = items.mutate(
        whole_amount=items.weight_amount.sum().over(of_refund).cast(MONEY),
        spread_before=items.spread_amount.sum().over(of_refund).cast(MONEY),
    )
    items = items.filter(items.weight_amount > 0, items.whole_amount > items.spread_before)
    items = items.mutate(weight=units(items.weight_amount))
    so_far = ibis.cumulative_window(group_by="refund_id", order_by="item_id")
    items = items.mutate(
        weight_to=items.weight.sum().over(so_far), whole=items.weight.sum().over(of_refund)
    )
    return items.select(
        "refund_id",
        "part_item_category",
        "part_vendor",
        "weight_to",
        "whole",
        part_item_id="item_id",
        weight_before=items.weight_to - items.weight,
        step=units_of_currency(items.refund_currency, currency),
    )


def spread_refunds(sold: ir.Table, parts: ir.Table) -> ir.Table:
    """Return sales with the parts of refunds without an item in place of these.

    A part has the id of its refund, `refund_line_id`, which is null of all other rows, and no
    quantity: no piece came back. Refunds without parts stay as they are.

    Args:
        sold: Rows of `Sales` before this, one per order line.
        parts: Rows of `refund_parts`, at least those of the refunds in `sold`.
    """
    joined = sold.left_join(parts, sold.uniq_id == parts.refund_id)
    is_part = joined.refund_id.notnull()
    shares = {name: share(joined[name], joined, joined.step).cast(AMOUNT) for name in SPREAD}
    rows = joined.mutate(
        uniq_id=is_part.ifelse(
            joined.uniq_id.concat(PART_OF).concat(joined.part_item_id), joined.uniq_id
        ),
        refund_line_id=joined.refund_id,
        quantity=is_part.ifelse(ibis.literal(0, QUANTITY), joined.quantity),
        **{name: is_part.ifelse(part, joined[name]) for name, part in shares.items()},
        **{name: is_part.ifelse(joined[f"part_{name}"], joined[name]) for name in OF_ITEM},
    )
    gross = (rows.revenue_amount + rows.discount_amount).cast(AMOUNT)
    rows = rows.mutate(gross_amount=rows.refund_line_id.isnull().ifelse(rows.gross_amount, gross))
    return rows.select(*sold.columns)
