"""A stand-in for Amplitude's HTTP V2, Batch and Identify APIs.

It validates events as Amplitude documents.

By default, it refuses short ids, as was observed in production, but not documented; see
`AmplitudeBehaviour`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from ecom_sandbox.services.service import ServiceResponse
from ecom_sandbox.vendors.entries import (
    NO_JSON,
    Decision,
    Entry,
    Incoming,
    depth_and_length,
    parsed,
    text,
    texts,
)
from ecom_sandbox.vendors.receiver import Rate, Rates, Receiver, Setup

MOST_CHARS, MOST_DEPTH = 1024, 40
MOST_GROUP_TYPES, MOST_GROUPS = 5, 10
MIN_ID_LENGTH = 5
FORBIDDEN_IDS = frozenset(
    {
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "",
        "00000000-0000-0000-0000-000000000000",
        "{}",
        "lmy47d",
        "0",
        "-1",
    }
)
RESERVED_EVENTS = frozenset(
    f"[Amplitude] {name}"
    for name in (
        "Start Session",
        "End Session",
        "Revenue",
        "Revenue (Verified)",
        "Revenue (Unverified)",
        "Merged User",
    )
)
_IDS = ("user_id", "device_id")
_NUMBERS = ("price", "revenue", "quantity", "session_id", "event_id", "time")
NO_SESSION = -1
"""The session of an event that is in none; others are a start in milliseconds since 1970."""
_OBJECTS = ("event_properties", "user_properties", "groups", "group_properties", "plan")
Fields = defaultdict[str, list[int]]


@dataclass
class Flaws:
    """The errors in the events of a request: for each field, the positions of the events."""

    missing: Fields = field(default_factory=lambda: defaultdict(list))
    invalid: Fields = field(default_factory=lambda: defaultdict(list))
    short_ids: Fields = field(default_factory=lambda: defaultdict(list))
    no_object: bool = False

    def __bool__(self) -> bool:
        """Return whether there is any error."""
        return bool(self.missing or self.invalid or self.short_ids or self.no_object)


def look_at(
    event: object, at: int, flaws: Flaws, *, min_id_length: int, drops_short_ids: bool
) -> None:
    """Add the errors of an event to `flaws`;
    a short id that is dropped is removed from the event.
    """
    if not isinstance(event, dict):
        flaws.no_object = True
        return
    _ids(event, at, flaws, min_id_length, drops_short_ids=drops_short_ids)
    name = event.get("event_type")
    if not name:
        flaws.missing["event_type"].append(at)
    elif not isinstance(name, str) or name in RESERVED_EVENTS:
        flaws.invalid["event_type"].append(at)
    for column, value in event.items():
        if _is_invalid(column, value):
            flaws.invalid[column].append(at)
    if (
        ("productId" in event or "revenueType" in event)
        and "revenue" not in event
        and "price" not in event
    ):
        flaws.missing["revenue"].append(at)


def _ids(
    event: dict[str, Any], at: int, flaws: Flaws, min_id_length: int, *, drops_short_ids: bool
) -> None:
    is_short = False
    for column in _IDS:
        value = event.get(column)
        if value is None:
            continue
        if (
            not isinstance(value, str)
            or value in FORBIDDEN_IDS
            or (column == "device_id" and not value.strip("0-"))
        ):
            flaws.invalid[column].append(at)
        elif len(value) < min_id_length:
            is_short = True
            if drops_short_ids:
                del event[column]
            else:
                flaws.short_ids[column].append(at)
    if (
        event.get("user_id") is None
        and event.get("device_id") is None
        and (drops_short_ids or not is_short)
    ):
        for column in _IDS:
            flaws.missing[column].append(at)


def _is_invalid(column: str, value: object) -> bool:
    kind = type(value)
    if column in _NUMBERS:
        is_number = kind is int or (kind is float and column in {"price", "revenue", "time"})
        is_before_all = column == "session_id" and is_number and value < NO_SESSION  # type: ignore[operator]
        return value is not None and (not is_number or is_before_all)
    if column in _OBJECTS and kind is not dict:
        return value is not None
    if kind is str:
        return column not in _IDS and len(value) > MOST_CHARS  # type: ignore[arg-type]  # `kind` is str
    if column in _IDS:
        return False
    if kind is dict or kind is list:
        depth, is_long = depth_and_length(value, MOST_CHARS)
        return is_long or depth > MOST_DEPTH or (column == "groups" and _too_many_groups(value))
    return False


def _too_many_groups(groups: object) -> bool:
    if not isinstance(groups, Mapping):
        return True
    group_count = sum(len(names) if isinstance(names, list) else 1 for names in groups.values())
    return len(groups) > MOST_GROUP_TYPES or group_count > MOST_GROUPS


def identify_flaw(identification: object) -> str:
    """Return the error in an update of user properties; empty if none."""
    if not isinstance(identification, dict):
        return "missing_event"
    user = identification.get("user_id") or identification.get("device_id")
    properties = identification.get("user_properties")
    if not user or user in FORBIDDEN_IDS or not isinstance(properties, dict):
        return "missing_event"
    operations = [name for name in properties if name.startswith("$")]
    if operations and (len(operations) != len(properties) or not set(operations) <= OPERATIONS):
        return "invalid user_properties: operations and properties do not mix"
    if any(not isinstance(properties[name], dict) for name in operations):
        return "invalid user_properties: an operation holds properties"
    is_long = depth_and_length(properties, MOST_CHARS)[1]
    return "invalid user_properties: a text is too long" if is_long else ""


OPERATIONS = frozenset(
    {
        "$set",
        "$setOnce",
        "$add",
        "$append",
        "$prepend",
        "$unset",
        "$preInsert",
        "$postInsert",
        "$remove",
    }
)


SECRET_KEY = "sandbox-amplitude-secret"  # noqa: S105 (of a stand-in on this machine)
HTTP_V2, BATCH, IDENTIFY = "/2/httpapi", "/batch", "/identify"
DELETIONS = "/api/2/deletions/users"
MOST_EVENTS, MOST_DELETED = 2_000, 100
MOST_BYTES = {HTTP_V2: 1_000_000, BATCH: 20_000_000, IDENTIFY: 1_000_000}
DEDUP_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class AmplitudeRates(Rates):
    """The rate limits; None: unlimited.

    http_v2_per_s: Events per second and user or device, over 30 s, for HTTP V2. batch_per_s: The
    same for Batch. batch_per_day: Events per user or device in 24 hours, for Batch. project_per_s:
    Events per second of the project: 1,000 on the starter plan; no number is documented for others.
    updates_per_hour: Updates of a user's properties; further ones are silently dropped.
    """

    http_v2_per_s: int | None = 30
    batch_per_s: int | None = 1_000
    batch_per_day: int | None = 500_000
    project_per_s: int | None = None
    updates_per_hour: int | None = 1_800

    WINDOW_S = 30.0


@dataclass(frozen=True)
class AmplitudeBehaviour:
    """Behaviour in which the documentation and observations differ.

    id_lengths: `drop` removes a short id from its event, as documented; `strict400` refuses the
    request. names: `documented`: a 400 of HTTP V2 names the first invalid event, one of Batch all;
    `all`: both name all. silenced_devices: Devices whose events are always refused.
    """

    id_lengths: Literal["drop", "strict400"] = "strict400"
    names: Literal["documented", "all"] = "documented"
    silenced_devices: frozenset[str] = frozenset()


class AmplitudeReceiver(Receiver):
    """Serves `POST /2/httpapi`, `/batch` and `/identify`, with the key in the body.

    Events are deduplicated by device and insert_id.
    """

    tool, title, default_port = "amplitude", "Amplitude", 8304
    key = "sandbox-amplitude-key"
    repeat_window_s = DEDUP_S

    def __init__(
        self,
        setup: Setup | None = None,
        *,
        rates: AmplitudeRates | None = None,
        behaviour: AmplitudeBehaviour | None = None,
    ) -> None:
        """Start listening."""
        self.behaviour = behaviour or AmplitudeBehaviour()
        self.rates = rates = rates or AmplitudeRates()
        window_s = rates.WINDOW_S
        per_window = {HTTP_V2: rates.http_v2_per_s, BATCH: rates.batch_per_s}
        self._per_s = {
            path: Rate(most and int(most * window_s), window_s) for path, most in per_window.items()
        }
        self._per_day = Rate(rates.batch_per_day, 24 * 3600.0)
        self._project = Rate(rates.project_per_s and int(rates.project_per_s * window_s), window_s)
        self._updates = Rate(rates.updates_per_hour, 3600.0)
        super().__init__(setup)

    @classmethod
    def without_rates(cls, setup: Setup) -> Self:
        """Listen, and accept any number of records."""
        return cls(setup, rates=AmplitudeRates.none())

    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to it."""
        return {
            "amplitude_url": self.url,
            "amplitude_api_key": self.key,
            "amplitude_secret_key": SECRET_KEY,
        }

    def refusal(self, status: int) -> ServiceResponse:
        """Return the response with this status."""
        if status in {200, 204}:
            return ServiceResponse.json({"code": 200}, 200)
        return ServiceResponse.json(
            {"code": status, "error": _ERRORS.get(status, "Internal server error")}, status
        )

    def decide(self, incoming: Incoming) -> Decision:
        """Return the response to a request, and the records that are accepted."""
        path = incoming.request.path
        if incoming.request.method != "POST" or path not in MOST_BYTES:
            return _bad("Invalid request path")
        if len(incoming.body) > MOST_BYTES[path]:
            return Decision(self.refusal(413))
        if path == IDENTIFY:
            return self._identify(incoming)
        body = parsed(incoming.body)
        return self._without(incoming.body, body) or self._events(incoming, body)

    def delete(self, incoming: Incoming) -> ServiceResponse | None:
        """Respond to a request of the User Privacy API,
        with key and secret in basic authentication.
        """
        if incoming.request.path != DELETIONS:
            return None
        if incoming.request.login != (self.key, SECRET_KEY):
            return ServiceResponse.json({"error": "Unauthorized"}, 401)
        ids = texts(parsed(incoming.body), "user_ids")
        if not 0 < len(ids) <= MOST_DELETED:
            return ServiceResponse.json({"error": f"1 to {MOST_DELETED} user_ids"}, 400)
        self.deleted_ids += ids
        return ServiceResponse.json({"day": "2026-02-14", "status": "staging", "amplitude_ids": []})

    def _without(self, body: bytes, content: object) -> Decision | None:
        """Return the refusal of a request that lacks a field or has the wrong key;
        None for others.
        """
        if not isinstance(content, dict):
            return _bad("Invalid JSON request body" if body else "Missing request body")
        for name in ("api_key", "events"):
            if not content.get(name):
                return _bad("Request missing required field", missing_field=name)
        if content["api_key"] != self.key:
            return _bad(f"Invalid API key: {content['api_key']}")
        return None if isinstance(content["events"], list) else _bad("Invalid JSON request body")

    def _events(self, incoming: Incoming, content: dict[str, Any]) -> Decision:
        events = content["events"]
        if len(events) > MOST_EVENTS:
            return Decision(self.refusal(413))
        if refusal := self._refused(incoming.request.path, content, events):
            return refusal
        done = {"events_ingested": len(events), "payload_size_bytes": len(incoming.body)}
        answer = ServiceResponse.json(
            {"code": 200, **done, "server_upload_time": int(incoming.at_s * 1000)}
        )
        return Decision(answer, _event_entries(events), events)

    def _refused(self, path: str, content: dict[str, Any], events: list[Any]) -> Decision | None:
        options = content.get("options") or {}
        least = (
            options.get("min_id_length", MIN_ID_LENGTH)
            if isinstance(options, dict)
            else MIN_ID_LENGTH
        )
        stops_at_first = path == HTTP_V2 and self.behaviour.names == "documented"
        flaws, drops = Flaws(), self.behaviour.id_lengths == "drop"
        for at, event in enumerate(events):
            look_at(event, at, flaws, min_id_length=least, drops_short_ids=drops)
            if self.refuses and event.get("insert_id") in self.refuses:
                flaws.invalid["event_properties"].append(at)
            if flaws and stops_at_first:
                break
        if flaws.no_object:
            return _bad("Invalid event JSON")
        if flaws:
            return _flawed(flaws)
        silenced = [
            at
            for at, event in enumerate(events)
            if event.get("device_id") in self.behaviour.silenced_devices
        ]
        if not silenced:
            return None
        return _bad(
            "Events silenced for device_id",
            eps_threshold=self.rates.http_v2_per_s,
            exceeded_daily_quota_devices={},
            silenced_devices=sorted({events[at]["device_id"] for at in silenced}),
            silenced_events=silenced,
            throttled_devices={},
            throttled_events=[],
        )

    def _identify(self, incoming: Incoming) -> Decision:
        form = _form(incoming.body)
        if form.get("api_key") != self.key:
            return Decision(ServiceResponse(400, b"invalid_api_key"))
        identifications = _identifications(form)
        flaws = [
            flaw for identification in identifications if (flaw := identify_flaw(identification))
        ]
        if flaws or not identifications:
            return Decision(ServiceResponse(400, (flaws or ["missing_event"])[0].encode()))
        return Decision(ServiceResponse(200, b"success"), self.entries(incoming), identifications)

    def admit(self, incoming: Incoming, decision: Decision) -> Decision:
        """Apply the rate limits of users, devices and the project."""
        path, now_s = incoming.request.path, incoming.at_s
        if path == IDENTIFY:
            return self._updated(decision, now_s)
        users = Counter(user for event in decision.records if (user := event.get("user_id")))
        devices = Counter(
            device for event in decision.records if (device := event.get("device_id"))
        )
        per_s, names = self._per_s[path], {f"u{user}": count for user, count in users.items()}
        names |= {f"d{device}": count for device, count in devices.items()}
        everything = {"": len(decision.records)}
        daily = self._per_day.over(names, now_s) if path == BATCH else {}
        fast = per_s.over(names, now_s)
        if fast or daily:
            return Decision(self._throttled(path, decision.records, fast, daily))
        if self._project.over(everything, now_s):
            return Decision(self._throttled(path, decision.records, {}, {}))
        for rate in (per_s, self._per_day):
            rate.add(names, now_s)
        self._project.add(everything, now_s)
        return decision

    def _updated(self, decision: Decision, now_s: float) -> Decision:
        """Silently drop the updates that exceed a user's limit."""
        dropped = []
        for at, entry in enumerate(decision.entries):
            if self._updates.over({entry.user: 1}, now_s):
                dropped.append(at)
            else:
                self._updates.add({entry.user: 1}, now_s)
        kept = [entry for at, entry in enumerate(decision.entries) if at not in set(dropped)]
        return Decision(decision.answer, kept, decision.records, dropped)

    def _throttled(
        self, path: str, events: Sequence[Any], fast: dict[str, int], daily: dict[str, int]
    ) -> ServiceResponse:
        window_s = int(self.rates.WINDOW_S)
        throttled_keys = fast.keys() | daily.keys()
        hit = [
            at
            for at, event in enumerate(events)
            if f"u{event.get('user_id')}" in throttled_keys
            or f"d{event.get('device_id')}" in throttled_keys
        ]
        refusal: dict[str, Any] = {
            "code": 429,
            "error": "Too many requests for some devices and users",
            "eps_threshold": self.rates.http_v2_per_s
            if path == HTTP_V2
            else self.rates.batch_per_s,
            "throttled_devices": {
                key[1:]: count // window_s for key, count in fast.items() if key[0] == "d"
            },
            "throttled_users": {
                key[1:]: count // window_s for key, count in fast.items() if key[0] == "u"
            },
            "throttled_events": hit,
        }
        if path == BATCH:
            refusal["exceeded_daily_quota_devices"] = {
                key[1:]: n for key, n in daily.items() if key[0] == "d"
            }
            refusal["exceeded_daily_quota_users"] = {
                key[1:]: n for key, n in daily.items() if key[0] == "u"
            }
        return ServiceResponse.json(refusal, 429)

    @classmethod
    def entries(cls, incoming: Incoming) -> Sequence[Entry]:
        """Return events, or updates of user properties."""
        if incoming.request.path != IDENTIFY:
            return _event_entries(parsed(incoming.body)["events"])
        identifications = _identifications(_form(incoming.body))
        users = [text(update, "user_id") or text(update, "device_id") for update in identifications]
        return [
            Entry("profile", user, user, None, properties=update["user_properties"])
            for user, update in zip(users, identifications, strict=True)
        ]


_ERRORS = {
    400: "Invalid JSON request body",
    403: "Forbidden",
    408: "Request timeout",
    413: "Payload too large",
    429: "Too many requests for some devices and users",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


def _bad(error: str, **more: object) -> Decision:
    return Decision(ServiceResponse.json({"code": 400, "error": error, **more}, 400))


def _flawed(flaws: Flaws) -> Decision:
    if flaws.short_ids and not flaws.missing and not flaws.invalid:
        return _bad(
            "Invalid id length for user_id or device_id",
            events_with_invalid_id_lengths=flaws.short_ids,
        )
    more: dict[str, object] = (
        {"events_with_invalid_id_lengths": flaws.short_ids} if flaws.short_ids else {}
    )
    return _bad(
        "Invalid field values on some events",
        missing_field=None,
        events_with_invalid_fields=flaws.invalid,
        events_with_missing_fields=flaws.missing,
        **more,
    )


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _identifications(form: dict[str, str]) -> list[Any]:
    content = parsed(form.get("identification", "").encode())
    return [] if content is NO_JSON else content if isinstance(content, list) else [content]


def _event_entries(events: Sequence[Any]) -> list[Entry]:
    """Return the entries of events.

    An event without an insert_id is not deduplicated; an event without a device_id is deduplicated
    by its user_id.
    """
    entries = []
    for event in events:
        insert_id, user = event.get("insert_id"), event.get("user_id")
        device = event.get("device_id") or ("user", user)
        key = (device, insert_id) if insert_id else None
        name, at = event.get("event_type"), event.get("time")
        entries.append(Entry("event", str(user or device), str(insert_id or ""), key, name, at))
    return entries


STAND_IN = AmplitudeReceiver
