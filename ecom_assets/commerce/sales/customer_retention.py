"""Customers by week, category and city: METRICS "Customers by week".

Of a week, new is whose first order ever is in it, paid or not. Of other days, new and returning are
those of all other numbers: `commerce/orders/new_customers.py`.
"""

from itertools import product

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.new_customers import NEW, RETURNING, customer_type
from ecom_assets.commerce.orders.orders import ALL, NONE, order_key
from ecom_assets.commerce.sales.contracts import CustomerRetention
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import (
    Days,
    day_table,
    iso_week_number,
    iso_year_number,
    start_of_week,
)
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import NO, union_all, union_distinct

CELL = ["week_start_date", "item_category", "city_id"]
CUSTOMER = [*CELL, "customer_id", "is_known", "is_new", "is_returning"]
DAYS_AFTER_MONDAY = 6


def customer_retention(sold: ir.Table, customers: ir.Table, days: Days) -> ir.Table:
    """Return one row per week, category and city, with totals over categories and cities.

    The weeks are those whose Monday is among `days`; the tables are all rows of `Sales` and
    `Customer`.
    """
    sold = sold.filter(days.widened(after=DAYS_AFTER_MONDAY).contain(sold.order_date))
    sold = by_category_or_item(sold).mutate(week_start_date=start_of_week(sold.order_date))
    sold = sold.filter(days.contain(sold.week_start_date))
    first = customers.select(
        "customer_id", first_week_date=start_of_week(customers.first_order_date)
    )
    sold = sold.left_join(first, "customer_id")
    is_new = (sold.first_week_date == sold.week_start_date).fill_null(NO)
    counted = _counted(sold.mutate(is_new=is_new, is_returning=~is_new))
    return counted.mutate(
        iso_year_number=iso_year_number(counted.week_start_date),
        iso_week_number=iso_week_number(counted.week_start_date),
    ).select(*CustomerRetention.columns)


def customers_of_days(
    sold: ir.Table, customers: ir.Table, first: ir.DateValue, last: ir.DateValue
) -> ir.Table:
    """Return what a row of `CustomerRetention` counts over all categories and cities, for any days
    in place of a week: one row, none without an order line.

    `sold` are the rows of `Sales` from `first` to `last`, `customers` all rows of `Customer`. New
    and returning customers are those of `customer_type`.
    """
    payers = customers.select("customer_id", "first_paid_date", "is_first_paid_renewal")
    total = ibis.literal(ALL)
    sold = sold.mutate(week_start_date=first, item_category=total, city_id=total)
    sold = sold.left_join(payers, "customer_id")
    of_days = customer_type(sold, first, last)
    return _counted(
        sold.mutate(is_new=of_days == NEW, is_returning=of_days == RETURNING), is_spread=False
    )


def by_category_or_item(sold: ir.Table) -> ir.Table:
    """Return sales with the item in place of a category where a line has none."""
    return sold.mutate(
        item_category=(sold.item_category == NONE).ifelse(sold.item_id, sold.item_category)
    )


def changed_weeks(sold: ir.Table, changed: ir.Table, days: Days) -> ir.Table:
    """Return the Mondays of weeks, in `day`, that orders of `days` or `changed` can change.

    If a first order is added, removed or moved, later orders become returning or new. So every
    later week in `sold`, all rows of `Sales`, is included. `changed` are more order days, in a
    column `day`.
    """
    touched = union_all(day_table(days), changed)
    touched = touched.select(day=start_of_week(touched.day)).distinct()
    first = touched.agg(first_date=touched.day.min())
    later = sold.cross_join(first).filter(lambda joined: joined.order_date >= joined.first_date)
    return union_distinct(touched, later.select(day=start_of_week(later.order_date)))


def _with_totals(orders: ir.Table) -> ir.Table:
    """Return rows once for their category and city, and once more for each total."""
    total = ibis.literal(ALL)
    return union_all(
        *(
            orders.mutate(
                item_category=orders.item_category if by_category else total,
                city_id=orders.city_id if by_city else total,
            )
            for by_category, by_city in product((True, False), repeat=2)
        )
    )


def _counted(sold: ir.Table, *, is_spread: bool = True) -> ir.Table:
    known = sold.mutate(is_known=sold.customer_id != UNKNOWN_CUSTOMER)
    # One row per cell and customer with lines in it; with totals, if `is_spread`.
    is_refund = known.status == "refunded"
    orders = known.group_by(*CUSTOMER, order_key=order_key(known)).agg(
        shipped_lines_count=is_refund.ifelse(0, 1).sum(),
        refunded_lines_count=is_refund.ifelse(1, 0).sum(),
        shipped_amount=is_refund.ifelse(ibis.literal(0, MONEY), known.revenue_amount)
        .sum()
        .cast(MONEY),
        refunded_amount=is_refund.ifelse(known.revenue_amount, ibis.literal(0, MONEY))
        .sum()
        .cast(MONEY),
    )
    spread = _with_totals(orders) if is_spread else orders
    customers = spread.group_by(*CUSTOMER).agg(
        orders_count=spread.order_key.nunique(where=spread.shipped_lines_count > 0),
        refunds_count=spread.order_key.nunique(where=spread.refunded_lines_count > 0),
        shipped_amount=spread.shipped_amount.sum().cast(MONEY),
        refunded_amount=spread.refunded_amount.sum().cast(MONEY),
    )
    is_known, is_new = customers.is_known, customers.is_known & customers.is_new
    is_returning = is_known & customers.is_returning
    ordered = is_known & (customers.orders_count > 0)
    zero = ibis.literal(0, MONEY)
    return customers.group_by(*CELL).agg(
        customers_count=_how_many(ordered),
        new_customers_count=_how_many(ordered & is_new),
        returning_customers_count=_how_many(ordered & is_returning),
        refunded_customers_count=_how_many(is_known & (customers.refunds_count > 0)),
        one_order_customers_count=_how_many(is_known & (customers.orders_count == 1)),
        several_orders_customers_count=_how_many(is_known & (customers.orders_count > 1)),
        new_orders_count=is_new.ifelse(customers.orders_count, 0).sum(),
        returning_orders_count=is_returning.ifelse(customers.orders_count, 0).sum(),
        unknown_customer_orders_count=is_known.ifelse(0, customers.orders_count).sum(),
        refunded_orders_count=customers.refunds_count.sum(),
        new_revenue_amount=is_new.ifelse(customers.shipped_amount, zero).sum().cast(MONEY),
        returning_revenue_amount=is_returning.ifelse(customers.shipped_amount, zero)
        .sum()
        .cast(MONEY),
        unknown_customer_revenue_amount=is_known.ifelse(zero, customers.shipped_amount)
        .sum()
        .cast(MONEY),
        refunded_amount=customers.refunded_amount.sum().cast(MONEY),
    )


def _how_many(condition: ir.BooleanValue) -> ir.IntegerScalar:
    return condition.ifelse(1, 0).sum()
