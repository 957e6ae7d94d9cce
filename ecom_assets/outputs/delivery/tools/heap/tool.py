"""The `Tool` for Heap: bulk track for events, bulk add_user_properties for users.

Heap accepts or refuses a whole request and names no rows, so invalid rows are found by halving the
batch. It recognizes a repeated event by its idempotency_key. Its User Deletion API gives a token
for five minutes, then takes users by identity.
"""

import json
import re
from collections.abc import Sequence
from functools import partial

from ecom_assets.outputs.delivery.batch_sender import BatchOutcome, BatchResponse, read_common
from ecom_assets.outputs.delivery.payloads import joined
from ecom_assets.outputs.delivery.sender import Limits, PostRequest, Reply
from ecom_assets.outputs.delivery.tool import Deletion, Feed, Send, Tool, accepted, hashed
from ecom_assets.outputs.delivery.tools.heap import payload as heap
from ecom_assets.outputs.delivery.tools.heap.settings import HeapSettings

_OUR_FAULT = re.compile(r"\bapp[_ -]?id\b|\benv(ironment)?[_ -]?id\b", re.IGNORECASE)
"""What a 400 response mentions if no row caused it."""


def _request(
    path: str, records: str, settings: HeapSettings, payloads: Sequence[str]
) -> PostRequest:
    head = f'{{"app_id": {json.dumps(settings.heap_app_id)}, "{records}": ['
    return PostRequest(settings.heap_address + path, joined(payloads, head, "]}"))


def read(reply: Reply, _payloads: Sequence[str]) -> BatchResponse:
    """Interpret a response of Heap."""
    common = read_common(reply)
    if common is not None:
        return common
    if reply.status < 300:  # noqa: PLR2004 (2xx)
        return BatchResponse(BatchOutcome.ACCEPTED)
    is_about_us = _OUR_FAULT.search(reply.message) is not None
    return BatchResponse(
        BatchOutcome.NOT_ALLOWED if is_about_us else BatchOutcome.SPLIT, message=reply.message
    )


TOKEN, USERS = "/api/public/v0/auth_token", "/api/public/v0/user_deletion"


def request_deletion(settings: HeapSettings, ids: Sequence[str], send: Send) -> str:
    """Submit some users, who are deleted in all environments of the account."""
    address = settings.heap_deletion_address
    login = PostRequest(
        address + TOKEN,
        b"",
        user=settings.heap_app_id,
        password=settings.heap_api_key.get_secret_value(),
    )
    token = str(accepted("Heap", send(login)).content().get("access_token", ""))
    body = json.dumps({"users": [{"identity": user_id} for user_id in ids]}).encode()
    result = accepted("Heap", send(PostRequest(address + USERS, body, bearer=token))).content()
    return f"request {result.get('deletion_request_id', 'without a number')}, pending"


LIMITS = Limits(most_records=1_000, most_bytes=5_000_000, pause_s=30.0, per_s=250.0)
"""Heap allows 15,000 events per minute and environment.

It documents no limit of bytes, so that one is ours. The pause is 30 seconds because Heap counts a
person's requests in windows of 30 seconds.
"""
WINDOW_S = 7 * 86_400.0
"""Heap documents no time limit for recognizing repeated events; we rely on it for a week only."""

TOOL = Tool(
    name="heap",
    title="Heap",
    settings=HeapSettings,
    needed=("heap_app_id",),
    account_settings="ECOM_HEAP_APP_ID and ECOM_HEAP_REGION or _URL",
    is_set=lambda settings: bool(settings.heap_app_id),
    address=lambda settings: settings.heap_address,
    project=lambda settings: hashed(settings.heap_app_id),
    events=Feed(
        form=lambda _settings: heap.EVENTS,
        request=partial(_request, "/api/track", "events"),
        limits=lambda _settings: LIMITS,
        repeat_window_s=WINDOW_S,
    ),
    users=Feed(
        form=lambda _settings: heap.USERS,
        request=partial(_request, "/api/add_user_properties", "users"),
        limits=lambda _settings: LIMITS,
    ),
    read=read,
    placeholders={"heap_app_id": "dry-run"},
    secret_ids=("heap_app_id",),
    deletion=Deletion(
        needed=("heap_api_key",),
        most=10_000,
        ids=lambda _settings, users, anonymous: [*users, *anonymous],
        request_deletion=request_deletion,
    ),
    has_stand_in=True,
)
