"""Checks of reconciliation: causes add up to the difference, and each restatement begins where the last ended."""

import ibis
import ibis.expr.types as ir

from ecom_assets.events.contracts import CleanEvents
from ecom_assets.orders.contracts import UserOrderLog
from ecom_assets.reconciliation.contracts import (
    CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.tables.check import BrokenRows, check, of_days
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import NO, union_all


@check(
    OrderEventReconciliationDaily,
    reads=(CleanEvents, UserOrderLog, OrderEventReconciliation, OrderEventReconciliationDaily),
)
def causes_add_up_to_the_difference(
    days: Days | None, events: ir.Table, lines: ir.Table, rows: ir.Table, daily: ir.Table
) -> BrokenRows:
    """Per day, orders less events are the differences by cause, exactly; each term is counted again."""
    events = events.filter(events.event_type.isin(("purchase", "refund")))
    ordered = lines.payment_amount
    paid = events.cart_amount.fill_null(ibis.literal(0, MONEY))
    daily = daily.mutate(
        causes_amount=sum((daily[f"{cause}_amount"] for cause in CAUSES), ibis.literal(0, MONEY)).cast(MONEY)
    )
    terms = union_all(
        _term(lines, "order_date", "orders", (lines.status == "refunded").ifelse(-ordered, ordered)),
        _term(events, "event_date", "events", (events.event_type == "refund").ifelse(-paid, paid)),
        _term(rows, "reconciled_date", "differences", rows.difference_amount),
        _term(daily, "reconciled_date", "orders", -daily.order_amount),
        _term(daily, "reconciled_date", "events", -daily.event_amount),
        _term(daily, "reconciled_date", "differences", -daily.difference_amount),
        _term(daily, "reconciled_date", "causes", daily.causes_amount - daily.difference_amount),
    )
    sums = of_days(terms, "day", days).group_by("day", "term").agg(residue=lambda t: t.money.sum().cast(MONEY))
    return BrokenRows(sums.filter(sums.residue != 0), sums)


@check(Restatements, reads=(Restatements,))
def each_restatement_begins_where_the_last_ended(days: Days | None, logged: ir.Table) -> BrokenRows:
    """What a number was before a restatement is what the restatement before it left."""
    logged = of_days(logged, "restated_date", days)
    number = ["restated_date", "table_name", "row_key", "column_name"]
    in_order = ibis.window(group_by=number, order_by="restatement_number")
    # A null value means that there was no number, so only `is_first` shows that there is no earlier entry.
    logged = logged.mutate(
        is_first=logged.restatement_number.lag().over(in_order).isnull(), left=logged.after_value.lag().over(in_order)
    )
    is_same = (logged.left == logged.before_value) | (logged.left.isnull() & logged.before_value.isnull())
    return BrokenRows(logged.filter(~logged.is_first, ~is_same.fill_null(NO)), logged)


def _term(rows: ir.Table, day: str, term: str, money: ir.DecimalValue) -> ir.Table:
    return rows.select(day=day, term=ibis.literal(term), money=money.cast(MONEY))


RECONCILIATION_CHECKS = [causes_add_up_to_the_difference, each_restatement_begins_where_the_last_ended]
"""All checks of reconciliation, in addition to the contracts."""
