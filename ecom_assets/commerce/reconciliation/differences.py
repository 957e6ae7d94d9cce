"""Orders against purchase and refund events: which belong together, the cause of each difference,
and daily totals.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.orders import changed_days
from ecom_assets.commerce.reconciliation.contracts import (
    CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all, union_distinct
from ecom_assets.core.tables.received import side_by_side
from ecom_assets.core.tables.spellings import order_name

ORDER = ("kind", "order_id", "order_date")
EVENT = ("event_date", "event_id")
"""The columns that identify an order of a day (`ORDER`) and an event (`EVENT`)."""
CANDIDATE = (*ORDER, "ordered_at", *EVENT, "event_at", "matched_by", "preference")


@dataclass(frozen=True)
class ReconciliationRule:
    """When an event and an order are the same purchase; they are at most one calendar day apart.

    Attributes:
        order_id_keys: Keys of an event's `properties` that may contain the order id; the first one
            present counts. GA4 and many others use transaction_id.
        line_suffix: A regular expression for what follows the order id in the id of an order line,
            because events name orders, not lines.
        shift_s: The most seconds between an order and an event with the same customer and amount:
            14 hours, the largest offset of a time zone from UTC.
        near_s: The most seconds between an order and an event with the same customer and different
            amounts: an hour, because customers rarely buy again so soon.
        repeat_s: The most seconds between an event without an order and the event with the same
            customer and amount that it repeats: an hour, in which customers may reload a thank-you
            page.
    """

    order_id_keys: tuple[str, ...] = ("order_id", "transaction_id", "transactionid")
    line_suffix: str = "-[0-9]+(-r)?$"
    shift_s: int = 14 * 3600
    near_s: int = 3600
    repeat_s: int = 3600

    def to_mapping(self) -> dict[str, Any]:
        """Return the rule as it is shown in answers."""
        return asdict(self)


def orders_of(lines: ir.Table, rule: ReconciliationRule, days: Days) -> ir.Table:
    """Return one row per order of a day, for its shipped lines and for its refunded ones,
    in rows of `UserOrderLog`.
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
    """Return one row per purchase or refund in the `CleanEvents` of `days`,
    with the order that it names.
    """
    events = events.filter(
        days.contain(events.event_date), events.event_type.isin(("purchase", "refund"))
    )
    kinds = [
        events.properties.re_extract(f'"{key}"[ ]*:[ ]*"?([^",}}]+)', 1).nullif("").nullif("null")
        for key in rule.order_id_keys
    ]
    return events.select(
        *EVENT,
        "event_at",
        "visitor_id",
        kind=events.event_type,
        event_amount=events.cart_amount,
        named_order_id=ibis.coalesce(*kinds),
    )


@dataclass(frozen=True)
class Pairing:
    """Orders and events of some days, from `orders_of` and `events_of`,
    and the pairs that are the same purchase.
    """

    orders: ir.Table
    events: ir.Table
    rule: ReconciliationRule

    @cached_property
    def pairs(self) -> ir.Table:
        """The keys of the order and the event of each pair, with `matched_by`."""
        return union_all(self._by_id, self._by_customer)

    @cached_property
    def repeated(self) -> ir.Table:
        """The keys of events that repeat another event: by the order that they name,
        or by customer and amount.
        """
        alone = self.events.anti_join(self.pairs, EVENT)
        counted = self.events.semi_join(self.pairs, EVENT).select(
            "kind", "visitor_id", "event_amount", counted_at="event_at"
        )
        joined = alone.join(counted, ["kind", "visitor_id", "event_amount"])
        again = joined.filter(_apart_s(joined.event_at, joined.counted_at) <= self.rule.repeat_s)
        return union_distinct(
            self._named.anti_join(self._by_id, EVENT).select(*EVENT), again.select(*EVENT)
        )

    @cached_property
    def _named(self) -> ir.Table:
        """Every event with every order near it that it names,
        by the id of the order or of its lines.
        """
        names = union_all(
            self.orders.select(*ORDER, "ordered_at", name="order_id"),
            self.orders.filter(
                order_name(self.orders.line_order_id) != order_name(self.orders.order_id)
            ).select(*ORDER, "ordered_at", name="line_order_id"),
        )
        events = self.events.mutate(order_name=order_name(self.events.named_order_id))
        names = names.mutate(name=order_name(names.name))
        candidates = events.join(
            names, [events.kind == names.kind, events.order_name == names.name]
        )
        candidates = candidates.mutate(
            matched_by=ibis.literal("order_id"), preference=_days_apart(candidates)
        )
        return candidates.filter(candidates.preference <= 1).select(*CANDIDATE)

    @cached_property
    def _by_id(self) -> ir.Table:
        return _mutual(self._named)

    @cached_property
    def _by_customer(self) -> ir.Table:
        orders = self.orders.anti_join(self._by_id, ORDER).mutate(
            visitor_id=lambda t: t.customer_id
        )
        events = self.events.anti_join(self._named, EVENT)
        orders = orders.mutate(amount=orders.order_amount)
        events = events.mutate(amount=events.event_amount.fill_null(ibis.literal(-1, MONEY)))
        orders = _numbered(orders, "order", ["ordered_at", "order_id"])
        events = _numbered(events, "event", ["event_at", "event_id"])
        candidates = events.join(
            orders, [events.kind == orders.kind, events.visitor_id == orders.visitor_id]
        )
        days_apart, apart_s = (
            _days_apart(candidates),
            _apart_s(candidates.event_at, candidates.ordered_at),
        )
        same = (
            (candidates.amount == candidates.amount_right)
            & (candidates.event_place == candidates.order_place)
            & (days_apart <= 1)
        )
        near = (
            (candidates.amount != candidates.amount_right)
            & (days_apart == 0)
            & (apart_s <= self.rule.near_s)
        )
        is_same = same & (apart_s <= self.rule.shift_s)
        candidates = candidates.mutate(
            matched_by=is_same.ifelse("customer_amount", "customer_time"),
            preference=is_same.ifelse(days_apart, 2),
        )
        return _mutual(candidates.filter(is_same | near).select(*CANDIDATE))


def _numbered(rows: ir.Table, noun: str, order: list[str]) -> ir.Table:
    """Number the purchases of one amount by one customer on one day,
    so that two equal orders match two events.
    """
    in_order = ibis.window(
        group_by=["kind", "visitor_id", "amount", f"{noun}_date"], order_by=order
    )
    return rows.mutate(**{f"{noun}_place": ibis.row_number().over(in_order)})


def _mutual(candidates: ir.Table) -> ir.Table:
    """Keep candidates that are best for both sides: lowest `preference`, then nearest,
    then earliest, then id.
    """
    apart_s = _apart_s(candidates.event_at, candidates.ordered_at)
    by_order = ibis.window(
        group_by=[*ORDER], order_by=["preference", apart_s, "event_at", "event_id"]
    )
    by_event = ibis.window(
        group_by=[*EVENT], order_by=["preference", apart_s, "ordered_at", "order_id"]
    )
    ranked = candidates.mutate(
        order_rank=ibis.row_number().over(by_order), event_rank=ibis.row_number().over(by_event)
    )
    return ranked.filter(ranked.order_rank == 0, ranked.event_rank == 0).select(
        *ORDER, *EVENT, "matched_by"
    )


def _days_apart(candidates: ir.Table) -> ir.IntegerValue:
    """Return 0 for the same day, 1 for neighbouring days, and 2 for others."""
    before = (candidates.order_date - ibis.interval(days=1)).cast("date")
    after = (candidates.order_date + ibis.interval(days=1)).cast("date")
    is_neighbour = (candidates.event_date == before) | (candidates.event_date == after)
    return (candidates.event_date == candidates.order_date).ifelse(0, is_neighbour.ifelse(1, 2))


def _apart_s(instant: ir.TimestampValue, other: ir.TimestampValue) -> ir.IntegerValue:
    return (instant.epoch_seconds().cast("int64") - other.epoch_seconds().cast("int64")).abs()


REACH_DAYS = 5
"""Days before and after a changed day whose differences can change.

A match looks one day ahead and back, and so do the matches it competes with, first by order id,
then by customer. A repeated event depends on matches near it.
"""
ZERO = ibis.literal(0, MONEY)


def order_event_reconciliation(
    events: ir.Table, lines: ir.Table, reconciliation_rule: ReconciliationRule, days: Days
) -> ir.Table:
    """Return one row per difference on `days`.

    The tables are all rows of `CleanEvents` and `UserOrderLog`, of which only those near `days` are
    used.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    pairing = Pairing(
        orders_of(lines, reconciliation_rule, near),
        events_of(events, reconciliation_rule, near),
        reconciliation_rule,
    )
    rows = union_all(_without_event(pairing), _without_order(pairing), *_differing(pairing))
    return rows.filter(days.contain(rows.reconciled_date)).select(*OrderEventReconciliation.columns)


def reconciliation_daily(
    events: ir.Table,
    lines: ir.Table,
    differences: ir.Table,
    reconciliation_rule: ReconciliationRule,
    days: Days,
) -> ir.Table:
    """Return one row per day of `days` with an order or event.

    The tables are all rows of `CleanEvents`, `UserOrderLog` and `OrderEventReconciliation`.
    """
    orders, bought = (
        orders_of(lines, reconciliation_rule, days),
        events_of(events, reconciliation_rule, days),
    )
    differences = differences.filter(days.contain(differences.reconciled_date))
    record, amount = (
        differences.kind.concat(" ").concat(differences.record_id),
        differences.difference_amount,
    )
    ordered = orders.group_by(reconciled_date=orders.order_date).agg(
        order_count=orders.count(), order_amount=_signed(orders, orders.order_amount).sum()
    )
    happened = bought.group_by(reconciled_date=bought.event_date).agg(
        event_count=bought.count(),
        event_amount=_signed(bought, bought.event_amount.fill_null(ZERO)).sum(),
    )
    differing = differences.group_by("reconciled_date").agg(
        unmatched_count=record.nunique(where=differences.side == "order"),
        **{f"{cause}_count": (differences.cause == cause).ifelse(1, 0).sum() for cause in CAUSES},
        **{
            f"{cause}_amount": (differences.cause == cause).ifelse(amount, ZERO).sum()
            for cause in CAUSES
        },
    )
    per_day = side_by_side(["reconciled_date"], ordered, happened, differing)
    per_day = per_day.mutate(
        matched_count=per_day.order_count - per_day.unmatched_count,
        difference_amount=(per_day.order_amount - per_day.event_amount).cast(MONEY),
    )
    return per_day.select(*OrderEventReconciliationDaily.columns)


def reconciled_days(events: ir.Table, lines: ir.Table, changed: ir.Table, days: Days) -> ir.Table:
    """Return the days of orders or events whose differences a run over `days` can change,
    in a column `day`.

    The tables are all rows of `CleanEvents`, `UserOrderLog` and `ChangedOrderDays`; `days` are
    event days, and arrival days of order lines.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    moved = changed_days(changed, days)
    midnight = moved.day.cast(
        "timestamp(6)"
    )  # to Ibis, a date plus an interval is a date; to engines, it is not
    around = [
        moved.select(day=(midnight + ibis.interval(days=n)).date())
        for n in range(-REACH_DAYS, REACH_DAYS + 1)
    ]
    return union_distinct(
        *around,
        events.filter(near.contain(events.event_date)).select(day="event_date").distinct(),
        lines.filter(near.contain(lines.order_date)).select(day="order_date").distinct(),
    )


def _without_event(pairing: Pairing) -> ir.Table:
    alone = pairing.orders.anti_join(pairing.pairs, ORDER)
    cause = (alone.kind == "refund").ifelse("refund", "missing_event")
    return _row(alone, side="order", cause=cause, difference=alone.order_amount)


def _without_order(pairing: Pairing) -> ir.Table:
    alone = pairing.events.anti_join(pairing.pairs, EVENT)
    again = pairing.repeated.mutate(is_repeated=1)
    alone = alone.left_join(again, EVENT).drop("event_date_right", "event_id_right")
    unknown = (alone.kind == "refund").ifelse("refund", "missing_order")
    cause = alone.is_repeated.notnull().ifelse("duplicate", unknown)
    return _row(alone, side="event", cause=cause, difference=-alone.event_amount.fill_null(ZERO))


def _differing(pairing: Pairing) -> tuple[ir.Table, ...]:
    """Return a row per pair that differs in amount, and two rows, one per day,
    for each pair on different days.
    """
    pairs = pairing.pairs.join(pairing.orders, ORDER).join(pairing.events, EVENT)
    stated_amount = pairs.event_amount.fill_null(ZERO)
    is_shifted = pairs.event_date != pairs.order_date
    other = pairs.mutate(
        stated_amount=stated_amount, rest=(pairs.order_amount - stated_amount).cast(MONEY)
    )
    shifted = other.filter(is_shifted)
    shift = ibis.literal("time_zone_shift")
    return (
        _row(
            other.filter(other.rest != 0),
            side="order",
            cause=ibis.literal("amount_differs"),
            difference=other.rest,
        ),
        _row(shifted, side="order", cause=shift, difference=shifted.stated_amount),
        _row(shifted, side="event", cause=shift, difference=-shifted.stated_amount),
    )


def _row(
    rows: ir.Table, *, side: str, cause: ir.StringValue, difference: ir.DecimalValue
) -> ir.Table:
    """Return orders, events or pairs in the columns of the contract; missing columns are null."""
    customer_ids = [rows[name] for name in ("customer_id", "visitor_id") if name in rows.columns]
    own = {
        "cause": cause,
        "difference_amount": _signed(rows, difference),
        "reconciled_date": rows[f"{side}_date"],
        "side": ibis.literal(side),
        "record_id": rows[f"{side}_id"],
        "customer_id": ibis.coalesce(*customer_ids),
    }
    contract = OrderEventReconciliation.columns
    missing = {
        name: ibis.null(column.type)
        for name, column in contract.items()
        if name not in {*own, *rows.columns}
    }
    return rows.select(**{name: own.get(name, missing.get(name, name)) for name in contract})


def _signed(rows: ir.Table, money: ir.DecimalValue) -> ir.DecimalValue:
    return (rows.kind == "refund").ifelse(-money, money).cast(MONEY)
