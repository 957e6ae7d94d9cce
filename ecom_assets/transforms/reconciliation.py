"""Purchase and refund events against the order log: each difference with its cause, and the totals of each day.

Not here: which event belongs to which order (`order_event_pairs.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.reconciliation import (
    CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
)
from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.order_event_pairs import EVENT, ORDER, Pairing, events_of, orders_of
from ecom_assets.transforms.orders import changed_days
from ecom_assets.transforms.reconciliation_rule import REACH_DAYS, ReconciliationRule
from ecom_assets.transforms.stacking import stacked

ZERO = ibis.literal(0, MONEY)


def order_event_reconciliation(events: ir.Table, lines: ir.Table, rule: ReconciliationRule, days: Days) -> ir.Table:
    """One row per difference on `days`.

    Args:
        events: All rows of `CleanEvents`; those near `days` are looked at.
        lines: All rows of `UserOrderLog`, likewise.
        rule: When both are one purchase.
        days: The days asked for.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    pairing = Pairing(orders_of(lines, rule, near), events_of(events, rule, near), rule)
    found = stacked(_without_event(pairing), _without_order(pairing), *_differing(pairing))
    return found.filter(days.contain(found.reconciled_date)).select(*OrderEventReconciliation.columns)


def reconciliation_daily(
    events: ir.Table, lines: ir.Table, differences: ir.Table, rule: ReconciliationRule, days: Days
) -> ir.Table:
    """One row per day of `days` with an order or event.

    Args:
        events: All rows of `CleanEvents`.
        lines: All rows of `UserOrderLog`.
        differences: All rows of `OrderEventReconciliation`.
        rule: What an order is.
        days: The days asked for.
    """
    orders, bought = orders_of(lines, rule, days), events_of(events, rule, days)
    differences = differences.filter(days.contain(differences.reconciled_date))
    record = differences.kind.concat(" ").concat(differences.record_id)
    ordered = orders.group_by(reconciled_date=orders.order_date).agg(
        order_count=orders.count(), order_amount=_signed(orders, orders.order_amount).sum()
    )
    happened = bought.group_by(reconciled_date=bought.event_date).agg(
        event_count=bought.count(), event_amount=_signed(bought, bought.event_amount.fill_null(ZERO)).sum()
    )
    differing = differences.group_by("reconciled_date").agg(
        unmatched_count=record.nunique(where=differences.side == "order"),
        **{f"{cause}_count": (differences.cause == cause).ifelse(1, 0).sum() for cause in CAUSES},
        **{f"{cause}_amount": _of(differences, cause).sum() for cause in CAUSES},
    )
    per_day = _side_by_side(ordered, happened, differing)
    per_day = per_day.mutate(
        matched_count=per_day.order_count - per_day.unmatched_count,
        difference_amount=(per_day.order_amount - per_day.event_amount).cast(MONEY),
    )
    return per_day.select(*OrderEventReconciliationDaily.columns)


def reconciled_days(events: ir.Table, lines: ir.Table, changed: ir.Table, days: Days) -> ir.Table:
    """Days of orders or events whose differences a run over `days` can change, in a column `day`.

    Args:
        events: All rows of `CleanEvents`.
        lines: All rows of `UserOrderLog`.
        changed: All rows of `ChangedOrderDays`.
        days: The days of the run: of events, and of the arrival of order lines.
    """
    near = days.widened(before=REACH_DAYS, after=REACH_DAYS)
    moved = changed_days(changed, days)
    midnight = moved.day.cast("timestamp(6)")  # Ibis takes a day and an interval for a day, and engines do not
    around = [moved.select(day=(midnight + ibis.interval(days=n)).date()) for n in range(-REACH_DAYS, REACH_DAYS + 1)]
    return stacked(
        *around,
        events.filter(near.contain(events.event_date)).select(day="event_date").distinct(),
        lines.filter(near.contain(lines.order_date)).select(day="order_date").distinct(),
    ).distinct()


def _without_event(pairing: Pairing) -> ir.Table:
    alone = pairing.orders.anti_join(pairing.pairs, ORDER)
    return _row(
        alone,
        side="order",
        cause=(alone.kind == "refund").ifelse("refund", "missing_event"),
        difference=alone.order_amount,
    )


def _without_order(pairing: Pairing) -> ir.Table:
    alone = pairing.events.anti_join(pairing.pairs, EVENT)
    again = pairing.repeated.mutate(is_repeated=1)
    alone = alone.left_join(again, EVENT).drop("event_date_right", "event_id_right")
    unknown = (alone.kind == "refund").ifelse("refund", "missing_order")
    return _row(
        alone,
        side="event",
        cause=alone.is_repeated.notnull().ifelse("duplicate", unknown),
        difference=-alone.event_amount.fill_null(ZERO),
    )


def _differing(pairing: Pairing) -> tuple[ir.Table, ...]:
    """Rows of pairs that differ: in amount, and on both days where these are two."""
    pairs = pairing.pairs.join(pairing.orders, ORDER).join(pairing.events, EVENT)
    said = pairs.event_amount.fill_null(ZERO)
    is_shifted = pairs.event_date != pairs.order_date
    other = pairs.mutate(said=said, rest=(pairs.order_amount - said).cast(MONEY))
    shifted = other.filter(is_shifted)
    shift = ibis.literal("time_zone_shift")
    return (
        _row(other.filter(other.rest != 0), side="order", cause=ibis.literal("amount_differs"), difference=other.rest),
        _row(shifted, side="order", cause=shift, difference=shifted.said),
        _row(shifted, side="event", cause=shift, difference=-shifted.said),
    )


def _row(rows: ir.Table, *, side: str, cause: ir.StringValue, difference: ir.DecimalValue) -> ir.Table:
    """Bring orders, events or pairs into the columns of the contract; what is not there is null."""
    who = [rows[name] for name in ("customer_id", "visitor_id") if name in rows.columns]
    said = {
        "cause": cause,
        "difference_amount": _signed(rows, difference),
        "reconciled_date": rows[f"{side}_date"],
        "side": ibis.literal(side),
        "record_id": rows[f"{side}_id"],
        "customer_id": ibis.coalesce(*who),
    }
    contract = OrderEventReconciliation.columns
    known = {name: said.get(name, rows[name] if name in rows.columns else None) for name in contract}
    return rows.select(
        **{name: ibis.null(contract[name].type) if value is None else value for name, value in known.items()}
    )


def _signed(rows: ir.Table, money: ir.DecimalValue) -> ir.DecimalValue:
    return (rows.kind == "refund").ifelse(-money, money).cast(MONEY)


def _of(differences: ir.Table, cause: str) -> ir.DecimalValue:
    return (differences.cause == cause).ifelse(differences.difference_amount, ZERO)


def _side_by_side(*parts: ir.Table) -> ir.Table:
    """One row per day with every number of the parts; zero where a part has no row of the day."""
    names = [name for part in parts for name in part.columns if name != "reconciled_date"]
    kinds = {name: MONEY if name.endswith("_amount") else "int64" for name in names}
    terms = stacked(
        *(
            part.select(
                "reconciled_date",
                **{
                    name: part[name].cast(kind) if name in part.columns else ibis.literal(0, kind)
                    for name, kind in kinds.items()
                },
            )
            for part in parts
        )
    )
    sums = {name: terms[name].sum().cast(kind) for name, kind in kinds.items()}
    return terms.group_by("reconciled_date").agg(**sums)
