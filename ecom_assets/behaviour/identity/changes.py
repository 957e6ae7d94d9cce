"""Visitors whose events a run changes on other days, because a sign-in or an alias came or went.

What is stored is compared with what the rule says now, so that the answer needs no memory of
earlier runs: it is the same whatever arrived first, and after a run that was killed.

An example. Three events of 1 March are stored. A run of 2 March brings a fourth, a sign-in:

| event | day | device | user | stored visitor | visitor now |
| --- | --- | --- | --- | --- | --- |
| 1 | 1 March | d1 | | anon-d1 | ben |
| 2 | 1 March | d1 | | anon-d1 | ben |
| 3 | 1 March | d2 | ben | ben | ben |
| 4 | 2 March | d1 | ben | (not stored yet) | ben |

1. The links of 2 March are not those of the stored events: device d1 is affected.
2. Events 1 and 2 are stored, on d1, and have no user: they are affected.
3. Their visitors are computed again and compared. One `Move`: on 1 March, two events of `anon-d1`
   are `ben`'s.
4. One `ChangedVisitor` per day and visitor of a move: `anon-d1` gains 0 events, `ben` gains 2.
   `is_regrouped` is true for both, because event 3 was `ben`'s before: two visitors of the day are
   one now, so numbers of the day change, and not only an id.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.behaviour.identity.contracts import IdentityLinks
from ecom_assets.behaviour.identity.links import device_of, identity_links
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import KnownIds, with_visitors
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.tables.portable import can_be_null, conform, union_all, union_distinct

EVENT_COLUMNS = (
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
"""What is read of stored events to compute their visitors again."""
LINK_COLUMNS = tuple(name for name in IdentityLinks.columns if name != "event_count")
"""What decides about visitors in a row of `IdentityLinks`."""
UNDECIDED_STEPS = ("device", "source_session", "only_user")
"""The steps of the rule by which no single sign-in has decided: nobody's,
or those of the only user of the device.
"""


Fetch = Callable[[ir.Table], list[Row]]
"""Returns the rows of a small result."""
Keep = Callable[[str, ir.Table], ir.Table]
"""Stores rows under a name, if that costs less than to compute them again, and returns them."""


# Ids that join other events than before


@dataclass(frozen=True)
class ChangedIds:
    """The ids that join other events than before.

    Attributes:
        merged_users: Users whom aliases join with others, and did not before; or no longer do.
        shared_ids: Ids that join nobody since, or join again, as pairs of the kind and the id.
    """

    merged_users: frozenset[str]
    shared_ids: frozenset[tuple[str, str]]

    @property
    def users(self) -> list[str]:
        """The users whose visitor may be another."""
        return sorted(
            self.merged_users | {value for kind, value in self.shared_ids if kind == "user"}
        )

    @property
    def devices(self) -> list[str]:
        """The devices, and source sessions in their place, whose visitor may be another."""
        return sorted(value for kind, value in self.shared_ids if kind != "user")

    def sentence(self, changed: Mapping[date, int]) -> str:
        """Return how many days they change, by the events of each, and why;
        empty if they change none.
        """
        if not changed or not (self.merged_users or self.shared_ids):
            return ""
        first, last = min(changed), max(changed)
        where = f"on {first}" if first == last else f"on {len(changed):,} days, {first} to {last}"
        events = counted(sum(changed.values()), "event has", "events have")
        return (
            f"{events} another visitor {where}, since {' and '.join(self._reasons())}; these days "
            "are computed again, and mart.restatements lists each published number that changes."
        )

    def _reasons(self) -> Iterator[str]:
        if self.merged_users:
            users = counted(len(self.merged_users), "user", "users")
            yield f"aliases join {users}, or no longer do"
        if self.shared_ids:
            ids = counted(len(self.shared_ids), "id joins", "ids join")
            yield f"{ids} nobody any more, or somebody again"


def changed_ids(before: KnownIds, now: KnownIds, fetch: Fetch) -> ChangedIds:
    """Return the ids that join nobody since, or join again, or are another visitor.

    Args:
        before: The ids that joined nobody, and the merged users, when they were computed.
        now: The same by the links and aliases of now.
        fetch: Returns the rows of a small result.
    """
    changed_merges = _merges(before, fetch) ^ _merges(now, fetch)
    return ChangedIds(
        frozenset(user for user, _ in changed_merges),
        frozenset(_shared_ids(before, fetch) ^ _shared_ids(now, fetch)),
    )


def _merges(ids: KnownIds, fetch: Fetch) -> set[tuple[str, str]]:
    """Return the pairs of a user and the user whose name their visitor has."""
    return {(row["user_id"], row["visitor_user_id"]) for row in fetch(ids.merged)}


def _shared_ids(ids: KnownIds, fetch: Fetch) -> set[tuple[str, str]]:
    """Return the pairs of the kind and the id of those that join nobody."""
    rows = fetch(ids.shared.select("id_kind", "id_value"))
    return {(row["id_kind"], row["id_value"]) for row in rows}


# Visitors of stored events


class Move(NamedTuple):
    """Events of a day that are another visitor's than stored,
    or the same one's by another step of the rule.
    """

    day: date
    visitor_before: str
    visitor_after: str
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
    fetch: Fetch,
    keep: Keep,
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
    devices = keep("affected_devices", _affected_devices(events, changed, now, rule, days))
    links = keep("affected_links", now.links.semi_join(devices, "device_id"))
    affected_events = keep(
        "affected_events", _affected_events(events, devices, changed, now, rule, days)
    )
    # Compute the visitors of events again, and count those that differ from the stored ones.
    stored = affected_events.rename(stored_visitor_id="visitor_id", stored_joined_by="joined_by")
    resolved = with_visitors(stored, KnownIds(links, now.shared, now.merged), rule)
    is_moved = (resolved.visitor_id != resolved.stored_visitor_id) | (
        resolved.joined_by != resolved.stored_joined_by
    )
    moved = resolved.filter(is_moved)
    counts = moved.group_by(
        "event_date", visitor_before="stored_visitor_id", visitor_after="visitor_id"
    ).agg(event_count=moved.event_id.nunique())
    moves = [
        Move(
            row["event_date"],
            row["visitor_before"],
            row["visitor_after"],
            int(row["event_count"]),
        )
        for row in fetch(counts)
    ]
    if not moves:
        return []
    event_counts = _stored_event_counts(events, moves, days, fetch)
    return _visitors_of_moves(moves, split_or_joined_days(moves, event_counts))


def _visitors_of_moves(moves: Sequence[Move], regrouped: Set[date]) -> list[ChangedVisitor]:
    """Return each visitor of a move by day, with the events gained."""
    gained: dict[tuple[date, str], int] = defaultdict(int)
    for move in moves:
        gained[move.day, move.visitor_before] += 0
        is_other = move.visitor_before != move.visitor_after
        gained[move.day, move.visitor_after] += move.event_count if is_other else 0
    return [
        ChangedVisitor(day, visitor, count, day in regrouped)
        for (day, visitor), count in sorted(gained.items())
    ]


# 1. Affected devices


def _affected_devices(
    events: ir.Table, changed: ChangedIds, now: KnownIds, rule: IdentityRule, days: Days
) -> ir.Table:
    """Return the devices, as `device_id`, whose events can have another visitor now:
    those whose links changed, and those of changed ids.
    """
    relinked = _relinked_devices(events, now.links, rule, days)
    users, devices = changed.users, changed.devices
    if not (users or devices):
        return relinked
    links = now.links.filter(now.links.user_id.isin(users) | now.links.device_id.isin(devices))
    return union_distinct(relinked, links.select("device_id"))


def _relinked_devices(
    events: ir.Table, links: ir.Table, rule: IdentityRule, days: Days
) -> ir.Table:
    """Return the devices whose links of some days differ from those of the stored events."""
    stored = _comparable(identity_links(events.filter(days.contain(events.event_date)), rule))
    now = _comparable(links.filter(days.contain(links.event_date)))
    differences = union_all(ibis.difference(now, stored), ibis.difference(stored, now))
    return differences.select("device_id").distinct()


def _comparable(links: ir.Table) -> ir.Table:
    return can_be_null(conform(links, IdentityLinks).select(*LINK_COLUMNS), LINK_COLUMNS)


# 2. Affected events


def _affected_events(  # noqa: PLR0913, PLR0917 (as `changed_visitors`)
    events: ir.Table,
    devices: ir.Table,
    changed: ChangedIds,
    now: KnownIds,
    rule: IdentityRule,
    days: Days,
) -> ir.Table:
    """Return the stored events whose visitor can be another now, with `EVENT_COLUMNS`."""
    linked_days = now.links.select("event_date").distinct()
    events = events.select(*EVENT_COLUMNS).semi_join(linked_days, "event_date")
    users = changed.users
    if rule.days_around and not (users or changed.devices):
        events = events.filter(_can_be_reached(events, rule, days))
    on_devices = events.semi_join(devices, device_of(events) == devices.device_id)
    if rule.owner != "last_user":
        on_devices = on_devices.filter(on_devices.user_id.isnull())
    return union_all(on_devices, events.filter(events.user_id.isin(users))) if users else on_devices


def _can_be_reached(events: ir.Table, rule: IdentityRule, days: Days) -> ir.BooleanValue:
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
    return is_near | (is_far & events.joined_by.isin(UNDECIDED_STEPS))


# 3. Moves


# 4. Days on which more than an id changes


EventCounts = Mapping[tuple[date, str], int]
"""How many stored events a visitor has on a day."""


def _stored_event_counts(
    events: ir.Table, moves: Sequence[Move], days: Days, fetch: Fetch
) -> EventCounts:
    """Return the stored events of the visitors of moves, on their days and those beside.

    Days of the run are left out: their stored events are about to be replaced.
    """
    moved_days = [move.day for move in moves]
    near = Days.between(min(moved_days) - ONE_DAY, max(moved_days) + 2 * ONE_DAY)
    visitors = sorted(
        {visitor for move in moves for visitor in (move.visitor_before, move.visitor_after)}
    )
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


def split_or_joined_days(moves: Sequence[Move], event_counts: EventCounts) -> set[date]:
    """Return the days on which events of several visitors are one's now,
    or those of one visitor are several's.

    On the others each visitor has another id and the same events, on the day before and after, too:
    visits that cross midnight are the same. So nothing that counts visits, or visitors of a day,
    changes.
    """
    to_others = [move for move in moves if move.visitor_before != move.visitor_after]
    visitors_after: dict[tuple[date, str], set[str]] = defaultdict(set)
    visitors_before: dict[tuple[date, str], set[str]] = defaultdict(set)
    # The days and visitors of which some stored events do not move.
    staying = dict(event_counts)
    for move in to_others:
        key = (move.day, move.visitor_before)
        staying[key] = staying.get(key, 0) - move.event_count
    for day, before, after in [
        *((move.day, move.visitor_before, move.visitor_after) for move in to_others),
        *(
            (day, visitor, visitor)
            for day, visitor in [key for key, count in staying.items() if count > 0]
        ),
    ]:
        visitors_after[day, before].add(after)
        visitors_before[day, after].add(before)

    def is_split_or_joined(move: Move) -> bool:
        before, after = move.visitor_before, move.visitor_after
        return any(
            visitors_after.get((day, before), {after}) != {after}
            or visitors_before.get((day, after), {before}) != {before}
            for day in (move.day - ONE_DAY, move.day, move.day + ONE_DAY)
        )

    return {move.day for move in to_others if is_split_or_joined(move)}
