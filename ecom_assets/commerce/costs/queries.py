"""Queries about profit: what is left of sales, step by step, in total and by dimension."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import OtherCostsDaily, ProfitDaily, ProfitLines
from ecom_assets.commerce.costs.measures import HEADLINES, PROFIT, ProfitMeasures
from ecom_assets.commerce.costs.profit import DIMENSIONS
from ecom_assets.commerce.orders.orders import NONE, order_key
from ecom_assets.commerce.products.item_categories import with_item_categories
from ecom_assets.commerce.products.queries import categories_of_items
from ecom_assets.commerce.sales.contracts import City, Item
from ecom_assets.commerce.sales.coverage import require_orders
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import Contract, Ratio
from ecom_assets.core.tables.currencies import rounded, rounded_parts, unit_of
from ecom_assets.core.tables.days import Days, start_of_week
from ecom_assets.core.tables.measures import (
    aggregates,
    completed,
    measures_added,
    numbers_over_time,
    summable,
    sums,
    sums_of_periods,
)
from ecom_assets.core.tables.portable import ratio
from ecom_assets.core.tables.queries import (
    NoSourceError,
    NotPublishedError,
    Period,
    Reading,
    compared,
    if_known,
    in_period,
    rows_in_period,
    totals_by,
)

NUMBERS: Final = tuple(summable(ProfitMeasures))
Dimension = Literal[
    "item_category",
    "item_id",
    "channel",
    "city_id",
    "sales_channel",
    "customer_type",
    "week",
    "day",
]
"""By what profit is broken down; a week is its Monday."""
CategorySource = Literal["lines", "items"]
"""Where categories are from: order lines alone, or some lines of the period have that of their
item, see `item_categories`.
"""
OF_LINES: Final[CategorySource] = "lines"
OF_ITEMS: Final[CategorySource] = "items"
TIMES: Final = ("week", "day")
"""The dimensions whose values are in order."""
SortedBy = Literal["profit", "margin", "loss"]
SORTED_BY: Final[Mapping[SortedBy, str]] = {
    "profit": "gross_profit_amount",
    "margin": "gross_margin_rate",
    "loss": "gross_profit_amount",
}
"""The number of profit by its name in what products are sorted by."""
Order = Literal["profit", "loss"]
"""Whether the highest gross profit of parts comes first, or the lowest."""
LOWEST_FIRST: Final = "loss"
NAMES: Final[Mapping[str, tuple[Contract, str]]] = {
    "item_id": (Item, "item_name"),
    "city_id": (City, "city_name"),
}
"""Where the values of a dimension have a name."""


BRINGS_COSTS: Final = (
    "set ECOM_COSTS, give `ecom run` --costs PATH, or orders whose lines state them"
)
"""What fills the tables of profit."""


class NoCostsError(NoSourceError):
    """The query is about profit, and the shop has no costs."""


@dataclass(frozen=True)
class WaterfallStep:
    """A step on the way from gross sales to what is left of them.

    Attributes:
        name: Its name.
        label: What people call it.
        measure: The measure that it is made from.
        is_total: Whether it is the sum of the steps before it; others take their measure off.
        is_added: Whether its measure is added.
        is_shared: Whether it is an amount of whole orders, which their lines share.
        estimated: The measure of what of it is estimated.
    """

    name: str
    label: str
    measure: str
    is_total: bool = False
    is_added: bool = False
    is_shared: bool = False
    estimated: str = ""


UNKNOWN_COST, UNKNOWN_PARTS = "unknown_cost", "unknown_parts"
"""The steps of what is not known, which are what the others leave of the next total."""
STEPS: Final = (
    WaterfallStep("gross_sales", "Gross sales", "gross_sales_amount", is_total=True),
    WaterfallStep("discounts", "Discounts", "discount_amount"),
    WaterfallStep("returns", "Returns", "returns_amount"),
    WaterfallStep("net_sales", "Net sales", "revenue_amount", is_total=True),
    WaterfallStep(UNKNOWN_COST, "Sales whose cost is unknown", "costed_revenue_amount"),
    WaterfallStep("cost", "Cost of goods", "cost_amount", estimated="estimated_cost_amount"),
    WaterfallStep("gross_profit", "Gross profit", "gross_profit_amount", is_total=True),
    WaterfallStep("shipping", "Shipping charged", "shipping_amount", is_added=True, is_shared=True),
    WaterfallStep(
        "shipping_cost",
        "Shipping paid",
        "shipping_cost_amount",
        is_shared=True,
        estimated="estimated_shipping_cost_amount",
    ),
    WaterfallStep(
        "payment_fees",
        "Payment fees",
        "payment_fee_amount",
        is_shared=True,
        estimated="estimated_payment_fee_amount",
    ),
    WaterfallStep(
        "commissions",
        "Commissions",
        "estimated_commission_amount",
        is_shared=True,
        estimated="estimated_commission_amount",
    ),
    WaterfallStep("goodwill", "Goodwill", "goodwill_amount", is_shared=True),
    WaterfallStep(
        UNKNOWN_PARTS, "Orders of which a part is unknown", "contribution_shipped_amount"
    ),
    WaterfallStep(
        "contribution_before_ads",
        "Contribution before advertising",
        "contribution_before_ads_amount",
        is_total=True,
    ),
)
"""The steps from gross sales to the contribution before advertising, in order."""
ESTIMATED: Final = tuple(step.estimated for step in STEPS if step.estimated)
"""The measures of what is estimated in the steps."""


def profit(
    reading: Reading,
    period: Period,
    dimension: Dimension | None = None,
    sort_by: Order = "profit",
) -> Answer:
    """Return the profit of a period and of the one before, its steps, and its parts by a dimension.

    Raises:
        NoOrdersError: There are no order lines.
        NoCostsError: There are no costs.
    """
    require_costs(reading)
    daily = totals_by(reading.table(ProfitDaily), DIMENSIONS)
    found = sums_of_periods(reading, daily, "order_date", period, ProfitMeasures)
    now, before = (completed(row, ProfitMeasures) for row in found)
    source = category_source(reading, period) if dimension == "item_category" else None
    return {
        "profit": if_known(now, period),
        **compared(now, before, NUMBERS, period),
        "steps": [] if period.is_unknown else steps(now, reading.currency),
        **other_costs(reading, period),
        "dimension": dimension,
        "category_source": source,
        "parts": parts(reading, period, dimension, sort_by, source) if dimension else [],
    }


def other_costs(reading: Reading, period: Period) -> Answer:
    """Return what rules say of costs of a period that belong to no order, by name; no amount where
    there is no such rule.
    """
    try:
        rows = rows_in_period(reading, OtherCostsDaily)
    except NotPublishedError:  # by a version without it
        return {"estimated_other_cost_amount": None, "other_costs": []}
    amount = rows.estimated_other_cost_amount.sum().cast(PROFIT)
    by_name = reading.rows(
        rows.group_by("cost_name").agg(estimated_amount=amount).order_by("cost_name"), period
    )
    total = sum((row["estimated_amount"] for row in by_name), Decimal(0))
    return {
        "estimated_other_cost_amount": total if by_name else None,
        "other_costs": by_name,
    }


def profit_of_days(reading: Reading, days: Days) -> Row | None:
    """Return the profit of some days, in a row or not; None if no cost of any is known."""
    daily = totals_by(reading.table(ProfitDaily), DIMENSIONS)
    daily = daily.filter(days.contain(daily.order_date))
    (row,) = reading.state(daily.agg(**sums(daily, ProfitMeasures)))
    return completed(row, ProfitMeasures) if row["gross_profit_amount"] is not None else None


def has_costs(reading: Reading) -> bool:
    """Return whether the cost of anything that the shop sold is known."""
    daily = reading.table(ProfitDaily)
    costed = daily.filter(daily.gross_profit_amount.notnull())
    return bool(reading.state(costed.select("order_date").limit(1)))


def require_costs(reading: Reading) -> None:
    """Refuse a shop without costs.

    Raises:
        NoOrdersError: There are no order lines.
        NoCostsError: There are no costs.
    """
    require_orders(reading)
    if not has_costs(reading):
        raise NoCostsError(f"There are no costs to count profit from; {BRINGS_COSTS}.")


def profit_over_time(
    reading: Reading, period: Period, by: Literal["day", "week"]
) -> Mapping[date, Row]:
    """Return the profit of each day of a period, or of each week by its Monday; zeros where
    nothing was sold.

    Raises:
        NoOrdersError: There are no order lines.
        NoCostsError: There are no costs.
    """
    require_costs(reading)
    daily = totals_by(reading.table(ProfitDaily), DIMENSIONS)
    return numbers_over_time(reading, daily, "order_date", period, by, ProfitMeasures)


def profit_of_items(reading: Reading, period: Period, item_ids: Sequence[str]) -> dict[str, Row]:
    """Return `HEADLINES` of some items in a period; none for a shop without costs."""
    if not item_ids or not has_costs(reading):
        return {}
    lines = rows_in_period(reading, ProfitLines)
    added = _added_lines(lines.filter(lines.item_id.isin(list(item_ids))), "item_id")
    rows = {row["value"]: completed(row, ProfitMeasures) for row in reading.rows(added, period)}
    return {item: {name: row[name] for name in HEADLINES} for item, row in rows.items()}


def numbers_of_items(reading: Reading, name: str) -> ir.Table:
    """Return an amount or a share of profit as the `number` of each item of a period, by
    `product_id`; null where it is not known.

    Raises:
        NoOrdersError: There are no order lines.
        NoCostsError: There are no costs.
    """
    require_costs(reading)
    lines = rows_in_period(reading, ProfitLines)
    measure = summable(ProfitMeasures)[name]
    sums = aggregates(lines, ProfitMeasures, measures_added(name, measure))
    items = lines.group_by(product_id=lines.item_id).agg(**sums)
    if not isinstance(measure.counted_as, Ratio):
        return items.select("product_id", number=name)
    part, whole = items[measure.counted_as.part], items[measure.counted_as.whole]
    number = ratio(part, whole)
    if measure.counted_as.above_zero:
        number = (whole > 0).ifelse(number, ibis.null("float64"))
    return items.select("product_id", number=number)


def items_sorted(reading: Reading, sort_by: SortedBy) -> ir.Table:
    """Return the `number` by which products are sorted, the highest first, by `product_id`: one of
    `SORTED_BY`. That of losses is turned around.

    Raises:
        NoOrdersError: There are no order lines.
        NoCostsError: There are no costs.
    """
    numbers = numbers_of_items(reading, SORTED_BY[sort_by])
    return numbers.mutate(number=-numbers.number) if sort_by == LOWEST_FIRST else numbers


def sold_items(reading: Reading, period: Period) -> list[Row]:
    """Return what each item of a period came to, for comparisons of two periods.

    `quantity`, `gross_sales_amount`, `revenue_amount` and `cost_amount` are of what was shipped and
    has a cost, `returned_profit_amount` is the gross profit of what came back, and `shipped_count`
    counts the lines that were shipped, with a cost or without.
    """
    lines = rows_in_period(reading, ProfitLines)
    is_shipped, is_costed = lines.status == "shipped", lines.gross_profit_amount.notnull()
    sums = {
        name: lines[name].sum(where=is_shipped & is_costed).fill_null(0)
        for name in ("quantity", "gross_sales_amount", "revenue_amount", "cost_amount")
    }
    return reading.rows(
        lines.group_by("item_id").agg(
            **sums,
            returned_profit_amount=lines.gross_profit_amount.sum(where=~is_shipped).fill_null(0),
            shipped_count=lines.count(where=is_shipped),
            costed_count=lines.count(where=is_shipped & is_costed),
        ),
        period,
    )


def parts(
    reading: Reading,
    period: Period,
    dimension: Dimension,
    sort_by: Order = "profit",
    source: CategorySource | None = None,
) -> list[Row]:
    """Return the profit of each value of a dimension: the highest first, or the lowest, what is not
    known last, and times in their order. Of categories, `source` says where they are from.
    """
    added = _added_by(reading, dimension, source)
    if dimension in NAMES:
        contract, name = NAMES[dimension]
        named = reading.table(contract).select(named_id=dimension, name=name)
        added = added.left_join(named, added.value == named.named_id).drop("named_id")
    result = [
        {
            "value": str(row["value"]),
            "name": row.get("name"),
            **completed(row, ProfitMeasures),
        }
        for row in reading.rows(added, period)
    ]
    if dimension in TIMES:
        return sorted(result, key=_by_value)
    ordered = sorted(result, key=_by_profit)
    if sort_by != LOWEST_FIRST:
        return ordered
    known = [row for row in ordered if row["gross_profit_amount"] is not None]
    return [*reversed(known), *ordered[len(known) :]]


def category_source(reading: Reading, period: Period) -> CategorySource:
    """Return where profit by category of a period has categories from."""
    without = rows_in_period(reading, ProfitLines).filter(lambda lines: lines.item_category == NONE)
    if not reading.rows(without.select("item_id").limit(1), period):
        return OF_LINES
    named = without.semi_join(categories_of_items(reading), "item_id").select("item_id").limit(1)
    return OF_ITEMS if reading.rows(named, period) else OF_LINES


def _added_by(reading: Reading, dimension: Dimension, source: CategorySource | None) -> ir.Table:
    """Return the sums of a period for each `value` of a dimension."""
    lines = rows_in_period(reading, ProfitLines)
    if dimension == "item_id":  # too many for a row per day of each
        return _added_lines(lines, dimension)
    if source == OF_ITEMS:
        return _added_lines(with_item_categories(lines, categories_of_items(reading)), dimension)
    daily = reading.table(ProfitDaily)
    if dimension in TIMES:
        rows = totals_by(daily, DIMENSIONS)
        day = rows.order_date
        rows = rows.mutate(value=start_of_week(day) if dimension == "week" else day)
    else:
        rows = totals_by(daily, DIMENSIONS, dimension)
        rows = rows.mutate(value=rows[dimension])
    rows = rows.filter(in_period(rows.order_date))
    return rows.group_by("value").agg(**sums(rows, ProfitMeasures))


def _added_lines(lines: ir.Table, dimension: str) -> ir.Table:
    """Return the sums of order lines for each `value` of a dimension."""
    lines = lines.mutate(value=lines[dimension], order_key=order_key(lines))
    return lines.group_by("value").agg(**aggregates(lines, ProfitMeasures))


def _by_value(row: Row) -> str:
    value: str = row["value"]
    return value


def _by_profit(row: Row) -> tuple[bool, Decimal, Decimal, str]:
    profit_amount = row["gross_profit_amount"]
    return (
        profit_amount is None,
        -(profit_amount or Decimal(0)),
        -row["revenue_amount"],
        row["value"],
    )


def steps(numbers: Row, currency: str) -> list[Row]:
    """Return the way from gross sales to the contribution, in the digits of a currency.

    A step that nothing is known of is null, and takes nothing off.
    """
    amounts = _fitted(_exact_steps(numbers), currency)
    return [
        {
            "step": step.name,
            "label": step.label,
            "measure": step.measure,
            "is_total": step.is_total,
            "is_shared": step.is_shared,
            "step_amount": amount,
            "estimated_amount": _subtracted(numbers[step.estimated]) if step.estimated else None,
        }
        for step, amount in zip(STEPS, amounts, strict=True)
    ]


def _fitted(exact: Sequence[Decimal | None], currency: str) -> list[Decimal | None]:
    """Return the amounts of all steps in the digits of a currency.

    Each total is rounded by itself, and the steps between two of them so that they add up. Steps
    that do not, as parts of them were not published, are rounded by themselves.
    """
    result = [None if amount is None else rounded(amount, currency) for amount in exact]
    unit = unit_of(currency)
    before: Decimal | None = Decimal(0)
    between: dict[int, Fraction] = {}
    for position, (step, amount) in enumerate(zip(STEPS, exact, strict=True)):
        if not step.is_total:
            between |= {position: Fraction(amount)} if amount is not None else {}
            continue
        total = result[position]
        if between and before is not None and total is not None:
            shares, change = list(between.values()), total - before
            if abs(sum(shares, Fraction(0)) - Fraction(change)) <= unit:
                result = _with(result, between, rounded_parts(shares, change, unit))
        before, between = total, {}
    return result


def _with(
    amounts: Sequence[Decimal | None], positions: Iterable[int], others: Iterable[Decimal]
) -> list[Decimal | None]:
    """Return amounts with others at some positions."""
    by_position = dict(zip(positions, others, strict=True))
    return [by_position.get(position, amount) for position, amount in enumerate(amounts)]


def _exact_steps(numbers: Row) -> list[Decimal | None]:
    """Return what each step adds, exactly; below zero for what is taken off.

    What is not known is what the other steps leave of the next total: sales without a cost, and
    orders of which a part is unknown.
    """
    amounts: dict[str, Decimal | None] = {
        step.name: numbers[step.measure]
        if step.is_total or step.is_added
        else _subtracted(numbers[step.measure])
        for step in STEPS
    }
    costed, revenue = numbers["costed_revenue_amount"], amounts["net_sales"]
    amounts[UNKNOWN_COST] = None if revenue is None else (costed or Decimal(0)) - revenue
    contribution = amounts["contribution_before_ads"]
    stated = [amounts["gross_profit"], *(amounts[step.name] for step in STEPS if step.is_shared)]
    amounts[UNKNOWN_PARTS] = (
        None
        if contribution is None
        else contribution - sum((amount or Decimal(0) for amount in stated), Decimal(0))
    )
    return [amounts[step.name] for step in STEPS]


def _subtracted(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else -amount
