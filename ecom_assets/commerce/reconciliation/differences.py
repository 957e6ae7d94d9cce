"""Orders against purchase and refund events: which belong together, the cause of each difference,
and daily totals.
"""

from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.order_sums import BY_ORDER_ID, SentSums
from ecom_assets.commerce.attribution.order_visits import (
    EVENT,
    ORDER,
    REACH_DAYS,
    Pairing,
    ReconciliationRule,
    events_of,
    orders_of,
    seconds_apart,
)
from ecom_assets.commerce.reconciliation.contracts import (
    CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all, union_distinct
from ecom_assets.core.tables.received import side_by_side

ZERO = ibis.literal(0, MONEY)


@dataclass(frozen=True)
class Compared:
    """Orders and events of some days, from `orders_of` and `events_of`, and which are the same
    purchase: `pairs` are rows of `OrderVisits`. `sent_sums` is what amounts of events have.
    """

    orders: ir.Table
    events: ir.Table
    pairs: ir.Table
    rule: ReconciliationRule
    sent_sums: SentSums

    @cached_property
    def repeated(self) -> ir.Table:
        """The keys of events that repeat another event: by the order that they name,
        or by customer and amount.
        """
        named = Pairing(self.orders, self.events, self.rule).named
        alone = self.events.anti_join(self.pairs, EVENT)
        counted = self.events.semi_join(self.pairs, EVENT).select(
            "kind", "visitor_id", "event_amount", counted_at="event_at"
        )
        joined = alone.join(counted, ["kind", "visitor_id", "event_amount"])
        again = joined.filter(
            seconds_apart(joined.event_at, joined.counted_at) <= self.rule.repeat_s
        )
        return union_distinct(
            named.anti_join(self.pairs.filter(self.pairs.matched_by == BY_ORDER_ID), EVENT).select(
                *EVENT
            ),
            again.select(*EVENT),
        )


def order_event_reconciliation(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    events: ir.Table,
    lines: ir.Table,
    order_visits: ir.Table,
    reconciliation_rule: ReconciliationRule,
    sent_sums: SentSums,
    days: Days,
) -> ir.Table:
    """Return one row per difference on `days`.

    The tables are all rows of `CleanEvents`, `UserOrderLog` and `OrderVisits`, of which only those
    near `days` are used.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    pairs = order_visits.filter(near.contain(order_visits.order_date))
    compared = Compared(
        orders_of(lines, reconciliation_rule, near),
        events_of(events, reconciliation_rule, near),
        pairs.select(*ORDER, *EVENT, "matched_by"),
        reconciliation_rule,
        sent_sums,
    )
    rows = union_all(_without_event(compared), _without_order(compared), *_differing(compared))
    return rows.filter(days.contain(rows.reconciled_date)).select(*OrderEventReconciliation.columns)


def reconciliation_daily(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    events: ir.Table,
    lines: ir.Table,
    differences: ir.Table,
    reconciliation_rule: ReconciliationRule,
    sent_sums: SentSums,
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
        unmatched_count=record.nunique(
            where=(differences.side == "order") & (differences.cause != "other_parts")
        ),
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
        sent_sums=ibis.literal(sent_sums.text()),
    )
    return per_day.select(*OrderEventReconciliationDaily.columns)


def _without_event(compared: Compared) -> ir.Table:
    alone = compared.orders.anti_join(compared.pairs, ORDER)
    cause = (alone.kind == "refund").ifelse("refund", "missing_event")
    return _row(alone, side="order", cause=cause, difference=alone.order_amount)


def _without_order(compared: Compared) -> ir.Table:
    alone = compared.events.anti_join(compared.pairs, EVENT)
    again = compared.repeated.mutate(is_repeated=1)
    alone = alone.left_join(again, EVENT).drop("event_date_right", "event_id_right")
    unknown = (alone.kind == "refund").ifelse("refund", "missing_order")
    cause = alone.is_repeated.notnull().ifelse("duplicate", unknown)
    return _row(alone, side="event", cause=cause, difference=-alone.event_amount.fill_null(ZERO))


def _differing(compared: Compared) -> tuple[ir.Table, ...]:
    """Return a row per pair that differs in amount, one for what its event's amount has beside the
    items, and two rows, one per day, for each pair on different days.
    """
    pairs = compared.pairs.join(compared.orders, ORDER).join(compared.events, EVENT)
    stated_amount = pairs.event_amount.fill_null(ZERO)
    is_shifted = pairs.event_date != pairs.order_date
    extra = compared.sent_sums.beside_items(pairs)
    other = pairs.mutate(
        stated_amount=stated_amount,
        extra=extra,
        rest=(pairs.order_amount + extra - stated_amount).cast(MONEY),
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
        _row(
            other.filter(other.extra != 0),
            side="order",
            cause=ibis.literal("other_parts"),
            difference=-other.extra,
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
