"""Who is a new customer of some days: whose first paid order is on one of them, and no renewal.

METRICS "Advertising"; docs/metrics/customers.md#new-customers. All numbers of new and returning
customers, of ads and of the whole shop, are from here.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import NO, first_of_each

NEW: Final = "new"
RETURNING: Final = "returning"
UNPAID: Final = "unpaid"
"""Who ordered, and has paid for nothing yet, such as for a sample: neither new nor returning."""
UNKNOWN: Final = "unknown"
"""Whose order it is is not known."""
CUSTOMER_TYPES: Final = (NEW, RETURNING, UNPAID, UNKNOWN)


def renewal_orders(rows: ir.Table, order: str) -> ir.Table:
    """Return the ids of renewals, in a column `renewal_id`.

    An order is a renewal where any of its lines says so, as a refund may not repeat it.

    Args:
        rows: All rows of a table of orders with `is_renewal`, such as `Conversions` or `Sales`.
        order: The column with the order's id.
    """
    said = rows.filter(rows.is_renewal.fill_null(NO))
    return said.select(renewal_id=order).distinct()


def first_paid_orders(rows: ir.Table) -> ir.Table:
    """Return the first order of each known customer for which anything was paid, before refunds.

    An order of an unknown amount, as of a purchase event that says none, was paid for. Of orders of
    one instant the first by its id counts.

    Args:
        rows: All orders and refunds, or all of their lines, with `customer_id`, `order_id`,
            `order_date`, `ordered_at`, `is_refund`, `revenue_amount` and `is_renewal`.

    Returns:
        Rows with `customer_id`, `order_id`, `order_date`, `ordered_at`, `revenue_amount`, and
        `is_renewal`: whether a subscription made the order, by which nobody is new.
    """
    sold = rows.filter(~rows.is_refund, rows.customer_id != UNKNOWN_CUSTOMER)
    orders = sold.group_by("customer_id", "order_id", "order_date").agg(
        ordered_at=sold.ordered_at.min(), revenue_amount=sold.revenue_amount.sum().cast(MONEY)
    )
    paid = orders.filter(orders.revenue_amount.isnull() | (orders.revenue_amount > 0))
    first = first_of_each(paid, "customer_id", ["ordered_at", "order_id"])
    renewals = renewal_orders(rows, "order_id")
    joined = first.left_join(renewals, first.order_id == renewals.renewal_id)
    return joined.mutate(is_renewal=joined.renewal_id.notnull()).drop("renewal_id")


def with_first_paid(customers: ir.Table, rows: ir.Table) -> ir.Table:
    """Add to customers `first_paid_date` and `is_first_paid_renewal`, as of `Customer`.

    Args:
        customers: Rows with a `customer_id`.
        rows: Those of `first_paid_orders`.
    """
    first = first_paid_orders(rows)
    first = first.select(
        payer_id="customer_id", first_paid_date="order_date", is_first_paid_renewal="is_renewal"
    )
    joined = customers.left_join(first, customers.customer_id == first.payer_id).drop("payer_id")
    return joined.mutate(is_first_paid_renewal=joined.is_first_paid_renewal.fill_null(NO))


def customer_type(customers: ir.Table, first: ir.DateValue, last: ir.DateValue) -> ir.StringValue:
    """Return which of `CUSTOMER_TYPES` customers who ordered on the days from `first` to `last`
    are; null in rows from before it was stored who paid.

    Who begins with a renewal was a customer before.

    Args:
        customers: Rows with a `customer_id` and the columns of `with_first_paid`.
        first: The first day.
        last: The last day.
    """
    paid, is_renewal = customers.first_paid_date, customers.is_first_paid_renewal
    return ibis.cases(
        (customers.customer_id == UNKNOWN_CUSTOMER, UNKNOWN),
        (is_renewal.isnull(), ibis.null("string")),
        (is_renewal | (paid < first), RETURNING),
        (paid <= last, NEW),
        else_=UNPAID,
    )
