"""Lists of people whom a shop may want to write to, in one form: each with what to write about.

Who of them agreed to it is in no table that these read: `outputs/serving/email_consents.py`.
"""

from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.customers.contracts import CustomerSegments, SegmentName
from ecom_assets.commerce.customers.due_again import product_names, sold_to_customers
from ecom_assets.commerce.sales.coverage import SalesSource
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.queries import HasTables

ListName = Literal["due_again", "carts", "segment"]
RecipientOrder = Literal["worth", "newest", "longest"]
COLUMNS: Final = (
    "customer_id",
    "last_date",
    "days_since_count",
    "worth_amount",
    "product_names",
)
"""The columns of each list: who, the day of the order or the cart, how many days before the newest
day of its source that is, what the customer brought or the cart is worth, and the products.
"""


def due_recipients(due: ir.Table) -> ir.Table:
    """Return rows of `due_customers` with `COLUMNS`."""
    return due.mutate(last_date=due.order_date, worth_amount=due.revenue_amount).select(*COLUMNS)


def cart_recipients(carts: ir.Table) -> ir.Table:
    """Return rows of `left_carts` with `COLUMNS`: of each visitor the cart that was left last."""
    newest = ibis.window(
        group_by="visitor_id", order_by=[carts.last_at.desc(), carts.session_id.desc()]
    )
    carts = carts.mutate(number=ibis.row_number().over(newest))
    carts = carts.filter(carts.number == 0)
    return carts.mutate(
        customer_id=carts.visitor_id,
        days_since_count=carts.age_days_count,
        worth_amount=carts.cart_amount,
    ).select(*COLUMNS)


def segment_recipients(tables: HasTables, source: SalesSource, segment: SegmentName) -> ir.Table:
    """Return the customers of a segment with `COLUMNS`."""
    customers = tables.table(CustomerSegments)
    customers = customers.filter(customers.segment == segment)
    names = product_names(
        tables, sold_to_customers(tables, source).semi_join(customers, "customer_id")
    )
    customers = customers.left_join(names, "customer_id").drop("customer_id_right")
    return customers.mutate(
        last_date=customers.last_order_date,
        days_since_count=customers.recency_days,
        worth_amount=customers.revenue_amount.cast(MONEY),
    ).select(*COLUMNS)


def in_order(people: ir.Table, sort_by: RecipientOrder) -> ir.Table:
    """Return a list in order: who is worth most first, or whose day is newest or longest ago."""
    keys = {
        "worth": people.worth_amount.desc(nulls_first=False),
        "newest": people.last_date.desc(),
        "longest": people.last_date.asc(),
    }
    return people.order_by(keys[sort_by], people.customer_id)
