"""What codes took off and brought in: order lines by the codes of their discounts."""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.orders import ALL, NONE
from ecom_assets.commerce.sales.contracts import DiscountPerformance
from ecom_assets.commerce.sales.measures import DiscountMeasures
from ecom_assets.commerce.sales.sales import added_up
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, part_of_text, union_all

MOST_CODES_OF_A_LINE = 6
"""The codes of one line that count by code; with more, the others count in the total only.

Shopify takes five codes for products or the order, and one for shipping; of others that state codes
by line most take fewer. Each is one more copy of all discounted lines in the statement.
"""
BETWEEN = ", "
"""What is between the codes of a line."""


def discounted(sold: ir.Table) -> ir.Table:
    """Return the shipped ones of `Sales` that have a discount, or the code of one."""
    has_discount = (sold.discount_amount > 0).fill_null(NO) | sold.discount_codes.notnull()
    return sold.filter((sold.status == "shipped") & has_discount)


def by_code(lines: ir.Table) -> ir.Table:
    """Return discounted lines once for each of their codes, in `discount_code`;
    `(none)` without one.
    """
    codes = lines.discount_codes.fill_null(NONE)
    parts = [
        lines.mutate(discount_code=part_of_text(codes, BETWEEN, ibis.literal(number)))
        for number in range(1, MOST_CODES_OF_A_LINE + 1)
    ]
    rows = union_all(*parts)
    return rows.filter((rows.discount_code != "").fill_null(NO))


def discount_performance(sold: ir.Table, days: Days) -> ir.Table:
    """Return one row per day of `days` and code, from all rows of `Sales`; `(all)` has each
    discounted line once.
    """
    lines = discounted(sold.filter(days.contain(sold.order_date)))
    rows = union_all(lines.mutate(discount_code=ibis.literal(ALL)), by_code(lines))
    unit = ["order_date", "discount_code"]
    return added_up(rows, unit, DiscountMeasures).select(*DiscountPerformance.columns)


MOST_HIDDEN: Final = 4
"""Codes of at most so many customers may name a person."""
OF_FEW: Final = "(codes of fewer than five customers)"


def hidden(lines: ir.Table, among: ir.Table | None = None) -> ir.Table:
    """Return rows of `by_code` in which codes of few customers have one label, each line once.

    A code for one person is often named after them. `among` are the rows whose customers are
    counted, by default those themselves.
    """
    counted = lines if among is None else among
    customers = counted.group_by("discount_code").agg(customers=counted.customer_id.nunique())
    few = customers.filter(customers.customers <= MOST_HIDDEN, customers.discount_code != NONE)
    is_few = lines.discount_code.isin(few.discount_code)
    named = lines.mutate(discount_code=is_few.ifelse(OF_FEW, lines.discount_code))
    return named.distinct()
