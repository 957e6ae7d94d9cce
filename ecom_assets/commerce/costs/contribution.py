"""What an order leaves before advertising: its gross profit and shipping charged, less what its
shipping, payment and marketplace cost, and less goodwill.

These are amounts of whole orders, which their lines share by net sales. METRICS "Profit";
docs/metrics/costs.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add, and_
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.orders.orders import CHARGES, WITHOUT_ITEM
from ecom_assets.core.tables.cost_rules import (
    AnyRule,
    CommissionRule,
    CostRule,
    PaymentFeeRule,
    ShippingCostRule,
    spans,
)
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import NO, first_of_each
from ecom_assets.core.tables.shares import share, units

ORDER: Final = ("order_id", "order_date", "status")
"""What identifies the lines that are sold, or paid back, together."""
REFUNDED: Final = ibis.literal("refunded")
PERCENT: Final = 100
SHARED: Final = (
    "shipping_amount",
    "shipping_cost_amount",
    "payment_fee_amount",
    "estimated_commission_amount",
    "goodwill_amount",
)
"""The amounts of whole orders, which their lines share."""


@dataclass(frozen=True)
class CostRules:
    """Rules for what no source states of an order; see `core/tables/cost_rules.py`."""

    payment_fees: tuple[PaymentFeeRule, ...] = ()
    shipping_costs: tuple[ShippingCostRule, ...] = ()
    commissions: tuple[CommissionRule, ...] = ()

    @property
    def of_orders(self) -> tuple[CostRule, ...]:
        """Return all of them."""
        return (*self.payment_fees, *self.shipping_costs, *self.commissions)


def with_order_amounts(
    lines: ir.Table, sold: ir.Table, cities: ir.Table, rules: CostRules
) -> ir.Table:
    """Return lines with their shares of what their orders cost and of goodwill, and by which rules.

    `is_contribution_known` says whether all parts of the order and of what is paid back of it are
    known.

    Args:
        lines: All lines of some orders, with `cost_amount` and `paid_amount`, without a sign, and
            `whole_order`.
        sold: All rows of `Sales`.
        cities: All rows of `City`.
        rules: The rules.
    """
    orders = _with_rules(_orders(lines, cities), rules)
    orders = _with_known_whole(_with_goodwill(_with_knowledge(orders, sold, rules)))
    rule_names = ("payment_fee_rule", "shipping_cost_rule", "commission_rule")
    return _shared(lines, orders, SHARED, (*rule_names, "is_contribution_known"))


def with_whole_order(sold: ir.Table) -> ir.Table:
    """Return sales with `whole_order`, the number of the order that a line, or a refund, is of.

    Reports without numbers of orders do not say what is paid back: a refund whose number was not
    sold up to its day is of the last order of its customer with one of its items.

    Args:
        sold: All rows of `Sales`.
    """
    shipped = sold.filter(sold.status == "shipped")
    refunds = sold.filter(sold.status == "refunded", sold.customer_id != UNKNOWN_CUSTOMER)
    first = shipped.group_by(shipped_order="order_id").agg(
        first_shipped_date=shipped.order_date.min()
    )
    refunds = refunds.left_join(first, refunds.order_id == first.shipped_order)
    is_there = (refunds.first_shipped_date <= refunds.order_date).fill_null(NO)
    lost = refunds.filter(~is_there).select(
        lost_order="order_id",
        lost_date="order_date",
        lost_customer="customer_id",
        lost_item="item_id",
    )
    placed = shipped.select("customer_id", "item_id", "order_date", found_order="order_id")
    pairs = placed.join(
        lost.distinct(),
        [placed.customer_id == lost.lost_customer, placed.item_id == lost.lost_item],
    )
    pairs = pairs.filter(pairs.order_date <= pairs.lost_date)
    last = [pairs.order_date.desc(), pairs.found_order.desc()]
    found = first_of_each(pairs, ["lost_order", "lost_date"], last)
    found = found.select("lost_order", "lost_date", "found_order", lost_status=REFUNDED)
    joined = sold.left_join(
        found,
        [
            sold.order_id == found.lost_order,
            sold.order_date == found.lost_date,
            sold.status == found.lost_status,
        ],
    )
    whole = joined.mutate(whole_order=joined.found_order.fill_null(joined.order_id))
    return whole.drop("lost_order", "lost_date", "lost_status", "found_order")


def goodwill(sold: ir.Table) -> ir.Table:
    """Return the part of each refund in the goodwill of its order, `goodwill_amount`, by `uniq_id`;
    the same as `with_order_amounts` without what orders cost.

    Args:
        sold: All rows of `Sales`.
    """
    refunded = sold.filter(sold.status == "refunded").select(refunded_order="order_id").distinct()
    lines = sold.select(*ORDER, "uniq_id", "item_id", "revenue_amount")
    lines = lines.join(refunded, lines.order_id == refunded.refunded_order)
    lines = lines.mutate(paid_amount=lines.revenue_amount.abs().cast(PROFIT))
    orders = lines.group_by(*ORDER).agg(**_paid(lines))
    shared = _shared(lines, _with_goodwill(orders), ("goodwill_amount",))
    return shared.filter(shared.status == "refunded").select("uniq_id", "goodwill_amount")


def _shared(
    lines: ir.Table, orders: ir.Table, names: Sequence[str], of_order: Sequence[str] = ()
) -> ir.Table:
    """Return lines with their parts of some amounts of their orders, by what was paid for each, and
    with other columns of the orders.
    """
    orders = orders.select(
        *ORDER, *(f"order_{name}" for name in names), *of_order, "line_count", "order_weight"
    )
    joined = lines.drop(*(name for name in names if name in lines.columns)).join(
        orders, list(ORDER)
    )
    has_weight = joined.order_weight > 0
    joined = joined.mutate(
        whole=has_weight.ifelse(joined.order_weight, joined.line_count.cast("float64")),
        weight=has_weight.ifelse(units(joined.paid_amount), 1.0),
    )
    joined = _with_weight_so_far(joined)
    shares = {name: share(joined[f"order_{name}"], joined).cast(PROFIT) for name in names}
    return joined.mutate(**shares, has_shared_amounts=joined.line_count > 1)


def _with_weight_so_far(lines: ir.Table) -> ir.Table:
    """Add the weight of each line's order before it, and up to it.

    Only orders of several lines are put in order, with the columns that this takes: rows with all
    columns take twice as long.
    """
    several = lines.filter(lines.line_count > 1).select(*ORDER, "uniq_id", "weight")
    so_far = ibis.cumulative_window(group_by=list(ORDER), order_by="uniq_id")
    sums = several.select(line_id="uniq_id", weight_so_far=several.weight.sum().over(so_far))
    joined = lines.left_join(sums, lines.uniq_id == sums.line_id)
    joined = joined.mutate(weight_to=joined.weight_so_far.fill_null(joined.weight))
    return joined.mutate(weight_before=joined.weight_to - joined.weight).drop("line_id")


def _orders(lines: ir.Table, cities: ir.Table) -> ir.Table:
    """Return a row per order, and one per day of its refunds, with what its lines say."""
    of_cities = cities.select(placed_in="city_id", country="country")
    lines = lines.left_join(of_cities, lines.city_id == of_cities.placed_in)
    charges = [lines[name].fill_null(0) for name in CHARGES]
    charged = reduce(add, charges, lines.revenue_amount)
    # Money that goes back for no piece has no cost.
    has_cost = lines.cost_amount.notnull() | (lines.quantity == 0).fill_null(NO)
    return lines.group_by(*ORDER).agg(
        **_paid(lines),
        whole_order=lines.whole_order.max(),
        charged_amount=charged.sum().cast("decimal(18, 4)"),
        piece_count=(lines.quantity.count() == lines.count()).ifelse(
            lines.quantity.sum().cast("decimal(18, 4)"), ibis.null("decimal(18, 4)")
        ),
        is_costed=has_cost.ifelse(1, 0).sum() == lines.count(),
        payment_method=_same(lines.payment_method),
        country=_same(lines.country),
        sales_channel=_same(lines.sales_channel),
        order_shipping_amount=lines.shipping_amount.sum().cast(PROFIT),
        stated_shipping_cost=lines.shipping_cost_amount.sum().cast(PROFIT),
        stated_payment_fee=lines.payment_fee_amount.sum().cast(PROFIT),
    )


def _paid(lines: ir.Table) -> dict[str, ir.Value]:
    """Return what was paid for the lines of an order, or paid back: by which its amounts are
    shared, and what of it may be goodwill.
    """
    is_without_item = lines.item_id.isin(WITHOUT_ITEM)
    nothing = ibis.literal(0, PROFIT)
    return {
        "line_count": lines.count(),
        "order_weight": units(lines.paid_amount).sum(),
        "order_paid_amount": lines.paid_amount.sum().cast(PROFIT),
        "without_item_amount": is_without_item.ifelse(lines.paid_amount, nothing)
        .sum()
        .cast(PROFIT),
    }


def _same(column: ir.StringColumn) -> ir.StringValue:
    """Return the value that all lines have that have one, in small letters; null if they differ."""
    least, greatest = column.min(), column.max()
    return (least == greatest).ifelse(least, ibis.null("string")).lower()


def _with_rules(orders: ir.Table, rules: CostRules) -> ir.Table:
    """Add what orders cost: what they state, else what a rule says, else null.

    An order for which nothing was paid has no fee. A refund has what it states.
    """
    is_order = orders.status == "shipped"
    fee, fee_rule = _by_rule(orders, rules.payment_fees)
    shipping, shipping_rule = _by_rule(orders, rules.shipping_costs)
    commission, commission_rule = _by_rule(orders, rules.commissions)
    is_free = is_order & (orders.charged_amount == 0)
    free = is_free.ifelse(ibis.literal(0, PROFIT), ibis.null(PROFIT))
    no_rule = ibis.null("string")
    has_fee = orders.stated_payment_fee.notnull() | is_free
    return orders.mutate(
        order_payment_fee_amount=ibis.coalesce(orders.stated_payment_fee, free, fee),
        payment_fee_rule=has_fee.ifelse(no_rule, fee_rule),
        order_shipping_cost_amount=orders.stated_shipping_cost.fill_null(shipping),
        shipping_cost_rule=orders.stated_shipping_cost.notnull().ifelse(no_rule, shipping_rule),
        order_estimated_commission_amount=commission,
        commission_rule=commission_rule,
    )


def _by_rule(orders: ir.Table, rules: Sequence[AnyRule]) -> tuple[ir.DecimalValue, ir.StringValue]:
    """Return what the rule of each order makes of it, in cents, and the rule in words."""
    nothing, no_rule = ibis.null(PROFIT), ibis.null("string")
    cases = [(_holds(orders, rule, first, end), rule) for rule, first, end in spans(rules)]
    if not cases:
        return nothing, no_rule
    return (
        ibis.cases(*((holds, _amount(orders, rule)) for holds, rule in cases), else_=nothing),
        ibis.cases(*((holds, ibis.literal(rule.text)) for holds, rule in cases), else_=no_rule),
    )


def _holds(
    orders: ir.Table, rule: CostRule, first: date | None, end: date | None
) -> ir.BooleanValue:
    conditions = [orders.status == "shipped"]
    conditions += [orders[rule.condition] == rule.value] if rule.value else []
    conditions += [] if first is None else [orders.order_date >= ibis.literal(first)]
    conditions += [] if end is None else [orders.order_date < ibis.literal(end)]
    return reduce(and_, conditions).fill_null(NO)


FACTOR: Final = "decimal(19, 8)"
"""The type of what amounts are multiplied by: DuckDB keeps products of two decimals of at most 18
digits to 18, which large amounts exceed, and Spark keeps all digits of products up to 38.
"""
OF_ORDERS: Final = {"percent": "charged_amount", "per_piece": "piece_count"}
"""What an amount of a rule is multiplied with; others are as they are."""


def _amount(orders: ir.Table, rule: CostRule) -> ir.DecimalValue:
    parts = []
    for name in rule.amounts:
        if (value := getattr(rule, name)) is not None:
            share = value / PERCENT if name == "percent" else value
            amount = ibis.literal(share, FACTOR)
            parts.append(amount * orders[OF_ORDERS[name]] if name in OF_ORDERS else amount)
    return reduce(add, parts).cast("decimal(38, 2)").cast(PROFIT)


def _with_knowledge(orders: ir.Table, sold: ir.Table, rules: CostRules) -> ir.Table:
    """Add whether all parts of an order are known by itself.

    Each payment has a fee, if it may be 0. Shipping is a part of each order of a shop of which any
    order states it, or a rule.
    """
    states = sold.filter(sold.shipping_amount.notnull() | sold.shipping_cost_amount.notnull())
    has_shipping = ibis.literal(value=True)
    if not rules.shipping_costs:
        orders = orders.cross_join(states.agg(shipping_line_count=states.count()))
        has_shipping = orders.shipping_line_count > 0
    is_sent = orders.order_shipping_amount.notnull() & orders.order_shipping_cost_amount.notnull()
    is_known = orders.order_payment_fee_amount.notnull() & (is_sent | ~has_shipping)
    is_refund = orders.status == "refunded"
    return orders.mutate(is_known=orders.is_costed & (is_refund | is_known))


def _with_known_whole(orders: ir.Table) -> ir.Table:
    """Add whether all parts of an order are known, with those of its refunds.

    An order and what is paid back of it count together or not at all: a sum with the one and not
    the other would be of neither. A refund is of all orders of its number up to its day, or of what
    `with_whole_order` finds; one whose order is not there is of an order of which no part is known.
    """
    is_refund = orders.status == "refunded"
    days = orders.mutate(
        shipped_date=is_refund.ifelse(ibis.null("date"), orders.order_date),
        refunded_date=is_refund.ifelse(orders.order_date, ibis.null("date")),
    )
    spans = days.group_by(numbered="whole_order").agg(
        first_shipped_date=days.shipped_date.min(), last_refunded_date=days.refunded_date.max()
    )
    joined = orders.join(spans, orders.whole_order == spans.numbered).drop("numbered")
    is_refund = joined.status == "refunded"
    is_paid_back = (joined.order_date <= joined.last_refunded_date).fill_null(NO)
    has_order = (joined.order_date >= joined.first_shipped_date).fill_null(NO)
    joined = joined.mutate(is_with_others=is_refund.ifelse(has_order, is_paid_back))
    together = joined.filter(joined.is_with_others)
    unknown = together.group_by(numbered="whole_order").agg(
        unknown_count=(~together.is_known).ifelse(1, 0).sum()
    )
    joined = joined.left_join(unknown, joined.whole_order == unknown.numbered)
    return joined.mutate(
        is_contribution_known=joined.is_with_others.ifelse(
            joined.unknown_count == 0, joined.is_known & (joined.status == "shipped")
        )
    ).drop("numbered")


def _with_goodwill(orders: ir.Table) -> ir.Table:
    """Add goodwill.

    What is paid back of an order beyond what its items were sold for is goodwill, and what is paid
    back for no item, where no order is there to be paid back.
    """
    refunds = orders.filter(orders.status == "refunded")
    so_far = ibis.cumulative_window(group_by="order_id", order_by="order_date")
    refunds = refunds.mutate(paid_back_to=refunds.order_paid_amount.sum().over(so_far).cast(PROFIT))
    shipped = orders.filter(orders.status == "shipped").select(
        "order_id",
        shipped_date="order_date",
        shipped_amount="order_paid_amount",
    )
    pairs = refunds.select(
        "order_id", "order_paid_amount", "paid_back_to", refunded_date="order_date"
    ).join(shipped, "order_id")
    pairs = pairs.filter(pairs.shipped_date <= pairs.refunded_date)
    worth = pairs.group_by("order_id", "refunded_date", "order_paid_amount", "paid_back_to").agg(
        worth=pairs.shipped_amount.sum().cast(PROFIT)
    )
    beyond = _above_zero(worth.paid_back_to - worth.worth) - _above_zero(
        worth.paid_back_to - worth.order_paid_amount - worth.worth
    )
    worth = worth.select(
        refunded_order="order_id",
        refunded_date="refunded_date",
        refunded=ibis.literal("refunded"),
        beyond=beyond.cast(PROFIT),
    )
    joined = orders.left_join(
        worth,
        [
            orders.order_id == worth.refunded_order,
            orders.order_date == worth.refunded_date,
            orders.status == worth.refunded,
        ],
    )
    goodwill = joined.beyond.fill_null(joined.without_item_amount)
    is_refund = joined.status == "refunded"
    return joined.mutate(order_goodwill_amount=is_refund.ifelse(goodwill, ibis.literal(0, PROFIT)))


def _above_zero(amount: ir.DecimalValue) -> ir.DecimalValue:
    return (amount > 0).ifelse(amount, ibis.literal(0, PROFIT))
