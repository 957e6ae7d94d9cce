"""Which other days a run changes: those with an event whose visitor is another one by what the run has brought.

What is stored is compared with what the rule says now, so that the answer needs no memory of earlier runs: it is the
same whatever arrived first, and after a run that was killed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.events.clean import OF_IDENTITY
from ecom_assets.identity.contracts import IdentityLinks
from ecom_assets.identity.links import device_of, identity_links
from ecom_assets.identity.rule import IdentityRule
from ecom_assets.identity.visitors import KnownIds, with_visitors
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import can_be_null, conform, union_all

COMPARED = tuple(name for name in IdentityLinks.columns if name != "event_count")


Fetched = Callable[[ir.Table], list[dict[str, Any]]]
"""Returns the rows of a small result."""


@dataclass(frozen=True)
class ChangedIds:
    """The users whom aliases join with others, or no more, and the ids that join nobody since, or join again."""

    merged: frozenset[str]
    shared: frozenset[tuple[str, str]]
    """Pairs of the kind and the id."""

    @property
    def users(self) -> list[str]:
        """The users whose visitor may be another."""
        return sorted(self.merged | {value for kind, value in self.shared if kind == "user"})

    @property
    def devices(self) -> list[str]:
        """The devices, and source sessions in their place, whose visitor may be another."""
        return sorted(value for kind, value in self.shared if kind != "user")

    def sentence(self, changed: Mapping[date, int]) -> str:
        """Return how many days they change, by the events of each, and why; empty if they change none."""
        if not changed or not (self.merged or self.shared):
            return ""
        first, last = min(changed), max(changed)
        where = f"on {first}" if first == last else f"on {len(changed):,} days, {first} to {last}"
        events = _counted(sum(changed.values()), "event has", "events have")
        aliases = f"aliases join {_counted(len(self.merged), 'user', 'users')}, or no longer do" if self.merged else ""
        ids = _counted(len(self.shared), "id joins", "ids join")
        bounds = f"{ids} nobody any more, or somebody again" if self.shared else ""
        return (
            f"{events} another visitor {where}, since {' and '.join(filter(None, (aliases, bounds)))}; these days are "
            "computed again, and mart.restatements lists each published number that changes."
        )


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def changed_days(  # noqa: PLR0913, PLR0917 (each is a table, what is known of ids, or a definition)
    events: ir.Table, changed: ChangedIds, now: KnownIds, rule: IdentityRule, days: Days, fetch: Fetched
) -> dict[date, int]:
    """Return the days with a stored event that has another visitor now, and how many of these events.

    Days of the run are among them: their events are computed again anyway, but published numbers change by it.

    Args:
        events: All rows of `CleanEvents` as they are stored.
        changed: What `changed_ids` found.
        now: What is known of ids now, links of all days included.
        rule: The identity rule.
        days: The days of the run, whose links are new.
        fetch: Returns the rows of a small result.
    """
    linked = now.links.select("event_date").distinct()
    near = events.semi_join(linked, "event_date")
    users, devices = changed.users, changed.devices
    affected = _changed_devices(events, now.links, rule, days)
    if users or devices:
        of_ids = now.links.filter(now.links.user_id.isin(users) | now.links.device_id.isin(devices))
        affected = union_all(affected, of_ids.select("device_id")).distinct()
    elif rule.days_around:
        # A sign-in reaches as far back as the rule looks ahead, and as far ahead as it looks back.
        earlier, later = rule.days_around
        near = near.filter(days.widened(before=later, after=earlier).contain(near.event_date))
    on_device = near.semi_join(affected, device_of(near) == affected.device_id)
    if rule.owner != "last_user":
        on_device = on_device.filter(on_device.user_id.isnull())
    asked = union_all(on_device, near.filter(near.user_id.isin(users))) if users else on_device
    asked = asked.rename(stored_visitor_id="visitor_id").drop(*(set(OF_IDENTITY) - {"visitor_id"}))
    links = now.links.semi_join(affected, "device_id")
    resolved = with_visitors(asked, KnownIds(links, now.shared, now.merged), rule)
    others = resolved.filter(resolved.visitor_id != resolved.stored_visitor_id)
    counts = others.group_by("event_date").agg(changed_count=others.event_id.nunique())
    return {row["event_date"]: int(row["changed_count"]) for row in fetch(counts)}


def _changed_devices(events: ir.Table, links: ir.Table, rule: IdentityRule, days: Days) -> ir.Table:
    """Return the devices whose links of some days differ from those of the stored events."""
    stored = _compared(identity_links(events.filter(days.contain(events.event_date)), rule))
    now = _compared(links.filter(days.contain(links.event_date)))
    return union_all(ibis.difference(now, stored), ibis.difference(stored, now)).select("device_id").distinct()


def _compared(links: ir.Table) -> ir.Table:
    return can_be_null(conform(links, IdentityLinks).select(*COMPARED), COMPARED)


def changed_ids(before: KnownIds, now: KnownIds, fetch: Fetched) -> ChangedIds:
    """Return the ids that join nobody since, or join again, or are another visitor.

    Args:
        before: The ids that joined nobody, and the merged users, when they were computed.
        now: The same by the links and aliases of now.
        fetch: Returns the rows of a small result.
    """
    was_shared, is_shared = (
        {(row["id_kind"], row["id_value"]) for row in fetch(known.shared.select("id_kind", "id_value"))}
        for known in (before, now)
    )
    was_merged, is_merged = (
        {(row["user_id"], row["visitor_user_id"]) for row in fetch(known.merged)} for known in (before, now)
    )
    return ChangedIds(frozenset(user for user, _ in was_merged ^ is_merged), frozenset(was_shared ^ is_shared))
