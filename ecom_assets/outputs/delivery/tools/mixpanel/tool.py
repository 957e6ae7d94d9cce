"""The `Tool` for Mixpanel: /import for events, /engage for user properties.

If some rows of a request are invalid, Mixpanel names them and accepts the others. It always
recognizes a repeated event by its event name, time, person and $insert_id. Its GDPR API creates a
task that deletes some distinct ids.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr

from ecom_assets.outputs.delivery.batch_sender import BatchOutcome, BatchResponse, read_common
from ecom_assets.outputs.delivery.payloads import joined
from ecom_assets.outputs.delivery.sender import Limits, PostRequest, Reply
from ecom_assets.outputs.delivery.tool import Deletion, Feed, Send, Tool, accepted, hashed
from ecom_assets.outputs.delivery.tools.mixpanel import payload as mixpanel
from ecom_assets.outputs.delivery.tools.mixpanel.settings import MixpanelSettings

ACCEPTED = 200
_OUR_FAULT = re.compile(r"credential|\btoken\b|project[_ ]id", re.IGNORECASE)
"""What an error mentions if no row caused it."""


def _events_request(settings: MixpanelSettings, payloads: Sequence[str]) -> PostRequest:
    return PostRequest(
        f"{settings.mixpanel_address}/import",
        joined(payloads, "[", "]"),
        params={"strict": "1"}
        | ({"project_id": settings.mixpanel_project_id} if settings.mixpanel_project_id else {}),
        user=settings.mixpanel_service_user or settings.mixpanel_token.get_secret_value(),
        password=settings.mixpanel_service_secret.get_secret_value()
        if settings.mixpanel_service_user
        else "",
    )


def _users_request(settings: MixpanelSettings, payloads: Sequence[str]) -> PostRequest:
    token = f'{{"$token":{json.dumps(settings.mixpanel_token.get_secret_value())},'
    body = ",".join(token + payload[1:] for payload in payloads)
    url = f"{settings.mixpanel_address}/engage"
    return PostRequest(url, f"[{body}]".encode(), params={"ip": "0", "strict": "1", "verbose": "1"})


def read(reply: Reply, payloads: Sequence[str]) -> BatchResponse:
    """Interpret a response of Mixpanel."""
    common = read_common(reply)
    if common is not None:
        return common
    answer = reply.content()
    refused = _refused_records(answer.get("failed_records"), payloads)
    # The status of /engage is always 200, and its body has 1 or 0.
    is_success = (
        reply.body.strip() != b"0" and answer.get("status") != 0 and answer.get("error") is None
    )
    if reply.status == ACCEPTED and not refused and is_success:
        return BatchResponse(BatchOutcome.ACCEPTED)
    if not refused and _OUR_FAULT.search(str(answer.get("error") or "")):
        return BatchResponse(BatchOutcome.NOT_ALLOWED, message=_message(reply))
    imported = answer.get("num_records_imported")
    if not refused and not imported:
        return BatchResponse(BatchOutcome.SPLIT, message=_message(reply))
    if isinstance(imported, int) and imported < len(payloads) - len(refused):
        message = (
            f"Mixpanel took {imported} of {len(payloads)} records and names {len(refused)} that "
            "it refused."
        )
        return BatchResponse(BatchOutcome.UNCERTAIN, refused=refused, message=message)
    return BatchResponse(BatchOutcome.ACCEPTED, refused=refused)


def _refused_records(records: Any, payloads: Sequence[str]) -> dict[int, tuple[str, str]]:  # noqa: ANN401 (what Mixpanel says)
    """Return the records that Mixpanel names, by position;
    its documentation uses two names for the id.
    """
    failed: dict[int, tuple[str, str]] = {}
    for record in records if isinstance(records, list) else []:
        position = record.get("index") if isinstance(record, dict) else None
        if not isinstance(position, int):
            position = _position_by_id(record, payloads)
        if position is not None and 0 <= position < len(payloads):
            failed[position] = (
                "invalid",
                f"Mixpanel: {record.get('message')} ({record.get('field')})",
            )
    return failed


def _position_by_id(record: Any, payloads: Sequence[str]) -> int | None:  # noqa: ANN401 (as above)
    insert_id = (
        (record.get("$insert_id") or record.get("insert_id")) if isinstance(record, dict) else None
    )
    mark = f'"$insert_id":{json.dumps(insert_id)}'
    return next(
        (position for position, payload in enumerate(payloads) if insert_id and mark in payload),
        None,
    )


def _message(reply: Reply) -> str:
    return (
        reply.message
        or f"Mixpanel: {reply.content().get('error') or 'no data objects in the body are valid'}"
    )


DELETIONS = "/api/app/data-deletions/v3.0"


def request_deletion(settings: MixpanelSettings, ids: Sequence[str], send: Send) -> str:
    """Create a task that deletes the events and profiles of some distinct ids."""
    request = PostRequest(
        settings.mixpanel_deletion_address + DELETIONS,
        json.dumps({"distinct_ids": list(ids), "compliance_type": "GDPR"}).encode(),
        params={"token": settings.mixpanel_token.get_secret_value()},
        bearer=settings.mixpanel_gdpr_token.get_secret_value(),
    )
    results = accepted("Mixpanel", send(request)).content().get("results")
    task = results.get("task_id") if isinstance(results, dict) else None
    return f"task {task or 'without a number'}, pending"


def _ids_of(
    settings: MixpanelSettings, users: Sequence[str], anonymous: Sequence[str]
) -> list[str]:
    prefix = mixpanel.device_prefix(settings.mixpanel_identity)
    return [*users, *(prefix + device for device in anonymous)]


MOST_RECORDS, PER_S = 2_000, 30_000.0
MAX_BYTES: Final = 2_000_000
"""Bytes of a request before gzip."""
BASE_S, JITTER = 2.0, (0.5, 2.5)
"""Waits after 429, 502 and 503: 2 s, doubling up to 60 s, plus a random 1 to 5 s."""


def _limits(share: int) -> Limits:
    return Limits(MOST_RECORDS // share, MAX_BYTES // share, BASE_S, PER_S, BASE_S, JITTER)


def _refusal(settings: MixpanelSettings) -> str:
    if settings.mixpanel_service_user and not settings.mixpanel_project_id:
        return (
            "ECOM_MIXPANEL_SERVICE_USER needs ECOM_MIXPANEL_PROJECT_ID; set the project's id, too."
        )
    if settings.mixpanel_service_user and not settings.mixpanel_token.get_secret_value():
        return (
            "ECOM_MIXPANEL_SERVICE_USER is set, but user properties go by ECOM_MIXPANEL_TOKEN; "
            "set the project's token."
        )
    return ""


TOOL = Tool(
    name="mixpanel",
    title="Mixpanel",
    settings=MixpanelSettings,
    needed=("mixpanel_token",),
    account_settings=(
        "ECOM_MIXPANEL_TOKEN (or the service account) and ECOM_MIXPANEL_REGION or _URL"
    ),
    is_set=lambda settings: bool(
        settings.mixpanel_token.get_secret_value() or settings.mixpanel_service_user
    ),
    address=lambda settings: settings.mixpanel_address,
    project=lambda settings: hashed(settings.mixpanel_token.get_secret_value()),
    events=Feed(
        form=lambda settings: mixpanel.events(settings.mixpanel_identity),
        request=_events_request,
        limits=lambda _settings: _limits(1),
        around_bytes=lambda _settings: 2,
        takes_gzip=True,
        joins_devices=True,
        takes_sign_ins=lambda settings: settings.mixpanel_identity == "original",
    ),
    users=Feed(
        form=lambda _settings: mixpanel.USERS,
        request=_users_request,
        limits=lambda _settings: _limits(2),
    ),
    read=read,
    halves=(("mixpanel_service_user", "mixpanel_service_secret"),),
    refusal=_refusal,
    placeholders={"mixpanel_token": SecretStr("dry-run")},
    deletion=Deletion(
        needed=("mixpanel_token", "mixpanel_gdpr_token"),
        most=1_999,
        per_s=1.0,
        ids=_ids_of,
        request_deletion=request_deletion,
    ),
    has_stand_in=True,
)
