"""Customer records of the API: which are valid, and which copy of a customer is used.

Nothing is cleaned here: a malformed e-mail or an impossible date is kept as received.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import ibis.expr.types as ir
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ecom_assets.customers.contracts import RawCustomers
from ecom_assets.events.clean import NULL_LIKE_IDS
from ecom_assets.sources.customer_api.mapping import (
    EPOCHS,
    MISSING,
    NATIVE,
    ApiScore,
    ApiTime,
    CustomerMapping,
    load_customer_mapping,
    value_at,
)
from ecom_assets.warehouse.local import in_memory

_NOT_STORABLE = re.compile("[\\0\\ud800-\\udfff]")
"""Postgres text cannot contain NUL, and a lone surrogate is not valid UTF-8."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
NATIVE_MAPPING = load_customer_mapping(NATIVE)
ID_TYPES = {"any": "a text or a whole number from 0", "number": "a whole number from 0", "text": "a text"}
NOBODY = frozenset(NULL_LIKE_IDS) - {"0"}
"""Placeholder ids that identify no customer, as in events; the number 0 is a customer, as in orders."""


def _storable(text: str) -> str:
    """Raise ValueError for text that a warehouse cannot store."""
    if _NOT_STORABLE.search(text):
        raise ValueError("holds a character that no table can hold")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Customer(BaseModel):
    """One version of one customer; every field but `id` may be missing, empty or invalid."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    id: Text
    is_number_id: bool = Field(default=False, description="Whether the API gives the id as a number")
    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    city: Text | None = None
    region: Text | None = None
    country: Text | None = None
    created_at: Text | None = None
    updated_at: Text | None = None
    last_login_at: Text | None = None
    created_instant: datetime | None = None
    updated_instant: datetime | None = None
    last_login_instant: datetime | None = None
    engagement_score: float | None = None
    has_engagement_score: bool = False
    payload: str = Field(default="", repr=False, description="The whole record as JSON, keys sorted, ASCII only")

    @property
    def version_instant(self) -> datetime:
        """Return the time of this version in UTC; a missing or invalid time counts as the oldest."""
        return self.updated_instant or _LONG_AGO


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that is not a valid customer: its page and position (from 1), the reason, and its JSON."""

    page: int
    position: int
    reason: str
    payload: str


@dataclass(frozen=True)
class ReceivedRecord:
    """A record, valid or not, with its page and position (from 1)."""

    page: int
    position: int
    record: Customer | QuarantinedRecord


@dataclass(frozen=True)
class Conflict:
    """Different copies of one customer with the same time; the first payload is the one that is used."""

    id: str
    updated_at: str | None
    payloads: tuple[str, ...]

    def __repr__(self) -> str:
        """Return the id and the number of copies, without personal data."""
        return f"Conflict(id={self.id!r}, copies={len(self.payloads)})"


@dataclass(frozen=True)
class Merged:
    """The customers without duplicates, and the conflicts between copies."""

    customers: tuple[Customer, ...]
    conflicts: tuple[Conflict, ...]


def read_record(  # (JSON is what it is)
    record: Any,  # noqa: ANN401
    page: int,
    position: int,
    mapping: CustomerMapping = NATIVE_MAPPING,
) -> Customer | QuarantinedRecord:
    """Return a record as a customer, or as a quarantined record whose reason quotes no value."""
    payload = json.dumps(record, sort_keys=True, separators=(",", ":"))
    if not isinstance(record, dict):
        return QuarantinedRecord(page, position, f"a customer is an object, not a {type(record).__name__}", payload)
    values: dict[str, Any] = {"payload": payload}
    for name, one in mapping.fields.given():
        value = value_at(record, one.path)
        if name == "id":
            values["is_number_id"] = isinstance(value, int)
            values["id"], fault = read_id(value, mapping.id_type)
            if fault:
                return QuarantinedRecord(page, position, f"id: {fault}", payload)
        elif value is not MISSING:
            values |= {name: value} if not isinstance(one, ApiTime | ApiScore) else _read(name, one, value)
    try:
        return Customer.model_validate(values)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
        return QuarantinedRecord(page, position, "; ".join(faults), payload)


def read_id(value: object, id_type: str) -> tuple[str, str]:
    """Return an id as text, and what is wrong with it, or an empty string."""
    if value is MISSING or value is None or (isinstance(value, str) and not value.strip()):
        return "", "it is missing"
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not (is_number and id_type != "text") and not (isinstance(value, str) and id_type != "number"):
        return "", f"it is not {ID_TYPES[id_type]}"
    text = str(value)
    return text, "it stands for nobody" if text.strip().lower() in NOBODY else ""


def _read(name: str, one: ApiTime | ApiScore, value: object) -> dict[str, Any]:
    """Return the values of a timestamp or score field, by customer field."""
    if isinstance(one, ApiScore):
        return {name: one.score_of(value), f"has_{name}": True}
    if one.format in EPOCHS and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    read = one.instant_of(value) if isinstance(value, str) else None
    return {name: value, f"{name.removesuffix('_at')}_instant": read}


def merged(copies: Iterable[Customer]) -> Merged:
    """Return each customer's latest version, in the order in which customers first appear.

    Among versions with the same time the greatest payload wins, so that the result does not depend on page order.
    """
    by_id: dict[str, list[Customer]] = {}
    for copy in copies:
        by_id.setdefault(copy.id, []).append(copy)
    chosen = [max(group, key=lambda one: (one.version_instant, one.payload)) for group in by_id.values()]
    conflicts = [_conflict(winner, by_id[winner.id]) for winner in chosen]
    return Merged(tuple(chosen), tuple(conflict for conflict in conflicts if conflict))


def _conflict(winner: Customer, group: Sequence[Customer]) -> Conflict | None:
    if len(group) == 1:
        return None
    payloads = {copy.payload for copy in group if copy.version_instant == winner.version_instant}
    if len(payloads) == 1:
        return None
    return Conflict(winner.id, winner.updated_at, tuple(sorted(payloads, reverse=True)))


NAMED_AS_RECEIVED = ("email", "first_name", "last_name", "city", "region", "country")
TIMES = ("created", "updated", "last_login")


def customer_rows(records: Iterable[ReceivedRecord], received_date: date, source: str) -> ir.Table:
    """Return records as an in-memory table with the columns of `RawCustomers`."""
    return in_memory(_rows(records, received_date, source), RawCustomers)


def _rows(records: Iterable[ReceivedRecord], received_date: date, source: str) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(records, start=1):
        row: dict[str, Any] = dict.fromkeys(RawCustomers.columns)
        row |= {
            "received_date": received_date,
            "record_number": number,
            "page_number": one.page,
            "page_position": one.position,
            "payload": one.record.payload,
            "source": source,
        }
        yield row | (_values(one.record) if isinstance(one.record, Customer) else {"reject_reason": one.record.reason})


def _values(customer: Customer) -> dict[str, Any]:
    values: dict[str, Any] = {"customer_id": customer.id, "is_number_id": customer.is_number_id}
    values |= {name: _tidy(getattr(customer, name)) for name in NAMED_AS_RECEIVED}
    for name in TIMES:
        value, instant = getattr(customer, f"{name}_at"), getattr(customer, f"{name}_instant")
        values |= {f"{name}_timestamp": value or None, f"{name}_at": instant and instant.replace(tzinfo=None)}
    return values | {
        "engagement_score": customer.engagement_score,
        "has_engagement_score": customer.has_engagement_score,
    }


def _tidy(text: str | None) -> str | None:
    """Return a text stripped and in Unicode form NFC; None if it is empty."""
    return unicodedata.normalize("NFC", text).strip() or None if text else None
