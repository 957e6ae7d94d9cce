"""A stand-in for Heap's track and add_user_properties APIs, single or in bulk.

Heap documents only the statuses 200 and 400, and no body. Here, a refusal is a text that names no
record, and no record of the request is accepted. Heap does not document how long it remembers an
idempotency_key: here, forever.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from ecom_sandbox.services.service import ServiceResponse
from ecom_sandbox.vendors.entries import Decision, Entry, Incoming, is_number, parsed
from ecom_sandbox.vendors.receiver import Rate, Rates, Receiver, Setup

API_KEY, DELETION_TOKEN = "sandbox-heap-key", "heap-token-of-five-minutes"
TRACK, PROPERTIES = "/api/track", "/api/add_user_properties"
AUTH_TOKEN, DELETIONS = "/api/public/v0/auth_token", "/api/public/v0/user_deletion"
MOST_RECORDS, MOST_DELETED = 1_000, 10_000
MOST_EVENT_CHARS, MOST_IDENTITY_CHARS, PROPERTY_CHARS = 1_024, 255, 1_024
LARGEST_USER_ID = 2**53 - 1
_BULK = {TRACK: "events", PROPERTIES: "users"}
_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class HeapRates(Rates):
    """The rate limits; None: unlimited.

    user_per_min: Records in bulk requests per identity and minute.
    app_per_min: Records in bulk requests per minute.
    single_per_30_s: Requests with a single record per identity in 30 s.
    """

    user_per_min: int | None = 1_000
    app_per_min: int | None = 15_000
    single_per_30_s: int | None = 30


class HeapReceiver(Receiver):
    """Serves `POST /api/track` and `/api/add_user_properties`, with the app_id in the body.

    Events are deduplicated by idempotency_key.
    """

    tool, title, default_port = "heap", "Heap", 8305
    app_id = "sandbox-heap-app"
    takes_gzip = False

    def __init__(self, setup: Setup | None = None, *, rates: HeapRates | None = None) -> None:
        """Start listening."""
        rates = rates or HeapRates()
        self._users, self._app = Rate(rates.user_per_min, 60.0), Rate(rates.app_per_min, 60.0)
        self._singles = Rate(rates.single_per_30_s, 30.0)
        super().__init__(setup)

    @classmethod
    def without_rates(cls, setup: Setup) -> Self:
        """Listen, and accept any number of records."""
        return cls(setup, rates=HeapRates.none())

    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to it."""
        return {"heap_url": self.url, "heap_app_id": self.app_id, "heap_api_key": API_KEY}

    def refusal(self, status: int) -> ServiceResponse:
        """Return the response with this status."""
        return ServiceResponse(
            status,
            _REASON_PHRASES.get(status, "Internal Server Error").encode(),
            {"Content-Type": "text/plain"},
        )

    def decide(self, incoming: Incoming) -> Decision:
        """Return the response to a request, and the records that are accepted."""
        path = incoming.request.path
        if incoming.request.method != "POST" or path not in _BULK:
            return Decision(self.refusal(404))
        body = parsed(incoming.body)
        if not isinstance(body, dict) or body.get("app_id") != self.app_id:
            return _bad("app_id is missing or unknown")
        records = _records(path, body)
        if not isinstance(records, list) or not records or len(records) > MOST_RECORDS:
            return _bad(f"{_BULK[path]} holds 1 to {MOST_RECORDS} records")
        flaw_of = _event_flaw if path == TRACK else _user_flaw
        for record in records:
            if flaw := flaw_of(record):
                return _bad(flaw)
            if record.get("idempotency_key") in self.refuses:
                return _bad("an event is wrong")
        return Decision(
            ServiceResponse(200, b"{}", {"Content-Type": "application/json"}),
            _entries(path, records),
            records,
        )

    def admit(self, incoming: Incoming, decision: Decision) -> Decision:
        """Apply the rate limits of users and the app."""
        users, everything = (
            Counter(entry.user for entry in decision.entries),
            Counter({"": len(decision.entries)}),
        )
        rates = [(self._users, users), (self._app, everything)]
        if "app_id" in decision.records[0]:  # the request is itself the single record
            rates = [(self._singles, users)]
        if any(rate.over(counts, incoming.at_s) for rate, counts in rates):
            return Decision(self.refusal(429))
        for rate, counts in rates:
            rate.add(counts, incoming.at_s)
        return decision

    def delete(self, incoming: Incoming) -> ServiceResponse | None:
        """Respond to a request of the User Deletion API:
        a token by basic authentication, then users.
        """
        request = incoming.request
        if request.path == AUTH_TOKEN:
            is_known = request.login == (self.app_id, API_KEY)
            return (
                ServiceResponse.json({"access_token": DELETION_TOKEN})
                if is_known
                else _UNAUTHORIZED
            )
        if request.path != DELETIONS:
            return None
        if request.bearer != DELETION_TOKEN:
            return _UNAUTHORIZED
        body = parsed(incoming.body)
        users = body.get("users") if isinstance(body, dict) else None
        if not isinstance(users, list) or not 0 < len(users) <= MOST_DELETED:
            return ServiceResponse.json({"err": f"1 to {MOST_DELETED} users"}, 400)
        self.deleted_ids += [
            str(user.get("identity") or user.get("user_id"))
            for user in users
            if isinstance(user, dict)
        ]
        return ServiceResponse.json({"deletion_request_id": "7c0d"}, 201)

    @classmethod
    def entries(cls, incoming: Incoming) -> Sequence[Entry]:
        """Return events, or updates of user properties."""
        path = incoming.request.path
        return _entries(path, _records(path, parsed(incoming.body)))


_REASON_PHRASES = {
    400: "Bad Request",
    404: "Not Found",
    408: "Request Timeout",
    413: "Payload Too Large",
    429: "Too Many Requests",
}


_UNAUTHORIZED = ServiceResponse.json({"err": "Unauthorized"}, 401)


def _bad(message: str) -> Decision:
    return Decision(ServiceResponse(400, message.encode(), {"Content-Type": "text/plain"}))


def _records(path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 (any JSON value, not validated yet)
    return body.get(_BULK[path], [body])


def _entries(path: str, records: Sequence[Any]) -> list[Entry]:
    """Return the entries of records; events without an idempotency_key are not deduplicated."""
    users = [str(record.get("identity") or record.get("user_id")) for record in records]
    user_records = zip(users, records, strict=True)
    if path == PROPERTIES:
        return [
            Entry("profile", user, user, None, properties=record["properties"])
            for user, record in user_records
        ]
    keys = [record.get("idempotency_key") for record in records]
    return [
        Entry("event", user, str(key or ""), key, record["event"], record.get("timestamp"))
        for (user, record), key in zip(user_records, keys, strict=True)
    ]


def _event_flaw(record: object) -> str:
    """Return the error in an event; empty if none."""
    if not isinstance(record, dict):
        return "an event is an object"
    name = record.get("event")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_EVENT_CHARS:
        return f"event is a text of 1 to {MOST_EVENT_CHARS} characters"
    if "timestamp" in record and not _is_iso(record["timestamp"]):
        return "timestamp is a time as ISO 8601 writes it"
    if not isinstance(record.get("idempotency_key", ""), str):
        return "idempotency_key is a text"
    return _whose_flaw(record) or _properties_flaw(record.get("properties", {}))


def _user_flaw(record: object) -> str:
    """Return the error in an update of user properties; empty if none."""
    if not isinstance(record, dict):
        return "a user is an object"
    properties = record.get("properties")
    if isinstance(properties, dict) and any(name.lower() == "id" for name in properties):
        return "no property is named id"
    return _whose_flaw(record) or _properties_flaw(properties)


def _whose_flaw(record: dict[str, Any]) -> str:
    identity, user_id = record.get("identity"), record.get("user_id")
    if (identity is None) == (user_id is None):
        return "exactly one of identity and user_id"
    if identity is not None:
        is_good = isinstance(identity, str) and 0 < len(identity) <= MOST_IDENTITY_CHARS
        return "" if is_good else f"identity is a text of 1 to {MOST_IDENTITY_CHARS} characters"
    is_good = bool(_DIGITS.fullmatch(str(user_id))) and int(str(user_id)) <= LARGEST_USER_ID
    return "" if is_good else f"user_id is a whole number up to {LARGEST_USER_ID}"


def _properties_flaw(properties: object) -> str:
    if not isinstance(properties, dict):
        return "properties is an object"
    for name, value in properties.items():
        kind = type(value)
        if len(name) >= PROPERTY_CHARS or (kind is str and len(value) >= PROPERTY_CHARS):
            return f"names and values of properties have fewer than {PROPERTY_CHARS} characters"
        if kind is not str and kind is not list and not is_number(value):
            return "values of properties are numbers and texts"
    return ""


def _is_iso(value: object) -> bool:
    try:
        datetime.fromisoformat(value)  # type: ignore[arg-type]  # other types raise
    except (TypeError, ValueError):
        return False
    return True


STAND_IN = HeapReceiver
