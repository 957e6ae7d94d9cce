"""Sends to Heap: bulk track for events, bulk add_user_properties for users.

Heap says yes or no to a request and names no row, so a bad one is found by halving; it knows an event again by its
idempotency_key. Not here: payloads (`heap.py`).
"""

import json
import re
from collections.abc import Sequence
from functools import partial

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
from ecom_assets.delivery.tools.heap import payload as heap
from ecom_assets.settings.settings import Settings

MOST_RECORDS = 1_000
MOST_BYTES = 5_000_000
"""Ours: Heap documents none."""
PER_S = 250.0
"""15,000 events per minute and environment."""
PAUSE_S = 30.0
"""Heap counts the requests of a person over 30 seconds, the longest window but its minute."""
WINDOW_S = 7 * 86_400.0
"""Heap documents no end to what it knows again; after a week we do not rely on it."""
_OUR_FAULT = re.compile(r"\bapp[_ -]?id\b|\benv(ironment)?[_ -]?id\b", re.IGNORECASE)
"""What a 400 is about that no row caused."""


def events(settings: Settings, choices: EventChoices) -> HttpDestination:
    """Return the destination of events."""
    return HttpDestination(
        name="heap_events",
        make=lambda rows, sent_at: heap.events(rows, sent_at, choices),
        cut=partial(cut, most_records=MOST_RECORDS, most_bytes=MOST_BYTES),
        manner=_manner(settings, "/api/track", "events"),
        safe_to_repeat=True,
        repeat_window_s=WINDOW_S,
    )


def users(settings: Settings) -> HttpDestination:
    """Return the destination of user properties: setting them twice is setting them once."""
    return HttpDestination(
        name="heap_users",
        make=lambda rows, _sent_at: heap.users(rows),
        cut=partial(cut, most_records=MOST_RECORDS, most_bytes=MOST_BYTES),
        manner=_manner(settings, "/api/add_user_properties", "users"),
        safe_to_repeat=True,
        repeat_window_s=None,
    )


def _manner(settings: Settings, path: str, records: str) -> Manner:
    rule = http_rule(
        settings,
        "Heap",
        named_by="ECOM_HEAP_APP_ID and ECOM_HEAP_REGION or _URL",
        secrets=[settings.heap_app_id],
        most_records=MOST_RECORDS,
        per_s=rate(settings.heap_events_per_s, PER_S),
    )
    head = f'{{"app_id": {json.dumps(settings.heap_app_id)}, "{records}": ['
    return Manner(
        Sender(rule),
        patience(settings, pause_s=PAUSE_S),
        lambda payloads: Request(settings.heap_address + path, payloads.between(head, "]}")),
        read,
    )


def read(reply: Reply, _payloads: Sequence[str]) -> Reading:
    """Read an answer of Heap."""
    common = read_common(reply)
    if common is not None:
        return common
    if reply.status < 300:  # noqa: PLR2004 (2xx)
        return Reading(Rest.TAKEN)
    is_about_us = _OUR_FAULT.search(reply.words) is not None
    return Reading(Rest.NOT_ALLOWED if is_about_us else Rest.HALVED, words=reply.words)
