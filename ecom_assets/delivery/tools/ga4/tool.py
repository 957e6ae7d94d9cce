"""The `Tool` for GA4."""

from pydantic import SecretStr

from ecom_assets.delivery.sender import Limits
from ecom_assets.delivery.tool import Feed, Tool
from ecom_assets.delivery.tools.ga4 import client, payload
from ecom_assets.delivery.tools.ga4.settings import Ga4Settings

EVENTS = Limits(most_records=25, most_bytes=129_999, pause_s=30.0)
USERS = Limits(most_records=1, most_bytes=129_999, pause_s=30.0)

TOOL = Tool(
    name="ga4",
    title="GA4",
    settings=Ga4Settings,
    needed=("ga4_measurement_id", "ga4_api_secret"),
    account_settings="ECOM_GA4_MEASUREMENT_ID, ECOM_GA4_API_SECRET and ECOM_GA4_REGION or _URL",
    is_set=lambda own: bool(own.ga4_measurement_id and own.ga4_api_secret.get_secret_value()),
    address=lambda own: own.ga4_address,
    project=lambda own: own.ga4_measurement_id,
    confirms=False,  # it answers every request with 2xx and does not say what it accepted
    events=Feed(
        client.events,
        limits=lambda _own: EVENTS,
        safe_to_repeat=lambda own: own.ga4_unconfirmed == "at_least_once",
        repeat_window_s=payload.OLDEST_S,
    ),
    users=Feed(client.users, limits=lambda _own: USERS),
    halves=(("ga4_measurement_id", "ga4_api_secret"),),
    placeholders={"ga4_measurement_id": "G-DRYRUN", "ga4_api_secret": SecretStr("dry-run")},
    deletion=client.DELETION,
    has_stand_in=True,
)
