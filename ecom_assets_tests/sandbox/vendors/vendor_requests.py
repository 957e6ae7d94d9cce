"""Requests of tests to a receiver, without a network where none is needed,
and valid records to damage.
"""

import base64
import gzip
import json
from typing import Any
from urllib.parse import urlencode

from ecom_sandbox.services.service import ServiceRequest
from ecom_sandbox.vendors.amplitude import BATCH, IDENTIFY, AmplitudeReceiver
from ecom_sandbox.vendors.ga4 import COLLECT, DEBUG, Ga4Receiver
from ecom_sandbox.vendors.heap import TRACK, HeapReceiver
from ecom_sandbox.vendors.mixpanel import ENGAGE, IMPORT, MixpanelReceiver
from ecom_sandbox.vendors.receiver import Receiver

NOW_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z: the time of receivers in tests."""
DAY_S = 24 * 3600.0


def still() -> float:
    """Return the time of a clock that stands."""
    return NOW_S


def ask(
    receiver: Receiver,
    path: str,
    body: object,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """Post a body, as JSON unless it is bytes; return the status, and the
    answer as JSON or as text.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = receiver.answer(ServiceRequest("POST", path, query or {}, headers or {}, raw))
    if "json" in answer.headers.get("Content-Type", ""):
        return answer.status, json.loads(answer.body)
    return answer.status, answer.body.decode()


def packed(body: object) -> tuple[bytes, dict[str, str]]:
    """Return a body in gzip, and the header that says so."""
    return gzip.compress(json.dumps(body).encode()), {"content-encoding": "gzip"}


# Amplitude


def amplitude_event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a good event; a change to None takes a field away."""
    event = {
        "event_type": "page_view",
        "user_id": f"user-{number}",
        "device_id": f"device-{number}",
        "insert_id": f"event-{number}",
        "time": 1_767_225_600_000,
        "event_properties": {"page": "/"},
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def to_amplitude(
    receiver: AmplitudeReceiver, *events: Any, path: str = BATCH, **more: Any
) -> tuple[int, Any]:
    """Send events."""
    return ask(receiver, path, {"api_key": receiver.key, "events": list(events)} | more)


def identify(
    receiver: AmplitudeReceiver, identification: object, key: str | None = None
) -> tuple[int, Any]:
    """Send properties of users."""
    form = urlencode({"api_key": key or receiver.key, "identification": json.dumps(identification)})
    return ask(receiver, IDENTIFY, form.encode())


# Heap


def heap_event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a good event; a change to None takes a field away."""
    event = {
        "event": "page_view",
        "identity": f"user-{number}",
        "idempotency_key": f"event-{number}",
        "timestamp": "2026-01-01T00:00:00Z",
        "properties": {"page": "/", "price": 1.5},
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def to_heap(
    receiver: HeapReceiver, *records: Any, path: str = TRACK, **more: Any
) -> tuple[int, Any]:
    """Send records in bulk."""
    name = "events" if path == TRACK else "users"
    return ask(receiver, path, {"app_id": receiver.app_id, name: list(records)} | more)


# Mixpanel


def mixpanel_event(number: int = 1, /, event: Any = "page_view", **changes: Any) -> dict[str, Any]:
    """Return a good event with changed properties; a change to None takes a property away."""
    properties = {
        "time": NOW_S,
        "distinct_id": f"user-{number}",
        "$insert_id": f"event-{number}",
    } | changes
    return {
        "event": event,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def basic(user: str, password: str = "") -> dict[str, str]:
    """Return the header of basic authentication."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def to_mixpanel(receiver: MixpanelReceiver, *events: Any, strict: str = "1") -> tuple[int, Any]:
    """Send events."""
    return ask(
        receiver,
        IMPORT,
        list(events),
        query={"strict": strict},
        headers=basic(receiver.project.token),
    )


def engage(receiver: MixpanelReceiver, *updates: Any, **query: str) -> tuple[int, Any]:
    """Send updates of profiles."""
    return ask(receiver, ENGAGE, list(updates), query=query)


def mixpanel_profile(
    receiver: MixpanelReceiver, user: str = "user-1", **properties: Any
) -> dict[str, Any]:
    """Return a good update."""
    return {
        "$token": receiver.project.token,
        "$distinct_id": user,
        "$set": properties or {"tier": "gold"},
    }


# GA4


def ga4_event(number: int = 1, /, name: Any = "view_item", **params: Any) -> dict[str, Any]:
    """Return a good event; a parameter of None is taken away."""
    all_params = {
        "event_id": f"event-{number}",
        "session_id": "1",
        "engagement_time_msec": 1,
    } | params
    return {
        "name": name,
        "params": {key: value for key, value in all_params.items() if value is not None},
    }


def to_ga4(
    receiver: Ga4Receiver, *events: Any, path: str = COLLECT, **more: Any
) -> tuple[int, Any]:
    """Send events of a client."""
    query = {"measurement_id": receiver.measurement_id, "api_secret": receiver.api_secret}
    return ask(
        receiver, path, {"client_id": "client-1", "events": list(events)} | more, query=query
    )


def ga4_says(receiver: Ga4Receiver, *events: Any, **more: Any) -> list[tuple[str, str]]:
    """Return what the debug server remarks: path and code."""
    status, result = to_ga4(receiver, *events, path=DEBUG, **more)
    assert status == 200
    return [
        (message["fieldPath"], message["validationCode"])
        for message in result["validationMessages"]
    ]
