"""The person of an erasure: the ids that are only theirs, those that they shared,
and the events that they own.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents, DuplicateEvents, RawEvents
from ecom_assets.behaviour.identity.contracts import MergedUsers
from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import DEVICE, SESSION, USER
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.spellings import spelled_value
from ecom_assets.core.tables.values import batches_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.ingestion.sources.erased_people import (
    KINDS,
    UNLINKED,
    among,
    spellings_of,
)
from ecom_assets.ingestion.sources.written_forms import alternatives_of
from ecom_assets.orchestration.registry import PERSONS

_ESCAPED = re.compile(f"user-(?:user-)*{ANONYMOUS}")
AT_ONCE = 1_000
"""Ids in one statement."""
LEAST_CHARACTERS = 4
"""Shorter ids are in most texts by chance, so texts and files are not searched for them."""


@dataclass(frozen=True)
class Person:
    """The ids of one person, or of several who are erased together.

    Args:
        users: Ids as `user_id` of events and `customer_id` of orders and customers.
        sessions: Source sessions, whose rows without a user are the person's.
        devices: Device or cookie ids, in the same way.
        shared: How many sessions and devices were left out because somebody else was seen with
            them, too.
    """

    users: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    shared: int = 0
    known_as: tuple[str, ...] = field(default=())
    """Users who were seen in a session or on a device that was requested by its id, or whom aliases
    join with the person's; they are erased only if requested, too."""
    unlinked: tuple[str, ...] = ()
    """The sessions and devices that are left out: from now on, they join nobody."""
    events: tuple[str, ...] = ()
    """Events without a user on a shared device or in a shared session that the identity rule gave
    to the person, by their ids in clean events.
    """
    received_events: tuple[str, ...] = ()
    """The ids of these events as received, which events of others may have too."""
    joined_visitors: tuple[str, ...] = ()
    """The visitor ids that the person has in common with users of `known_as` whom aliases join."""

    @classmethod
    def requested(cls, visitors: Iterable[str], customers: Iterable[str]) -> "Person":
        """Return the person for visitor ids, as in the tables, and customer ids.

        Raises:
            UsageError: Nobody is named, or an id is empty.
        """
        visitor_ids, customer_ids = ([id_.strip() for id_ in ids] for ids in (visitors, customers))
        if not all([*visitor_ids, *customer_ids]) or not (visitor_ids or customer_ids):
            raise UsageError(
                "Nobody is named; give --visitor ID or --customer ID, as in the tables."
            )
        sessions = [
            visitor_id.removeprefix(ANONYMOUS)
            for visitor_id in visitor_ids
            if visitor_id.startswith(ANONYMOUS)
        ]
        users = [
            user_of(visitor_id)
            for visitor_id in visitor_ids
            if not visitor_id.startswith(ANONYMOUS)
        ]
        ids = tuple(dict.fromkeys(sessions))
        named = [spelling for user in (*users, *customer_ids) for spelling in spellings_of(user)]
        return cls(tuple(dict.fromkeys(named)), ids, ids)

    @property
    def visitors(self) -> tuple[str, ...]:
        """Return the visitor ids that tables can have of the person."""
        escaped = [
            f"user-{user}" if user.startswith(ANONYMOUS) or _ESCAPED.match(user) else user
            for user in self.users
        ]
        return (
            *escaped,
            *(f"{ANONYMOUS}{id_}" for id_ in dict.fromkeys([*self.sessions, *self.devices])),
        )

    @property
    def ids(self) -> dict[str, tuple[str, ...]]:
        """Return the ids by kind."""
        return {
            USER: self.users,
            SESSION: self.sessions,
            DEVICE: self.devices,
            UNLINKED: self.unlinked,
        }

    def completed(self, engine: Engine) -> "Person":
        """Return the person with everything that is theirs.

        These are each spelling of their user ids, the sessions and devices of their events, and the
        events that the identity rule gives them where they shared a device. Users whom aliases join
        with theirs may be other people, since anyone who can send an alias can name anybody.
        """
        users = tuple(dict.fromkeys([*self.users, *_padded(engine, self.users)]))
        joined, joined_visitors = _joined_users(engine, users)
        person = replace(
            self, users=users, known_as=tuple(sorted(joined)), joined_visitors=joined_visitors
        )
        if not engine.has(RawEvents):
            return person
        events = engine.table(RawEvents)
        sessions, shared_sessions = _own_and_shared(engine, person, "session_id", self.sessions)
        devices, shared_devices = _own_and_shared(engine, person, "anonymous_id", self.devices)
        known_as = joined | _distinct_ids(events, "user_id", "session_id", self.sessions)
        known_as |= _distinct_ids(events, "user_id", "anonymous_id", self.devices)
        completed = replace(
            person,
            sessions=sessions,
            devices=devices,
            shared=len(shared_sessions) + len(shared_devices),
            known_as=tuple(sorted(known_as - set(person.users))),
            unlinked=tuple(sorted({*shared_sessions, *shared_devices})),
        )
        visitors = {*self.visitors, *completed.visitors, *completed.joined_visitors}
        owned = _owned(engine, completed, visitors, joined)
        return replace(completed, events=owned, received_events=_received_ids(engine, owned))

    @property
    def searched_ids(self) -> list[str]:
        """Return the ids that texts and files are searched for: those that are long enough."""
        ids = {id_.strip() for id_ in (*self.users, *self.visitors, *self.sessions, *self.devices)}
        return sorted(id_ for id_ in ids if len(id_) >= LEAST_CHARACTERS)

    def id_pattern(self) -> str | None:
        """Return a regular expression of all forms of the ids;
        None if all are too short to be looked for.
        """
        return alternatives_of(self.searched_ids) or None


CLEAN_NAMES = {"session_id": "source_session_id", "anonymous_id": "device_id"}
"""The names that columns of raw events have in clean ones."""


def _joined_users(engine: Engine, users: Sequence[str]) -> tuple[set[str], tuple[str, ...]]:
    """Return the other users whom aliases join with some users, and the visitor ids of them all."""
    if not engine.has(MergedUsers):
        return set(), ()
    merged = engine.table(MergedUsers)
    heads = sorted(_distinct_ids(merged, "visitor_user_id", "user_id", users))
    joined = _distinct_ids(merged, "user_id", "visitor_user_id", heads) - set(users)
    return joined, Person(tuple(heads)).visitors if joined else ()


def _padded(engine: Engine, users: Sequence[str]) -> list[str]:
    """Return the user ids of raw rows that differ from some users only by their spelling."""
    result: set[str] = set()
    for contract, columns in PERSONS.items():
        if engine.has(contract):
            ids = engine.table(contract).select(user=columns.user).distinct()
            for key in KINDS:
                spelled = ids.mutate(user_id=spelled_value(ids.user, key))
                spelled = spelled.filter(spelled.user != spelled.user_id)
                result |= _distinct_ids(spelled, "user", "user_id", users)
    return sorted(result)


def _own_and_shared(
    engine: Engine, person: Person, name: str, named: Sequence[str]
) -> tuple[tuple[str, ...], set[str]]:
    """Return the ids in a column of a person's events, or named, that are only theirs,
    and those that are shared.

    An id is shared if an event with it has another user, or if the identity rule gave such an event
    to another one. One that was named is shared in the second case only.
    """
    events = engine.table(RawEvents)
    used = _distinct_ids(events, name, "user_id", person.users)
    shared = {
        row[name]
        for row in _distinct_rows(events, (name, "user_id"), name, sorted(used - set(named)))
        if row["user_id"] is not None and row["user_id"] not in person.users
    }
    shared |= _given_to_others(engine, person, CLEAN_NAMES[name], sorted({*used, *named}))
    own = [*(id_ for id_ in named if id_ not in shared), *sorted(used - shared)]
    return tuple(dict.fromkeys(own)), shared


def _given_to_others(engine: Engine, person: Person, name: str, ids: Sequence[str]) -> set[str]:
    """Return the ids in a column of clean events without a user that belong to
    somebody else who is known.
    """
    if not engine.has(CleanEvents):
        return set()
    events = engine.table(CleanEvents)
    events = events.filter(events.user_id.isnull(), ~events.visitor_id.startswith(ANONYMOUS))
    rows = _distinct_rows(events, (name, "visitor_id"), name, ids)
    # An id that aliases give several users says of none of them that the event is theirs.
    own = {*person.visitors, *person.joined_visitors}
    return {row[name] for row in rows if row["visitor_id"] not in own}


def _owned(engine: Engine, person: Person, visitors: set[str], joined: set[str]) -> tuple[str, ...]:
    """Return the events without a user that belong to a person although
    others were seen on the device.

    Where aliases join the person with other users, the visitor is theirs, too: then only events on
    the person's devices count on which none of these users was seen.
    """
    if not person.unlinked or not engine.has(CleanEvents):
        return ()
    events = engine.table(CleanEvents)
    columns = ("event_id", "device_id", "source_session_id")
    rows = _distinct_rows(
        events.filter(events.user_id.isnull()), columns, "visitor_id", sorted(visitors)
    )
    devices, sessions = {*person.devices}, {*person.sessions}
    left = (
        row
        for row in rows
        if row["device_id"] not in devices and row["source_session_id"] not in sessions
    )
    if joined:
        only_theirs = {*person.unlinked} - _ids_seen_with(engine, joined)
        left = (
            row for row in left if (row["device_id"] or row["source_session_id"]) in only_theirs
        )
    return tuple(sorted(row["event_id"] for row in left))


def _received_ids(engine: Engine, events: Sequence[str]) -> tuple[str, ...]:
    """Return the ids as received of clean events;
    those in `DuplicateEvents` may have a hash behind them.
    """
    received = dict(zip(events, events, strict=True))
    if events and engine.has(DuplicateEvents):
        duplicates = engine.readable(DuplicateEvents)
        rows = _distinct_rows(duplicates, ("event_id", "source_event_id"), "event_id", events)
        received |= {row["event_id"]: row["source_event_id"] or row["event_id"] for row in rows}
    return tuple(sorted(set(received.values())))


def _ids_seen_with(engine: Engine, users: Iterable[str]) -> set[str]:
    """Return the devices and source sessions of the events of some users."""
    events, named = engine.table(RawEvents), sorted(users)
    columns = ("anonymous_id", "session_id")
    return {id_ for name in columns for id_ in _distinct_ids(events, name, "user_id", named)}


def _distinct_ids(events: ir.Table, name: str, by: str, values: Sequence[str]) -> set[str]:
    return {
        row[name] for row in _distinct_rows(events, (name,), by, values) if row[name] is not None
    }


def _distinct_rows(
    events: ir.Table, names: tuple[str, ...], by: str, values: Sequence[str]
) -> list[Row]:
    result: list[Row] = []
    for some in batches_of(values, AT_ONCE):
        rows = events.filter(among(events, by, some)).select(*names).distinct()
        result += rows_of(rows)
    return result


def user_of(visitor: str) -> str:
    """Return the user of a visitor id that is not anonymous, see `visitor_of_user`."""
    return visitor.removeprefix("user-") if _ESCAPED.match(visitor) else visitor
