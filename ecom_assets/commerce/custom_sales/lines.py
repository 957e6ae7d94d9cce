"""The order lines that a question about sales counts, with its dimensions, amounts and periods."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.costs.contribution import goodwill
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.costs.profit import sales_steps
from ecom_assets.commerce.custom_sales.dimensions import (
    DIMENSIONS,
    DISCOUNT_CODE,
    SalesContext,
    with_dimensions,
)
from ecom_assets.commerce.custom_sales.measures import COST_MEASURES, MEASURES, parts_of
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import NONE, PRICE_PARTS, order_key
from ecom_assets.commerce.sales.discounts import by_code, hidden
from ecom_assets.core.tables.contract import Aggregate
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import union_all

WITH_GOODWILL: Final = frozenset({"returns_amount", "net_sales_amount", "goodwill_amount"})
STEPS: Final = WITH_GOODWILL | {"gross_sales_amount", "discount_amount"}
"""The columns of `sales_steps`, and goodwill, which need no costs."""
OF_REVENUE: Final = frozenset({"quantity", "revenue_amount", "shipping_amount"})
"""What is counted as order lines have it: there is goodwill in their revenue, and shipping is on
one line of an order.
"""
OF_PROFIT: Final = frozenset(ProfitLines.numbers()) - OF_REVENUE - STEPS
"""The amounts that are those of `ProfitLines`: shares of what orders cost, and what was estimated,
come before what lines state.
"""
COST_NAMES: Final = COST_MEASURES | OF_PROFIT
"""What of a question about sales only those may name who may see costs."""


READ_BY_EVERY: Final = frozenset(
    {
        "uniq_id",
        "order_id",
        "ordered_at",
        "order_date",
        "customer_id",
        "item_id",
        "status",
        "payment_amount",
        "currency",
    }
)
"""The columns of `UserOrderLog` that every question about sales reads: what tells orders and their
refunds, and refunds without an item are spread by.
"""


def columns_read(names: Collection[str]) -> frozenset[str] | None:
    """Return the columns of `UserOrderLog` that a question about sales reads; None for all.

    Args:
        names: The measures, dimensions and columns that it names.
    """
    counted = columns_counted(parts_of(name for name in names if name in MEASURES))
    used = {*names, *counted}
    if not OF_PROFIT.isdisjoint(used):
        return None  # what an order costs is made of nearly all columns
    of_dimensions = {
        column for name in DIMENSIONS.keys() & used for column in DIMENSIONS[name].reads
    }
    # A price before discounts and a discount say each other with what was paid.
    of_steps = () if used.isdisjoint({*STEPS, *PRICE_PARTS}) else PRICE_PARTS
    return READ_BY_EVERY.union(of_dimensions, of_steps, used & UserOrderLog.columns.keys())


def columns_counted(parts: Iterable[str]) -> set[str]:
    """Return the columns of order lines that some measures are counted from."""
    aggregates = [MEASURES[name].counted_as for name in parts]
    return {
        name
        for aggregate in aggregates
        if isinstance(aggregate, Aggregate)
        for name in (aggregate.column, *aggregate.where)
        if name
    }


def question_lines(context: SalesContext, names: Collection[str]) -> ir.Table:
    """Return rows of `Sales` with the dimensions and other columns of some names.

    The codes of discounts are added by `coded`.

    Args:
        context: What they are computed from.
        names: Dimensions, columns of `ProfitLines`, and any others.
    """
    sold = context.sold
    lines = with_dimensions(
        sold.mutate(event_at=sold.ordered_at, event_date=sold.order_date), names, context
    )
    if of_profit := sorted(OF_PROFIT.intersection(names)):
        profit = context.tables.table(ProfitLines).select(*of_profit, profit_line="uniq_id")
        stated = lines.drop(*(name for name in of_profit if name in lines.columns))
        lines = stated.left_join(profit, stated.uniq_id == profit.profit_line).drop("profit_line")
    if STEPS.intersection(names):
        lines = _with_steps(lines, sold, names)
    return lines.mutate(
        order_key=order_key(lines),
        # Unknown customers are any number of people.
        customer_id=lines.customer_id.nullif(UNKNOWN_CUSTOMER),
    )


def _with_steps(lines: ir.Table, sold: ir.Table, names: Collection[str]) -> ir.Table:
    """Add the steps to net sales that have some names; goodwill takes time, and is found only where
    one of them needs it.
    """
    zero = ibis.literal(0, PROFIT)
    if WITH_GOODWILL.isdisjoint(names):
        lines = lines.mutate(goodwill_amount=zero)
    else:
        refunds = goodwill(sold).rename(refund_line="uniq_id")
        joined = lines.left_join(refunds, lines.uniq_id == refunds.refund_line).drop("refund_line")
        lines = joined.mutate(goodwill_amount=joined.goodwill_amount.fill_null(zero))
    return lines.mutate(
        **{name: step for name, step in sales_steps(lines).items() if name in names}
    )


def coded(lines: ir.Table, among: ir.Table, *, may_see_people: bool) -> ir.Table:
    """Return order lines once for each of their codes of discounts, `(none)` without one.

    Args:
        lines: The lines that are asked about.
        among: Those of all days, whose customers decide which codes name a person.
        may_see_people: Whether such codes are shown; else they are one value.
    """
    without = lines.filter(lines.discount_codes.isnull())
    of_codes = by_code(lines.filter(lines.discount_codes.notnull()))
    if not may_see_people:
        every = by_code(among.filter(among.discount_codes.notnull()))
        of_codes = hidden(of_codes, every)
    return union_all(without.mutate(**{DISCOUNT_CODE: ibis.literal(NONE)}), of_codes)


def compact(lines: ir.Table, by: Sequence[str], columns: Collection[str]) -> ir.Table:
    """Return what is counted: the dimensions as texts, `period_date`, and some columns."""
    dimensions = {name: lines[name].cast("string").fill_null(NONE) for name in by}
    return lines.select("period_date", *sorted(columns), **dimensions)
