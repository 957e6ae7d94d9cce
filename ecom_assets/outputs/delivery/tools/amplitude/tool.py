"""The `Tool` for Amplitude: HTTP V2 or Batch for events, Identify for user properties.

Amplitude accepts or refuses a whole request. For a refused request it names all invalid rows, or
only the first. It recognizes a repeated event by its insert_id for seven days. Its User Privacy API
schedules a deletion, which runs days later.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from ecom_assets.outputs.delivery.batch_sender import BatchOutcome, BatchResponse, read_common
from ecom_assets.outputs.delivery.payloads import joined
from ecom_assets.outputs.delivery.sender import Limits, PostRequest, Reply
from ecom_assets.outputs.delivery.tool import Deletion, Feed, Send, Tool, accepted, hashed
from ecom_assets.outputs.delivery.tools.amplitude import payload as amplitude
from ecom_assets.outputs.delivery.tools.amplitude.settings import AmplitudeSettings

PATHS = {"http_v2": "/2/httpapi", "batch": "/batch"}
IDENTIFY = "/identify"
ACCEPTED, REFUSED, THROTTLED = 200, 400, 429
_NAMING = (
    "events_with_invalid_fields",
    "events_with_missing_fields",
    "events_with_invalid_id_lengths",
)
_OUR_FAULT = ("api key", "request path", "request body")
"""What a 400 response mentions if no row caused it."""


def _events_request(settings: AmplitudeSettings, payloads: Sequence[str]) -> PostRequest:
    return PostRequest(
        settings.amplitude_address + PATHS[settings.amplitude_api],
        joined(payloads, _head(settings), "]}"),
    )


def _users_request(settings: AmplitudeSettings, payloads: Sequence[str]) -> PostRequest:
    key = settings.amplitude_api_key.get_secret_value()
    form = urlencode({"api_key": key, "identification": f"[{','.join(payloads)}]"})
    return PostRequest(
        settings.amplitude_address + IDENTIFY, form.encode(), "application/x-www-form-urlencoded"
    )


def read(reply: Reply, payloads: Sequence[str]) -> BatchResponse:
    """Interpret a response of Amplitude."""
    if reply.status == THROTTLED:
        return _read_throttled(reply, payloads)
    common = read_common(reply)
    if common is not None:
        return common
    if reply.status == REFUSED:
        return _read_refused(reply, len(payloads))
    counted = reply.content().get("events_ingested")
    if isinstance(counted, int) and counted < len(payloads):
        partly = (
            "partly_counted",
            f"Amplitude took the request and counts {counted} of its {len(payloads)} events.",
        )
        return BatchResponse(BatchOutcome.ACCEPTED, accepted_note=partly)
    return BatchResponse(BatchOutcome.ACCEPTED)


def _read_refused(reply: Reply, count: int) -> BatchResponse:
    answer = reply.content()
    error = str(answer.get("error") or reply.message)
    refused: dict[int, tuple[str, str]] = {}
    for kind in _NAMING:
        fields = answer.get(kind)
        for field, positions in (fields if isinstance(fields, dict) else {}).items():
            reason = kind.removeprefix("events_with_")
            refused |= dict.fromkeys(
                _places(positions, count), (reason, f"Amplitude: {error} ({field})")
            )
    silenced = _places(answer.get("silenced_events"), count)
    refused |= dict.fromkeys(silenced, ("silenced", f"Amplitude: {error}"))
    if refused:
        return BatchResponse(BatchOutcome.RETRY, refused=refused)
    # Identify says `invalid_api_key`, the others "Invalid API key: …".
    if answer.get("missing_field") == "api_key" or any(
        fault in error.lower().replace("_", " ") for fault in _OUR_FAULT
    ):
        return BatchResponse(BatchOutcome.NOT_ALLOWED, message=reply.message)
    return BatchResponse(BatchOutcome.SPLIT, message=reply.message)


def _read_throttled(reply: Reply, payloads: Sequence[str]) -> BatchResponse:
    """Interpret a 429: events of throttled users wait,
    events of users over their daily quota wait for another day.
    """
    answer = reply.content()
    spent = {
        str(user)
        for kind in ("exceeded_daily_quota_users", "exceeded_daily_quota_devices")
        for user in (answer.get(kind) or ())
    }
    throttled = _places(answer.get("throttled_events"), len(payloads))
    events = {position: json.loads(payloads[position]) for position in (throttled if spent else ())}
    postponed = {
        position: ("daily_quota", "Amplitude: this user or device has sent its events of the day.")
        for position, event in events.items()
        if spent & {event.get("user_id"), event.get("device_id")}
    }
    waiting = frozenset(throttled) - postponed.keys()
    if not waiting and not postponed:
        return BatchResponse(BatchOutcome.LATER, message=reply.message)
    return BatchResponse(
        BatchOutcome.RETRY, waiting=frozenset(waiting), postponed=postponed, message=reply.message
    )


def _places(listed: Any, count: int) -> list[int]:  # noqa: ANN401 (what Amplitude says)
    positions = listed if isinstance(listed, list) else []
    return [
        position for position in positions if isinstance(position, int) and 0 <= position < count
    ]


def _head(settings: AmplitudeSettings) -> str:
    key, min_length = (
        settings.amplitude_api_key.get_secret_value(),
        settings.amplitude_min_id_length,
    )
    options = (
        {} if min_length == amplitude.MIN_ID_LENGTH else {"options": {"min_id_length": min_length}}
    )
    return f'{json.dumps({"api_key": key, **options})[:-1]}, "events": ['


DELETIONS = "/api/2/deletions/users"
REQUESTER = "ecom_assets"


def request_deletion(settings: AmplitudeSettings, ids: Sequence[str], send: Send) -> str:
    """Schedule the deletion of some users of the project;
    users that Amplitude does not know are ignored.
    """
    body = {
        "user_ids": list(ids),
        "requester": REQUESTER,
        "ignore_invalid_id": "true",
        "delete_from_org": "false",
    }
    request = PostRequest(
        settings.amplitude_deletion_address + DELETIONS,
        json.dumps(body).encode(),
        user=settings.amplitude_api_key.get_secret_value(),
        password=settings.amplitude_secret_key.get_secret_value(),
    )
    result = accepted("Amplitude", send(request)).content()
    return f"job of {result.get('day', 'a day to come')}, {result.get('status', 'scheduled')}"


WINDOW_S = 7 * 86_400 - 3600
"""Amplitude recognizes an insert_id for seven days; one hour less leaves time for sending."""
EVENT_LIMITS = {
    "http_v2": Limits(most_records=1_999, most_bytes=999_999, pause_s=30.0, per_s=1_000.0),
    "batch": Limits(most_records=2_000, most_bytes=20_000_000, pause_s=15.0),
}
"""The limits of each events API; pauses and rate are as documented."""
USER_LIMITS = Limits(most_records=500, most_bytes=300_000, pause_s=15.0, per_s=1_000.0)
"""Identify requests are forms, which can be three times as long as their JSON.

The 1 MB limit is that of HTTP V2.
"""

TOOL = Tool(
    name="amplitude",
    title="Amplitude",
    settings=AmplitudeSettings,
    needed=("amplitude_api_key",),
    account_settings="ECOM_AMPLITUDE_API_KEY and ECOM_AMPLITUDE_REGION or _URL",
    is_set=lambda settings: bool(settings.amplitude_api_key.get_secret_value()),
    address=lambda settings: settings.amplitude_address,
    project=lambda settings: hashed(settings.amplitude_api_key.get_secret_value()),
    events=Feed(
        form=lambda settings: amplitude.events(settings.amplitude_min_id_length),
        request=_events_request,
        limits=lambda settings: EVENT_LIMITS[settings.amplitude_api],
        around_bytes=lambda settings: len(_head(settings)) + 2,
        takes_gzip=True,
        joins_devices=True,
        takes_sessions=True,
        repeat_window_s=WINDOW_S,
    ),
    users=Feed(
        form=lambda settings: amplitude.users(settings.amplitude_min_id_length),
        request=_users_request,
        limits=lambda _settings: USER_LIMITS,
    ),
    read=read,
    placeholders={"amplitude_api_key": SecretStr("dry-run")},
    deletion=Deletion(
        needed=("amplitude_secret_key",),
        most=100,
        ids=lambda _settings, users, _anonymous: list(users),
        request_deletion=request_deletion,
        cannot=(
            "Amplitude deletes by user id or Amplitude id only; look up anonymous devices there."
        ),
    ),
    has_stand_in=True,
)
