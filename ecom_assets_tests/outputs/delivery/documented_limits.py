"""What the tools' documents allow, in plain Python, written from the documents
and not from our payloads.

Each function returns what is wrong with a record as it is sent: nothing, if it may go.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

Json = Any
ALL_ZEROS = re.compile(r"[0-]*0[0-]*")
AMPLITUDE_IDS = {
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
MIXPANEL_IDS = {
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
GA4_RESERVED = {
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_clear_data",
    "app_exception",
    "app_install",
    "app_remove",
    "app_store_refund",
    "app_update",
    "app_upgrade",
    "dynamic_link_app_open",
    "dynamic_link_app_update",
    "dynamic_link_first_open",
    "error",
    "firebase_campaign",
    "first_open",
    "first_visit",
    "notification_open",
    "os_update",
    "session_start",
    "user_engagement",
    "ad_impression",
    "in_app_purchase",
    "screen_view",
}
GA4_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
GA4_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
GA4_LONGER = {"page_location": 1000, "page_referrer": 420}


def strings(value: Json) -> Iterator[str]:
    """Yield every text in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def depth(value: Json) -> int:
    """Return how many objects lie in one another."""
    if isinstance(value, dict):
        return 1 + max((depth(inner) for inner in value.values()), default=0)
    return max((depth(inner) for inner in value), default=0) if isinstance(value, list) else 0


def parsed(payload: str) -> Json:
    """Return a payload as a strict reader of JSON has it: each name once, only finite numbers,
    whole characters.
    """

    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"twice in one object: {names}"
        return dict(pairs)

    def no_constant(word: str) -> Json:
        raise AssertionError(f"{word} is not JSON")

    payload.encode()
    return json.loads(payload, object_pairs_hook=once, parse_constant=no_constant)


def amplitude_event(event: Json) -> Iterator[str]:
    """HTTP V2: ids, time, revenue, texts, depth, reserved names."""
    yield from _amplitude_ids([event[name] for name in ("user_id", "device_id") if name in event])
    if not isinstance(event["time"], int) or not 10**10 < event["time"] < 10**13:
        yield "time is no epoch in milliseconds"
    if not event.get("insert_id"):
        yield "no insert_id"
    if any(len(text) > 1024 for text in strings(event)):
        yield "a text of more than 1024 characters"
    if depth(event["event_properties"]) > 40:
        yield "deeper than 40"
    if event["event_type"].startswith("[Amplitude]") or event["event_type"] in {
        "$identify",
        "$groupidentify",
        "",
    }:
        yield "reserved event type"
    if ("productId" in event or "revenueType" in event) and "revenue" not in event:
        yield "productId without revenue"
    if "currency" in event and not re.fullmatch("[A-Z]{3}", event["currency"]):
        yield "currency"


def _amplitude_ids(ids: list[str]) -> Iterator[str]:
    if not ids:
        yield "neither user_id nor device_id"
    for id_ in ids:
        if len(id_) < 5 or id_.lower() in AMPLITUDE_IDS or ALL_ZEROS.fullmatch(id_):
            yield f"id {id_!r}"


def heap_event(event: Json) -> Iterator[str]:
    """Track: identity, event, timestamp, flat properties."""
    if not 1 <= len(event["identity"]) <= 255 or "user_id" in event:
        yield "identity"
    if not 1 <= len(event["event"]) <= 1024:
        yield "event"
    if datetime.fromisoformat(event["timestamp"]).utcoffset() is None:
        yield "timestamp without zone"
    if not event.get("idempotency_key"):
        yield "no idempotency_key"
    for name, value in event["properties"].items():
        if not 1 <= len(name) < 1024:
            yield f"name {name!r}"
        if (
            isinstance(value, bool)
            or not isinstance(value, str | int | float)
            or len(str(value)) >= 1024
        ):
            yield f"value of {name!r}"


def mixpanel_event(event: Json, sent_at: datetime) -> Iterator[str]:
    """/import: ids, time, number and size and depth of properties."""
    answer = event["properties"]
    if len(json.dumps(event).encode()) >= 10**6:
        yield "1 MB"
    if len(answer) >= 255 or depth(answer) > 3:
        yield "too many or too deep"
    if not re.fullmatch(r"[A-Za-z0-9-]{1,36}", answer["$insert_id"]):
        yield "$insert_id"
    if answer["distinct_id"].lower() in MIXPANEL_IDS:
        yield f"distinct_id {answer['distinct_id']!r}"
    if not 365 * 86_400_000 <= answer["time"] <= sent_at.timestamp() * 1000:
        yield "time"
    if any(len(text.encode()) > 255 for text in strings(event)):
        yield "a text of more than 255 bytes"
    for inner in answer.values():
        if isinstance(inner, list | dict) and len(inner) >= 255:
            yield "a list or object of 255"


def ga4_request(request: Json, sent_at: datetime) -> Iterator[str]:
    """Measurement Protocol: one client, 25 events, names, values, 72 hours,
    what e-commerce events must have.
    """
    if not request["client_id"]:
        yield "client_id"
    if len(json.dumps(request).encode()) >= 130_000 or len(request["events"]) > 25:
        yield "size"
    for event in request["events"]:
        age_s = sent_at.timestamp() - event["timestamp_micros"] / 1e6
        if not 0 <= age_s <= 72 * 3600:
            yield "age"
        yield from _ga4_name(event["name"])
        if event["name"] in GA4_RESERVED:
            yield "reserved"
        yield from _ga4_parameters(event["name"], event["params"])


def _ga4_name(name: str) -> Iterator[str]:
    if not GA4_NAME.fullmatch(name) or name.startswith(GA4_PREFIXES):
        yield f"name {name!r}"


def _ga4_parameters(event: str, params: Json) -> Iterator[str]:
    if len(params) > 25:
        yield "more than 25 parameters"
    for name, value in params.items():
        yield from _ga4_name(name)
        if name != "items" and (
            isinstance(value, bool) or not isinstance(value, str | int | float)
        ):
            yield f"{name} is neither text nor number"
        if isinstance(value, str) and len(value) > GA4_LONGER.get(name, 100):
            yield f"{name} is too long"
    needed = {
        "purchase": {"currency", "value", "transaction_id", "items"},
        "refund": {"transaction_id"},
    }
    missing = needed.get(event, set()) - params.keys()
    if missing - ({"currency", "value"} if "value" not in params else set()):
        yield f"{event} without {missing}"
    if ("value" in params) != ("currency" in params):
        yield "value without currency"
    if any(not (item.get("item_id") or item.get("item_name")) for item in params.get("items", [])):
        yield "an item without id"
