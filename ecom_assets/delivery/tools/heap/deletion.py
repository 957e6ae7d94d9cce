"""Ask Heap to delete a person: its User Deletion API takes a token for five minutes, and then users by identity."""

import json
from collections.abc import Sequence

from ecom_assets.delivery.deletion import Deletion, Send, taken
from ecom_assets.delivery.sender import Request
from ecom_assets.delivery.tools.heap.settings import HeapSettings

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
