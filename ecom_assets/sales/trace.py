"""How sales go down: daily revenue, dimensions and weekly customers to order lines, or to purchase events."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.events.contracts import CleanEvents
from ecom_assets.orders.contracts import UserOrderLog
from ecom_assets.orders.orders import order_key
from ecom_assets.sales.contracts import (
    Calendar,
    Customer,
    CustomerRetention,
    Item,
    ProductSalesDaily,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.sales.customer_retention import by_category_or_item
from ecom_assets.sales.sales import purchases_and_refunds
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import start_of_week
from ecom_assets.tables.portable import NO
from ecom_assets.tables.trace import (
    Computed,
    Count,
    Derivation,
    RowsOf,
    Sum,
    TableTrace,
    TraceContext,
    UpstreamRows,
    keeping,
    ratio,
)

SHIPPED, REFUNDED = "shipped", "refunded"


def lines_of_sales(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the clean order line of each sale."""
    return keeping(context.near(UserOrderLog, rows, "order_date"), rows, ["uniq_id"])


UPSTREAM: Final[Mapping[type[Table], UpstreamRows]] = {
    Sales: UpstreamRows(UserOrderLog, lines_of_sales, ("uniq_id", "order_date"), is_one_to_one=True)
}
AVERAGE: Final = ratio("revenue_amount", "order_count")


def with_status(rows: RowsOf, status: str) -> RowsOf:
    """Return the rows of a status only; where they are added up, refunded ones are subtracted."""

    def filtered(context: TraceContext) -> ir.Table:
        found = signed(rows)(context)
        return found.filter(found.status == status)

    return filtered


def signed(rows: RowsOf) -> RowsOf:
    """Return the same rows with their sign: refunds are subtracted."""

    def found(context: TraceContext) -> ir.Table:
        lines = rows(context)
        return lines.mutate(sign=(lines.status == REFUNDED).ifelse(-1, 1))

    return found


def revenue_derivations(to: type[Table], rows: RowsOf) -> dict[str, Derivation]:
    """Return how the numbers of revenue go down to some order lines."""
    shipped, refunded = with_status(rows, SHIPPED), with_status(rows, REFUNDED)
    return {
        "order_count": Count(to, _of_orders(shipped)),
        "refund_count": Count(to, _of_orders(refunded)),
        "customer_count": Count(to, shipped, unit="customer_id"),
        "sold_item_count": Sum(to, shipped, "quantity"),
        "refunded_item_count": Sum(to, lambda context: refunded(context).drop("sign"), "quantity"),
        "shipped_amount": Sum(to, shipped, "payment_amount"),
        "refunded_amount": Sum(to, refunded, "payment_amount"),
        "revenue_amount": Sum(to, signed(rows), "payment_amount"),
    }


def _of_orders(rows: RowsOf) -> RowsOf:
    """Return order lines that count as the order that they are part of."""

    def found(context: TraceContext) -> ir.Table:
        lines = rows(context)
        return lines.mutate(counted_as=order_key(lines))

    return found


def _of_key(*names: str) -> RowsOf:
    return lambda context: context.where(Sales, **{name: context.row[name] for name in names})


def _this_line(context: TraceContext) -> ir.Table:
    return context.where(UserOrderLog, order_date=context.row["order_date"], uniq_id=context.row["uniq_id"])


def _purchases(kind: str | None) -> RowsOf:
    """Return the purchase and refund events of a day and of the values in a row's other key columns."""

    def rows(context: TraceContext) -> ir.Table:
        bought = purchases_and_refunds(context.on_day(CleanEvents, "event_date"))
        for name in PurchaseRevenueDaily.key[1:]:
            if context.row[name] != "(all)":
                bought = bought.filter(bought[name] == context.row[name])
        if kind:
            bought = bought.filter(bought.event_type == kind)
        return bought.mutate(sign=(bought.event_type == "refund").ifelse(-1, 1))

    return rows


PURCHASES: Final[Mapping[str, Derivation]] = {
    "order_count": Count(CleanEvents, _purchases("purchase")),
    "refund_count": Count(CleanEvents, _purchases("refund")),
    "customer_count": Count(CleanEvents, _purchases("purchase"), unit="visitor_id"),
    "sold_item_count": Count(CleanEvents, _purchases("purchase")),
    "refunded_item_count": Count(CleanEvents, _purchases("refund")),
    "shipped_amount": Sum(CleanEvents, _purchases("purchase"), "cart_amount"),
    "refunded_amount": Sum(CleanEvents, _purchases("refund"), "cart_amount"),
    "revenue_amount": Sum(CleanEvents, _purchases(None), "cart_amount"),
    "average_order_value": AVERAGE,
}


def _week(context: TraceContext, **conditions: Any) -> ir.Table:  # noqa: ANN401 (as below)
    """Return the sales of a row's week, category and city of a `status`; with `is_new`, of new customers or others."""
    row = context.row
    monday = row["week_start_date"]
    sold = by_category_or_item(context.within(Sales, monday, monday + timedelta(days=6)))
    for name in ("item_category", "city_id"):
        sold = sold if row[name] == "(all)" else sold.filter(sold[name] == row[name])
    if "is_new" in conditions:
        customers = context.table(Customer)
        first = customers.filter((start_of_week(customers.first_order_date) == ibis.literal(monday)).fill_null(NO))
        sold = sold.semi_join(first, "customer_id") if conditions["is_new"] else sold.anti_join(first, "customer_id")
    if "status" in conditions:
        sold = sold.filter(sold.status == conditions["status"])
    return sold.mutate(sign=(sold.status == REFUNDED).ifelse(-1, 1))


def _in_week(**conditions: Any) -> RowsOf:  # noqa: ANN401 (as above)
    return lambda context: _week(context, **conditions)


def _with_orders(*, several: bool) -> RowsOf:
    """Return the shipped lines of customers with one order in the week, or with several."""

    def rows(context: TraceContext) -> ir.Table:
        sold = _week(context, status=SHIPPED)
        each = sold.group_by("customer_id").agg(orders=order_key(sold).nunique())
        return sold.semi_join(each.filter(each.orders > 1 if several else each.orders == 1), "customer_id")

    return rows


def _customers(rows: RowsOf) -> Count:
    return Count(Sales, rows, unit="customer_id")


NEW, RETURNING = _in_week(status=SHIPPED, is_new=True), _in_week(status=SHIPPED, is_new=False)
WEEKS: Final[Mapping[str, Derivation]] = {
    "iso_year_number": Computed("the year of the ISO week", ("week_start_date",)),
    "iso_week_number": Computed("the number of the ISO week in its year", ("week_start_date",)),
    "customers_count": _customers(_in_week(status=SHIPPED)),
    "new_customers_count": _customers(NEW),
    "returning_customers_count": _customers(RETURNING),
    "refunded_customers_count": _customers(_in_week(status=REFUNDED)),
    "one_order_customers_count": _customers(_with_orders(several=False)),
    "several_orders_customers_count": _customers(_with_orders(several=True)),
    "new_orders_count": Count(Sales, _of_orders(NEW)),
    "returning_orders_count": Count(Sales, _of_orders(RETURNING)),
    "refunded_orders_count": Count(Sales, _of_orders(_in_week(status=REFUNDED))),
    "new_revenue_amount": Sum(Sales, NEW, "payment_amount"),
    "returning_revenue_amount": Sum(Sales, RETURNING, "payment_amount"),
    "refunded_amount": Sum(Sales, _in_week(status=REFUNDED), "payment_amount"),
}
OF_CUSTOMER: Final = revenue_derivations(
    UserOrderLog, lambda context: context.where(UserOrderLog, customer_id=context.row["customer_id"])
)
TRACES: Final = (
    TableTrace(
        Customer,
        "sales",
        {name: OF_CUSTOMER[name] for name in ("order_count", "shipped_amount", "refunded_amount", "revenue_amount")},
    ),
    TableTrace(
        Item,
        "sales",
        {
            "price_amount": Computed(
                "the newest price in staging.price_log of the item's name", ("item_name", "price_date")
            )
        },
    ),
    TableTrace(
        Calendar,
        "sales",
        {name: Computed("read from the calendar", ("calendar_date",)) for name in Calendar.numbers()},
    ),
    TableTrace(
        Sales,
        "sales",
        {
            "quantity": Sum(UserOrderLog, signed(_this_line), "quantity"),
            "revenue_amount": Sum(UserOrderLog, signed(_this_line), "payment_amount"),
        },
    ),
    TableTrace(
        ProductSalesDaily,
        "sales",
        {**revenue_derivations(Sales, _of_key(*ProductSalesDaily.key)), "average_order_value": AVERAGE},
    ),
    TableTrace(
        RevenueDaily,
        "sales",
        {**revenue_derivations(Sales, _of_key(*RevenueDaily.key)), "average_order_value": AVERAGE},
    ),
    TableTrace(PurchaseRevenueDaily, "sales-of-purchase-events", PURCHASES),
    TableTrace(CustomerRetention, "customers-by-week", WEEKS),
)
