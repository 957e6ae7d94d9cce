"""How identity goes down: from the ids of a visitor, and from ids that join nobody,
to the events that have them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import (
    Identities,
    IdentityAliases,
    IdentityLinks,
    MergedUsers,
    SharedIds,
)
from ecom_assets.behaviour.identity.links import (
    aliases_in_order,
    aliases_of_users,
    device_of,
    devices_within_days,
    joining,
    merged_users,
)
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import is_from, is_until
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.trace import (
    ByRow,
    Count,
    Derivation,
    TableTrace,
    TraceContext,
    UpstreamRows,
    keeping,
)

ID_COLUMNS: Final = {
    "user": "user_id",
    "device": "device_id",
    "source_session": "source_session_id",
}
"""The column of clean events that holds each kind of id."""
RUN: Final = (
    "event_date",
    "device_id",
    "first_seen_at",
    "first_event_id",
    "last_seen_at",
    "last_event_id",
)
"""What identifies the events of a link."""


def events_of_links(links: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events of runs of events on devices."""
    events = context.near(CleanEvents, links, "event_date")
    of_run = [events.event_date == links.event_date, device_of(events) == links.device_id]
    return keeping(events, links, [*of_run, is_from(events, links), is_until(events, links)])


def events_of_aliases(aliases: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events of type `alias` that name two ids."""
    return keeping(
        context.near(CleanEvents, aliases, "event_date"), aliases, ["event_date", "event_id"]
    )


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    IdentityLinks: UpstreamRows(CleanEvents, events_of_links, RUN),
    IdentityAliases: UpstreamRows(
        CleanEvents, events_of_aliases, ("event_date", "event_id"), is_one_to_one=True
    ),
}


def _events_with_id(context: TraceContext) -> ir.Table:
    """Return the events of a visitor with an id that were joined in the same way."""
    row = context.row
    events = context.on_day(CleanEvents, "event_date")
    return events.filter(
        events.visitor_id == row["visitor_id"],
        events[ID_COLUMNS[row["id_kind"]]] == row["id_value"],
        events.joined_by == row["joined_by"],
    )


def _links_with_id(context: TraceContext) -> ir.Table:
    """Return the links between the id of a row and others."""
    links = context.table(IdentityLinks)
    column = links.user_id if context.row["id_kind"] == "user" else links.device_id
    return links.filter(column == context.row["id_value"], links.user_id.notnull())


def _links_of_most_devices(context: TraceContext) -> ir.Table:
    """Return the links of a user on the days on which they were on the most devices."""
    rule: IdentityRule = context.rules["identity_rule"]
    links = _links_with_id(context)
    links = links.filter(links.is_device)
    counted = devices_within_days(links, rule)
    most = context.ask(counted.order_by([counted.device_count.desc(), "last_date"]).limit(1))
    if not most:
        return links
    last = most[0]["last_date"]
    return links.filter(
        links.event_date.between(last - timedelta(days=rule.user_devices_days - 1), last)
    )


def _links_of_earlier_devices(context: TraceContext) -> ir.Table:
    """Return the links of a user on the device of a row and on those on which they
    were first seen before it.

    It is the user with the most of them.
    """
    links, device = context.table(IdentityLinks), context.row["id_value"]
    links = links.filter(links.is_device, links.user_id.notnull())
    firsts = links.group_by("user_id", "device_id").agg(first_at=links.first_seen_at.min())
    pairs = firsts.join(
        firsts.filter(firsts.device_id == device).select("user_id", this_at="first_at"), "user_id"
    )
    is_before = (pairs.first_at == pairs.this_at) & (pairs.device_id <= device)
    pairs = pairs.filter((pairs.first_at < pairs.this_at) | is_before)
    counted = pairs.group_by("user_id").agg(device_count=pairs.count())
    most = context.ask(counted.order_by([counted.device_count.desc(), "user_id"]).limit(1))
    users = [row["user_id"] for row in most]
    return links.semi_join(pairs.filter(pairs.user_id.isin(users)), ["user_id", "device_id"])


def _aliases_of_merged(context: TraceContext) -> ir.Table:
    """Return the aliases of the users who are one person, once for each user that they name."""
    users = context.where(MergedUsers, visitor_user_id=context.row["visitor_user_id"])
    return _named_users(joining(context.table(IdentityAliases), users))


def _aliases_of_large_group(context: TraceContext) -> ir.Table:
    """Return the aliases of a group that is too large to be a person,
    once for each user that they name.
    """
    rule: IdentityRule = context.rules["identity_rule"]
    aliases = context.table(IdentityAliases)
    rows = context.ask(aliases_in_order(aliases))
    shared = context.where(SharedIds, id_kind="user")
    others = context.ask(shared.filter(shared.reason != "group_users").select("id_value"))
    pairs = aliases_of_users(
        ((row["user_id"], row["previous_id"]) for row in rows),
        {other["id_value"] for other in others},
    )
    _, too_large = merged_users(pairs, rule.group_users)
    users = next((users for users in too_large if context.row["id_value"] in users), [])
    return _named_users(
        aliases.filter(aliases.user_id.isin(users), aliases.previous_id.isin(users))
    )


def _named_users(aliases: ir.Table) -> ir.Table:
    return union_all(
        aliases.mutate(counted_as=aliases.user_id), aliases.mutate(counted_as=aliases.previous_id)
    )


def _reached(context: TraceContext) -> Derivation:
    """Return how the number of ids that share the id of a row goes down."""
    row = context.row
    if row["reason"] == "group_users":
        return Count(IdentityAliases, _aliases_of_large_group)
    if row["reason"] == "user_devices" and row["id_kind"] == "device":
        return Count(IdentityLinks, _links_of_earlier_devices, unit="device_id")
    if row["reason"] == "user_devices":
        return Count(IdentityLinks, _links_of_most_devices, unit="device_id")
    return Count(
        IdentityLinks, _links_with_id, unit="device_id" if row["id_kind"] == "user" else "user_id"
    )


TRACES: Final = (
    TableTrace(
        Identities, "ids-of-a-visitor", {"event_count": Count(CleanEvents, _events_with_id)}
    ),
    TableTrace(SharedIds, "ids-that-join-nobody", {"reached_count": ByRow(_reached)}),
    TableTrace(
        MergedUsers,
        "users-who-are-one-person",
        {"user_count": Count(IdentityAliases, _aliases_of_merged)},
    ),
)
