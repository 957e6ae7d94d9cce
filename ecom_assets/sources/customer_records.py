"""A customer as the API tells it: what is valid, and which copy of a customer counts.

Nothing is cleaned here: a malformed e-mail or an impossible date is kept as it came. Not here: asking the API.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

LARGEST_ID = 2**63 - 1
_NOT_STORABLE = re.compile("[\\0\\ud800-\\udfff]")
"""Postgres has no NUL in text, and half a surrogate pair is no UTF-8."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def instant_of(said: str | None) -> datetime | None:
    """Return the UTC instant that a text tells, which without a zone is UTC; None if it is no time."""
    try:
        read = datetime.fromisoformat(said or "")
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _storable(text: str) -> str:
    """Refuse text that warehouses cannot hold."""
    if _NOT_STORABLE.search(text):
        raise ValueError("holds a character that no table can hold")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Customer(BaseModel):
    """One version of one customer. Everything but `id` may be missing, empty or nonsense."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    id: int = Field(ge=1, le=LARGEST_ID)
    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    city: Text | None = None
    region: Text | None = None
    country: Text | None = None
    created_at: Text | None = None
    updated_at: Text | None = None
    last_login_at: Text | None = None
    payload: str = Field(default="", repr=False, description="The whole record as JSON, keys sorted, ASCII only")

    @property
    def updated_instant(self) -> datetime:
        """Return when this version was made, in UTC; what is no time is older than everything."""
        return instant_of(self.updated_at) or _LONG_AGO


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that is no customer: where it stood (both from 1), why, and what it was, as JSON."""

    page: int
    position: int
    reason: str
    payload: str


@dataclass(frozen=True)
class ReceivedRecord:
    """A record, good or not, with the place where it stood (both from 1)."""

    page: int
    position: int
    record: Customer | QuarantinedRecord


@dataclass(frozen=True)
class Conflict:
    """Copies of one customer that differ and claim the same time; the first payload is the one that was taken."""

    id: int
    updated_at: str | None
    payloads: tuple[str, ...]

    def __repr__(self) -> str:
        """Tell which, without personal data."""
        return f"Conflict(id={self.id}, copies={len(self.payloads)})"


@dataclass(frozen=True)
class Merged:
    """Each customer once."""

    customers: tuple[Customer, ...]
    conflicts: tuple[Conflict, ...]


def read_record(record: Any, page: int, position: int) -> Customer | QuarantinedRecord:  # noqa: ANN401 (JSON is what it is)
    """Return a record as a customer, or the reason why it is none; the reason quotes nothing of it."""
    payload = json.dumps(record, sort_keys=True, separators=(",", ":"))
    if not isinstance(record, dict):
        return QuarantinedRecord(page, position, f"a customer is an object, not a {type(record).__name__}", payload)
    try:
        return Customer.model_validate({**record, "payload": payload})
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
        return QuarantinedRecord(page, position, "; ".join(faults), payload)


def merged(copies: Iterable[Customer]) -> Merged:
    """Take each customer's latest version, in the order in which customers first appear.

    Of versions with the same time the greatest payload is taken, which no order of arrival can change.
    """
    by_id: dict[int, list[Customer]] = {}
    for copy in copies:
        by_id.setdefault(copy.id, []).append(copy)
    chosen = [max(group, key=_version) for group in by_id.values()]
    conflicts = [_conflict(winner, by_id[winner.id]) for winner in chosen]
    return Merged(tuple(chosen), tuple(conflict for conflict in conflicts if conflict))


def _version(customer: Customer) -> tuple[datetime, str]:
    return customer.updated_instant, customer.payload


def _conflict(winner: Customer, group: Sequence[Customer]) -> Conflict | None:
    if len(group) == 1:
        return None
    payloads = {copy.payload for copy in group if copy.updated_instant == winner.updated_instant}
    if len(payloads) == 1:
        return None
    return Conflict(winner.id, winner.updated_at, tuple(sorted(payloads, reverse=True)))
