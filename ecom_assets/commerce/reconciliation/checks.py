"""Checks of reconciliation: causes add up to the difference,
and each restatement begins where the last ended.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.commerce.marketing.contracts import AdSpendDaily
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.contracts import (
    CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.core.tables.check import BrokenRows, CheckResult, check, rows_on_days
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import NO, rows_of, union_all


@check(
    OrderEventReconciliationDaily,
    reads=(CleanEvents, UserOrderLog, OrderEventReconciliation, OrderEventReconciliationDaily),
)
def causes_add_up_to_the_difference(
    days: Days | None, events: ir.Table, lines: ir.Table, rows: ir.Table, daily: ir.Table
) -> BrokenRows:
    """Per day, orders less events are the differences by cause, exactly;
    each term is counted again.
    """
    events = events.filter(events.event_type.isin(("purchase", "refund")))
    ordered = lines.payment_amount
    paid = events.cart_amount.fill_null(ibis.literal(0, MONEY))
    daily = daily.mutate(
        causes_amount=sum(
            (daily[f"{cause}_amount"] for cause in CAUSES), ibis.literal(0, MONEY)
        ).cast(MONEY)
    )
    terms = union_all(
        _term(
            lines, "order_date", "orders", (lines.status == "refunded").ifelse(-ordered, ordered)
        ),
        _term(events, "event_date", "events", (events.event_type == "refund").ifelse(-paid, paid)),
        _term(rows, "reconciled_date", "differences", rows.difference_amount),
        _term(daily, "reconciled_date", "orders", -daily.order_amount),
        _term(daily, "reconciled_date", "events", -daily.event_amount),
        _term(daily, "reconciled_date", "differences", -daily.difference_amount),
        _term(daily, "reconciled_date", "causes", daily.causes_amount - daily.difference_amount),
    )
    sums = (
        rows_on_days(terms, "day", days)
        .group_by("day", "term")
        .agg(residue=lambda t: t.money.sum().cast(MONEY))
    )
    return BrokenRows(sums.filter(sums.residue != 0), sums)


@check(Restatements, reads=(Restatements,))
def each_restatement_begins_where_the_last_ended(days: Days | None, logged: ir.Table) -> BrokenRows:
    """What a number was before a restatement is what the restatement before it left, but of tables
    whose small changes are logged as sums only.
    """
    logged = rows_on_days(logged, "restated_date", days)
    logged = logged.filter(logged.table_name != AdSpendDaily.qualified_name())
    number = ["restated_date", "table_name", "row_key", "column_name"]
    in_order = ibis.window(group_by=number, order_by="restatement_number")
    # A null value means that there was no number, so only `is_first` shows that there is no earlier
    # entry.
    logged = logged.mutate(
        is_first=logged.restatement_number.lag().over(in_order).isnull(),
        left=logged.after_value.lag().over(in_order),
    )
    is_same = (logged.left == logged.before_value) | (
        logged.left.isnull() & logged.before_value.isnull()
    )
    return BrokenRows(logged.filter(~logged.is_first, ~is_same.fill_null(NO)), logged)


FEWEST = 10
"""Fewer customers or orders say nothing of how ids are spelled."""
HARDLY_ANY = 0.02
"""The share of customers who are visitors, or of orders with their event,
below which two sources hardly meet.

It is one of the smaller side: of all customers, or of all users who bought.
"""
SHOWN = 3


@check(OrderEventReconciliationDaily, reads=(CleanEvents, UserOrderLog), warns=True)
def customers_are_visitors(days: Days | None, events: ir.Table, lines: ir.Table) -> CheckResult:
    """Some customers of the orders are users of the events: if hardly any is,
    the two spell ids differently.
    """
    lines = rows_on_days(lines, "order_date", days)
    customers = (
        lines.filter(lines.customer_id != UNKNOWN_CUSTOMER).select(id="customer_id").distinct()
    )
    users = rows_on_days(events, "event_date", days)
    users = _buyers_or_users(users.filter(~users.is_bot))
    visitors = events.select(id="visitor_id").distinct()
    return _meeting(
        "customers of the orders is a visitor of the events",
        _sizes(customers, users, customers.semi_join(visitors, "id")),
        ("orders", customers.anti_join(visitors, "id")),
        ("events", users.anti_join(customers, "id")),
    )


@check(
    OrderEventReconciliationDaily,
    reads=(OrderEventReconciliationDaily, OrderEventReconciliation),
    warns=True,
)
def orders_have_their_events(days: Days | None, daily: ir.Table, rows: ir.Table) -> CheckResult:
    """Some orders have their purchase event: if hardly any has,
    the two spell the ids of orders differently.
    """
    daily = rows_on_days(daily, "reconciled_date", days)
    (sums,) = rows_of(
        daily.agg(
            orders=daily.order_count.sum(),
            events=daily.event_count.sum(),
            without=daily.missing_event_count.sum(),
        )
    )
    orders, named, without = (int(sums[name] or 0) for name in ("orders", "events", "without"))
    rows = rows_on_days(rows, "reconciled_date", days)
    left, right = (
        rows.filter(rows.cause == "missing_event"),
        rows.filter(rows.cause == "missing_order"),
    )
    return _meeting(
        "orders has its event",
        (orders, named, orders - without),
        ("orders", left.select(id="order_id").distinct()),
        ("events", right.select(id=ibis.coalesce(right.named_order_id, right.event_id)).distinct()),
    )


def _buyers_or_users(events: ir.Table) -> ir.Table:
    """Return the users who bought, by events;
    all users where events do not say who bought anything.

    Of a shop whose buyers do not sign in, the few users who do say nothing of how ids are spelled.
    """
    bought = events.filter(events.event_type == "purchase")
    is_said = bool(rows_of(bought.select("event_id").limit(1)))
    if is_said:
        return (
            bought.filter(~bought.visitor_id.startswith(ANONYMOUS))
            .select(id="visitor_id")
            .distinct()
        )
    return events.filter(events.user_id.notnull()).select(id="user_id").distinct()


def _sizes(left: ir.Table, right: ir.Table, both: ir.Table) -> tuple[int, int, int]:
    counts = (rows_of(side.agg(n=side.count()))[0]["n"] for side in (left, right, both))
    first, second, third = map(int, counts)
    return first, second, third


def _meeting(what: str, sizes: tuple[int, int, int], *sides: tuple[str, ir.Table]) -> CheckResult:
    """Return whether enough of the left side is on the right one, with examples of both if not."""
    left, right, both = sizes
    # Of the smaller side, as events may be of a few visitors only who agreed or signed in.
    if min(left, right) < FEWEST or both >= HARDLY_ANY * min(left, right):
        return CheckResult(0, left)
    named = {
        name: [row["id"] for row in rows_of(ids.order_by("id").limit(SHOWN))] for name, ids in sides
    }
    examples = "; ".join(f"{name} have {', '.join(map(repr, ids))}" for name, ids in named.items())
    sentence = (
        f"{both:,} of {left:,} {what}: {examples}. If these are the same, say what the key is in "
        "both mappings (`key: address`, `number` or `text`), or map the columns that have the "
        "same ids."
    )
    rows = [{"side": name, "id": value} for name, ids in named.items() for value in ids]
    return CheckResult(left - both, left, rows, metadata={"sentence": sentence})


def _term(rows: ir.Table, day: str, term: str, money: ir.DecimalValue) -> ir.Table:
    return rows.select(day=day, term=ibis.literal(term), money=money.cast(MONEY))


RECONCILIATION_CHECKS = [
    causes_add_up_to_the_difference,
    each_restatement_begins_where_the_last_ended,
    customers_are_visitors,
    orders_have_their_events,
]
"""All checks of reconciliation, in addition to the contracts."""
