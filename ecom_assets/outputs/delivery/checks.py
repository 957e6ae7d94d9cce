"""Checks of delivery: each term counted in the table that holds it.

An export's own checks, that all due rows have an outcome and none waits for long, are in
`delivery/assets.py`.
"""

from functools import partial

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import IdentityAliases, IdentityLinks, SharedIds
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.questions.source import identity_rule
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import (
    EXAMPLES,
    BrokenRows,
    CheckResult,
    TableCheck,
    check,
    rows_on_days,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, rows_of, union_all
from ecom_assets.outputs.delivery.contracts import (
    DEAD,
    DeadLetters,
    Deliveries,
    ReconciliationDaily,
)
from ecom_assets.outputs.delivery.sent_links import (
    Joining,
    joining_destinations,
    pairs_of_shared_ids,
    sent_aliases,
    sent_events_that_are_gone,
    sent_shared_ids,
)

OF_DUE = (
    "accepted_count",
    "unacknowledged_count",
    "rejected_count",
    "refused_count",
    "in_doubt_count",
    "pending_count",
)
KEY = ["record_date", "destination", "account"]


@check(ReconciliationDaily, reads=(ReconciliationDaily,))
def due_is_what_became_of_it(days: Days | None, daily: ir.Table) -> BrokenRows:
    """Per day and destination, due = accepted + unacknowledged + rejected +
    refused + in doubt + pending.
    """
    daily = rows_on_days(daily, "reconciled_date", days)
    left = daily.due_count - sum((daily[name] for name in OF_DUE), ibis.literal(0, "int64"))
    return BrokenRows(daily.filter(left != 0), daily)


@check(ReconciliationDaily, reads=(Deliveries, ReconciliationDaily))
def what_was_accepted_is_among_the_deliveries(
    days: Days | None, sent: ir.Table, daily: ir.Table
) -> BrokenRows:
    """Per day and destination, there are at least as many deliveries as records
    that the tool says it has.

    Properties of a user that are those of an earlier day were delivered on that one.
    """
    daily = rows_on_days(daily, "reconciled_date", days)
    delivered = (
        sent.filter(sent.outcome == "delivered").group_by(*KEY).agg(found_count=ibis._.count())
    )
    delivered = delivered.rename(to="destination", by="account")
    is_earlier = daily.destination.endswith("_users") & (
        delivered.record_date < daily.reconciled_date
    )
    is_of_day = (delivered.record_date == daily.reconciled_date) | is_earlier
    joined = daily.left_join(
        delivered, [daily.destination == delivered.to, daily.account == delivered.by, is_of_day]
    )
    rows = joined.group_by("reconciled_date", "destination", "account", "accepted_count").agg(
        found_count=joined.found_count.sum().fill_null(0)
    )
    return BrokenRows(rows.filter(rows.accepted_count > rows.found_count), daily)


@check(DeadLetters, reads=(Deliveries, DeadLetters))
def dead_letters_are_those_of_the_deliveries(
    days: Days | None, sent: ir.Table, dead: ir.Table
) -> BrokenRows:
    """Each record that was rejected or refused is a dead letter, and no other is."""
    sent = rows_on_days(sent.filter(sent.outcome.isin(DEAD)), "record_date", days)
    dead = rows_on_days(dead, "record_date", days)
    names = [*KEY, "record_id"]
    signed_records = union_all(
        sent.select(*names, sign=ibis.literal(1, "int64")),
        dead.select(*names, sign=ibis.literal(-1, "int64")),
    )
    sums = signed_records.group_by(*names).agg(residue=signed_records.sign.sum())
    return BrokenRows(sums.filter((sums.residue != 0).fill_null(NO)), sums)


OF_LINKS = (Deliveries, CleanEvents, IdentityLinks, IdentityAliases, SharedIds)


def delivery_checks(settings: Settings) -> list[TableCheck]:
    """Return all checks of delivery, in addition to the contracts."""
    holds = TableCheck(
        contract=Deliveries,
        name="sent_links_still_hold",
        description=(
            "No tool has joined ids that too many share since, or has events that are gone since."
        ),
        function=partial(
            _sent_links_still_hold, identity_rule(settings), joining_destinations(settings)
        ),
        tables=OF_LINKS,
        warns=True,
    )
    return [
        due_is_what_became_of_it,
        what_was_accepted_is_among_the_deliveries,
        dead_letters_are_those_of_the_deliveries,
        holds,
    ]


def _sent_links_still_hold(  # noqa: PLR0913, PLR0917 (two definitions, the days, and a table each)
    rule: IdentityRule,
    joining: Joining,
    days: Days | None,
    sent: ir.Table,
    events: ir.Table,
    links: ir.Table,
    aliases: ir.Table,
    shared: ir.Table,
) -> CheckResult:
    sent_of_days = rows_on_days(sent, "record_date", days)
    near = rows_on_days(events, "event_date", days.widened(before=1, after=1) if days else None)
    kinds = [("events that are gone since", sent_events_that_are_gone(near, sent_of_days))]
    if rows_of(shared.limit(1)):
        pairs = pairs_of_shared_ids(shared, links)
        kinds.append(
            ("ids that too many share since", sent_shared_ids(pairs, events, sent, rule, joining))
        )
    broken: list[Row] = [{"what": kind} | row for kind, rows in kinds for row in _by_tool(rows)]
    alias_counts: list[Row] = [
        {"what": "aliases of two users"} | row
        for row in _by_tool(sent_aliases(aliases, sent, joining))
    ]
    metadata: dict[str, object] = {"alias_count": sum(row["count"] for row in alias_counts)}
    if broken:
        listed = (
            f"{row['what']}: {row['count']:,} ({row['destination']})"
            for row in (*broken, *alias_counts)
        )
        metadata["sentence"] = (
            f"Tools cannot take back what they were sent, {'; '.join(listed)}; see "
            "docs/destinations.md."
        )
    ((looked_at,),) = (row.values() for row in rows_of(sent_of_days.agg(n=sent_of_days.count())))
    return CheckResult(
        sum(row["count"] for row in broken), int(looked_at), broken[:EXAMPLES], metadata=metadata
    )


def _by_tool(sent: ir.Table) -> list[Row]:
    counts = sent.group_by("destination").agg(n=sent.count()).order_by("destination")
    return [{"destination": row["destination"], "count": int(row["n"])} for row in rows_of(counts)]
