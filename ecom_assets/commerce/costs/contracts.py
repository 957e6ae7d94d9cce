"""Contracts of costs: as received, quarantined, and by the days on which they hold;
profit by order line, day and category.
"""

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ecom_assets.commerce.costs.measures import PROFIT, ProfitMeasures
from ecom_assets.commerce.orders.contracts import STATUSES, UserOrderLog
from ecom_assets.commerce.orders.new_customers import CUSTOMER_TYPES
from ecom_assets.core.tables.contract import (
    UNIT_COST,
    Column,
    Contract,
    Table,
    TableView,
    count,
    day,
    flag,
    instant,
    item_quantity,
    tables_of,
    text,
    unit_cost,
)
from ecom_assets.core.tables.received import BREAK_PROOFS, BROKEN_PROOF

COST_REJECT_REASONS = (
    "malformed_row",
    BROKEN_PROOF,
    "left_out",
    "missing_item",
    "missing_cost",
    "unparseable_cost",
    "unparseable_piece_count",
    "negative_cost",
    "currency_without_rate",
    "unparseable_valid_from",
    "unparseable_valid_until",
)
"""Why a received cost can be quarantined; it carries the first that applies, in this order."""
REASON_MEANINGS: Final = {
    "malformed_row": "that cannot be split into columns",
    BROKEN_PROOF: BREAK_PROOFS,
    "missing_item": "without an item",
    "missing_cost": "without a cost",
    "unparseable_cost": "whose cost is not a number",
    "unparseable_piece_count": "for a number of pieces that is none",
    "negative_cost": "with a cost below zero",
    "currency_without_rate": "in a currency for which ECOM_RATES has no rate",
    "unparseable_valid_from": "whose first day is not a date",
    "unparseable_valid_until": "whose last day is not a date",
}
"""What to say of rows by their reject reason."""
CONTRADICTIONS = ("two_costs", "ends_before_start", "overlaps_next", "gap_after")
"""What rows about an item's costs can say against each other; the first that applies."""
COST_SOURCES = ("line", "costs", "catalogue")
"""Where a cost can be from; the first that knows it counts."""
ADVERTISING: Final = "marketing"
"""The subject whose tables say what the shop pays for ads, and what it gets for it."""


class ReceivedCost(Table, abstract=True):
    """What every received cost carries: text as it came, and the values that were read from it."""

    layer = "raw"

    cost_id = text("A stable hash of what the row says", nullable=True)
    item_id = text("The item", nullable=True)
    item_name = text("Its name", nullable=True)
    item_category = text(
        "Its category, where the list says it; null in rows from before this was kept",
        nullable=True,
    )
    received_unit_cost_amount = text("What it costs, as received", nullable=True, is_cost=True)
    received_piece_count = text("The pieces that this is for, as received", nullable=True)
    received_currency = text("The currency of the cost, as received", nullable=True)
    received_valid_from_date = text("The first day of the cost, as received", nullable=True)
    received_valid_until_date = text("Its last day, as received", nullable=True)
    valid_from_date = day(
        "The day in received_valid_from_date; null if there is none", nullable=True
    )
    valid_until_date = day(
        "The day in received_valid_until_date; null if there is none", nullable=True
    )
    piece_count = Column(
        UNIT_COST, "The number in received_piece_count", "items", nullable=True, format="quantity"
    )
    unit_cost_amount = unit_cost(
        "The number in received_unit_cost_amount for one piece, in the currency of the shop; null "
        "if it cannot be read, or its currency has no rate",
        nullable=True,
    )
    currency = text("The currency in received_currency", nullable=True)
    unrated_currency = text("The currency for which ECOM_RATES has no rate", nullable=True)
    left_out = text(
        "The condition of the mapping that leaves the row out, or after `holds: ` what the row is "
        "not as, though the mapping was made by it",
        nullable=True,
    )
    received_at = instant("When the row arrived, where the source says so", nullable=True)
    received_date = day("The day on which the row arrived: that of its file")
    source = text("Where it came from: the path that was given")
    source_file = text("The file within the source")
    malformed_row = text("The whole line, where it could not be split into columns", nullable=True)


class RawCosts(ReceivedCost):
    """One row per received row of costs, exactly as it came, copies and broken lines included."""

    name = "costs"
    day_column = "received_date"


class QuarantinedCosts(ReceivedCost):
    """One row per received row of costs that says no cost, with the first reason that applies."""

    layer = "staging"

    reject_reason = text("Why it says no cost", one_of=COST_REJECT_REASONS)


class CostVersions(Table):
    """One row per item and day from which a cost holds: the newest version of it.

    Of a row without a day, the day on which it arrived.
    """

    layer = "staging"
    key = ("item_id", "valid_from_date")

    item_id = text("The item")
    valid_from_date = day("The first day")
    valid_until_date = day("The last day, where the source names one", nullable=True)
    unit_cost_amount = unit_cost(
        "What one piece costs; null where the newest version does not say it",
        nullable=True,
        at_least=0,
    )
    is_dated = flag("Whether the source names the first day")
    item_name = text("The item's name", nullable=True)
    received_date = day("The day on which this version arrived")
    source_file = text("The file in which it came")
    cost_id = text("The received row, see raw.costs", nullable=True)
    version_count = count("Clean rows that say something of this item and day", unit="rows")
    other_cost_count = count(
        "Of those that arrived with this version, rows with another cost", unit="rows"
    )


class ItemCosts(Table):
    """One row per item and days on which one cost of it holds, from a day until before another.

    The catalogue's costs are on the days only of which `ECOM_COSTS` knows none.
    """

    layer = "mart"
    key = ("item_id", "valid_from_date")

    item_id = text("The item", example="P-0042")
    valid_from_date = day("The first day with this cost")
    valid_to_date = day(
        "The day from which it holds no more; null while it holds",
        nullable=True,
    )
    unit_cost_amount = unit_cost("What one piece costs", at_least=0, example="12.500000")
    is_estimated = flag("Whether the days are before a cost is known")
    item_name = text("The item's name", nullable=True)
    contradiction = text(
        "What the rows about it say against each other",
        nullable=True,
        one_of=CONTRADICTIONS,
    )
    cost_source = text("Where the cost is from", one_of=COST_SOURCES[1:])
    cost_start_date = day(
        "Its first day in staging.cost_versions, or in raw.stock if it is the catalogue's"
    )
    received_date = day("The day on which it arrived")
    source_file = text("The file in which it came, or the catalogue")


def _line_amount(description: str, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    return Column(PROFIT, description, "money", nullable=True, **more)


class ProfitLines(Table):
    """One row per order line: what was sold, what it cost, and what is left; refunds negative."""

    layer = "mart"
    key = ("uniq_id",)
    day_column = "order_date"

    uniq_id = text("The line, see mart.sales")
    order_id = text("The order that it is part of", pii=True)
    order_date = day("The day of the order, or of the refund")
    placed_date = day("The day on which the order was placed, whose cost counts")
    customer_id = text("See mart.customer", pii=True)
    item_id = text("See mart.item")
    item_category = text("See mart.sales")
    channel = text("See mart.sales")
    city_id = text("See mart.city")
    sales_channel = text("See mart.sales")
    customer_type = text(
        "Whether the customer was new on the day of the order: it is that of the first paid order; "
        "`unpaid` has paid for nothing yet",
        one_of=CUSTOMER_TYPES,
    )
    status = text("Whether it was shipped, or paid back", one_of=STATUSES)
    quantity = item_quantity("How many, negative for refunds; null if not known", nullable=True)
    gross_sales_amount = _line_amount(
        "What was charged before discounts; where none is known, what was paid"
    )
    discount_amount = _line_amount("What discounts took off; null if not known, and for refunds")
    returns_amount = _line_amount("What was paid back, without goodwill")
    revenue_amount = _line_amount("Net sales: what was paid, less returns")
    unit_cost_amount = unit_cost(
        "What one piece cost when the order was placed; null if not known", nullable=True
    )
    cost_source = text(
        "Where the cost is from; null if not known",
        nullable=True,
        one_of=COST_SOURCES,
    )
    cost_from_date = day("The first day of the cost in mart.item_costs", nullable=True)
    is_cost_estimated = flag("Whether it was placed before a cost is known", nullable=True)
    cost_amount = _line_amount(
        "Unit cost times quantity; null if not known",
        is_cost=True,
    )
    estimated_cost_amount = _line_amount("The same, where the cost is estimated", is_cost=True)
    costed_revenue_amount = _line_amount("Net sales where the cost is known; else 0")
    is_restock_assumed = flag("Whether nobody says that what came back can be sold again")
    gross_profit_amount = _line_amount(
        "Net sales less cost; null where the cost is not known", is_cost=True
    )
    shipping_amount = _line_amount("Its part of what was paid for the order's shipping")
    shipping_cost_amount = _line_amount("Its part of what the shop paid for that", is_cost=True)
    estimated_shipping_cost_amount = _line_amount("The same, where a rule says it", is_cost=True)
    shipping_cost_rule = text("The rule", nullable=True, is_cost=True)
    payment_fee_amount = _line_amount("Its part of what the payment cost", is_cost=True)
    estimated_payment_fee_amount = _line_amount("The same, where a rule says it", is_cost=True)
    payment_fee_rule = text("The rule", nullable=True, is_cost=True)
    estimated_commission_amount = _line_amount(
        "Its part of what the marketplace takes, by a rule", is_cost=True
    )
    commission_rule = text("The rule", nullable=True, is_cost=True)
    goodwill_amount = _line_amount(
        "Its part of what was paid back beyond the worth of the order, or for none; not in returns"
    )
    has_shared_amounts = flag(
        "Whether these are parts of the amounts of an order of several lines, by net sales",
        nullable=True,
        chooses_rows=False,
    )
    contribution_revenue_amount = _line_amount(
        "Net sales where all parts of the order are known; else 0"
    )
    contribution_before_ads_amount = _line_amount(
        "Gross profit and shipping less what the order cost and goodwill; null where a part of the "
        "order is not known",
        is_cost=True,
    )


class ProfitDaily(ProfitMeasures, Table):
    """One row per day, and per day and channel, city, category, sales channel and kind of customer.

    What is summed has `(all)`.
    """

    layer = "mart"
    key = ("order_date", "channel", "city_id", "item_category", "sales_channel", "customer_type")
    day_column = "order_date"
    counted_from = (UserOrderLog,)

    order_date = day("The day of the orders, or of the refunds")
    channel = text(
        "What led to the orders; `(all)` where the row is of another dimension, or the total"
    )
    city_id = text("See mart.city; `(all)` as for the channel")
    item_category = text("The category; `(all)` as for the channel")
    sales_channel = text("Where the orders were placed; `(all)` as for the channel")
    customer_type = text("New or returning customers; `(all)` as for the channel")


CATEGORY_RANKING: Final = TableView(
    "One row per category, of all weeks: what was sold, what it earned as far as costs are known, "
    "and its place by profit and by orders",
    """\
SELECT
  item_category, order_count, sold_item_count, shipped_amount, revenue_amount,
  cost_amount, gross_profit_amount,
  CASE WHEN costed_revenue_amount > 0
    THEN CAST(gross_profit_amount AS double precision)
      / CAST(costed_revenue_amount AS double precision)
  END AS gross_margin_rate,
  CASE WHEN gross_profit_amount IS NOT NULL
    THEN rank() OVER (ORDER BY gross_profit_amount DESC NULLS LAST)
  END AS profit_rank,
  rank() OVER (ORDER BY order_count DESC) AS popularity_rank
FROM (
  SELECT
    item_category,
    CAST(sum(order_count) AS bigint) AS order_count,
    CAST(sum(sold_item_count) AS decimal(38, 4)) AS sold_item_count,
    CAST(sum(shipped_amount) AS decimal(38, 6)) AS shipped_amount,
    CAST(sum(revenue_amount) AS decimal(38, 6)) AS revenue_amount,
    CAST(sum(cost_amount) AS decimal(38, 6)) AS cost_amount,
    CAST(sum(gross_profit_amount) AS decimal(38, 6)) AS gross_profit_amount,
    CAST(sum(costed_revenue_amount) AS decimal(38, 6)) AS costed_revenue_amount
  FROM {table}
  GROUP BY item_category
) AS categories""",
)


class CategoryProfitability(ProfitMeasures, Table):
    """One row per week and category: what was sold, what it earned as far as costs are known, and
    its place by profit and by orders.
    """

    layer = "mart"
    key = ("week_start_date", "item_category")
    day_column = "week_start_date"
    counted_from = (UserOrderLog,)
    views: ClassVar[Mapping[str, TableView]] = {"category_ranking": CATEGORY_RANKING}

    week_start_date = day("Monday of the ISO week", "Week from")
    item_category = text("The category; of lines without one the item", "Category", example="shoes")
    profit_rank = Column(
        "int64",
        "Place by gross profit, 1 for the highest; null where no cost is known",
        "place",
        nullable=True,
        at_least=1,
        is_additive=False,
        better="down",
        is_cost=True,
        example=1,
    )
    popularity_rank = Column(
        "int64",
        "Place by the number of orders, 1 for the most",
        "place",
        at_least=1,
        is_additive=False,
        better="down",
        example=2,
    )


class OtherCostsDaily(Table):
    """One row per day and rule of `other_cost_rules`: what the shop pays whatever is ordered."""

    layer = "mart"
    key = ("cost_date", "cost_name")
    day_column = "cost_date"

    cost_date = day("The day")
    cost_name = text("What it is for", "Cost", example="Shop software")
    cost_rule = text("The rule", is_cost=True)
    estimated_other_cost_amount = Column(
        PROFIT,
        "The day's part of what a month costs",
        "money",
        label="Other costs",
        at_least=0,
        better="down",
        is_cost=True,
        example="2.55",
    )


def is_about_costs(table: Contract) -> bool:
    """Return whether all of a table is about what the shop pays, or what its sales leave."""
    return table.group in {RawCosts.group, ADVERTISING}


def cost_columns(table: Contract) -> frozenset[str]:
    """Return the columns of a table that are for those only who may see costs."""
    return frozenset(
        name for name, column in table.columns.items() if column.is_cost or is_about_costs(table)
    )


COST_TABLES: Final = frozenset(table.qualified_name() for table in tables_of(sys.modules[__name__]))
"""The tables about costs, whose checks say what the shop pays, or what its sales leave."""
