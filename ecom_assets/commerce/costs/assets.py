"""Assets of costs: rows as received, their versions, the days on which costs hold, and profit.

A cost that arrives late changes sales of any day. Each table of profit so computes the days of the
run, and those whose rows are not as they would be computed now.
"""

from typing import Protocol

import ibis.expr.types as ir

from ecom_assets.commerce.costs import costs as versions
from ecom_assets.commerce.costs import other_costs, profit
from ecom_assets.commerce.costs.contracts import (
    CategoryProfitability,
    CostVersions,
    ItemCosts,
    OtherCostsDaily,
    ProfitDaily,
    ProfitLines,
    QuarantinedCosts,
    RawCosts,
)
from ecom_assets.commerce.costs.contribution import CostRules
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.assets import EVERY_SALE
from ecom_assets.commerce.sales.contracts import Calendar, City, Customer, Sales
from ecom_assets.core.tables.asset import (
    Reads,
    asset_key,
    has_rows,
    invalidation,
    presence,
    table_asset,
)
from ecom_assets.core.tables.cost_rules import OtherCostRule
from ecom_assets.core.tables.days import Days, OtherDays
from ecom_assets.core.tables.received import SliceOutput

EVERY_COST = Reads(RawCosts, whole=True)
EVERY_PROFIT_LINE = Reads(ProfitLines, whole=True)


class CostSource(Protocol):
    """A source of costs."""

    def received(self, days: Days) -> SliceOutput:
        """Return the costs, on the days on which they arrived,
        or an output that leaves the table unchanged.
        """


# After the orders, whose lines may say in which currency the shop's amounts are.
@table_asset(RawCosts, deps=(asset_key(UserOrderLog),))
def raw_costs(cost_source: CostSource, days: Days) -> SliceOutput:
    """Load the costs from their source; rows of other days do not change."""
    return cost_source.received(days)


quarantined_costs = table_asset(QuarantinedCosts, raw=EVERY_COST)(versions.quarantined_costs)
cost_versions = table_asset(CostVersions, deps=(quarantined_costs.key,), raw=EVERY_COST)(
    versions.cost_versions
)


@presence(versions=CostVersions, stock=RawStock)
def states_costs(versions: ir.Table, stock: ir.Table) -> bool:
    """Return whether a file of costs or the catalogue says what an item costs."""
    return has_rows(versions) or has_rows(stock.filter(stock.unit_cost_amount.notnull()))


item_costs = table_asset(
    ItemCosts,
    versions=Reads(CostVersions, whole=True),
    stock=Reads(RawStock, whole=True),
    empty_unless=states_costs,
)(versions.item_costs)


@presence(item_costs=ItemCosts, sold=Sales)
def knows_costs(item_costs: ir.Table, sold: ir.Table) -> bool:
    """Return whether anything says what an item costs: there is no profit of any sale, else."""
    return has_rows(item_costs) or has_rows(sold.filter(sold.unit_cost_amount.notnull()))


@presence(lines=ProfitLines)
def has_profit(lines: ir.Table) -> bool:
    """Return whether there is profit of any sale."""
    return has_rows(lines)


@invalidation(
    only_with_rows_of=(("sold", "order_date"), ("stored", "order_date")),
    sold=Sales,
    item_costs=ItemCosts,
    customers=Customer,
    cities=City,
    stored=ProfitLines,
)
def days_of_other_lines(  # noqa: PLR0913 (as the lines)
    *,
    sold: ir.Table,
    item_costs: ir.Table,
    customers: ir.Table,
    cities: ir.Table,
    stored: ir.Table,
    cost_rules: CostRules,
    days: Days,
) -> ir.Table:
    """Return the other days on which a line costs something else now, or is of another order."""
    others = OtherDays(days)
    now = profit.profit_lines(
        sold, item_costs, customers, cities, days=others, cost_rules=cost_rules
    )
    return profit.days_that_differ(stored, now, ProfitLines, others)


profit_lines = table_asset(
    ProfitLines,
    sold=EVERY_SALE,
    item_costs=Reads(ItemCosts, whole=True),
    customers=Reads(Customer, whole=True),
    cities=Reads(City, whole=True),
    invalidated_by=days_of_other_lines,
    empty_unless=knows_costs,
)(profit.profit_lines)


@invalidation(
    only_with_rows_of=(("lines", "order_date"), ("stored", "order_date")),
    lines=ProfitLines,
    stored=ProfitDaily,
)
def days_of_other_profit(lines: ir.Table, stored: ir.Table, days: Days) -> ir.Table:
    """Return the other days whose profit is another one now."""
    others = OtherDays(days)
    return profit.days_that_differ(stored, profit.profit_daily(lines, others), ProfitDaily, others)


profit_daily = table_asset(
    ProfitDaily,
    lines=EVERY_PROFIT_LINE,
    invalidated_by=days_of_other_profit,
    empty_unless=has_profit,
)(profit.profit_daily)


@invalidation(sold=Sales, lines=ProfitLines, stored=CategoryProfitability)
def weeks_of_other_profit(
    sold: ir.Table, lines: ir.Table, stored: ir.Table, days: Days
) -> ir.Table:
    """Return the other Mondays of weeks in which a category sold or earned something else now."""
    others = OtherDays(days)
    now = profit.category_profitability(sold, lines, others)
    return profit.days_that_differ(stored, now, CategoryProfitability, others)


category_profitability = table_asset(
    CategoryProfitability,
    sold=EVERY_SALE,
    lines=EVERY_PROFIT_LINE,
    invalidated_by=weeks_of_other_profit,
)(profit.category_profitability)


@invalidation(calendar=Calendar, stored=OtherCostsDaily)
def days_of_other_rules(
    calendar: ir.Table, stored: ir.Table, other_cost_rules: tuple[OtherCostRule, ...], days: Days
) -> ir.Table:
    """Return the other days on which rules say something else than is stored."""
    others = OtherDays(days)
    now = other_costs.other_costs_daily(calendar, other_cost_rules, others)
    return profit.days_that_differ(stored, now, OtherCostsDaily, others)


@presence()
def has_rules(other_cost_rules: tuple[OtherCostRule, ...]) -> bool:
    """Return whether there is a rule."""
    return bool(other_cost_rules)


other_costs_daily = table_asset(
    OtherCostsDaily,
    calendar=Reads(Calendar, whole=True),
    invalidated_by=days_of_other_rules,
    empty_unless=has_rules,
)(other_costs.other_costs_daily)
RECEIVED_COST_ASSETS = (raw_costs, quarantined_costs, cost_versions)
"""The assets that need `ECOM_COSTS`."""
PROFIT_ASSETS = (item_costs, profit_lines, profit_daily, category_profitability, other_costs_daily)
"""The assets that need orders only: their lines, or a catalogue, may say what items cost."""
COST_ASSETS = (*RECEIVED_COST_ASSETS, *PROFIT_ASSETS)
