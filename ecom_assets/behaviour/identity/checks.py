"""Checks of identity: users stay themselves, ids that join nobody are listed,
and visitors can be known again.
"""

from functools import partial

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import PUBLIC_KEY, MergedUsers, SharedIds
from ecom_assets.behaviour.identity.queries import device_warning, userless_sessions
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import visitor_of_user
from ecom_assets.core.tables.check import (
    EXAMPLES,
    BrokenRows,
    CheckResult,
    TableCheck,
    check,
    rows_on_days,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.tables.portable import rows_of


@check(SharedIds, reads=(SharedIds,), warns=True)
def ids_are_not_shared(_days: Days | None, shared: ir.Table) -> CheckResult:
    """No id is a placeholder or shared by so many that it joins nobody;
    `mart.shared_ids` lists them.
    """
    shared = shared.filter(
        shared.reason != PUBLIC_KEY
    )  # these join as before, only not by public keys
    counts = rows_of(shared.group_by("reason").agg(id_count=shared.count()).order_by("reason"))
    total = sum(int(row["id_count"]) for row in counts)
    if not total:
        return CheckResult(0, 0)
    columns = ("id_kind", "id_value", "reason", "reached_count")
    first = shared.order_by([shared.reached_count.desc(), *SharedIds.key]).select(*columns)
    reasons = ", ".join(f"{row['id_count']:,} by {row['reason']}" for row in counts)
    ids = counted(total, "id joins", "ids join")
    sentence = (
        f"{ids} nobody: {reasons}; see mart.shared_ids, and docs/metrics/identity.md for the "
        "bounds."
    )
    return CheckResult(
        total, total, rows_of(first.limit(EXAMPLES)), metadata={"sentence": sentence}
    )


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def visitors_have_devices(days: Days | None, clean: ir.Table) -> CheckResult:
    """Most sessions without a signed-in user have a device id,
    by which a visitor who returns is known again.
    """
    events = rows_on_days(clean, "event_date", days)
    (row,) = rows_of(
        events.agg(visitor_count=events.visitor_id.nunique(), **userless_sessions(events))
    )
    visitors, without = int(row["visitor_count"]), int(row["without_device_count"])
    warning = device_warning(int(row["session_count"]), without)
    return (
        CheckResult(without, visitors, metadata={"sentence": warning})
        if warning
        else CheckResult(0, visitors)
    )


def identity_checks(rule: IdentityRule) -> list[TableCheck]:
    """Return all checks of identity, in addition to the contracts.

    By some rules events with a user belong to somebody else: for these there is no check that users
    stay themselves.
    """
    users_are_kept = TableCheck(
        contract=CleanEvents,
        name="users_stay_themselves",
        description=(
            "Every event with a user belongs to that user, or to the one that aliases "
            "merge them with; two users whom no alias joins are never one visitor."
        ),
        function=partial(_users_stay_themselves, rule.joins_aliases),
        tables=(CleanEvents, MergedUsers),
    )
    user_checks = [] if rule.owner in {"device", "last_user"} else [users_are_kept]
    return [*user_checks, visitors_have_devices, ids_are_not_shared]


def _users_stay_themselves(
    joins_aliases: bool,  # noqa: FBT001 (bound by name above)
    days: Days | None,
    clean: ir.Table,
    merged: ir.Table,
) -> BrokenRows:
    of_users = rows_on_days(clean, "event_date", days)
    users = of_users.filter(of_users.user_id.notnull()).select("visitor_id", "user_id").distinct()
    person = users.user_id
    if joins_aliases:
        users = users.left_join(merged, "user_id")
        person = ibis.coalesce(users.visitor_user_id, users.user_id)
    users = users.select(
        "visitor_id", "user_id", person=person, expected_id=visitor_of_user(person)
    )
    persons = users.group_by("visitor_id").agg(person_count=users.person.nunique())
    looked_at = users.left_join(persons, "visitor_id").select(
        "visitor_id", "user_id", "expected_id", "person_count"
    )
    is_other = looked_at.visitor_id != looked_at.expected_id
    # Only the visitor and the user are shown, and both are hidden.
    broken = looked_at.filter(is_other | (looked_at.person_count > 1)).select(
        "visitor_id", "user_id", "person_count"
    )
    return BrokenRows(broken, looked_at)
