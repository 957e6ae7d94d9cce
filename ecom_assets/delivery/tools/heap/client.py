"""Send to Heap: bulk track for events, bulk add_user_properties for users.

Heap accepts or refuses a whole request and names no rows, so invalid rows are found by halving the batch. It recognizes
a repeated event by its idempotency_key.
"""

import json
import re
from collections.abc import Sequence
from functools import partial

from ecom_assets.delivery.batch_sender import (
    BatchOutcome,
    HttpDestination,
    Reading,
    ToolProtocol,
    http_rule,
    patience,
    read_common,
)
from ecom_assets.delivery.deletion import Deletion, Send, taken
from ecom_assets.delivery.sender import Reply, Request, Sender
from ecom_assets.delivery.texts import cut
from ecom_assets.delivery.tool import ToolContext
from ecom_assets.delivery.tools.heap import payload as heap
from ecom_assets.delivery.tools.heap.settings import HeapSettings

Context = ToolContext[HeapSettings]
_OUR_FAULT = re.compile(r"\bapp[_ -]?id\b|\benv(ironment)?[_ -]?id\b", re.IGNORECASE)
"""What a 400 response mentions if no row caused it."""


def events(context: Context) -> HttpDestination:
    """Return the destination of events."""
    return HttpDestination(
        make=lambda rows, sent_at: heap.events(rows, sent_at, context.choices),
        cut=partial(cut, most_records=context.limits.most_records, most_bytes=context.limits.most_bytes),
        protocol=_protocol(context, "/api/track", "events"),
    )


def users(context: Context) -> HttpDestination:
    """Return the destination of user properties; setting them twice has no effect."""
    return HttpDestination(
        make=lambda rows, _sent_at: heap.users(rows),
        cut=partial(cut, most_records=context.limits.most_records, most_bytes=context.limits.most_bytes),
        protocol=_protocol(context, "/api/add_user_properties", "users"),
    )


def _protocol(context: Context, path: str, records: str) -> ToolProtocol:
    own = context.own
    rule = http_rule(
        context.settings,
        "Heap",
        named_by="ECOM_HEAP_APP_ID and ECOM_HEAP_REGION or _URL",
        secrets=[own.heap_app_id],
        limits=context.limits,
        per_s=own.heap_events_per_s,
    )
    head = f'{{"app_id": {json.dumps(own.heap_app_id)}, "{records}": ['
    return ToolProtocol(
        Sender(rule),
        patience(context.settings, context.limits),
        lambda payloads: Request(own.heap_address + path, payloads.between(head, "]}")),
        read,
    )


def read(reply: Reply, _payloads: Sequence[str]) -> Reading:
    """Interpret a response of Heap."""
    common = read_common(reply)
    if common is not None:
        return common
    if reply.status < 300:  # noqa: PLR2004 (2xx)
        return Reading(BatchOutcome.TAKEN)
    is_about_us = _OUR_FAULT.search(reply.words) is not None
    return Reading(BatchOutcome.NOT_ALLOWED if is_about_us else BatchOutcome.HALVED, words=reply.words)


TOKEN, USERS = "/api/public/v0/auth_token", "/api/public/v0/user_deletion"


def ask(own: HeapSettings, ids: Sequence[str], send: Send) -> str:
    """Submit some users, who are deleted in all environments of the account."""
    address = own.heap_deletion_address
    login = Request(address + TOKEN, b"", user=own.heap_app_id, password=own.heap_api_key.get_secret_value())
    token = str(taken("Heap", send(login)).content().get("access_token", ""))
    body = json.dumps({"users": [{"identity": one} for one in ids]}).encode()
    result = taken("Heap", send(Request(address + USERS, body, bearer=token))).content()
    return f"request {result.get('deletion_request_id', 'without a number')}, pending"


DELETION = Deletion(
    needed=("heap_api_key",),
    most=10_000,
    ids=lambda users, anonymous: [*users, *anonymous],
    ask=ask,
    secrets=lambda own: (own.heap_app_id, own.heap_api_key.get_secret_value()),
)
