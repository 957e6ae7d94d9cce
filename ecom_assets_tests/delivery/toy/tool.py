"""The toy, as the platform knows it."""

from pydantic import SecretStr

from ecom_assets.delivery.sender import Limits
from ecom_assets.delivery.tool import Feed, Tool, hashed

from . import client
from .settings import ToySettings

LIMITS = Limits(most_records=2, most_bytes=10_000)

TOOL = Tool(
    name="toy",
    title="Toy",
    settings=ToySettings,
    needed=("toy_key",),
    account_settings="ECOM_TOY_KEY",
    is_set=lambda own: bool(own.toy_key.get_secret_value()),
    address=lambda own: own.toy_url,
    project=lambda own: hashed(own.toy_key.get_secret_value()),
    events=Feed(client.events, limits=lambda _own: LIMITS),
    users=Feed(client.users, limits=lambda _own: LIMITS),
    placeholders={"toy_key": SecretStr("dry-run")},
)
