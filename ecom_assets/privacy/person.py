"""All ids of a person: the user or customer, and the source sessions and devices that nobody else was seen with."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ibis.expr.types as ir

from ecom_assets.errors import UsageError
from ecom_assets.events.clean import ANONYMOUS
from ecom_assets.events.contracts import RawEvents
from ecom_assets.privacy.erased_people import COLUMNS, DEVICE, SESSION, USER, among
from ecom_assets.warehouse.engine import Engine

_ESCAPED = re.compile(f"user-(?:user-)*{ANONYMOUS}")
AT_ONCE = 1_000
"""Ids in one statement."""
LEAST_CHARACTERS = 4
"""Shorter ids are in most texts by chance, so texts and files are not searched for them."""
IN_WORDS = "0-9A-Za-z_-"
"""The characters of a word: an id counts as found only where none of them comes before or after it."""


@dataclass(frozen=True)
class Person:
    """The ids of one person, or of several who are erased together.

    Args:
        users: Ids as `user_id` of events and `customer_id` of orders and customers.
        sessions: Source sessions, whose rows without a user are the person's.
        devices: Device or cookie ids, in the same way.
        shared: How many sessions and devices were left out because somebody else was seen with them, too.
    """

    users: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    shared: int = 0
    known_as: tuple[str, ...] = field(default=())
    """Users who were seen in a session that was requested by its id; they are erased only if requested, too."""

    @classmethod
    def requested(cls, visitors: Iterable[str], customers: Iterable[str]) -> "Person":
        """Return the person for visitor ids, as in the tables, and customer ids.

        Raises:
            UsageError: Nobody is named, or an id is empty.
        """
        visitor_ids, customer_ids = ([one.strip() for one in ids] for ids in (visitors, customers))
        if not all([*visitor_ids, *customer_ids]) or not (visitor_ids or customer_ids):
            raise UsageError("Nobody is named; give --visitor ID or --customer ID, as in the tables.")
        sessions = [one.removeprefix(ANONYMOUS) for one in visitor_ids if one.startswith(ANONYMOUS)]
        users = [user_of(one) for one in visitor_ids if not one.startswith(ANONYMOUS)]
        return cls(tuple(dict.fromkeys([*users, *customer_ids])), tuple(dict.fromkeys(sessions)))

    @property
    def visitors(self) -> tuple[str, ...]:
        """Return the visitor ids that tables can have of the person."""
        escaped = [f"user-{one}" if one.startswith(ANONYMOUS) or _ESCAPED.match(one) else one for one in self.users]
        return (*escaped, *(f"{ANONYMOUS}{one}" for one in self.sessions))

    @property
    def ids(self) -> dict[str, tuple[str, ...]]:
        """Return the ids by kind."""
        return {USER: self.users, SESSION: self.sessions, DEVICE: self.devices}

    def completed(self, engine: Engine) -> "Person":
        """Return the person with the sessions and devices of their events, and with each spelling of their user ids."""
        person = replace(self, users=tuple(dict.fromkeys([*self.users, *self._padded(engine)])))
        if not engine.has(RawEvents):
            return person
        events = engine.table(RawEvents)
        sessions, shared = _own(events, "session_id", person.users)
        devices, others = _own(events, "anonymous_id", person.users)
        return Person(
            person.users,
            tuple(dict.fromkeys([*self.sessions, *sessions])),
            devices,
            shared + others,
            tuple(sorted(_distinct(events, "user_id", "session_id", self.sessions) - set(person.users))),
        )

    def words(self) -> str | None:
        """Return a regular expression that matches one of the ids; None if all are too short to be looked for."""
        ids = {one.strip() for one in (*self.users, *self.visitors, *self.sessions, *self.devices)}
        long = sorted(one for one in ids if len(one) >= LEAST_CHARACTERS)
        return "|".join(map(re.escape, long)) or None

    def _padded(self, engine: Engine) -> list[str]:
        """Return the user ids of raw rows that differ from the person's only by spaces at an end."""
        result: set[str] = set()
        for contract, columns in COLUMNS.items():
            if engine.has(contract):
                ids = engine.table(contract).select(user=columns.user).distinct()
                ids = ids.filter(ids.user != ids.user.strip())
                stripped = ids.mutate(user_id=ids.user.strip())
                result |= _distinct(stripped, "user", "user_id", self.users)
        return sorted(result)


def _own(events: ir.Table, name: str, users: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """Return the ids in a column of some users' events that no event of another user has, and how many have."""
    used = _distinct(events, name, "user_id", users)
    taken = {
        row[name] for row in _distinct_rows(events, (name, "user_id"), name, sorted(used))
        if row["user_id"] is not None and row["user_id"] not in users
    }  # fmt: skip
    return tuple(sorted(used - taken)), len(taken)


def _distinct(events: ir.Table, name: str, by: str, values: Sequence[str]) -> set[str]:
    return {row[name] for row in _distinct_rows(events, (name,), by, values) if row[name] is not None}


def _distinct_rows(events: ir.Table, names: tuple[str, ...], by: str, values: Sequence[str]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for first in range(0, len(values), AT_ONCE):
        rows = events.filter(among(events, by, values[first : first + AT_ONCE])).select(*names).distinct()
        result += rows.to_pyarrow().to_pylist()
    return result


def user_of(visitor: str) -> str:
    """Return the user of a visitor id that is not anonymous, see `visitor_of_user`."""
    return visitor.removeprefix("user-") if _ESCAPED.match(visitor) else visitor
