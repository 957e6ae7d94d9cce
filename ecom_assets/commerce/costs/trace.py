"""How profit goes down to order lines and costs, and a cost to the row that says it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import (
    CategoryProfitability,
    CostVersions,
    ItemCosts,
    OtherCostsDaily,
    ProfitDaily,
    ProfitLines,
    RawCosts,
)
from ecom_assets.commerce.costs.contribution import ORDER, SHARED
from ecom_assets.commerce.costs.measures import ProfitMeasures, ProfitSalesMeasures
from ecom_assets.commerce.costs.profit import OF_SALES
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import REFUND_ITEM
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.commerce.sales.customer_retention import by_category_or_item
from ecom_assets.commerce.sales.trace import OF_NO_PIECE, sales_derivations, signed
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    RowsOf,
    Sum,
    TableTrace,
    TraceContext,
    UpstreamRows,
    keeping,
    like_row,
    ratios_of,
)


def _of_key(context: TraceContext) -> ir.Table:
    """Return the order lines of a row of daily profit, or of rows that differ in their day only."""
    values = {name: context.row[name] for name in ProfitDaily.key if name != "order_date"}
    lines = context.where(ProfitLines, **values)
    return lines.filter(context.days("order_date").contain(lines.order_date))


def _of_week(table: Contract) -> RowsOf:
    """Return the sales, or the order lines with their profit, of a row of the profitability of
    categories.
    """

    def of_week(context: TraceContext) -> ir.Table:
        monday = context.row["week_start_date"]
        rows = by_category_or_item(context.within(table, monday, monday + timedelta(days=6)))
        return rows.filter(rows.item_category == context.row["item_category"])

    return of_week


def _costed(rows: RowsOf) -> RowsOf:
    """Return the order lines whose cost is known."""

    def costed(context: TraceContext) -> ir.Table:
        lines = rows(context)
        return lines.filter(lines.unit_cost_amount.notnull())

    return costed


def _catalogue_of(rows: RowsOf) -> RowsOf:
    """Return the lines of the catalogue that order lines have their costs from."""

    def lines(context: TraceContext) -> ir.Table:
        used = _used_ranges(rows(context), context, "catalogue")
        days = used.select(product_id="item_id", received_date="cost_start_date").distinct()
        return keeping(context.table(RawStock), days, ["product_id", "received_date"])

    return lines


def _used_ranges(lines: ir.Table, context: TraceContext, source: str) -> ir.Table:
    """Return the rows of `mart.item_costs` of a source that order lines have their costs from."""
    of_source = lines.filter(lines.cost_source == source)
    used = of_source.select("item_id", valid_from_date="cost_from_date").distinct()
    return keeping(context.table(ItemCosts), used, ["item_id", "valid_from_date"])


def _of_sales(table: Contract, rows: RowsOf) -> dict[str, Derivation]:
    """Return how the measures that need no costs come from order lines. Net sales are what these
    say, less what is goodwill.
    """
    sold = sales_derivations(table, rows, declared=ProfitSalesMeasures)
    plain, inputs = sold["revenue_amount"], Count(table, rows)
    less_goodwill = Computed(
        "the sum of revenue_amount of the order lines, without goodwill",
        inputs=inputs,
        adds_up=True,
    )

    def choose(context: TraceContext) -> Derivation:
        return less_goodwill if context.row["goodwill_amount"] else plain

    return {
        **sold,
        "revenue_amount": ByRow(choose),
        **{
            name: Computed(f"the sum of {name} of the order lines", inputs=inputs, adds_up=True)
            for name in OF_SALES
        },
    }


SUMMED: Final = {
    **{name: name for name in SHARED if name not in OF_SALES},
    "estimated_shipping_cost_amount": "estimated_shipping_cost_amount",
    "estimated_payment_fee_amount": "estimated_payment_fee_amount",
    "contribution_shipped_amount": "contribution_revenue_amount, of what was shipped,",
    "contribution_before_ads_amount": "contribution_before_ads_amount",
}
COSTED: Final = {
    "costed_shipped_amount": "costed_revenue_amount, of what was shipped,",
    "costed_revenue_amount": "costed_revenue_amount",
    "cost_amount": "cost_amount",
    "estimated_cost_amount": "estimated_cost_amount",
    "gross_profit_amount": "gross_profit_amount",
}
"""The columns of order lines that measures add up, of all lines or of those with a cost."""


def _derivations(rows: RowsOf, day: str = "") -> dict[str, Derivation]:
    """Return how each measure of profit comes from order lines, and these from costs.

    `day` is the day column of the table, if the lines of several days can be read at once.
    """
    lines, costed = (Count(ProfitLines, part, day=day) for part in (rows, _costed(rows)))

    # The rows of `mart.item_costs` that order lines have their costs from, without the
    # catalogue's.
    def ranges(context: TraceContext) -> ir.Table:
        return _used_ranges(rows(context), context, "costs")

    of_costs = costed, Count(ItemCosts, ranges, day=day)
    of_both = *of_costs, Count(RawStock, _catalogue_of(rows), day=day)

    def from_costs(column: str) -> ByRow:
        def choose(context: TraceContext) -> Derivation:
            # Whether any cost of the shop is the catalogue's.
            of_catalogue = (
                context.where(ItemCosts, cost_source="catalogue").select("item_id").limit(1)
            )
            return Computed(
                f"the sum of {column} of the order lines, whose costs are in mart.item_costs",
                inputs=of_both if bool(context.ask(of_catalogue)) else of_costs,
                adds_up=True,
            )

        return ByRow(choose)

    return {
        **_of_sales(ProfitLines, rows),
        **{
            name: Computed(f"the sum of {column} of the order lines", inputs=lines, adds_up=True)
            for name, column in SUMMED.items()
        },
        **{name: from_costs(column) for name, column in COSTED.items()},
        **ratios_of(ProfitMeasures),
    }


def _by_rule_of_a_month(context: TraceContext) -> Derivation:
    return Computed(
        f"the day's part of its month, as a rule of ecom.toml says: {context.row['cost_rule']}",
        adds_up=True,
    )


CATEGORIES: Final[Mapping[str, Derivation]] = {
    **_derivations(_of_week(ProfitLines)),
    **_of_sales(Sales, _of_week(Sales)),
    "profit_rank": Computed(
        "1 + the categories of the week with more gross profit", ("gross_profit_amount",)
    ),
    "popularity_rank": Computed("1 + the categories with more orders", ("order_count",)),
}


SALE: Final = like_row(Sales, "order_date", "uniq_id")
ORDER_OF_LINE: Final = like_row(Sales, *ORDER)
"""The sales that are of the same order as a line, or of the same refund."""


def _range(context: TraceContext) -> ir.Table:
    """Return the row of `mart.item_costs` that a line's cost is from."""
    ranges = context.where(ItemCosts, item_id=context.row["item_id"])
    from_date = context.row["cost_from_date"]
    return ranges.filter(ranges.valid_from_date == from_date) if from_date else ranges.limit(0)


def _part_of_order(column: str, rule: str = "") -> ByRow:
    """Return how a line's part of an amount of its order comes from what the order's lines say, or
    from a rule.
    """
    stated = Computed(
        f"its part, by net sales, of {column} of the order's lines",
        inputs=Count(Sales, ORDER_OF_LINE),
        adds_up=True,
    )

    def choose(context: TraceContext) -> Derivation:
        if not rule or not context.row[rule]:
            return stated
        return Computed(
            f"its part, by net sales, of what a rule of ecom.toml says: {context.row[rule]}",
            inputs=Count(Sales, ORDER_OF_LINE),
            adds_up=True,
        )

    return ByRow(choose)


def _revenue_of_line(context: TraceContext) -> Derivation:
    """Return how net sales of a line come from what was paid, less what is goodwill."""
    if context.row["goodwill_amount"]:
        return Computed(
            "what was paid back, less goodwill_amount",
            ("goodwill_amount",),
            Count(Sales, SALE),
            adds_up=True,
        )
    return _of_line(context, "payment_amount")


def _quantity_of_line(context: TraceContext) -> Derivation:
    if context.row["item_id"] == REFUND_ITEM:
        return Computed(OF_NO_PIECE, ("item_id",), adds_up=True)
    return _of_line(context, "quantity")


def _of_line(context: TraceContext, column: str) -> Derivation:
    """Return how a number of a line is that of its order line; a refund can be a part of one, as
    its sale says.
    """
    if context.row["status"] == "refunded":
        return Sum(Sales, signed(SALE), column)
    return Sum(UserOrderLog, signed(like_row(UserOrderLog, "order_date", "uniq_id")), column)


def _stock_of_line(context: TraceContext) -> ir.Table:
    """Return the lines of the catalogue that a line's cost is from."""
    days = _range(context).select(product_id="item_id", received_date="cost_start_date")
    return keeping(context.table(RawStock), days, ["product_id", "received_date"])


COST_OF_LINE: Final[Mapping[str | None, Count]] = {
    None: Count(ItemCosts, _range),
    # They say the cost of an item that is paid back, too.
    "line": Count(Sales, like_row(Sales, "order_id", "item_id")),
    "costs": Count(ItemCosts, _range),
    "catalogue": Count(RawStock, _stock_of_line),
}
"""Where the cost of a line is read, by `cost_source`."""


def _from_cost(how: str, *columns: str) -> ByRow:
    """Return how an amount of a line comes from its columns and the cost of its item."""

    def choose(context: TraceContext) -> Derivation:
        return Computed(how, columns, COST_OF_LINE[context.row["cost_source"]], adds_up=True)

    return ByRow(choose)


def _unit_cost(context: TraceContext) -> Derivation:
    """Return where the cost of one piece of a line is read."""
    cost = COST_OF_LINE[context.row["cost_source"]]
    if context.row["cost_source"] == "line":
        return Computed("as the order's lines of the item say it", inputs=cost)
    return Computed("the cost of the item on placed_date", ("placed_date",), cost)


LINES: Final[Mapping[str, Derivation]] = {
    "quantity": ByRow(_quantity_of_line),
    "gross_sales_amount": Computed(
        "what the line says of its price before discounts, else what was paid",
        inputs=Count(Sales, SALE),
        adds_up=True,
    ),
    "discount_amount": Computed("as the line says it", inputs=Count(Sales, SALE), adds_up=True),
    "returns_amount": Computed(
        "what was paid back, without its sign", ("revenue_amount",), adds_up=True
    ),
    "revenue_amount": ByRow(_revenue_of_line),
    "unit_cost_amount": ByRow(_unit_cost),
    "cost_amount": _from_cost("unit_cost_amount times quantity", "unit_cost_amount", "quantity"),
    "estimated_cost_amount": _from_cost(
        "cost_amount, where is_cost_estimated", "cost_amount", "is_cost_estimated"
    ),
    "costed_revenue_amount": Computed(
        "revenue_amount, where unit_cost_amount is known",
        ("revenue_amount", "unit_cost_amount"),
        adds_up=True,
    ),
    "gross_profit_amount": _from_cost(
        "revenue_amount - cost_amount", "revenue_amount", "cost_amount"
    ),
    "shipping_amount": _part_of_order("shipping_amount"),
    "shipping_cost_amount": _part_of_order("shipping_cost_amount", "shipping_cost_rule"),
    "estimated_shipping_cost_amount": _part_of_order("shipping_cost_amount", "shipping_cost_rule"),
    "payment_fee_amount": _part_of_order("payment_fee_amount", "payment_fee_rule"),
    "estimated_payment_fee_amount": _part_of_order("payment_fee_amount", "payment_fee_rule"),
    "estimated_commission_amount": _part_of_order("revenue_amount", "commission_rule"),
    "goodwill_amount": Computed(
        "its part, by net sales, of what was paid back beyond what the order was sold for, or for "
        "no item of an order that is not there",
        inputs=Count(Sales, like_row(Sales, "order_id")),
        adds_up=True,
    ),
    "contribution_revenue_amount": Computed(
        "revenue_amount, where all parts of the order are known",
        ("revenue_amount",),
        adds_up=True,
    ),
    "contribution_before_ads_amount": _from_cost(
        "gross_profit_amount + shipping_amount - shipping_cost_amount - payment_fee_amount - "
        "estimated_commission_amount - goodwill_amount",
        "gross_profit_amount",
        *SHARED,
    ),
}


def _cost_of_range(context: TraceContext) -> Derivation:
    """Return how a cost comes from rows of costs, or from lines of the catalogue, of which the
    highest cost counts.
    """
    if context.row["cost_source"] == "catalogue":
        return Computed(
            "the highest unit_cost_amount of the item's lines in the catalogue of the day",
            inputs=Count(
                RawStock, like_row(RawStock, product_id="item_id", received_date="cost_start_date")
            ),
        )
    version = like_row(CostVersions, "item_id", valid_from_date="cost_start_date")
    return Sum(CostVersions, version, "unit_cost_amount")


def versions_of_ranges(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the version of a cost that some rows of `mart.item_costs` are from."""
    costs = context.table(CostVersions)
    return keeping(
        costs,
        rows,
        [costs.item_id == rows.item_id, costs.valid_from_date == rows.cost_start_date],
    )


def received_rows(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the received rows that some versions of costs are from."""
    return keeping(context.table(RawCosts), rows, ["cost_id", "received_date", "source_file"])


def lines_of_sales(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the sale of each line."""
    return keeping(context.near(Sales, rows, "order_date"), rows, ["uniq_id"])


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    ProfitLines: UpstreamRows(Sales, lines_of_sales, ("uniq_id", "order_date"), is_one_to_one=True),
    ItemCosts: UpstreamRows(CostVersions, versions_of_ranges, ("item_id", "cost_start_date")),
    CostVersions: UpstreamRows(
        RawCosts, received_rows, ("cost_id", "received_date", "source_file")
    ),
}
TRACES: Final = (
    TableTrace(ProfitDaily, "profit-by-day-and-category", _derivations(_of_key, "order_date")),
    TableTrace(CategoryProfitability, "profit-by-day-and-category", CATEGORIES),
    TableTrace(ProfitLines, "profit-of-a-line", LINES),
    TableTrace(
        OtherCostsDaily,
        "costs-that-no-source-states",
        {"estimated_other_cost_amount": ByRow(_by_rule_of_a_month)},
    ),
    TableTrace(
        ItemCosts,
        "costs-of-items",
        {"unit_cost_amount": ByRow(_cost_of_range)},
    ),
)
