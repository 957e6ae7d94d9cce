"""Checks of sales: they have every order line, and items and dimensions add up."""

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import ALL, WITHOUT_ITEM
from ecom_assets.commerce.sales.contracts import (
    City,
    Customer,
    CustomerRetention,
    Item,
    ItemPrices,
    ProductSalesDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.commerce.sales.sales import DIMENSIONS
from ecom_assets.core.tables.check import BrokenRows, CheckResult, check, counted, rows_on_days
from ecom_assets.core.tables.contract import AMOUNT, MONEY
from ecom_assets.core.tables.days import ONE_DAY, Days, start_of_week
from ecom_assets.core.tables.portable import union_all


@check(Sales, reads=(UserOrderLog, Sales), blocking=True)
def sales_are_the_order_lines(days: Days | None, lines: ir.Table, sold: ir.Table) -> BrokenRows:
    """Per day, there are as many sales as clean order lines, with the same revenue."""
    signed = (lines.status == "refunded").ifelse(-lines.payment_amount, lines.payment_amount)
    is_part = sold.refund_line_id.notnull()
    refunds = sold.filter(is_part).select("order_date", "status", "refund_line_id").distinct()
    return _same_sums(
        days,
        lines.select(day=lines.order_date, part=lines.status, rows=1, money=signed),
        union_all(
            sold.select(
                day=sold.order_date,
                part=sold.status,
                rows=is_part.ifelse(0, 1),
                money=sold.revenue_amount,
            ),
            # The parts of a refund are one line.
            refunds.select(
                day=refunds.order_date,
                part=refunds.status,
                rows=ibis.literal(1),
                money=ibis.literal(0, AMOUNT),
            ),
        ),
    )


@check(Sales, reads=(Sales,), warns=True)
def refunds_have_items(days: Days | None, sold: ir.Table) -> BrokenRows:
    """Refunds of money for no item are spread over the items of their order; those whose order has
    none, is not there, or has nothing left, count for no product.
    """
    of_run = rows_on_days(sold, "order_date", days)
    refunds = of_run.filter(of_run.status == "refunded", of_run.revenue_amount < 0)
    whole = refunds.filter(refunds.refund_line_id.isnull(), refunds.item_id.isin(WITHOUT_ITEM))
    parts = refunds.filter(refunds.refund_line_id.notnull())
    # Where no sale names an item, refunds need not.
    named = sold.filter(sold.status == "shipped", sold.item_id.notin(WITHOUT_ITEM)).limit(1)
    unspread = whole.cross_join(named.select(named_line="uniq_id")).select(
        "order_date", "uniq_id", "item_id", "revenue_amount"
    )
    return BrokenRows(
        unspread.order_by("order_date", "uniq_id"),
        union_all(whole.select(refund="uniq_id"), parts.select(refund="refund_line_id").distinct()),
    )


@check(Sales, reads=(Sales, City, Item, Customer))
def dimensions_are_there(
    days: Days | None, sold: ir.Table, city: ir.Table, item: ir.Table, customer: ir.Table
) -> BrokenRows:
    """Every sale's city, item and customer is in its dimension."""
    sold = rows_on_days(sold, "order_date", days)
    homeless = union_all(
        *(
            sold.anti_join(dimension, key).select("uniq_id", missing=ibis.literal(key))
            for dimension, key in ((city, "city_id"), (item, "item_id"), (customer, "customer_id"))
        )
    )
    return BrokenRows(homeless, sold)


@check(ItemPrices, reads=(ItemPrices,))
def prices_follow_each_other(_days: Days | None, prices: ir.Table) -> BrokenRows:
    """Each price of an item ends when the next one begins, and only the newest has no end."""
    in_order = ibis.window(group_by="item_id", order_by="valid_from_date")
    ordered = prices.mutate(next_from=prices.valid_from_date.lead().over(in_order))
    return BrokenRows(
        ordered.filter(~ordered.valid_to_date.identical_to(ordered.next_from)), ordered
    )


@check(ProductSalesDaily, reads=(Sales, ProductSalesDaily))
def items_add_up_to_sales(days: Days | None, sold: ir.Table, items: ir.Table) -> BrokenRows:
    """Per day, the items' revenue adds up to that of the sales."""
    return _same_sums(days, _signed(sold), _both_amounts(items))


@check(RevenueDaily, reads=(Sales, RevenueDaily))
def dimensions_add_up_to_total(days: Days | None, sold: ir.Table, revenue: ir.Table) -> CheckResult:
    """Per day, channels, cities and categories each add up to the total, and that to the sales."""
    is_total = ibis.and_(*(revenue[name] == ALL for name in DIMENSIONS))
    parts = [(_signed(sold), _both_amounts(revenue.filter(is_total)))]
    parts += [
        (_signed(sold), _both_amounts(revenue.filter(revenue[name] != ALL))) for name in DIMENSIONS
    ]
    return _combined(*(_same_sums(days, *part) for part in parts))


@check(CustomerRetention, reads=(Sales, CustomerRetention))
def new_and_returning_are_all(
    days: Days | None, sold: ir.Table, retention: ir.Table
) -> CheckResult:
    """All who ordered did so first or had before; revenues add up to what was shipped."""
    mondays = (
        None
        if days is None
        else Days.from_dates(day - day.weekday() * ONE_DAY for day in days.dates)
    )
    sold = rows_on_days(sold, "order_date", mondays and mondays.widened(after=6))
    sold = sold.mutate(order_date=start_of_week(sold.order_date))
    retention = rows_on_days(retention, "week_start_date", mondays)
    cells = retention.filter(retention.item_category != ALL, retention.city_id != ALL)
    weekly_amounts = cells.select(
        order_date=cells.week_start_date,
        shipped_amount=(
            cells.new_revenue_amount
            + cells.returning_revenue_amount
            + cells.unknown_customer_revenue_amount.fill_null(ibis.literal(0, MONEY))
        ).cast(MONEY),
        refunded_amount=cells.refunded_amount,
    )
    sums = _same_sums(None, _signed(sold), _both_amounts(weekly_amounts))
    split = retention.new_customers_count + retention.returning_customers_count
    older = retention.one_order_customers_count + retention.several_orders_customers_count
    wrong = retention.filter(
        (split != retention.customers_count) | (older != retention.customers_count)
    )
    return _combined(sums, BrokenRows(wrong, retention))


def _combined(*checks: BrokenRows) -> CheckResult:
    """Return the results of several checks as one."""
    results = counted(checks)
    examples = [example for result in results for example in result.examples]
    return CheckResult(
        sum(result.broken_count for result in results),
        sum(result.looked_at_count for result in results),
        examples,
    )


def _signed(sold: ir.Table) -> ir.Table:
    return sold.select(day=sold.order_date, part=sold.status, rows=0, money=sold.revenue_amount)


def _both_amounts(sums: ir.Table) -> ir.Table:
    return union_all(
        sums.select(
            day=sums.order_date, part=ibis.literal("shipped"), rows=0, money=sums.shipped_amount
        ),
        sums.select(
            day=sums.order_date, part=ibis.literal("refunded"), rows=0, money=sums.refunded_amount
        ),
    )


def _same_sums(days: Days | None, left: ir.Table, other: ir.Table) -> BrokenRows:
    """Compare the rows and money of two tables, per day and part; a missing row counts as zero."""
    sides = union_all(left.mutate(side=ibis.literal(1)), other.mutate(side=ibis.literal(-1)))
    sides = rows_on_days(sides, "day", days)
    sums = sides.group_by("day", "part").agg(
        row_residue=(sides.rows * sides.side).sum().cast("int64"),
        money_residue=(sides.side == 1).ifelse(sides.money, -sides.money).sum().cast(MONEY),
    )
    return BrokenRows(sums.filter((sums.row_residue != 0) | (sums.money_residue != 0)), sums)


SALES_CHECKS = [
    sales_are_the_order_lines,
    refunds_have_items,
    dimensions_are_there,
    prices_follow_each_other,
    items_add_up_to_sales,
    dimensions_add_up_to_total,
    new_and_returning_are_all,
]
"""All checks of the star schema, in addition to the contracts."""
