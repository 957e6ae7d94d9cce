"""The `Tool` for Mixpanel."""

from pydantic import SecretStr

from ecom_assets.delivery.sender import Limits
from ecom_assets.delivery.tool import Feed, Tool, hashed
from ecom_assets.delivery.tools.mixpanel import client
from ecom_assets.delivery.tools.mixpanel.settings import MixpanelSettings

MOST_RECORDS, PER_S = 2_000, 30_000.0
BASE_S, JITTER = 2.0, (0.5, 2.5)
"""Waits after 429, 502 and 503: 2 s, doubling up to 60 s, plus a random 1 to 5 s."""


def _limits(own: MixpanelSettings, share: int) -> Limits:
    return Limits(MOST_RECORDS // share, own.mixpanel_max_bytes // share, BASE_S, PER_S, BASE_S, JITTER)


def _refusal(own: MixpanelSettings) -> str:
    if own.mixpanel_service_user and not own.mixpanel_project_id:
        return "ECOM_MIXPANEL_SERVICE_USER needs ECOM_MIXPANEL_PROJECT_ID; set the project's id, too."
    if own.mixpanel_service_user and not own.mixpanel_token.get_secret_value():
        return (
            "ECOM_MIXPANEL_SERVICE_USER is set, but user properties go by ECOM_MIXPANEL_TOKEN; set the project's token."
        )
    return ""


TOOL = Tool(
    name="mixpanel",
    title="Mixpanel",
    settings=MixpanelSettings,
    needed=("mixpanel_token",),
    account_settings="ECOM_MIXPANEL_TOKEN (or the service account) and ECOM_MIXPANEL_REGION or _URL",
    is_set=lambda own: bool(own.mixpanel_token.get_secret_value() or own.mixpanel_service_user),
    address=lambda own: own.mixpanel_address,
    project=lambda own: hashed(own.mixpanel_token.get_secret_value()),
    events=Feed(client.events, limits=lambda own: _limits(own, 1)),
    users=Feed(client.users, limits=lambda own: _limits(own, 2)),
    halves=(("mixpanel_service_user", "mixpanel_service_secret"),),
    refusal=_refusal,
    placeholders={"mixpanel_token": SecretStr("dry-run")},
    deletion=client.DELETION,
    has_stand_in=True,
)
