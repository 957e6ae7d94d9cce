"""How sales go down to order lines, or to purchase events."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import (
    ALL,
    CHARGES,
    ORDER_COSTS,
    PRICE_PARTS,
    REFUND_ITEM,
    order_key,
)
from ecom_assets.commerce.sales.contracts import (
    Calendar,
    Customer,
    CustomerRetention,
    DiscountPerformance,
    Item,
    ItemPrices,
    ProductSalesDaily,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.commerce.sales.customer_retention import by_category_or_item
from ecom_assets.commerce.sales.discounts import by_code, discounted
from ecom_assets.commerce.sales.measures import DiscountMeasures, SalesMeasures
from ecom_assets.commerce.sales.sales import purchases_and_refunds
from ecom_assets.core.tables.contract import AMOUNT, Aggregate, Contract
from ecom_assets.core.tables.days import start_of_week
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import NO
from ecom_assets.core.tables.trace import (
    COUNTED_AS,
    ByRow,
    Computed,
    Count,
    Derivation,
    RowsOf,
    Sum,
    TableTrace,
    TraceContext,
    UpstreamRows,
    carried,
    keeping,
    like_row,
    ratios_of,
    traced_column,
)


def lines_of_sales(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the clean order line of each sale."""
    return keeping(context.near(UserOrderLog, rows, "order_date"), rows, ["uniq_id"])


SALES_COLUMNS: Final = {"payment_amount": "revenue_amount"}
"""The names in sales of columns of order lines, where they differ."""


def once_per_line(rows: ir.Table, context: TraceContext, column: str) -> ir.Table:
    """Return sales with one row for all parts of a refund that is spread over items, and with what
    their lines count for where it is not what these say, as of pieces that are none.
    """
    is_part = rows.refund_line_id.notnull()
    if column == "quantity":
        is_part |= rows.quantity == 0
    if not context.ask(rows.filter(is_part).select("uniq_id").limit(1)):
        return rows
    rows = rows.mutate(uniq_id=rows.refund_line_id.fill_null(rows.uniq_id))
    unit = ["uniq_id", "order_date", *carried(rows)]
    if column:
        part = -rows[SALES_COLUMNS.get(column, column)]
        rows = rows.mutate(part_amount=is_part.ifelse(part, ibis.null(AMOUNT)))
        return rows.group_by(unit).agg(part_amount=rows.part_amount.sum().cast(AMOUNT))
    # Rows that count by themselves are as many below.
    return rows.select(unit).distinct() if COUNTED_AS in unit else rows


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    Sales: UpstreamRows(
        UserOrderLog,
        lines_of_sales,
        ("uniq_id", "order_date", "refund_line_id", "revenue_amount"),
        is_one_to_one=True,
        whole=once_per_line,
    )
}
PARTS: Final = ("order_key", "customer_id", "quantity", "revenue_amount")
"""The columns of sales that measures are counted from."""
LINE_COLUMNS: Final = {
    **dict(zip(PARTS, ("order_key", "customer_id", "quantity", "payment_amount"), strict=True)),
    **{name: name for name in (*CHARGES, *PRICE_PARTS)},
}
"""Their names in order lines."""
EVENT_COLUMNS: Final = dict(zip(PARTS, ("", "visitor_id", "", "cart_amount"), strict=True))
"""The names of `LINE_COLUMNS` in events, of which each is an order of one item."""


def with_status(rows: RowsOf, status: str) -> RowsOf:
    """Return the rows of a status only, with their sign: refunds are subtracted."""
    return lambda context: signed(rows)(context).filter(lambda lines: lines.status == status)


def signed(rows: RowsOf) -> RowsOf:
    """Return the same rows with their sign: refunds are subtracted."""
    return lambda context: rows(context).mutate(
        sign=lambda lines: (lines.status == "refunded").ifelse(-1, 1)
    )


def sales_derivations(
    to: Contract,
    rows: RowsOf,
    columns: Mapping[str, str] = LINE_COLUMNS,
    declared: type = SalesMeasures,
) -> dict[str, Derivation]:
    """Return how each measure of sales comes from rows with a `status`; see `LINE_COLUMNS`."""
    counts = {name: measure.counted_as for name, measure in measures_of(declared).items()}
    return ratios_of(declared) | {
        name: _derivation(to, rows, columns, of)
        for name, of in counts.items()
        if isinstance(of, Aggregate)
    }


def _derivation(
    to: Contract, rows: RowsOf, columns: Mapping[str, str], of: Aggregate
) -> Derivation:
    status, column = of.where.get("status"), traced_column(of, columns)
    counted = with_status(rows, str(status)) if status else signed(rows)
    if of.is_sum and column:
        return Sum(
            to,
            (lambda context: counted(context).drop("sign")) if of.sign == -1 else counted,
            column,
        )
    if column == "order_key":
        return Count(to, counted_as_orders(counted))
    return Count(to, counted, unit=column)


def counted_as_orders(rows: RowsOf) -> RowsOf:
    """Return order lines that count as the order that they are part of."""
    return lambda context: rows(context).mutate(counted_as=order_key)


def _of_code(context: TraceContext) -> ir.Table:
    """Return the discounted sales of a row's day and code."""
    lines = discounted(context.where(Sales, order_date=context.row["order_date"]))
    code = context.row["discount_code"]
    if code == ALL:
        return lines
    of_code = by_code(lines)
    return lines.semi_join(of_code.filter(of_code.discount_code == code), "uniq_id")


def _this_line(context: TraceContext) -> ir.Table:
    row = context.row
    line = row["refund_line_id"] or row["uniq_id"]
    return context.where(UserOrderLog, order_date=row["order_date"], uniq_id=line)


def _of_line(column: str, rows: RowsOf) -> ByRow:
    """Return how a number of a sale is that of its order line, or its part of that of a refund."""
    of_line = Sum(UserOrderLog, rows, column)
    part = Computed(
        f"the part of {column} of the refund in refund_line_id that the item has of what is left "
        "of the order",
        inputs=Count(UserOrderLog, like_row(UserOrderLog, "order_id")),
        adds_up=True,
    )
    return ByRow(lambda context: part if context.row["refund_line_id"] else of_line)


def _purchases(context: TraceContext) -> ir.Table:
    """Return the purchase and refund events of a row's day and other key columns."""
    bought = purchases_and_refunds(
        context.on_day(CleanEvents, "event_date"), context.rules["places"]()
    )
    for name in PurchaseRevenueDaily.key[1:]:
        if context.row[name] != ALL:
            bought = bought.filter(bought[name] == context.row[name])
    return bought.mutate(status=(bought.event_type == "refund").ifelse("refunded", "shipped"))


def _week(context: TraceContext, **conditions: Any) -> ir.Table:  # noqa: ANN401 (as below)
    """Return the sales of a row's week, category and city with a `status`.

    With `is_new`, they are those of new customers, or of the others.
    """
    row = context.row
    monday = row["week_start_date"]
    sold = by_category_or_item(context.within(Sales, monday, monday + timedelta(days=6)))
    for name in ("item_category", "city_id"):
        sold = sold if row[name] == ALL else sold.filter(sold[name] == row[name])
    if "is_new" in conditions:
        customers = context.table(Customer)
        first = customers.filter(
            (start_of_week(customers.first_order_date) == ibis.literal(monday)).fill_null(NO)
        )
        sold = (
            sold.semi_join(first, "customer_id")
            if conditions["is_new"]
            else sold.anti_join(first, "customer_id")
        )
    if "is_known" in conditions:
        is_known = sold.customer_id != UNKNOWN_CUSTOMER
        sold = sold.filter(is_known if conditions["is_known"] else ~is_known)
    if "status" in conditions:
        sold = sold.filter(sold.status == conditions["status"])
    return sold.mutate(sign=(sold.status == "refunded").ifelse(-1, 1))


def _in_week(**conditions: Any) -> RowsOf:  # noqa: ANN401 (as above)
    return lambda context: _week(context, **conditions)


def _with_orders(*, several: bool) -> RowsOf:
    """Return the shipped lines of customers with one order in the week, or with several."""

    def rows(context: TraceContext) -> ir.Table:
        sold = _week(context, status="shipped", is_known=True)
        each = sold.group_by("customer_id").agg(orders=order_key(sold).nunique())
        return sold.semi_join(
            each.filter(each.orders > 1 if several else each.orders == 1), "customer_id"
        )

    return rows


def _customers(rows: RowsOf) -> Count:
    return Count(Sales, rows, unit="customer_id")


NEW = _in_week(status="shipped", is_known=True, is_new=True)
RETURNING = _in_week(status="shipped", is_known=True, is_new=False)
OF_UNKNOWN = _in_week(status="shipped", is_known=False)
WEEKS: Final[Mapping[str, Derivation]] = {
    "iso_year_number": Computed("the year of the ISO week", ("week_start_date",)),
    "iso_week_number": Computed("the number of the ISO week in its year", ("week_start_date",)),
    "customers_count": _customers(_in_week(status="shipped", is_known=True)),
    "new_customers_count": _customers(NEW),
    "returning_customers_count": _customers(RETURNING),
    "refunded_customers_count": _customers(_in_week(status="refunded", is_known=True)),
    "one_order_customers_count": _customers(_with_orders(several=False)),
    "several_orders_customers_count": _customers(_with_orders(several=True)),
    "new_orders_count": Count(Sales, counted_as_orders(NEW)),
    "returning_orders_count": Count(Sales, counted_as_orders(RETURNING)),
    "refunded_orders_count": Count(Sales, counted_as_orders(_in_week(status="refunded"))),
    "new_revenue_amount": Sum(Sales, NEW, "payment_amount"),
    "returning_revenue_amount": Sum(Sales, RETURNING, "payment_amount"),
    "refunded_amount": Sum(Sales, _in_week(status="refunded"), "payment_amount"),
    "unknown_customer_orders_count": Count(Sales, counted_as_orders(OF_UNKNOWN)),
    "unknown_customer_revenue_amount": Sum(Sales, OF_UNKNOWN, "payment_amount"),
}
OF_CUSTOMER: Final = sales_derivations(
    UserOrderLog,
    like_row(UserOrderLog, "customer_id"),
)
OF_NO_PIECE: Final = "0, as the amount is of no piece"
NO_PIECE: Final = Computed(OF_NO_PIECE, ("refund_line_id", "item_id"), adds_up=True)


def _quantity_of_line(context: TraceContext) -> Derivation:
    is_no_piece = context.row["refund_line_id"] or context.row["item_id"] == REFUND_ITEM
    return NO_PIECE if is_no_piece else Sum(UserOrderLog, signed(_this_line), "quantity")


OF_PRICE: Final = Computed(
    "what was paid for the order line, its price before discounts and its discount",
    ("uniq_id", "order_date"),
)
TRACES: Final = (
    TableTrace(
        Customer,
        "sales",
        {
            name: OF_CUSTOMER[name]
            for name in ("order_count", "shipped_amount", "refunded_amount", "revenue_amount")
        },
    ),
    TableTrace(
        Item,
        "sales",
        {
            "price_amount": Computed(
                "the newest price in staging.price_log of the item's name",
                ("item_name", "price_date"),
            )
        },
    ),
    TableTrace(
        ItemPrices,
        "prices-of-items",
        {
            "price_amount": Computed(
                "the price in staging.price_log of the item's name", ("item_id", "valid_from_date")
            )
        },
    ),
    TableTrace(
        Calendar,
        "sales",
        {
            name: Computed("read from the calendar", ("calendar_date",))
            for name in Calendar.numbers()
        },
    ),
    TableTrace(
        Sales,
        "sales",
        {
            "quantity": ByRow(_quantity_of_line),
            "revenue_amount": _of_line("payment_amount", signed(_this_line)),
            **{name: _of_line(name, signed(_this_line)) for name in CHARGES},
            **dict.fromkeys(PRICE_PARTS, OF_PRICE),
            "unit_cost_amount": Sum(UserOrderLog, _this_line, "unit_cost_amount"),
            **{name: _of_line(name, _this_line) for name in ORDER_COSTS},
        },
    ),
    *(
        TableTrace(
            contract,
            "sales",
            sales_derivations(Sales, like_row(Sales, *contract.key), declared=contract),
        )
        for contract in (ProductSalesDaily, RevenueDaily)
    ),
    TableTrace(
        DiscountPerformance,
        "discounts",
        ratios_of(DiscountMeasures)
        | {
            name: derivation
            for name, derivation in sales_derivations(
                Sales, _of_code, declared=DiscountPerformance
            ).items()
            if name in DiscountPerformance.columns
        },
    ),
    TableTrace(
        PurchaseRevenueDaily,
        "sales-of-purchase-events",
        sales_derivations(CleanEvents, _purchases, EVENT_COLUMNS),
    ),
    TableTrace(CustomerRetention, "customers-by-week", WEEKS),
)
