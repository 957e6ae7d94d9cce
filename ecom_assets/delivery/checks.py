"""Checks of delivery: each term counted in the table that holds it.

An export's own checks, that all due rows have an outcome and none waits for long, are in `delivery/assets.py`.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.delivery.contracts import DEAD, DeadLetters, Deliveries, ReconciliationDaily
from ecom_assets.tables.check import CheckResult, check, of_days, result_of
from ecom_assets.tables.days import NO, Days
from ecom_assets.tables.portable import union_all

OF_DUE = (
    "accepted_count", "unacknowledged_count", "rejected_count", "refused_count", "in_doubt_count", "pending_count",
)  # fmt: skip
KEY = ["record_date", "destination", "account"]


@check(ReconciliationDaily, reads=(ReconciliationDaily,))
def due_is_what_became_of_it(days: Days | None, daily: ir.Table) -> CheckResult:
    """Per day and destination, due = accepted + unacknowledged + rejected + refused + in doubt + pending."""
    daily = of_days(daily, "reconciled_date", days)
    left = daily.due_count - sum((daily[name] for name in OF_DUE), ibis.literal(0, "int64"))
    return result_of(daily.filter(left != 0), daily)


@check(ReconciliationDaily, reads=(Deliveries, ReconciliationDaily))
def what_was_accepted_is_among_the_deliveries(days: Days | None, sent: ir.Table, daily: ir.Table) -> CheckResult:
    """Per day and destination, there are at least as many deliveries as records that the tool says it has."""
    sent, daily = of_days(sent, "record_date", days), of_days(daily, "reconciled_date", days)
    counted = sent.group_by(*KEY).agg(found_count=(sent.outcome == "delivered").ifelse(1, 0).sum())
    counted = counted.rename(reconciled_date="record_date")
    both = daily.left_join(counted, ["reconciled_date", "destination", "account"])
    return result_of(both.filter(both.accepted_count > both.found_count.fill_null(0)), daily)


@check(DeadLetters, reads=(Deliveries, DeadLetters))
def dead_letters_are_those_of_the_deliveries(days: Days | None, sent: ir.Table, dead: ir.Table) -> CheckResult:
    """Each record that was rejected or refused is a dead letter, and no other is."""
    sent = of_days(sent.filter(sent.outcome.isin(DEAD)), "record_date", days)
    dead = of_days(dead, "record_date", days)
    names = [*KEY, "record_id"]
    both = union_all(
        sent.select(*names, sign=ibis.literal(1, "int64")), dead.select(*names, sign=ibis.literal(-1, "int64"))
    )
    sums = both.group_by(*names).agg(residue=both.sign.sum())
    return result_of(sums.filter((sums.residue != 0).fill_null(NO)), sums)


DELIVERY_CHECKS = (
    due_is_what_became_of_it,
    what_was_accepted_is_among_the_deliveries,
    dead_letters_are_those_of_the_deliveries,
)
