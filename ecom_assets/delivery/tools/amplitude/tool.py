"""The `Tool` for Amplitude."""

from pydantic import SecretStr

from ecom_assets.delivery.sender import Limits
from ecom_assets.delivery.tool import Feed, Tool, hashed
from ecom_assets.delivery.tools.amplitude import client
from ecom_assets.delivery.tools.amplitude.settings import AmplitudeSettings

WINDOW_S = 7 * 86_400 - 3600
"""Amplitude recognizes an insert_id for seven days; one hour less leaves time for sending."""
EVENTS = {
    "http_v2": Limits(most_records=1_999, most_bytes=999_999, pause_s=30.0, per_s=1_000.0),
    "batch": Limits(most_records=2_000, most_bytes=20_000_000, pause_s=15.0),
}
"""The limits of each events API; pauses and rate are as documented."""
IDENTIFY = Limits(most_records=500, most_bytes=300_000, pause_s=15.0, per_s=1_000.0)
"""Identify requests are forms, which can be three times as long as their JSON. The 1 MB limit is that of HTTP V2."""

TOOL = Tool(
    name="amplitude",
    title="Amplitude",
    settings=AmplitudeSettings,
    needed=("amplitude_api_key",),
    account_settings="ECOM_AMPLITUDE_API_KEY and ECOM_AMPLITUDE_REGION or _URL",
    is_set=lambda own: bool(own.amplitude_api_key.get_secret_value()),
    address=lambda own: own.amplitude_address,
    project=lambda own: hashed(own.amplitude_api_key.get_secret_value()),
    events=Feed(client.events, limits=lambda own: EVENTS[own.amplitude_api], repeat_window_s=WINDOW_S),
    users=Feed(client.users, limits=lambda _own: IDENTIFY),
    placeholders={"amplitude_api_key": SecretStr("dry-run")},
    deletion=client.DELETION,
    has_stand_in=True,
)
