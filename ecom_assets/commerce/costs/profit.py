"""What sales leave after the cost of what was sold: by order line, day and dimension.

METRICS "Profit"; docs/metrics/costs.md.
"""

from functools import reduce
from operator import or_, sub
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import CategoryProfitability, ProfitDaily, ProfitLines
from ecom_assets.commerce.costs.contribution import (
    CostRules,
    goodwill,
    with_order_amounts,
    with_whole_order,
)
from ecom_assets.commerce.costs.measures import PROFIT, ProfitMeasures, ProfitSalesMeasures
from ecom_assets.commerce.orders.new_customers import RETURNING, UNPAID, customer_type
from ecom_assets.commerce.orders.orders import ALL, order_key
from ecom_assets.commerce.sales.customer_retention import by_category_or_item
from ecom_assets.core.tables.contract import QUANTITY, Aggregate, Contract
from ecom_assets.core.tables.days import Days, OtherDays, start_of_week
from ecom_assets.core.tables.measures import aggregates, measures_of, with_ratios
from ecom_assets.core.tables.portable import NO, union_all

SomeDays = Days | OtherDays
NO_RULES: Final = CostRules()
DIMENSIONS: Final = ("channel", "city_id", "item_category", "sales_channel", "customer_type")


def profit_lines(  # noqa: PLR0913 (each is a table or a rule that lines depend on)
    sold: ir.Table,
    item_costs: ir.Table,
    customers: ir.Table,
    cities: ir.Table,
    *,
    days: SomeDays | None = None,
    cost_rules: CostRules = NO_RULES,
) -> ir.Table:
    """Return what each order line of `days` cost and left; all lines without days.

    Args:
        sold: All rows of `Sales`.
        item_costs: All rows of `ItemCosts`.
        customers: All rows of `Customer`.
        cities: All rows of `City`.
        days: Order days.
        cost_rules: What orders cost where they do not state it.
    """
    lines = _with_cost(with_order(_of_orders(with_whole_order(sold), days)), item_costs)
    is_refund = lines.status == "refunded"
    # What came back takes its cost back, unless it cannot be sold again; the quantity of money that
    # went back for no item is 0.
    is_lost = is_refund & (~lines.is_restocked).fill_null(NO)
    quantity = is_lost.ifelse(ibis.literal(0, QUANTITY), lines.quantity)
    lines = lines.mutate(
        # A product of two decimals of 18 digits has 18 on DuckDB, which currencies of small worth
        # exceed.
        cost_amount=(lines.unit_cost_amount.cast("decimal(19, 6)") * quantity).cast(PROFIT),
        paid_amount=lines.revenue_amount.abs().cast(PROFIT),
        is_restock_assumed=is_refund & lines.is_restocked.isnull() & (quantity != 0).fill_null(NO),
    )
    lines = with_order_amounts(lines, sold, cities, cost_rules)
    lines = lines if days is None else lines.filter(days.contain(lines.order_date))
    lines = with_customer_type(lines, customers)
    return _with_profit(lines).select(*ProfitLines.columns)


def _of_orders(sold: ir.Table, days: SomeDays | None) -> ir.Table:
    """Return the lines of some days, and all lines of those of their orders of which anything is
    ever paid back.
    """
    if days is None:
        return sold
    refunds = sold.filter(sold.status == "refunded")
    refunded = refunds.select(refunded_order="whole_order").distinct()
    in_days = sold.filter(days.contain(sold.order_date))
    refunded = refunded.semi_join(in_days, refunded.refunded_order == in_days.whole_order)
    joined = sold.left_join(refunded, sold.whole_order == refunded.refunded_order)
    is_needed = days.contain(joined.order_date) | joined.refunded_order.notnull()
    return joined.filter(is_needed).drop("refunded_order")


def _with_profit(lines: ir.Table) -> ir.Table:
    """Add the amounts from gross sales to the contribution before advertising."""
    steps = sales_steps(lines)
    revenue = steps["net_sales_amount"]
    cost, nothing, zero = lines.cost_amount, ibis.null(PROFIT), ibis.literal(0, PROFIT)
    # What refunds do not state, and what no order of the shop states, is no part of it.
    costs = [
        lines[name].fill_null(0)
        for name in ("shipping_cost_amount", "payment_fee_amount", "estimated_commission_amount")
    ]
    profit = revenue - cost.fill_null(0)
    contribution = reduce(
        sub, [*costs, lines.goodwill_amount], profit + lines.shipping_amount.fill_null(0)
    )
    is_whole = lines.is_contribution_known
    return lines.mutate(
        **steps,
        revenue_amount=revenue,
        estimated_cost_amount=lines.is_cost_estimated.fill_null(NO).ifelse(cost, nothing),
        costed_revenue_amount=cost.notnull().ifelse(revenue, zero),
        gross_profit_amount=(revenue - cost).cast(PROFIT),
        estimated_shipping_cost_amount=lines.shipping_cost_rule.notnull().ifelse(
            lines.shipping_cost_amount, nothing
        ),
        estimated_payment_fee_amount=lines.payment_fee_rule.notnull().ifelse(
            lines.payment_fee_amount, nothing
        ),
        contribution_revenue_amount=is_whole.ifelse(revenue, zero),
        contribution_before_ads_amount=is_whole.ifelse(contribution.cast(PROFIT), nothing),
    )


OF_SALES: Final = (
    "gross_sales_amount",
    "discount_amount",
    "returns_amount",
    "goodwill_amount",
)
"""The measures of profit that need no costs, beside what was sold."""


def sales_steps(lines: ir.Table) -> dict[str, ir.DecimalValue]:
    """Return what was charged, taken off, paid back and left of order lines: the steps to net
    sales. What was taken off is null where it is not known, and for refunds.

    Args:
        lines: Rows of `Sales` with `goodwill_amount`, which is no part of returns.
    """
    is_refund, paid = lines.status == "refunded", lines.revenue_amount.abs().cast(PROFIT)
    gross = lines.gross_amount.fill_null(lines.revenue_amount).cast(PROFIT)
    returns = (paid - lines.goodwill_amount).cast(PROFIT)
    nothing, zero = ibis.null(PROFIT), ibis.literal(0, PROFIT)
    return {
        "gross_sales_amount": is_refund.ifelse(zero, gross),
        "discount_amount": is_refund.ifelse(nothing, lines.discount_amount.cast(PROFIT)),
        "returns_amount": is_refund.ifelse(returns, zero),
        "net_sales_amount": is_refund.ifelse(-returns, paid),
    }


def with_order(lines: ir.Table) -> ir.Table:
    """Add the day on which the order of a line was placed, whether that order is known, and what
    its line says of the cost, to all lines of some orders.

    Of a refund, the day is the last one up to its own on which the item of the order was shipped,
    else any item of it, else its own.
    """
    refunds = lines.filter(lines.status == "refunded").select(
        "uniq_id", "order_id", refunded_item="item_id", refunded_date="order_date"
    )
    shipped = lines.filter(lines.status == "shipped").select(
        "order_id",
        shipped_item="item_id",
        shipped_date="order_date",
        shipped_cost="unit_cost_amount",
    )
    pairs = refunds.join(shipped, "order_id")
    pairs = pairs.filter(pairs.shipped_date <= pairs.refunded_date)
    is_item = pairs.shipped_item == pairs.refunded_item
    placed = pairs.group_by("uniq_id").agg(
        item_date=pairs.shipped_date.max(where=is_item),
        any_date=pairs.shipped_date.max(),
        line_cost=pairs.shipped_cost.max(where=is_item),
    )
    placed = placed.select(
        "line_cost",
        refund_id="uniq_id",
        found_date=placed.item_date.fill_null(placed.any_date),
    )
    joined = lines.left_join(placed, lines.uniq_id == placed.refund_id)
    return joined.mutate(
        placed_date=joined.found_date.fill_null(joined.order_date),
        is_order_known=(joined.status == "shipped") | joined.found_date.notnull(),
        line_cost=joined.unit_cost_amount.fill_null(joined.line_cost),
    ).drop("refund_id", "found_date", "unit_cost_amount")


def _with_cost(lines: ir.Table, item_costs: ir.Table) -> ir.Table:
    """Add the cost of one piece when the order was placed, and where it is from: what the line
    says, else the cost of the item on that day.
    """
    ranges = item_costs.select(
        costed_item="item_id",
        from_date="valid_from_date",
        to_date="valid_to_date",
        dated_cost="unit_cost_amount",
        dated_source="cost_source",
        is_estimated="is_estimated",
    )
    holds = [
        lines.item_id == ranges.costed_item,
        lines.placed_date >= ranges.from_date,
        ranges.to_date.isnull() | (lines.placed_date < ranges.to_date),
    ]
    joined = lines.left_join(ranges, holds)
    is_of_line = joined.line_cost.notnull()
    return joined.mutate(
        unit_cost_amount=joined.line_cost.fill_null(joined.dated_cost),
        cost_source=is_of_line.ifelse("line", joined.dated_source),
        cost_from_date=is_of_line.ifelse(ibis.null("date"), joined.from_date),
        is_cost_estimated=is_of_line.ifelse(NO, joined.is_estimated),
    ).drop(
        "line_cost",
        "costed_item",
        "from_date",
        "to_date",
        "dated_cost",
        "dated_source",
        "is_estimated",
    )


def with_customer_type(lines: ir.Table, customers: ir.Table) -> ir.Table:
    """Add whether the customer of a line is new on the day of its order. What is paid back of an
    order that is not known was paid for: its customer is a returning one.

    Args:
        lines: Rows of `with_order`.
        customers: All rows of `Customer`.
    """
    first = customers.select("first_paid_date", "is_first_paid_renewal", buyer_id="customer_id")
    joined = lines.left_join(first, lines.customer_id == first.buyer_id)
    of_day = customer_type(joined, joined.placed_date, joined.placed_date)
    is_older = (of_day == UNPAID) & ~joined.is_order_known
    typed = joined.mutate(customer_type=is_older.ifelse(RETURNING, of_day))
    return typed.drop("buyer_id", "first_paid_date", "is_first_paid_renewal", "is_order_known")


def profit_daily(lines: ir.Table, days: SomeDays | None = None) -> ir.Table:
    """Return the totals of each of `days` and the sums by each dimension, from `ProfitLines`.

    A dimension that is summed is `(all)`.
    """
    lines = lines if days is None else lines.filter(days.contain(lines.order_date))
    lines = lines.mutate(order_key=lines.order_id)
    parts = []
    for kept in ((), *((name,) for name in DIMENSIONS)):
        unit = ["order_date", *kept]
        sums = lines.group_by(*unit).agg(**aggregates(lines, ProfitMeasures))
        parts.append(
            with_ratios(sums, ProfitMeasures).mutate(
                **{name: ibis.literal(ALL) for name in DIMENSIONS if name not in kept}
            )
        )
    return union_all(*(part.select(*ProfitDaily.columns) for part in parts))


OF_LINES: Final = tuple(
    dict.fromkeys(
        measure.counted_as.column
        for name, measure in measures_of(ProfitMeasures).items()
        if isinstance(measure.counted_as, Aggregate)
        and name not in {*measures_of(ProfitSalesMeasures), *OF_SALES}
    )
)
"""The columns of order lines that only costs give a value."""
OF_KNOWN: Final = ("costed_revenue_amount", "contribution_revenue_amount")
"""Those that are 0 where nothing is known."""


def category_profitability(
    sold: ir.Table, lines: ir.Table, days: SomeDays | None = None
) -> ir.Table:
    """Return what each category sold and earned in the weeks whose Monday is among `days`; in all
    weeks without days. What it earned is null where no cost is known.

    Args:
        sold: All rows of `Sales`.
        lines: All rows of `ProfitLines`, of which there are none without costs.
        days: Mondays.
    """
    refunds = goodwill(sold).rename(refund_line="uniq_id")
    sold = sold.mutate(week_start_date=start_of_week(sold.order_date))
    sold = sold if days is None else sold.filter(days.contain(sold.week_start_date))
    sold = by_category_or_item(sold).mutate(order_key=order_key(sold))
    sold = sold.left_join(refunds, sold.uniq_id == refunds.refund_line)
    sold = sold.mutate(goodwill_amount=sold.goodwill_amount.fill_null(ibis.literal(0, PROFIT)))
    sold = sold.mutate(**sales_steps(sold)).drop(*(set(OF_LINES) & set(sold.columns)))
    profit = lines.select(*OF_LINES, profit_line="uniq_id")
    lines = sold.left_join(profit, sold.uniq_id == profit.profit_line)
    lines = lines.mutate(
        revenue_amount=lines.net_sales_amount,
        **{name: lines[name].fill_null(ibis.literal(0, PROFIT)) for name in OF_KNOWN},
    )
    unit = ["week_start_date", "item_category"]
    sums = lines.group_by(*unit).agg(**aggregates(lines, ProfitMeasures))
    rows = with_ratios(sums, ProfitMeasures)
    # Engines place nulls differently.
    is_unknown = rows.gross_profit_amount.isnull()
    by_profit = ibis.window(
        group_by="week_start_date",
        order_by=[is_unknown, rows.gross_profit_amount.fill_null(0).desc()],
    )
    by_orders = ibis.window(group_by="week_start_date", order_by=rows.order_count.desc())
    profit_rank = (ibis.rank().over(by_profit) + 1).cast("int64")
    return rows.mutate(
        profit_rank=is_unknown.ifelse(ibis.null("int64"), profit_rank),
        popularity_rank=(ibis.rank().over(by_orders) + 1).cast("int64"),
    ).select(*CategoryProfitability.columns)


def days_that_differ(
    stored: ir.Table, computed: ir.Table, contract: Contract, days: OtherDays
) -> ir.Table:
    """Return, in `day`, on which days stored rows are not as they would be computed now.

    Rows are compared by their key: the difference of two sets takes three times as long. Numbers
    with rounding errors are not compared.

    Args:
        stored: All rows of a table.
        computed: The rows that its function returns now.
        contract: The table.
        days: The days that are looked at.
    """
    kinds = {
        name: column.type for name, column in contract.columns.items() if column.type != "float64"
    }
    day = str(contract.day_column)
    before = stored.filter(days.contain(stored[day])).select(*kinds)
    typed = computed.cast(kinds)
    now = typed.select(**{f"now_{name}": typed[name] for name in kinds})
    now = now.filter(days.contain(now[f"now_{day}"]))
    pairs = before.outer_join(
        now, [before[name] == now[f"now_{name}"] for name in {*contract.key, day}]
    )
    differs = reduce(or_, [~pairs[name].identical_to(pairs[f"now_{name}"]) for name in kinds])
    changed = pairs.filter(differs)
    return changed.select(day=changed[day].fill_null(changed[f"now_{day}"])).distinct()
