"""Totals of deliveries: the due records, and their outcomes per day and destination."""

from collections.abc import Collection

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.daily import DEFAULT_NAME
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import first_of_each
from ecom_assets.outputs.delivery.contracts import ReconciliationDaily
from ecom_assets.outputs.delivery.payloads import LATEST

DAY_AND_PLACE = ["reconciled_date", "destination", "account"]
PURCHASES = ("purchase", "refund")


def due_events(events: ir.Table) -> ir.Table:
    """Return the events to send to tools: rows of `CleanEvents` without bots."""
    return events.filter(~events.is_bot)


def user_properties(
    segments: ir.Table,
    customers: ir.Table,
    values: ir.Table,
    visitor_segments: ir.Table | None = None,
    latest: ir.Table | None = None,
) -> ir.Table:
    """Return the user properties for tools, one row per user; null means unknown.

    Args:
        segments: All rows of `CustomerSegments`: users are the customers with an order.
        customers: All rows of `Customers`.
        values: All rows of `LifetimeValue`.
        visitor_segments: The result of `visitor_segment_names`, whose visitors are users too; None
            if no visitor segment is declared.
        latest: The result of `latest_of_visitors`, whose visitors are users too; None if none of it
            is sent.
    """
    current = customers.filter(customers.is_current).select("customer_id", "customer_tier")
    valued = values.select(
        "customer_id", "lifetime_value_amount", churn_risk_rate=1 - values.alive_probability
    )
    rows = segments.select("customer_id", "as_of_date", "segment")
    if visitor_segments is None:
        rows = rows.mutate(visitor_segments=ibis.null("string"))
    else:
        rows = _with_visitor_segments(rows, visitor_segments)
    rows = _with_latest(rows, latest)
    rows = rows.left_join(current, "customer_id").drop("customer_id_right")
    return rows.left_join(valued, "customer_id").drop("customer_id_right")


def visitor_segment_names(stays: ir.Table, sessions: ir.Table) -> ir.Table:
    """Return the segments that each known visitor is in: `customer_id`, and `visitor_segments`,
    one name to a line.

    A visitor who is in none has an empty text, so that those who left are updated in tools.
    Anonymous visitors and robots are left out. It reads all rows of `VisitorSegments` (`stays`) and
    `Sessions`.
    """
    user_sessions = sessions.filter(~sessions.is_bot, ~sessions.visitor_id.startswith("anon-"))
    users = user_sessions.group_by(customer_id=user_sessions.visitor_id).agg(
        as_of_date=user_sessions.started_date.max()
    )
    now = stays.filter(stays.is_current)
    names = now.group_by(customer_id=now.visitor_id).agg(
        visitor_segments=now.segment.group_concat("\n", order_by=now.segment)
    )
    users_with_segments = users.left_join(names, "customer_id").drop("customer_id_right")
    return users_with_segments.mutate(
        visitor_segments=users_with_segments.visitor_segments.fill_null("")
    )


def _with_visitor_segments(customers: ir.Table, visitors: ir.Table) -> ir.Table:
    """Return customers and known visitors, all as of the newest day of any."""
    joined = customers.outer_join(visitors, "customer_id", rname="{name}_seen")
    users = joined.select(
        "segment",
        customer_id=ibis.coalesce(joined.customer_id, joined.customer_id_seen),
        as_of_date=ibis.coalesce(joined.as_of_date, joined.as_of_date_seen),
        visitor_segments=joined.visitor_segments.fill_null(""),
    )
    return users.mutate(as_of_date=users.as_of_date.max().over(ibis.window()))


def latest_of_visitors(
    names: Collection[str],
    sessions: ir.Table,
    touches: ir.Table,
    entries: ir.Table,
    funnel: ir.Table,
) -> ir.Table:
    """Return what is known of the newest visits of known visitors, one row per `customer_id`;
    robots are left out.

    Args:
        names: Which of `LATEST` are sent; the others are null.
        sessions: All rows of `Sessions`.
        touches: All rows of `Touches`: `last_session_channel` is the channel of the newest session.
        entries: All rows of `FunnelEntries`: `funnel_step` is the step that the newest attempt of
            the default funnel reached; null for who never began one.
        funnel: All rows of `ConversionFunnel`, which name the steps.
    """
    people = sessions.filter(~sessions.is_bot, ~sessions.visitor_id.startswith("anon-"))
    last = first_of_each(people, "visitor_id", [people.started_at.desc(), people.session_id.desc()])
    channels = touches.select("session_id", last_session_channel="channel")
    rows = last.left_join(channels, "session_id").select(
        "last_session_channel", customer_id="visitor_id", as_of_date="started_date"
    )
    attempts = entries.filter(entries.funnel_name == DEFAULT_NAME, entries.unit == "visitor")
    newest = first_of_each(
        attempts, "visitor_id", [attempts.cohort_date.desc(), attempts.last_step.desc()]
    )
    steps = funnel.filter(funnel.funnel_name == DEFAULT_NAME)
    steps = steps.group_by("step").agg(funnel_step=steps.event_type.max())
    reached = newest.join(steps, newest.last_step == steps.step).select(
        "funnel_step", reached_by="visitor_id"
    )
    rows = rows.left_join(reached, rows.customer_id == reached.reached_by).drop("reached_by")
    return rows.mutate(**{name: ibis.null("string") for name in LATEST if name not in names})


def _with_latest(customers: ir.Table, latest: ir.Table | None) -> ir.Table:
    """Return customers and known visitors with `LATEST`, all as of the newest day of any."""
    if latest is None:
        return customers.mutate(**{name: ibis.null("string") for name in LATEST})
    joined = customers.outer_join(latest, "customer_id", rname="{name}_seen")
    users = joined.select(
        "segment",
        "visitor_segments",
        *LATEST,
        customer_id=ibis.coalesce(joined.customer_id, joined.customer_id_seen),
        as_of_date=ibis.coalesce(joined.as_of_date, joined.as_of_date_seen),
    )
    return users.mutate(as_of_date=users.as_of_date.max().over(ibis.window()))


def purchases_by_outcome(events: ir.Table, deliveries: ir.Table, days: Days) -> ir.Table:
    """Count purchase and refund events of `days` by day, destination, account and outcome,
    as `purchase_count`.
    """
    due = due_events(events)
    due = due.filter(days.contain(due.event_date), due.event_type.isin(PURCHASES))
    due = due.select(
        record_date="event_date",
        record_id=due.event_id.concat("@").concat(due.event_at.date().cast("string")),
    )
    sent = deliveries.filter(days.contain(deliveries.record_date)).drop("record_date")
    sent_purchases = due.inner_join(sent, "record_id")
    return sent_purchases.group_by(
        reconciled_date=sent_purchases.record_date,
        destination=sent_purchases.destination,
        account=sent_purchases.account,
        outcome=sent_purchases.outcome,
    ).agg(purchase_count=sent_purchases.count())


def reconciliation_daily(noted: ir.Table, purchases: ir.Table, orders: ir.Table) -> ir.Table:
    """Add purchases and orders to the ledger's totals; return one row per row of `noted`.

    `noted` has the columns of `ReconciliationDaily` up to newest_batch_number, `orders` has
    `reconciled_date` and `order_count`, and `purchases` is the result of `purchases_by_outcome`,
    all for the same days.
    """
    is_of = {"accepted": "delivered", "unacknowledged": "unconfirmed"}
    summed = purchases.group_by(*DAY_AND_PLACE).agg(
        all_count=purchases.purchase_count.sum(),
        **{
            f"{name}_purchase_count": (purchases.outcome == outcome)
            .ifelse(purchases.purchase_count, 0)
            .sum()
            for name, outcome in is_of.items()
        },
    )
    rows = noted.left_join(summed, DAY_AND_PLACE).drop(*(f"{name}_right" for name in DAY_AND_PLACE))
    rows = rows.left_join(orders, "reconciled_date").drop("reconciled_date_right")
    is_of_events = rows.destination.endswith("_events")
    rows = rows.mutate(
        order_count=is_of_events.ifelse(rows.order_count, 0), purchase_count=rows.all_count
    )
    counts = [name for name in ReconciliationDaily.columns if name.endswith("_count")]
    return rows.mutate(**{name: rows[name].fill_null(0).cast("int64") for name in counts}).select(
        *ReconciliationDaily.columns
    )
