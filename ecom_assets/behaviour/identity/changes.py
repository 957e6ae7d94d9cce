"""Which other days a run changes, and whose events:
those whose visitor is another one by what the run has brought.

What is stored is compared with what the rule says now, so that the answer needs no memory of
earlier runs: it is the same whatever arrived first, and after a run that was killed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.behaviour.identity.contracts import IdentityLinks
from ecom_assets.behaviour.identity.links import device_of, identity_links
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import KnownIds, with_visitors
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import can_be_null, conform, union_all

READ = (
    "event_date",
    "event_at",
    "event_id",
    "user_id",
    "device_id",
    "source_session_id",
    "sent_by",
    "visitor_id",
    "joined_by",
)
"""What is read of stored events to find their visitors by given links."""
BY_DEVICE = ("device", "source_session", "only_user")
"""The steps by which no single sign-in has decided: nobody's,
or those of the only user of the device.
"""
COMPARED = tuple(name for name in IdentityLinks.columns if name != "event_count")


Fetched = Callable[[ir.Table], list[dict[str, Any]]]
"""Returns the rows of a small result."""
Kept = Callable[[str, ir.Table], ir.Table]
"""Stores rows under a name, if that costs less than to compute them again, and returns them."""


@dataclass(frozen=True)
class ChangedIds:
    """The users whom aliases join with others, or no more,
    and the ids that join nobody since, or join again.
    """

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
        """Return how many days they change, by the events of each, and why;
        empty if they change none.
        """
        if not changed or not (self.merged or self.shared):
            return ""
        first, last = min(changed), max(changed)
        where = f"on {first}" if first == last else f"on {len(changed):,} days, {first} to {last}"
        events = _counted(sum(changed.values()), "event has", "events have")
        aliases = (
            f"aliases join {_counted(len(self.merged), 'user', 'users')}, or no longer do"
            if self.merged
            else ""
        )
        ids = _counted(len(self.shared), "id joins", "ids join")
        bounds = f"{ids} nobody any more, or somebody again" if self.shared else ""
        return (
            f"{events} another visitor {where}, since "
            f"{' and '.join(filter(None, (aliases, bounds)))}; these days are computed again, and "
            "mart.restatements lists each published number that changes."
        )


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"


class Move(NamedTuple):
    """Events of a day that were one visitor's and are another's,
    or the same one's by another step of the rule.
    """

    day: date
    before: str
    after: str
    event_count: int


class ChangedVisitor(NamedTuple):
    """A visitor of a changed day; the fields are columns of `ChangedVisitorDays`."""

    changed_date: date
    visitor_id: str
    changed_count: int
    is_regrouped: bool


def changed_visitors(  # noqa: PLR0913, PLR0917 (each is a table, what is known of ids, or a definition)
    events: ir.Table,
    changed: ChangedIds,
    now: KnownIds,
    rule: IdentityRule,
    days: Days,
    fetch: Fetched,
    keep: Kept,
) -> list[ChangedVisitor]:
    """Return the visitors who gained or lost a stored event, by day;
    also of events joined by another step.

    Days of the run are among them: their events are computed again anyway, but published numbers
    change by it.

    Args:
        events: All rows of `CleanEvents` as they are stored.
        changed: What `changed_ids` found.
        now: What is known of ids now, links of all days included.
        rule: The identity rule.
        days: The days of the run, whose links are new.
        fetch: Returns the rows of a small result.
        keep: Stores rows that are read several times under a name, if that costs less, and returns
            them.
    """
    devices = keep(
        "affected_devices",
        _affected_devices(changed, now, _changed_devices(events, now.links, rule, days)),
    )
    links = keep("affected_links", now.links.semi_join(devices, "device_id"))
    affected_events = keep(
        "affected_events", _affected_events(events, devices, changed, now, rule, days)
    )
    moved = _moved(affected_events, KnownIds(links, now.shared, now.merged), rule)
    moves = [
        Move(row["event_date"], row["before"], row["after"], int(row["event_count"]))
        for row in fetch(moved)
    ]
    if not moves:
        return []
    regrouped = regrouped_days(moves, _held(events, moves, days, fetch))
    gained: dict[tuple[date, str], int] = defaultdict(int)
    for move in moves:
        gained[move.day, move.before] += 0
        gained[move.day, move.after] += move.event_count if move.before != move.after else 0
    return [
        ChangedVisitor(day, visitor, count, day in regrouped)
        for (day, visitor), count in sorted(gained.items())
    ]


def _affected_devices(changed: ChangedIds, now: KnownIds, of_run: ir.Table) -> ir.Table:
    """Return the devices whose events can have another visitor now: those whose links changed,
    and those of ids.
    """
    users, devices = changed.users, changed.devices
    if not (users or devices):
        return of_run
    of_ids = now.links.filter(now.links.user_id.isin(users) | now.links.device_id.isin(devices))
    return union_all(of_run, of_ids.select("device_id")).distinct()


def _affected_events(  # noqa: PLR0913, PLR0917 (as `changed_visitors`)
    events: ir.Table,
    devices: ir.Table,
    changed: ChangedIds,
    now: KnownIds,
    rule: IdentityRule,
    days: Days,
) -> ir.Table:
    """Return the stored events whose visitor can be another now."""
    linked = now.links.select("event_date").distinct()
    near = events.select(*READ).semi_join(linked, "event_date")
    users = changed.users
    if rule.days_around and not (users or changed.devices):
        # A sign-in reaches as far back as the rule looks ahead, and as far ahead as it looks back.
        near = near.filter(_can_reach(near, rule, days))
    on_device = near.semi_join(devices, device_of(near) == devices.device_id)
    if rule.owner != "last_user":
        on_device = on_device.filter(on_device.user_id.isnull())
    return union_all(on_device, near.filter(near.user_id.isin(users))) if users else on_device


def _can_reach(events: ir.Table, rule: IdentityRule, days: Days) -> ir.BooleanValue:
    """Return whether sign-ins of some days can decide about events:
    they reach as far as the rule looks.

    Further away than the next sign-in counts, they can only decide whether the device has one user.
    So they change no event there that another sign-in has already decided about.
    """
    (before, after), (farthest_before, farthest_after) = (
        rule.days_of_next_sign_in,
        rule.days_around or (0, 0),
    )
    # A sign-in reaches as far back as the rule looks ahead, and as far ahead as it looks back.
    is_near = days.widened(before=after, after=before).contain(events.event_date)
    is_far = days.widened(before=farthest_after, after=farthest_before).contain(events.event_date)
    return is_near | (is_far & events.joined_by.isin(BY_DEVICE))


def _moved(affected_events: ir.Table, known_ids: KnownIds, rule: IdentityRule) -> ir.Table:
    """Return how many of some stored events are whose now, and whose they were before,
    where that changed.
    """
    affected_events = affected_events.rename(
        stored_visitor_id="visitor_id", stored_joined_by="joined_by"
    )
    resolved = with_visitors(affected_events, known_ids, rule)
    is_moved = (resolved.visitor_id != resolved.stored_visitor_id) | (
        resolved.joined_by != resolved.stored_joined_by
    )
    moved = resolved.filter(is_moved)
    return moved.group_by("event_date", before="stored_visitor_id", after="visitor_id").agg(
        event_count=moved.event_id.nunique()
    )


Held = Mapping[tuple[date, str], int]
"""How many stored events a visitor has on a day."""


def _held(events: ir.Table, moves: Sequence[Move], days: Days, fetch: Fetched) -> Held:
    """Return the stored events of the visitors concerned, on the days of moves and those beside,
    not of the run.
    """
    moved_days = [move.day for move in moves]
    near = Days.between(min(moved_days) - ONE_DAY, max(moved_days) + 2 * ONE_DAY)
    visitors = sorted({visitor for move in moves for visitor in (move.before, move.after)})
    stored_events = events.filter(near.contain(events.event_date), ~days.contain(events.event_date))
    stored_events = stored_events.semi_join(
        ibis.memtable(pa.table({"visitor_id": visitors})), "visitor_id"
    )
    counts = stored_events.group_by("event_date", "visitor_id").agg(
        event_count=stored_events.count()
    )
    return {
        (row["event_date"], row["visitor_id"]): int(row["event_count"]) for row in fetch(counts)
    }


def regrouped_days(moves: Sequence[Move], held: Held) -> set[date]:
    """Return the days on which events of several visitors became one's,
    or those of one became several's.

    On the others each visitor has another id and the same events, on the day before and after, too:
    visits that cross midnight are the same. So nothing that counts visits, or visitors of a day,
    changes.
    """
    real = [move for move in moves if move.before != move.after]
    left = dict(held)
    for move in real:
        left[move.day, move.before] = left.get((move.day, move.before), 0) - move.event_count
    stays = [(day, visitor, visitor) for (day, visitor), count in left.items() if count > 0]
    became: dict[tuple[date, str], set[str]] = defaultdict(set)
    came_from: dict[tuple[date, str], set[str]] = defaultdict(set)
    for day, before, after in [*stays, *(move[:3] for move in real)]:
        became[day, before].add(after)
        came_from[day, after].add(before)

    def meets_others(move: Move) -> bool:
        beside = [move.day + n * ONE_DAY for n in (-1, 0, 1)]
        parts = any(became.get((day, move.before), {move.after}) != {move.after} for day in beside)
        return parts or any(
            came_from.get((day, move.after), {move.before}) != {move.before} for day in beside
        )

    return {move.day for move in real if meets_others(move)}


def _changed_devices(events: ir.Table, links: ir.Table, rule: IdentityRule, days: Days) -> ir.Table:
    """Return the devices whose links of some days differ from those of the stored events."""
    stored = _compared(identity_links(events.filter(days.contain(events.event_date)), rule))
    now = _compared(links.filter(days.contain(links.event_date)))
    return (
        union_all(ibis.difference(now, stored), ibis.difference(stored, now))
        .select("device_id")
        .distinct()
    )


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
        {
            (row["id_kind"], row["id_value"])
            for row in fetch(ids.shared.select("id_kind", "id_value"))
        }
        for ids in (before, now)
    )
    was_merged, is_merged = (
        {(row["user_id"], row["visitor_user_id"]) for row in fetch(ids.merged)}
        for ids in (before, now)
    )
    return ChangedIds(
        frozenset(user for user, _ in was_merged ^ is_merged), frozenset(was_shared ^ is_shared)
    )
