"""Who bought once and is due again: METRICS "Due again".

Due is who bought once, longer ago than the median time to a second order of those who came back.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import timedelta
from itertools import accumulate
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import Conversions
from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.commerce.sales.contracts import Item, Sales
from ecom_assets.commerce.sales.coverage import ORDERS, SalesSource, known_days, sales_source
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.queries import HasTables, Page, Reading

DueOrder = Literal["revenue", "longest", "newest"]
COLUMNS: Final = (
    "customer_id",
    "order_id",
    "order_date",
    "days_since_count",
    "revenue_amount",
    "product_names",
)
"""The columns of `due_customers`."""
BETWEEN: Final = ", "
"""What stands between the names of products."""


def sold_to_customers(tables: HasTables, source: SalesSource) -> ir.Table:
    """Return what known customers bought and got back: `customer_id`, `order_id`, `order_date`,
    `item_id`, `is_refund` and `revenue_amount`; `item_id` is null where only the order is known.
    """
    if source == ORDERS:
        sold = tables.table(Sales)
        sold = sold.filter(sold.customer_id != UNKNOWN_CUSTOMER)
        return sold.select(
            "customer_id",
            "order_id",
            "order_date",
            "item_id",
            is_refund=sold.status != "shipped",
            revenue_amount=sold.revenue_amount.cast(MONEY),
        )
    events = tables.table(Conversions)
    events = events.filter(events.unit == "purchase")
    return events.select(
        "is_refund",
        customer_id="visitor_id",
        order_id="conversion_id",
        order_date="converted_date",
        item_id=ibis.null("string"),
        revenue_amount=events.revenue_amount.cast(MONEY),
    )


def orders_of(tables: HasTables, source: SalesSource) -> ir.Table:
    """Return each order of known customers with its number among theirs, from 0: `customer_id`,
    `order_id`, `order_date`, `order_number` and `first_order_date`.
    """
    sold = sold_to_customers(tables, source)
    orders = sold.filter(~sold.is_refund).select("customer_id", "order_id", "order_date").distinct()
    in_order = ibis.window(group_by="customer_id", order_by=["order_date", "order_id"])
    return orders.mutate(
        order_number=ibis.row_number().over(in_order),
        first_order_date=orders.order_date.min().over(ibis.window(group_by="customer_id")),
    )


def waits(tables: HasTables, source: SalesSource) -> ir.Table:
    """Return how many customers placed their second order so many days after the first: `wait_days`
    and `customer_count`.
    """
    orders = orders_of(tables, source)
    second = orders.filter(orders.order_number == 1)
    second = second.mutate(
        wait_days=second.order_date.delta(second.first_order_date, unit="day").cast("int64")
    )
    return second.group_by("wait_days").agg(customer_count=second.count())


def once(tables: HasTables, source: SalesSource) -> ir.Table:
    """Return the only order of each customer who bought once."""
    orders = orders_of(tables, source)
    counted = orders.group_by("customer_id").agg(
        order_count=orders.count(),
        order_id=orders.order_id.min(),
        order_date=orders.order_date.min(),
    )
    return counted.filter(counted.order_count == 1).drop("order_count")


def median_of(counted: Iterable[NamedValues]) -> float | None:
    """Return the median of rows of `waits`, in days; the mean of the two in the middle of an even
    number, and None without any.
    """
    by_wait = sorted((int(row["wait_days"]), int(row["customer_count"])) for row in counted)
    counts_so_far = list(accumulate(count for _, count in by_wait))
    if not counts_so_far:
        return None
    middle = (counts_so_far[-1] - 1) // 2, counts_so_far[-1] // 2
    lower, upper = (by_wait[bisect_right(counts_so_far, position)][0] for position in middle)
    return (lower + upper) / 2


def due_customers(
    tables: HasTables, source: SalesSource, state: Row, sort_by: DueOrder, page: Page | None = None
) -> ir.Table:
    """Return the customers who are due again, in order, with the columns `COLUMNS`.

    Args:
        tables: The published tables.
        source: Where sales are counted.
        state: What `due_state` returned.
        sort_by: What they brought, the most first, or how long ago.
        page: Which of them; by default all.
    """
    due = once(tables, source)
    if state["due_after_date"] is None:
        due = due.filter(ibis.literal(value=False))
    else:
        due = due.filter(due.order_date <= ibis.literal(state["due_after_date"]))
    as_of = ibis.literal(state["as_of_date"]).cast("date")
    due = due.mutate(days_since_count=as_of.delta(due.order_date, unit="day").cast("int64"))
    sold = sold_to_customers(tables, source)
    brought = sold.group_by("customer_id").agg(revenue_amount=sold.revenue_amount.sum().cast(MONEY))
    due = due.left_join(brought, "customer_id").drop("customer_id_right")
    if page is not None:
        due = _in_order(due, sort_by).limit(page.limit, offset=page.offset)
    names = product_names(tables, sold.semi_join(due, "customer_id"))
    due = due.left_join(names, "customer_id").drop("customer_id_right")
    return _in_order(due, sort_by).select(*COLUMNS)


def _in_order(due: ir.Table, sort_by: DueOrder) -> ir.Table:
    keys = {
        "revenue": due.revenue_amount.desc(nulls_first=False),
        "longest": due.order_date.asc(),
        "newest": due.order_date.desc(),
    }
    return due.order_by(keys[sort_by], due.customer_id)


def product_names(tables: HasTables, sold: ir.Table) -> ir.Table:
    """Return the names of what each customer bought, in the order of the alphabet, as
    `product_names`; an item without a name is called by its id.
    """
    bought = sold.filter(~sold.is_refund, sold.item_id.notnull(), sold.item_id != NONE)
    items = tables.table(Item).select("item_id", "item_name")
    named = bought.left_join(items, "item_id")
    named = named.select(
        "customer_id", product_name=ibis.coalesce(named.item_name, named.item_id)
    ).distinct()
    return named.group_by("customer_id").agg(
        product_names=named.product_name.group_concat(BETWEEN, order_by=named.product_name)
    )


def due_state(reading: Reading) -> Row:
    """Return the source, the counts, and the last day of a first order that is due.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    source = sales_source(reading)
    (days,) = known_days(reading, ["sales"]).values()
    as_of = days.last or reading.newest_date
    counted = reading.state(waits(reading, source))
    median = median_of(counted)
    bought_once = once(reading, source)
    by_date = reading.state(bought_once.group_by("order_date").agg(n=bought_once.count()))
    # Longer ago than the median: a median of 30.5 days is exceeded after 31.
    after = None if median is None else as_of - timedelta(days=int(median) + 1)
    due = [row for row in by_date if after is not None and row["order_date"] <= after]
    return {
        "source": source,
        "as_of_date": as_of,
        "due_after_date": after,
        "median_days_to_second_order": median,
        "came_back_customer_count": sum(int(row["customer_count"]) for row in counted),
        "once_customer_count": sum(int(row["n"]) for row in by_date),
        "due_customer_count": None if after is None else sum(int(row["n"]) for row in due),
    }


def due_again(reading: Reading, sort_by: DueOrder, page: Page, *, with_people: bool) -> Answer:
    """Return the counts of `due_state`, and `with_people` a page of the customers who are due."""
    state = due_state(reading)
    rows = due_customers(reading, state["source"], state, sort_by, page)
    return {
        **{name: value for name, value in state.items() if name != "due_after_date"},
        "total_count": state["due_customer_count"] or 0,
        "customers": reading.rows(rows) if with_people else [],
    }
