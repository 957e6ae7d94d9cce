"""Ask Amplitude to delete a person: its User Privacy API schedules a job that runs days later."""

import json
from collections.abc import Sequence

from ecom_assets.delivery.deletion import Deletion, Send, taken
from ecom_assets.delivery.sender import Request
from ecom_assets.delivery.tools.amplitude.settings import AmplitudeSettings

PATH = "/api/2/deletions/users"
REQUESTER = "ecom_assets"


def ask(own: AmplitudeSettings, ids: Sequence[str], send: Send) -> str:
    """Schedule the deletion of some users of the project; users that Amplitude does not know are ignored."""
    body = {"user_ids": list(ids), "requester": REQUESTER, "ignore_invalid_id": "true", "delete_from_org": "false"}
    request = Request(
        own.amplitude_deletion_address + PATH,
        json.dumps(body).encode(),
        user=own.amplitude_api_key.get_secret_value(),
        password=own.amplitude_secret_key.get_secret_value(),
    )
    result = taken("Amplitude", send(request)).content()
    return f"job of {result.get('day', 'a day to come')}, {result.get('status', 'scheduled')}"


DELETION = Deletion(
    needed=("amplitude_secret_key",),
    most=100,
    ids=lambda users, _anonymous: list(users),
    ask=ask,
    secrets=lambda own: (own.amplitude_api_key.get_secret_value(), own.amplitude_secret_key.get_secret_value()),
    cannot="Amplitude deletes by user id or Amplitude id only; look up anonymous devices there.",
)
