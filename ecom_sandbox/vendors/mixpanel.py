"""A stand-in for Mixpanel's /import and /engage APIs. It validates records as Mixpanel documents.

The documentation contradicts itself on the largest size of a request and on how a refused record is
named; `MixpanelBehaviour` has a switch for each.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from ecom_sandbox.services.service import ServiceRequest, ServiceResponse
from ecom_sandbox.vendors.entries import (
    NO_JSON,
    Decision,
    Entry,
    Incoming,
    is_number,
    parsed,
    texts,
)
from ecom_sandbox.vendors.receiver import Rate, Rates, Receiver, Setup

FORBIDDEN_IDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "anon",
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "<nil>",
        "0",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
    }
)
MOST_INSERT_ID_BYTES = 36
FIRST_S = 365 * 24 * 3600
"""1971-01-01."""
AHEAD_S = 3600
MILLISECONDS_FROM = 100_000_000_000
"""Times from here on are milliseconds; in seconds, this would be the year 5138."""
TOO_MANY = 255
MOST_NESTED = 3
EVENT_BYTES = 1_000_000
OPERATIONS = frozenset(
    {"$set", "$set_once", "$add", "$union", "$append", "$remove", "$unset", "$delete"}
)
_INSERT_ID = re.compile(r"[A-Za-z0-9-]+")


def seconds(time: float) -> float:
    """Return a time in seconds or milliseconds as seconds since 1970."""
    return time / 1000 if time >= MILLISECONDS_FROM else time


def event_flaw(event: object, now_s: float, *, may_be_large: bool) -> tuple[str, str]:
    """Return the invalid field of an event, and the error; empty if none."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str) or not event["event"]:
        return "event", "event is required: a name"
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return "properties", "properties is required: an object"
    if may_be_large and len(json.dumps(event, ensure_ascii=False).encode()) >= EVENT_BYTES:
        return "event", "event is 1 MB or more"
    return _time_flaw(properties, now_s) or _id_flaw(properties) or _size_flaw(properties)


def _time_flaw(properties: dict[str, Any], now_s: float) -> tuple[str, str] | None:
    time = properties.get("time")
    if time is None or not is_number(time):
        return (
            "properties.time",
            "properties.time is invalid: must be specified as seconds since epoch",
        )
    if not FIRST_S <= seconds(time) <= now_s + AHEAD_S:
        return (
            "properties.time",
            "properties.time is before 1971-01-01 or more than an hour in the future",
        )
    return None


def _id_flaw(properties: dict[str, Any]) -> tuple[str, str] | None:
    insert_id, user = properties.get("$insert_id"), properties.get("distinct_id")
    if not isinstance(insert_id, str) or insert_id in FORBIDDEN_IDS:
        return "properties.$insert_id", "properties.$insert_id is missing or not allowed"
    if len(insert_id) > MOST_INSERT_ID_BYTES or not _INSERT_ID.fullmatch(insert_id):
        return "properties.$insert_id", "properties.$insert_id has up to 36 of A-Z, a-z, 0-9 and -"
    if not isinstance(user, str) or user in FORBIDDEN_IDS:
        return "properties.distinct_id", "properties.distinct_id is missing or not allowed"
    return None


def _size_flaw(properties: dict[str, Any]) -> tuple[str, str]:
    if len(properties) >= TOO_MANY:
        return "properties", "properties has 255 or more keys"
    for name, value in properties.items():
        kind = type(value)
        if (kind is dict or kind is list) and (flaw := _nested_flaw(value, 1)):
            return f"properties.{name}", f"properties.{name} {flaw}"
    return "", ""


def _nested_flaw(value: Any, depth: int) -> str:  # noqa: ANN401 (an object or a list)
    if len(value) >= TOO_MANY:
        return "has 255 or more keys or elements"
    if isinstance(value, dict):
        if depth > MOST_NESTED:
            return "is nested more than 3 deep"
        depth += 1
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list) and (flaw := _nested_flaw(item, depth)):
            return flaw
    return ""


def profile_flaw(update: object) -> str:
    """Return the error in an update of a profile; empty if none."""
    if not isinstance(update, dict):
        return "an update is an object"
    user = update.get("$distinct_id")
    if (
        not isinstance(user, str | int)
        or isinstance(user, bool)
        or user == ""
        or user in FORBIDDEN_IDS
    ):
        return "$distinct_id is missing or not allowed"
    operations = OPERATIONS & update.keys()
    if len(operations) != 1:
        return "an update has one operation"
    (operation,) = operations
    if operation in {
        "$set",
        "$set_once",
        "$add",
        "$append",
        "$remove",
        "$union",
    } and not isinstance(update[operation], dict):
        return f"{operation} holds properties"
    return ""


IMPORT, ENGAGE, DELETIONS = "/import", "/engage", "/api/app/data-deletions/v3.0"
MOST_RECORDS, MOST_DELETED = 2_000, 1_999
TWO_MB, TEN_MB = 2_097_152, 10_485_760
GDPR_TOKEN = "sandbox-mixpanel-oauth"  # noqa: S105 (of a stand-in on this machine)


@dataclass(frozen=True)
class MixpanelProject:
    """The accepted credentials: the project's token,
    or a service account together with the project's id.
    """

    token: str = "sandbox-mixpanel-token"  # noqa: S105 (of a stand-in on this machine)
    project_id: str = "1000001"
    account: tuple[str, str] = ("sandbox.account", "sandbox-mixpanel-secret")


@dataclass(frozen=True)
class MixpanelRates(Rates):
    """The rate limits; None: unlimited.

    bytes_per_min: Uncompressed bytes per minute.
    events_per_min: Events per minute, from 30,000 per second over a minute.
    """

    bytes_per_min: int | None = 2_000_000_000
    events_per_min: int | None = 1_800_000


@dataclass(frozen=True)
class MixpanelBehaviour:
    """Behaviour in which the documentation contradicts itself.

    most_bytes: 2 MB as in the example of a 413, or 10 MB as in the text.
    id_name: The name of the field with the id of a refused record.
    """

    most_bytes: int = TWO_MB
    id_name: Literal["$insert_id", "insert_id"] = "$insert_id"


class MixpanelReceiver(Receiver):
    """Serves `POST /import` and `/engage`.

    Events are deduplicated by event, time, distinct_id and $insert_id; Mixpanel shows the newest
    copy.
    """

    tool, title, default_port = "mixpanel", "Mixpanel", 8306
    project = MixpanelProject()

    def __init__(
        self,
        setup: Setup | None = None,
        *,
        rates: MixpanelRates | None = None,
        behaviour: MixpanelBehaviour | None = None,
    ) -> None:
        """Start listening."""
        rates = rates or MixpanelRates()
        self.behaviour = behaviour or MixpanelBehaviour()
        self._bytes, self._events = (
            Rate(rates.bytes_per_min, 60.0),
            Rate(rates.events_per_min, 60.0),
        )
        super().__init__(setup)

    @classmethod
    def without_rates(cls, setup: Setup) -> Self:
        """Listen, and accept any number of records."""
        return cls(setup, rates=MixpanelRates.none())

    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to it."""
        return {
            "mixpanel_url": self.url,
            "mixpanel_token": self.project.token,
            "mixpanel_project_id": self.project.project_id,
            "mixpanel_gdpr_token": GDPR_TOKEN,
        }

    def refusal(self, status: int) -> ServiceResponse:
        """Return the response with this status."""
        error, status_text = _ERRORS.get(status, ("internal error", "Internal Server Error"))
        return ServiceResponse.json(
            {
                "code": status,
                "error": error.format(self.behaviour.most_bytes),
                "status": status_text,
            },
            status,
        )

    def decide(self, incoming: Incoming) -> Decision:
        """Return the response to a request, and the records that are accepted."""
        request = incoming.request
        if request.method != "POST" or request.path not in {IMPORT, ENGAGE}:
            return Decision(self.refusal(404))
        if request.path == IMPORT and not self._knows(request):
            return Decision(self.refusal(401))
        records, is_form = _records(incoming)
        if records is None:
            return Decision(self.refusal(400))
        if len(incoming.body) > self.behaviour.most_bytes or len(records) > MOST_RECORDS:
            return Decision(self.refusal(413))
        if request.path == ENGAGE:
            return self._engage(records, is_verbose=is_form or request.query.get("verbose") == "1")
        return self._import(incoming, records, is_form=is_form)

    def delete(self, incoming: Incoming) -> ServiceResponse | None:
        """Respond to a request of the GDPR API, with an OAuth token,
        and the project's token in the address.
        """
        request = incoming.request
        if request.path != DELETIONS:
            return None
        if request.bearer != GDPR_TOKEN or request.query.get("token") != self.project.token:
            return ServiceResponse.json({"status": "error", "error": "Unauthorized"}, 401)
        body = parsed(incoming.body)
        ids = texts(body, "distinct_ids")
        if not 0 < len(ids) <= MOST_DELETED or body.get("compliance_type", "GDPR") not in {
            "GDPR",
            "CCPA",
        }:
            return ServiceResponse.json(
                {"status": "error", "error": f"1 to {MOST_DELETED} distinct_ids"}, 400
            )
        self.deleted_ids += ids
        return ServiceResponse.json({"status": "ok", "results": {"task_id": "1583958653237905000"}})

    def _knows(self, request: ServiceRequest) -> bool:
        """Return whether the credentials are valid;
        only a service account requires the project's id.
        """
        user, password = request.login
        project = request.query.get("project_id")
        if user == self.project.token and not password:
            return project in {None, self.project.project_id}
        return (user, password) == self.project.account and project == self.project.project_id

    def _import(self, incoming: Incoming, events: list[Any], *, is_form: bool) -> Decision:
        """Accept the valid events, even if others are invalid."""
        may_be_large = len(incoming.body) >= EVENT_BYTES
        failed = {}
        for at, event in enumerate(events):
            field, message = event_flaw(event, incoming.at_s, may_be_large=may_be_large)
            if field or _insert_id(event) in self.refuses:
                failure = {"index": at, self.behaviour.id_name: _insert_id(event)}
                failed[at] = failure | {
                    "field": field or "properties",
                    "message": message or "properties is wrong",
                }
        good = [event for at, event in enumerate(events) if at not in failed] if failed else events
        answer = self._imported(incoming, len(good), list(failed.values()), is_form=is_form)
        return Decision(answer, _event_entries(good), good, list(failed))

    @staticmethod
    def _imported(
        incoming: Incoming, good_count: int, failed: list[dict[str, object]], *, is_form: bool
    ) -> ServiceResponse:
        if is_form:
            return ServiceResponse.json({"status": 1, "error": None})
        if failed and incoming.request.query.get("strict") == "1":
            message = "some data points in the request failed validation"
            answer_body = {
                "code": 400,
                "error": message,
                "failed_records": failed,
                "num_records_imported": good_count,
            }
            return ServiceResponse.json({**answer_body, "status": "Bad Request"}, 400)
        return ServiceResponse.json(
            {"code": 200, "num_records_imported": good_count, "status": "OK"}
        )

    def _engage(self, updates: list[Any], *, is_verbose: bool) -> Decision:
        tokens = {update.get("$token") if isinstance(update, dict) else None for update in updates}
        if tokens != {self.project.token}:
            return Decision(self.refusal(401))
        flaws = [flaw for update in updates if (flaw := profile_flaw(update))]
        if flaws:  # the status is still 200; only the body shows the error
            error = (
                ServiceResponse.json({"status": 0, "error": flaws[0]})
                if is_verbose
                else ServiceResponse(200, b"0")
            )
            return Decision(error)
        answer = (
            ServiceResponse.json({"status": 1, "error": None})
            if is_verbose
            else ServiceResponse(200, b"1")
        )
        return Decision(answer, _profile_entries(updates), updates)

    def admit(self, incoming: Incoming, decision: Decision) -> Decision:
        """Apply the rate limits of the project for events and bytes."""
        rates = (
            (self._events, {"": len(decision.entries)}),
            (self._bytes, {"": len(incoming.body)}),
        )
        if any(rate.over(counts, incoming.at_s) for rate, counts in rates):
            return Decision(self.refusal(429))
        for rate, counts in rates:
            rate.add(counts, incoming.at_s)
        return decision

    @classmethod
    def entries(cls, incoming: Incoming) -> Sequence[Entry]:
        """Return events, including refused ones, or updates of profiles."""
        records = _records(incoming)[0] or []
        return (
            _profile_entries(records)
            if incoming.request.path == ENGAGE
            else _event_entries(records)
        )


_ERRORS = {
    400: ("invalid JSON", "Bad Request"),
    401: ("Invalid credentials", "Unauthorized"),
    403: ("Forbidden", "Forbidden"),
    404: ("not found", "Not Found"),
    408: ("request timeout", "Request Timeout"),
    413: ("request exceeds max limit of {} bytes", "Request Entity Too Large"),
    429: (
        "Project exceeded rate limits. Please retry the request with exponential backoff.",
        "Too Many Requests",
    ),
    502: ("bad gateway", "Bad Gateway"),
    503: ("service unavailable", "Service Unavailable"),
}


def _insert_id(event: object) -> object:
    properties = event.get("properties") if isinstance(event, dict) else None
    return properties.get("$insert_id", "") if isinstance(properties, dict) else ""


def _records(incoming: Incoming) -> tuple[list[Any] | None, bool]:
    """Return the records from a JSON list, NDJSON or a form's `data`, None if invalid,
    and whether it is a form.
    """
    kind, body = incoming.request.headers.get("content-type", ""), incoming.body
    if "ndjson" in kind:
        lines = [parsed(line) for line in body.splitlines() if line.strip()]
        return (None if any(line is NO_JSON for line in lines) else lines), False
    is_form = "x-www-form-urlencoded" in kind
    content = parsed(
        dict(parse_qsl(body.decode("utf-8", "replace"))).get("data", "").encode()
        if is_form
        else body
    )
    if is_form and isinstance(content, dict):
        return [content], True
    return (content if isinstance(content, list) and content else None), is_form


def _event_entries(events: Sequence[Any]) -> list[Entry]:
    entries = []
    for event in events:
        properties = event.get("properties") if isinstance(event, dict) else None
        if not isinstance(properties, dict):
            entries.append(Entry("event", "", "", None))
            continue
        user, insert_id, at = (
            properties.get("distinct_id"),
            properties.get("$insert_id"),
            properties.get("time"),
        )
        at_s = seconds(at) if isinstance(at, int | float) else at
        name = event.get("event")
        entries.append(
            Entry(
                "event",
                str(user),
                str(insert_id),
                (str(name), at_s, user, insert_id),
                str(name),
                at,
            )
        )
    return entries


def _profile_entries(updates: Sequence[Any]) -> list[Entry]:
    users = [str(update["$distinct_id"]) for update in updates]
    return [
        Entry("profile", user, user, None, properties=update.get("$set", {}))
        for user, update in zip(users, updates, strict=True)
    ]


STAND_IN = MixpanelReceiver
