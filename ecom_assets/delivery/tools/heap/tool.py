"""The `Tool` for Heap."""

from ecom_assets.delivery.sender import Limits
from ecom_assets.delivery.tool import Feed, Tool, hashed
from ecom_assets.delivery.tools.heap import client
from ecom_assets.delivery.tools.heap.settings import HeapSettings

LIMITS = Limits(most_records=1_000, most_bytes=5_000_000, pause_s=30.0, per_s=250.0)
"""Heap allows 15,000 events per minute and environment. It documents no limit of bytes, so that one is ours. The pause
is 30 seconds because Heap counts a person's requests in windows of 30 seconds."""
WINDOW_S = 7 * 86_400.0
"""Heap documents no time limit for recognizing repeated events; we rely on it for a week only."""

TOOL = Tool(
    name="heap",
    title="Heap",
    settings=HeapSettings,
    needed=("heap_app_id",),
    account_settings="ECOM_HEAP_APP_ID and ECOM_HEAP_REGION or _URL",
    is_set=lambda own: bool(own.heap_app_id),
    address=lambda own: own.heap_address,
    project=lambda own: hashed(own.heap_app_id),
    former_account=lambda own: f"{own.heap_address.partition('://')[2]} {own.heap_app_id}",
    events=Feed(client.events, limits=lambda _own: LIMITS, repeat_window_s=WINDOW_S),
    users=Feed(client.users, limits=lambda _own: LIMITS),
    placeholders={"heap_app_id": "dry-run"},
    secret_ids=("heap_app_id",),
    deletion=client.DELETION,
    has_stand_in=True,
)
