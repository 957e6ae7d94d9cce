"""Ask Google to delete a person: its User Deletion API takes one id of a property at a time."""

import json
from collections.abc import Sequence

from ecom_assets.delivery.deletion import Deletion, Send, taken
from ecom_assets.delivery.sender import Request
from ecom_assets.delivery.tools.ga4.settings import Ga4Settings

PATH = "/analytics/v3/userDeletion/userDeletionRequests:upsert"
USER, CLIENT = "USER_ID", "CLIENT_ID"


def ids_of(users: Sequence[str], anonymous: Sequence[str]) -> list[str]:
    """Return ids with their type: users are sent as user and as client, anonymous visitors as client."""
    return [*(f"{USER} {one}" for one in users), *(f"{CLIENT} {one}" for one in (*users, *anonymous))]


def ask(own: Ga4Settings, ids: Sequence[str], send: Send) -> str:
    """Request the deletion of an id; a repeated request moves the time up to which its data are deleted."""
    (one,) = ids
    kind, _, value = one.partition(" ")
    body = {
        "kind": "analytics#userDeletionRequest",
        "id": {"type": kind, "userId": value},
        "propertyId": own.ga4_property_id,
    }
    request = Request(
        own.ga4_deletion_address + PATH, json.dumps(body).encode(), bearer=own.ga4_deletion_token.get_secret_value()
    )
    result = taken("GA4", send(request)).content()
    return f"data until {result.get('deletionRequestTime', 'now')}, requested"


DELETION = Deletion(
    needed=("ga4_property_id", "ga4_deletion_token"),
    most=1,
    ids=ids_of,
    ask=ask,
    secrets=lambda own: (own.ga4_deletion_token.get_secret_value(),),
)
