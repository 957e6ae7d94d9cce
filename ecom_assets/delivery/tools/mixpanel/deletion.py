"""Ask Mixpanel to delete a person: its GDPR API creates a task for some distinct ids."""

import json
from collections.abc import Sequence

from ecom_assets.delivery.deletion import Deletion, Send, taken
from ecom_assets.delivery.sender import Request
from ecom_assets.delivery.tools.mixpanel.settings import MixpanelSettings

PATH = "/api/app/data-deletions/v3.0"
DEVICE = "$device:"


def ask(own: MixpanelSettings, ids: Sequence[str], send: Send) -> str:
    """Create a task that deletes the events and profiles of some distinct ids."""
    request = Request(
        own.mixpanel_deletion_address + PATH,
        json.dumps({"distinct_ids": list(ids), "compliance_type": "GDPR"}).encode(),
        params={"token": own.mixpanel_token.get_secret_value()},
        bearer=own.mixpanel_gdpr_token.get_secret_value(),
    )
    results = taken("Mixpanel", send(request)).content().get("results")
    task = results.get("task_id") if isinstance(results, dict) else None
    return f"task {task or 'without a number'}, pending"


DELETION = Deletion(
    needed=("mixpanel_token", "mixpanel_gdpr_token"),
    most=1_999,
    per_s=1.0,
    ids=lambda users, anonymous: [*users, *(DEVICE + one for one in anonymous)],
    ask=ask,
    secrets=lambda own: (own.mixpanel_token.get_secret_value(), own.mixpanel_gdpr_token.get_secret_value()),
)
