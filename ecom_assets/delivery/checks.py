"""Checks of delivery: each term counted in the table that holds it.

An export's own checks, that all due rows have an outcome and none waits for long, are in `delivery/assets.py`.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.delivery.contracts import DEAD, DeadLetters, Deliveries, ReconciliationDaily
from ecom_assets.tables.check import CheckResult, check, of_days, result_of
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import NO, union_all

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
    """Per day and destination, there are at least as many deliveries as records that the tool says it has.

    Properties of a user that are those of an earlier day were delivered on that one.
    """
    daily = of_days(daily, "reconciled_date", days)
    delivered = sent.filter(sent.outcome == "delivered").group_by(*KEY).agg(found_count=ibis._.count())
    delivered = delivered.rename(to="destination", by="account")
    is_earlier = daily.destination.endswith("_users") & (delivered.record_date < daily.reconciled_date)
    is_of_day = (delivered.record_date == daily.reconciled_date) | is_earlier
    both = daily.left_join(delivered, [daily.destination == delivered.to, daily.account == delivered.by, is_of_day])
    rows = both.group_by("reconciled_date", "destination", "account", "accepted_count").agg(
        found_count=both.found_count.sum().fill_null(0)
    )
    return result_of(rows.filter(rows.accepted_count > rows.found_count), daily)


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
