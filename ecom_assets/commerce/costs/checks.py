"""Checks of costs and profit."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import (
    REASON_MEANINGS,
    CostVersions,
    ItemCosts,
    ProfitDaily,
    ProfitLines,
    QuarantinedCosts,
    RawCosts,
)
from ecom_assets.commerce.costs.contribution import CostRules
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.costs.profit import DIMENSIONS
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.contracts import City, Sales
from ecom_assets.core.tables.check import (
    EXAMPLES,
    BrokenRows,
    CheckResult,
    TableCheck,
    check,
    counted_by,
    rows_on_days,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import count_of, rows_of, union_all, value_of
from ecom_assets.core.tables.queries import totals_by
from ecom_assets.core.tables.received import NO_FAULT

SAID_OF: Final = {
    "two_costs": "with another cost of the same item and day, of which the highest counts",
    "ends_before_start": "with an end before their start, which does not count",
    "overlaps_next": "with an end after the next start, from which the next cost counts",
    "gap_after": "with an end before the next start, between which the cost is not known",
}
"""What to say of rows by their contradiction."""


@check(CostVersions, reads=(RawCosts, QuarantinedCosts, CostVersions))
def received_is_costs_plus_quarantined(
    _days: Days | None, raw: ir.Table, quarantined: ir.Table, versions: ir.Table
) -> CheckResult:
    """Received rows of costs = rows that say a cost + quarantined rows."""
    counts = {
        "received": count_of(raw),
        "quarantined": count_of(quarantined),
        "clean": int(value_of(versions.version_count.sum().fill_null(0))),
    }
    residue = counts["received"] - counts["quarantined"] - counts["clean"]
    return CheckResult(abs(residue), counts["received"], [counts] if residue else [])


@check(QuarantinedCosts, reads=(QuarantinedCosts,), warns=True)
def every_cost_is_read(_days: Days | None, quarantined: ir.Table) -> CheckResult:
    """Every row of costs says a cost."""
    return counted_by(
        quarantined.filter(quarantined.reject_reason.notin(list(NO_FAULT))),
        "reject_reason",
        REASON_MEANINGS,
        "Rows of costs that are not read: {}. Their items have no cost from these days on; fix the "
        "rows, and run again.",
    )


@check(ItemCosts, reads=(RawStock,), warns=True)
def costs_of_the_catalogue_are_read(_days: Days | None, stock: ir.Table) -> CheckResult:
    """Every cost in the newest catalogue is a number that is not below zero."""
    stated = stock.filter(stock.received_unit_cost_amount.notnull())
    dated = stated.mutate(newest_date=stated.received_date.max().over(ibis.window()))
    newest = dated.filter(dated.received_date == dated.newest_date)
    broken = newest.filter(newest.unit_cost_amount.isnull())
    read, number = count_of(newest), count_of(broken)
    if not number:
        return CheckResult(0, read)
    sentence = (
        f"Products of the catalogue whose unit_cost_amount is below zero or not a number: "
        f"{number:,}. Their cost is not known; fix it in the catalogue."
    )
    names = "product_id", "received_unit_cost_amount"
    examples = rows_of(broken.select(*names).order_by(*names).limit(EXAMPLES))
    return CheckResult(number, read, examples, metadata={"sentence": sentence})


@check(ItemCosts, reads=(ItemCosts,), warns=True)
def costs_do_not_contradict(_days: Days | None, item_costs: ir.Table) -> CheckResult:
    """No row of costs contradicts itself, or another row of its item."""
    return counted_by(
        item_costs.filter(item_costs.contradiction.notnull()),
        "contradiction",
        SAID_OF,
        "Rows of costs that contradict themselves or others: {}. mart.item_costs has them by item, "
        "in `contradiction`.",
    )


@check(ProfitDaily, reads=(ProfitLines, ProfitDaily))
def profit_adds_up_to_its_lines(days: Days | None, lines: ir.Table, daily: ir.Table) -> BrokenRows:
    """On each day, revenue, cost and profit are the sums of those of the order lines."""
    names = ("revenue_amount", "cost_amount", "gross_profit_amount", "costed_revenue_amount")
    totals = totals_by(daily, DIMENSIONS)
    sides = union_all(
        lines.select("order_date", *names),
        totals.select("order_date", **{name: (-totals[name]).cast(PROFIT) for name in names}),
    )
    sides = rows_on_days(sides, "order_date", days)
    sums = sides.group_by("order_date").agg(
        **{name: sides[name].sum().fill_null(0) for name in names}
    )
    broken = sums.filter(ibis.or_(*(sums[name] != 0 for name in names)))
    return BrokenRows(broken, sums)


PACKS: Final = ((95, 105, "a hundred times, as in cents"), (11, 13, "twelve times, as for a pack"))
"""How often the price a cost is where it is written in another unit: from, up to, and what it is.
"""


@check(ProfitLines, reads=(ProfitLines,), warns=True)
def costs_are_below_prices(_days: Days | None, lines: ir.Table) -> CheckResult:
    """No item costs more than customers paid for it, on average of what was sold."""
    sold = lines.filter(
        lines.status == "shipped", lines.quantity > 0, lines.unit_cost_amount.notnull()
    )
    items = sold.group_by("item_id").agg(
        cost=sold.cost_amount.sum(), paid=sold.gross_sales_amount.sum()
    )
    times = (items.cost / items.paid.nullif(0)).cast("float64")
    dear = items.filter((items.cost > items.paid) & (items.paid > 0)).mutate(times=times)
    counts = {
        what: dear.times.between(low, high).ifelse(1, 0).sum().fill_null(0)
        for low, high, what in PACKS
    }
    (row,) = rows_of(dear.agg(dear=dear.count(), **counts))
    number, seen_count = int(row["dear"]), count_of(items)
    said = "".join(f"; {int(row[what]):,} about {what}" for _, _, what in PACKS if row[what])
    sentence = (
        f"Items that cost more than customers paid for them: {number:,} of {seen_count:,}"
        f"{said}. If costs are in cents, or for a pack, say so in their mapping (`piece_count`)."
    )
    evidence = {"sentence": sentence} if number else {}
    examples = rows_of(dear.select("item_id").order_by("item_id").limit(EXAMPLES))
    return CheckResult(number, seen_count, examples, metadata=evidence)


UNKNOWN_SHARE: Final = 0.2
"""The share of what was sold whose cost may be unknown without a warning."""


@check(ProfitDaily, reads=(ProfitDaily,), warns=True)
def most_costs_are_known(days: Days | None, daily: ir.Table) -> CheckResult:
    """The cost of most of what was sold on the days of the run is known, in a shop that has any."""
    every_day = totals_by(daily, DIMENSIONS)
    if not value_of(every_day.gross_profit_amount.count()):
        return CheckResult(0, 0)
    totals = rows_on_days(every_day, "order_date", days)
    (row,) = rows_of(
        totals.agg(
            shipped=totals.shipped_amount.sum().fill_null(0),
            costed=totals.costed_shipped_amount.sum().fill_null(0),
        )
    )
    shipped, costed = Decimal(row["shipped"]), Decimal(row["costed"])
    share = (shipped - costed) / shipped if shipped > 0 else Decimal(0)
    if share <= Decimal(str(UNKNOWN_SHARE)):
        return CheckResult(0, 1)
    sentence = (
        f"Of {share:.0%} of what was sold the cost is not known: margins are of the rest only. "
        "Give `ecom run` the missing items with --costs."
    )
    return CheckResult(1, 1, metadata={"sentence": sentence})


WEEK: Final = 7


@check(ProfitDaily, reads=(ProfitDaily,), warns=True)
def margin_does_not_fall_by_half(days: Days | None, daily: ir.Table) -> CheckResult:
    """The gross margin of the last week is more than half of that of the four weeks before."""
    totals = totals_by(daily, DIMENSIONS)
    newest = value_of(rows_on_days(totals, "order_date", days).order_date.max())
    if newest is None:
        return CheckResult(0, 0)
    last = newest - timedelta(days=WEEK - 1)
    now, before = (
        _margin(totals.filter(totals.order_date.between(first, end)))
        for first, end in (
            (last, newest),
            (last - timedelta(days=4 * WEEK), last - timedelta(days=1)),
        )
    )
    if now is None or before is None or before <= 0 or now > before / 2:
        return CheckResult(0, 1)
    sentence = (
        f"Gross margin fell by half or more in the week up to {newest}, against the four "
        "weeks before; see whether costs, prices or discounts changed, and whether the newest "
        "costs are right."
    )
    return CheckResult(1, 1, metadata={"sentence": sentence})


def _margin(totals: ir.Table) -> Decimal | None:
    """Return the gross margin of some days; None where nothing was sold at a known cost."""
    (row,) = rows_of(
        totals.agg(
            profit=totals.gross_profit_amount.sum(), costed=totals.costed_revenue_amount.sum()
        )
    )
    if row["profit"] is None or row["costed"] is None or row["costed"] <= 0:
        return None
    return Decimal(row["profit"]) / Decimal(row["costed"])


def rule_checks(rules: CostRules) -> list[TableCheck]:
    """Return the check that rules are about what orders have; none without rules that name it."""
    if not any(rule.value for rule in rules.of_orders):
        return []
    return [
        TableCheck(
            contract=ProfitLines,
            name="rules_are_about_orders",
            description="Each rule of costs names what some order has.",
            function=partial(_rules_without_orders, rules),
            tables=(ProfitLines, Sales, City),
            warns=True,
        )
    ]


def _rules_without_orders(
    rules: CostRules, _days: Days | None, _lines: ir.Table, sold: ir.Table, cities: ir.Table
) -> CheckResult:
    """Count rules whose payment method, country or sales channel no order has."""
    columns = {
        "payment_method": sold.payment_method,
        "sales_channel": sold.sales_channel,
        "country": cities.country,
    }
    named = [rule for rule in rules.of_orders if rule.value]
    values = {
        name: {str(row[name]) for row in rows_of(columns[name].as_table().distinct()) if row[name]}
        for name in {rule.condition for rule in named}
    }
    lost = [
        rule
        for rule in named
        if rule.value not in {text.lower() for text in values[rule.condition]}
    ]
    if not lost or not all(values.values()):
        return CheckResult(0, len(named))
    said = "; ".join(
        f"{rule.condition} {getattr(rule, rule.condition)!r}, where orders have "
        f"{', '.join(sorted(values[rule.condition])[:EXAMPLES])}"
        for rule in lost
    )
    sentence = f"Rules of costs about what no order has: {said}; correct them in ecom.toml."
    return CheckResult(len(lost), len(named), metadata={"sentence": sentence})


COST_CHECKS = [
    received_is_costs_plus_quarantined,
    every_cost_is_read,
    costs_of_the_catalogue_are_read,
    costs_do_not_contradict,
    profit_adds_up_to_its_lines,
    costs_are_below_prices,
    most_costs_are_known,
    margin_does_not_fall_by_half,
]
"""All checks of costs and profit, in addition to the contracts."""
