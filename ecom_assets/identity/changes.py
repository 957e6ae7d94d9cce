"""Which other days a run changes: those with an event whose visitor is another one by what the run has brought.

What is stored is compared with what the rule says now, so that the answer needs no memory of earlier runs: it is the
same whatever arrived first, and after a run that was killed.
"""

from datetime import date

import ibis
import ibis.expr.types as ir

from ecom_assets.events.clean import OF_IDENTITY
from ecom_assets.events.contracts import CleanEvents
from ecom_assets.identity.contracts import IdentityLinks, MergedUsers, SharedIds
from ecom_assets.identity.links import device_of, identity_links
from ecom_assets.identity.rule import IdentityRule
from ecom_assets.identity.visitors import KnownIds, with_visitors
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import can_be_null, conform, union_all
from ecom_assets.warehouse.engine import Engine

COMPARED = tuple(name for name in IdentityLinks.columns if name != "event_count")


def changed_days(warehouse: Engine, known: KnownIds, rule: IdentityRule, days: Days) -> dict[date, int]:
    """Return the days other than `days` with an event that has another visitor now, and how many of these events.

    Args:
        warehouse: The warehouse, whose clean events, shared ids and merged users are those of earlier runs.
        known: What is known of ids now.
        rule: The identity rule.
        days: The days of the run, whose links are new.
    """
    events = warehouse.table(CleanEvents)
    others = events.filter(~days.contain(events.event_date))
    users, devices = _changed_ids(warehouse, known)
    affected = _changed_devices(events, known.links, days)
    if users or devices:
        of_ids = known.links.filter(known.links.user_id.isin(users) | known.links.device_id.isin(devices))
        affected = union_all(affected, of_ids.select("device_id")).distinct()
    elif rule.days_around:
        # A sign-in reaches as far back as the rule looks ahead, and as far ahead as it looks back.
        before, after = rule.days_around
        others = others.filter(days.widened(before=after, after=before).contain(others.event_date))
    on_device = others.semi_join(affected, device_of(others) == affected.device_id)
    if rule.owner != "last_user":
        on_device = on_device.filter(on_device.user_id.isnull())
    asked = union_all(on_device, others.filter(others.user_id.isin(users))) if users else on_device
    asked = asked.rename(stored_visitor_id="visitor_id").drop(*(set(OF_IDENTITY) - {"visitor_id"}))
    links = known.links.semi_join(affected, "device_id")
    now = with_visitors(asked, KnownIds(links, known.shared, known.merged), rule)
    changed = now.filter(now.visitor_id != now.stored_visitor_id)
    counts = changed.group_by("event_date").agg(changed_count=changed.event_id.nunique())
    return {row["event_date"]: int(row["changed_count"]) for row in warehouse.rows_of(counts)}


def _changed_devices(events: ir.Table, links: ir.Table, days: Days) -> ir.Table:
    """Return the devices whose links of some days differ from those of the stored events."""
    stored = _compared(identity_links(events.filter(days.contain(events.event_date))))
    now = _compared(links.filter(days.contain(links.event_date)))
    return union_all(ibis.difference(now, stored), ibis.difference(stored, now)).select("device_id").distinct()


def _compared(links: ir.Table) -> ir.Table:
    return can_be_null(conform(links, IdentityLinks).select(*COMPARED), COMPARED)


def _changed_ids(warehouse: Engine, known: KnownIds) -> tuple[list[str], list[str]]:
    """Return the users, and the devices, that join nobody since, or join again, or are another visitor."""
    shared = _pairs(warehouse, warehouse.table(SharedIds)) ^ _pairs(warehouse, known.shared)
    before, now = (
        {(row["user_id"], row["visitor_user_id"]) for row in warehouse.rows_of(table)}
        for table in (warehouse.table(MergedUsers), known.merged)
    )
    users = {user for user, _ in before ^ now} | {value for kind, value in shared if kind == "user"}
    return sorted(users), sorted(value for kind, value in shared if kind != "user")


def _pairs(warehouse: Engine, shared: ir.Table) -> set[tuple[str, str]]:
    return {(row["id_kind"], row["id_value"]) for row in warehouse.rows_of(shared.select("id_kind", "id_value"))}
