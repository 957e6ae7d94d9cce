"""Which event and which order are one purchase, or one refund: each is in one pair at most.

An event finds its order by the id that it names, else by customer, amount and time. Both must hold the other for the
best there is, in a total order, so the answer does not depend on which days are computed together. Not here: what
differs in a pair (`reconciliation.py`).
"""

from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.reconciliation_rule import ReconciliationRule
from ecom_assets.transforms.stacking import stacked

ORDER = ("kind", "order_id", "order_date")
EVENT = ("event_date", "event_id")
"""What identifies an order of a day, and an event."""
CANDIDATE = (*ORDER, "ordered_at", *EVENT, "event_at", "matched_by", "preference")


def orders_of(lines: ir.Table, rule: ReconciliationRule, days: Days) -> ir.Table:
    """One row per order of a day: its shipped lines, or its refunded ones.

    Args:
        lines: Rows of `UserOrderLog`.
        rule: How the ids of lines are made of those of orders.
        days: Order days.
    """
    lines = lines.filter(days.contain(lines.order_date))
    lines = lines.mutate(
        kind=(lines.status == "refunded").ifelse("refund", "purchase"),
        line_order_id=lines.uniq_id.re_replace(rule.line_suffix, ""),
    )
    return lines.group_by(*ORDER).agg(
        ordered_at=lines.ordered_at.min(),
        customer_id=lines.customer_id.min(),
        line_order_id=lines.line_order_id.min(),
        order_amount=lines.payment_amount.sum().cast(MONEY),
    )


def events_of(events: ir.Table, rule: ReconciliationRule, days: Days) -> ir.Table:
    """One row per purchase or refund event of `days`, with the order that it names.

    Args:
        events: Rows of `CleanEvents`.
        rule: Where events name orders.
        days: Event days.
    """
    events = events.filter(days.contain(events.event_date), events.event_type.isin(("purchase", "refund")))
    named = [
        events.properties.re_extract(f'"{key}"[ ]*:[ ]*"?([^",}}]+)', 1).nullif("").nullif("null")
        for key in rule.order_id_keys
    ]
    return events.select(
        *EVENT,
        "event_at",
        "visitor_id",
        kind=events.event_type,
        event_amount=events.cart_amount,
        named_order_id=ibis.coalesce(*named),
    )


@dataclass(frozen=True)
class Pairing:
    """Orders and events of some days, as `orders_of` and `events_of` give them, and who belongs to whom."""

    orders: ir.Table
    events: ir.Table
    rule: ReconciliationRule

    @cached_property
    def pairs(self) -> ir.Table:
        """The keys of order and event of each pair, with `matched_by`."""
        return stacked(self._by_id, self._by_customer)

    @cached_property
    def repeated(self) -> ir.Table:
        """The keys of events without an order of their own that repeat another event."""
        alone = self.events.anti_join(self.pairs, EVENT)
        counted = self.events.semi_join(self.pairs, EVENT).select(
            "kind", "visitor_id", "event_amount", counted_at="event_at"
        )
        both = alone.join(counted, ["kind", "visitor_id", "event_amount"])
        again = both.filter(_apart_s(both.event_at, both.counted_at) <= self.rule.repeat_s)
        return stacked(self._named.anti_join(self._by_id, EVENT).select(*EVENT), again.select(*EVENT)).distinct()

    @cached_property
    def _named(self) -> ir.Table:
        """Every event with every order near it that it names: by the order's id, or by that of its lines."""
        names = stacked(
            self.orders.select(*ORDER, "ordered_at", name="order_id"),
            self.orders.filter(self.orders.line_order_id != self.orders.order_id).select(
                *ORDER, "ordered_at", name="line_order_id"
            ),
        )
        both = self.events.join(names, [self.events.kind == names.kind, self.events.named_order_id == names.name])
        both = both.mutate(matched_by=ibis.literal("order_id"), preference=_days_apart(both))
        return both.filter(both.preference <= 1).select(*CANDIDATE)

    @cached_property
    def _by_id(self) -> ir.Table:
        return _mutual(self._named)

    @cached_property
    def _by_customer(self) -> ir.Table:
        orders = self.orders.anti_join(self._by_id, ORDER).mutate(visitor_id=lambda t: t.customer_id)
        events = self.events.anti_join(self._named, EVENT)
        orders = orders.mutate(amount=orders.order_amount)
        events = events.mutate(amount=events.event_amount.fill_null(ibis.literal(-1, MONEY)))
        orders = _numbered(orders, "order", ["ordered_at", "order_id"])
        events = _numbered(events, "event", ["event_at", "event_id"])
        both = events.join(orders, [events.kind == orders.kind, events.visitor_id == orders.visitor_id])
        days_apart, apart_s = _days_apart(both), _apart_s(both.event_at, both.ordered_at)
        same = (both.amount == both.amount_right) & (both.event_place == both.order_place) & (days_apart <= 1)
        near = (both.amount != both.amount_right) & (days_apart == 0) & (apart_s <= self.rule.near_s)
        is_same = same & (apart_s <= self.rule.shift_s)
        both = both.mutate(
            matched_by=is_same.ifelse("customer_amount", "customer_time"),
            preference=is_same.ifelse(days_apart, 2),
        )
        return _mutual(both.filter(is_same | near).select(*CANDIDATE))


def _numbered(rows: ir.Table, noun: str, order: list[str]) -> ir.Table:
    """Number purchases of one amount by one customer on one day, so that two equal ones find two."""
    in_order = ibis.window(group_by=["kind", "visitor_id", "amount", f"{noun}_date"], order_by=order)
    return rows.mutate(**{f"{noun}_place": ibis.row_number().over(in_order)})


def _mutual(candidates: ir.Table) -> ir.Table:
    """Keep those candidates that are the best for both: least preference, then nearest in time, then by id."""
    apart_s = _apart_s(candidates.event_at, candidates.ordered_at)
    by_order = ibis.window(group_by=[*ORDER], order_by=["preference", apart_s, "event_at", "event_id"])
    by_event = ibis.window(group_by=[*EVENT], order_by=["preference", apart_s, "ordered_at", "order_id"])
    ranked = candidates.mutate(order_rank=ibis.row_number().over(by_order), event_rank=ibis.row_number().over(by_event))
    return ranked.filter(ranked.order_rank == 0, ranked.event_rank == 0).select(*ORDER, *EVENT, "matched_by")


def _days_apart(both: ir.Table) -> ir.IntegerValue:
    """0 on one day, 1 on neighbouring ones, 2 beyond."""
    before = (both.order_date - ibis.interval(days=1)).cast("date")
    after = (both.order_date + ibis.interval(days=1)).cast("date")
    is_neighbour = (both.event_date == before) | (both.event_date == after)
    return (both.event_date == both.order_date).ifelse(0, is_neighbour.ifelse(1, 2))


def _apart_s(one: ir.TimestampValue, other: ir.TimestampValue) -> ir.IntegerValue:
    return (one.epoch_seconds().cast("int64") - other.epoch_seconds().cast("int64")).abs()
