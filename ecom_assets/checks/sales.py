"""What must hold in the star schema whatever the data: sums that agree. Not here: order lines (`orders.py`)."""

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import Claim, Verdict, of_days, verdict_of
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.contracts.orders import UserOrderLog
from ecom_assets.contracts.sales import City, Customer, Item, ProductSalesDaily, RevenueDaily, Sales
from ecom_assets.transforms.calendar import week_start
from ecom_assets.transforms.days import ONE_DAY, Days
from ecom_assets.transforms.orders import ALL
from ecom_assets.transforms.sales import DIMENSIONS, MONEY
from ecom_assets.transforms.stacking import stacked


def sales_claims() -> list[Claim]:
    """Return every invariant of the star schema."""
    return [
        Claim(
            contract=Sales,
            name="sales_are_the_order_lines",
            description="Per day, there are as many sales as clean order lines, and they come to as much.",
            judge=_sales_are_lines,
            tables=(UserOrderLog, Sales),
            blocking=True,
        ),
        Claim(
            contract=Sales,
            name="dimensions_are_there",
            description="Every sale's city, item and customer is in its dimension.",
            judge=_dimensions_are_there,
            tables=(Sales, City, Item, Customer),
        ),
        Claim(
            contract=ProductSalesDaily,
            name="items_add_up_to_sales",
            description="Per day, the items' revenue adds up to that of the sales.",
            judge=_items_add_up,
            tables=(Sales, ProductSalesDaily),
        ),
        Claim(
            contract=RevenueDaily,
            name="dimensions_add_up_to_total",
            description="Per day, channels, cities and categories each add up to the total, and that to the sales.",
            judge=_revenue_adds_up,
            tables=(Sales, RevenueDaily),
        ),
        Claim(
            contract=CustomerRetention,
            name="new_and_returning_are_all",
            description="New and returning customers are those who ordered; revenues add up to what was shipped.",
            judge=_retention_adds_up,
            tables=(Sales, CustomerRetention),
        ),
    ]


def _sales_are_lines(days: Days | None, lines: ir.Table, sold: ir.Table) -> Verdict:
    signed = (lines.status == "refunded").ifelse(-lines.payment_amount, lines.payment_amount)
    return _same_sums(
        days,
        lines.select(day=lines.order_date, part=lines.status, rows=1, money=signed),
        sold.select(day=sold.order_date, part=sold.status, rows=1, money=sold.revenue_amount),
    )


def _dimensions_are_there(
    days: Days | None, sold: ir.Table, city: ir.Table, item: ir.Table, customer: ir.Table
) -> Verdict:
    sold = of_days(sold, "order_date", days)
    homeless = stacked(
        *(
            sold.anti_join(dimension, key).select("uniq_id", missing=ibis.literal(key))
            for dimension, key in ((city, "city_id"), (item, "item_id"), (customer, "customer_id"))
        )
    )
    return verdict_of(homeless, sold)


def _items_add_up(days: Days | None, sold: ir.Table, items: ir.Table) -> Verdict:
    return _same_sums(days, _signed(sold), _both_amounts(items))


def _revenue_adds_up(days: Days | None, sold: ir.Table, revenue: ir.Table) -> Verdict:
    is_total = ibis.and_(*(revenue[name] == ALL for name in DIMENSIONS))
    parts = [(_signed(sold), _both_amounts(revenue.filter(is_total)))]
    parts += [(_signed(sold), _both_amounts(revenue.filter(revenue[name] != ALL))) for name in DIMENSIONS]
    verdicts = [_same_sums(days, *part) for part in parts]
    examples = [example for verdict in verdicts for example in verdict.examples]
    counts = [(verdict.broken_count, verdict.looked_at_count) for verdict in verdicts]
    return Verdict(sum(broken for broken, _ in counts), sum(seen for _, seen in counts), examples)


def _retention_adds_up(days: Days | None, sold: ir.Table, retention: ir.Table) -> Verdict:
    mondays = None if days is None else Days.of(day - day.weekday() * ONE_DAY for day in days.dates)
    sold = of_days(sold, "order_date", mondays and mondays.widened(after=6))
    sold = sold.mutate(order_date=week_start(sold.order_date))
    retention = of_days(retention, "week_start_date", mondays)
    cells = retention.filter(retention.item_category != ALL, retention.city_id != ALL)
    told = cells.select(
        order_date=cells.week_start_date,
        shipped_amount=(cells.new_revenue_amount + cells.returning_revenue_amount).cast(MONEY),
        refunded_amount=cells.refunded_amount,
    )
    sums = _same_sums(None, _signed(sold), _both_amounts(told))
    split = retention.new_customers_count + retention.returning_customers_count
    older = retention.one_order_customers_count + retention.several_orders_customers_count
    wrong = retention.filter((split != retention.customers_count) | (older != retention.customers_count))
    people = verdict_of(wrong, retention)
    return Verdict(
        sums.broken_count + people.broken_count,
        sums.looked_at_count + people.looked_at_count,
        [*sums.examples, *people.examples],
    )


def _signed(sold: ir.Table) -> ir.Table:
    return sold.select(day=sold.order_date, part=sold.status, rows=0, money=sold.revenue_amount)


def _both_amounts(sums: ir.Table) -> ir.Table:
    return stacked(
        sums.select(day=sums.order_date, part=ibis.literal("shipped"), rows=0, money=sums.shipped_amount),
        sums.select(day=sums.order_date, part=ibis.literal("refunded"), rows=0, money=sums.refunded_amount),
    )


def _same_sums(days: Days | None, one: ir.Table, other: ir.Table) -> Verdict:
    """Compare rows and money of two tables, per day and part; where one has no row, it has nothing."""
    both = stacked(one.mutate(side=ibis.literal(1)), other.mutate(side=ibis.literal(-1)))
    both = of_days(both, "day", days)
    sums = both.group_by("day", "part").agg(
        row_residue=(both.rows * both.side).sum().cast("int64"),
        money_residue=(both.side == 1).ifelse(both.money, -both.money).sum().cast(MONEY),
    )
    return verdict_of(sums.filter((sums.row_residue != 0) | (sums.money_residue != 0)), sums)
