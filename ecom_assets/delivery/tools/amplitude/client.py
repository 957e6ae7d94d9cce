"""Sends to Amplitude: HTTP V2 or Batch for events, Identify for user properties.

Amplitude takes a request whole or not at all, names the bad rows of a refused one (all of them, or only the first), and
knows an event again by its insert_id for seven days. Not here: payloads (`amplitude.py`).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa

from ecom_assets.delivery.batch_sender import (
    HttpDestination,
    Manner,
    Reading,
    Rest,
    http_rule,
    patience,
    rate,
    read_common,
)
from ecom_assets.delivery.batching import cut
from ecom_assets.delivery.payloads import EventChoices
from ecom_assets.delivery.sender import Reply, Request, Sender
from ecom_assets.delivery.tools.amplitude import payload as amplitude
from ecom_assets.settings.settings import Settings

WINDOW_S = 7 * 86_400 - 3600
"""Amplitude knows an insert_id again for seven days; the last hour is for the way there."""
TAKEN, REFUSED, THROTTLED = 200, 400, 429
_NAMING = ("events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths")
_OUR_FAULT = ("api key", "request path", "request body")
"""What a 400 is about that no row caused."""


@dataclass(frozen=True)
class Api:
    """One of Amplitude's APIs for events."""

    path: str
    most_records: int
    most_bytes: int
    pause_s: float
    """Documented, after 429."""
    per_s: float
    """Documented; 0: none is."""


APIS = {
    "http_v2": Api("/2/httpapi", most_records=1_999, most_bytes=999_999, pause_s=30.0, per_s=1_000.0),
    "batch": Api("/batch", most_records=2_000, most_bytes=20_000_000, pause_s=15.0, per_s=0.0),
}
IDENTIFY = Api("/identify", most_records=500, most_bytes=300_000, pause_s=15.0, per_s=0.0)
"""Its requests are forms, which may be three times as long as the JSON in them; of HTTP V2 it has the 1 MB."""


def events(settings: Settings, choices: EventChoices) -> HttpDestination:
    """Return the destination of events."""
    api = APIS[settings.amplitude_api]
    key, min_length = settings.amplitude_api_key.get_secret_value(), settings.amplitude_min_id_length
    rule = http_rule(
        settings,
        "Amplitude",
        named_by="ECOM_AMPLITUDE_API_KEY and ECOM_AMPLITUDE_REGION or _URL",
        secrets=[key],
        most_records=api.most_records,
        per_s=rate(settings.amplitude_events_per_s, api.per_s),
        takes_gzip=True,
    )
    head = _head(key, min_length)
    return HttpDestination(
        name="amplitude_events",
        make=lambda rows, sent_at: amplitude.events(rows, sent_at, choices, min_length),
        cut=partial(_cut, api=api, around_bytes=len(head) + 2),
        manner=Manner(
            Sender(rule),
            patience(settings, pause_s=api.pause_s),
            lambda payloads: Request(settings.amplitude_address + api.path, payloads.between(head, "]}")),
            read,
        ),
        safe_to_repeat=True,
        repeat_window_s=WINDOW_S,
    )


def users(settings: Settings) -> HttpDestination:
    """Return the destination of user properties: setting them twice is setting them once."""
    key = settings.amplitude_api_key.get_secret_value()
    rule = http_rule(
        settings,
        "Amplitude",
        named_by="ECOM_AMPLITUDE_API_KEY and ECOM_AMPLITUDE_REGION or _URL",
        secrets=[key],
        most_records=IDENTIFY.most_records,
        per_s=rate(settings.amplitude_events_per_s, APIS["http_v2"].per_s),
    )

    def request(payloads: Sequence[str]) -> Request:
        form = urlencode({"api_key": key, "identification": f"[{','.join(payloads)}]"})
        url = settings.amplitude_address + IDENTIFY.path
        return Request(url, form.encode(), "application/x-www-form-urlencoded")

    return HttpDestination(
        name="amplitude_users",
        make=lambda rows, _sent_at: amplitude.users(rows, settings.amplitude_min_id_length),
        cut=partial(_cut, api=IDENTIFY, around_bytes=0),
        manner=Manner(Sender(rule), patience(settings, pause_s=IDENTIFY.pause_s), request, read),
        safe_to_repeat=True,
        repeat_window_s=None,
    )


def read(reply: Reply, payloads: Sequence[str]) -> Reading:
    """Read an answer of Amplitude."""
    if reply.status == THROTTLED:
        return _read_throttled(reply, payloads)
    common = read_common(reply)
    if common is not None:
        return common
    if reply.status == REFUSED:
        return _read_refused(reply, len(payloads))
    counted = reply.told().get("events_ingested")
    if isinstance(counted, int) and counted < len(payloads):
        partly = ("partly_counted", f"Amplitude took the request and counts {counted} of its {len(payloads)} events.")
        return Reading(Rest.TAKEN, taken_as=partly)
    return Reading(Rest.TAKEN)


def _read_refused(reply: Reply, count: int) -> Reading:
    told = reply.told()
    error = str(told.get("error") or reply.words)
    refused: dict[int, tuple[str, str]] = {}
    for kind in _NAMING:
        named = told.get(kind)
        for field, places in (named if isinstance(named, dict) else {}).items():
            reason = kind.removeprefix("events_with_")
            refused |= dict.fromkeys(_places(places, count), (reason, f"Amplitude: {error} ({field})"))
    silenced = _places(told.get("silenced_events"), count)
    refused |= dict.fromkeys(silenced, ("silenced", f"Amplitude: {error}"))
    if refused:
        return Reading(Rest.AGAIN, refused=refused)
    # Identify says `invalid_api_key`, the others "Invalid API key: …".
    if told.get("missing_field") == "api_key" or any(one in error.lower().replace("_", " ") for one in _OUR_FAULT):
        return Reading(Rest.NOT_ALLOWED, words=reply.words)
    return Reading(Rest.HALVED, words=reply.words)


def _read_throttled(reply: Reply, payloads: Sequence[str]) -> Reading:
    """The events of users who send too much wait; those of users over their day's quota, until another day."""
    told = reply.told()
    spent = {
        str(one)
        for kind in ("exceeded_daily_quota_users", "exceeded_daily_quota_devices")
        for one in (told.get(kind) or ())
    }
    throttled = _places(told.get("throttled_events"), len(payloads))
    postponed = {
        place: ("daily_quota", "Amplitude: this user or device has sent its events of the day.")
        for place in throttled
        if spent and spent.intersection(_actors(payloads[place]))
    }
    waiting = frozenset(throttled) - postponed.keys()
    if not waiting and not postponed:
        return Reading(Rest.LATER, words=reply.words)
    return Reading(Rest.AGAIN, waiting=frozenset(waiting), postponed=postponed, words=reply.words)


def _actors(payload: str) -> set[Any]:
    told = json.loads(payload)
    return {told.get("user_id"), told.get("device_id")}


def _places(told: Any, count: int) -> list[int]:  # noqa: ANN401 (what Amplitude says)
    places = told if isinstance(told, list) else []
    return [place for place in places if isinstance(place, int) and 0 <= place < count]


def _head(key: str, min_length: int) -> str:
    options = {} if min_length == amplitude.MIN_ID_LENGTH else {"options": {"min_id_length": min_length}}
    return f'{json.dumps({"api_key": key, **options})[:-1]}, "events": ['


def _cut(payloads: pa.Table, *, api: Api, around_bytes: int) -> Iterator[pa.Table]:
    return cut(payloads, most_records=api.most_records, most_bytes=api.most_bytes, around_bytes=around_bytes)
