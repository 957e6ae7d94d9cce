"""What is behind the numbers of a question about sales, as tables: its customers, and its order
lines, each with its own numbers.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.custom_sales.counting import most_first, value_in
from ecom_assets.commerce.custom_sales.measures import CustomSalesMeasures
from ecom_assets.commerce.custom_sales.query import SalesQuery
from ecom_assets.core.tables.measures import aggregates

CUSTOMER: Final = ("customer_id", "first_ordered_at", "last_ordered_at")
"""The columns of a customer beside measures."""
LINE: Final = ("uniq_id", "order_id", "ordered_at", "customer_id", "item_id", "status", "quantity")
"""The columns of an order line beside measures."""


def customers(query: SalesQuery) -> ir.Table:
    """Return a row for each customer of the question's order lines, with the measures of these that
    its own follow from; nobody knows who unknown customers are.
    """
    lines, _ = query.lines(query.range)
    lines = lines.filter(lines.customer_id.notnull())
    return lines.group_by("customer_id").agg(
        first_ordered_at=lines.ordered_at.min(),
        last_ordered_at=lines.ordered_at.max(),
        **aggregates(lines, CustomSalesMeasures, query.parts),
    )


def in_order(rows: ir.Table, measures: Sequence[str]) -> ir.Table:
    """Return rows of `customers`, those with most of the first measure first, by id where they have
    the same.
    """
    first = measures[0]
    return rows.order_by([*most_first(value_in(rows, first), first), "customer_id"])


def to_write(rows: ir.Table, measures: Sequence[str]) -> ir.Table:
    """Return rows of `customers` with the measures that are asked for, in order."""
    rows = rows.mutate(**{name: value_in(rows, name) for name in measures})
    rows = rows.select(*CUSTOMER, *measures)
    return rows.order_by([*most_first(rows[measures[0]], measures[0]), "customer_id"])


def order_lines(query: SalesQuery) -> ir.Table:
    """Return the question's order lines, each with the measures of it alone that the question's
    follow from; a line with two codes of discounts is there once.
    """
    lines, _ = query.lines(query.range)
    return lines.group_by(*LINE).agg(**aggregates(lines, CustomSalesMeasures, query.parts))


def lines_in_order(rows: ir.Table) -> ir.Table:
    """Return rows of `order_lines`, the newest first."""
    return rows.order_by([ibis.desc("ordered_at"), "uniq_id"])
