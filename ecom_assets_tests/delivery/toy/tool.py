"""The toy, as the platform knows it: it answers 200 to what it takes."""

from collections.abc import Sequence
from functools import partial

from pydantic import SecretStr

from ecom_assets.delivery.batch_sender import BatchOutcome, BatchResponse, HttpDestination, read_common
from ecom_assets.delivery.payloads import Texts
from ecom_assets.delivery.sender import Limits, PostRequest, Reply
from ecom_assets.delivery.tool import Feed, Tool, ToolContext, hashed

from . import payload
from .settings import ToySettings


def events(context: ToolContext[ToySettings]) -> HttpDestination:
    """Return the destination of events."""
    return context.destination(payload.EVENTS, partial(_request, context.own, "/events"), _read)


def users(context: ToolContext[ToySettings]) -> HttpDestination:
    """Return the destination of users."""
    return context.destination(payload.USERS, partial(_request, context.own, "/users"), _read)


def _request(own: ToySettings, path: str, payloads: Texts) -> PostRequest:
    return PostRequest(own.toy_url + path, payloads.between("[", "]"), params={"key": own.toy_key.get_secret_value()})


def _read(reply: Reply, _payloads: Sequence[str]) -> BatchResponse:
    return read_common(reply) or BatchResponse(BatchOutcome.TAKEN)


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
    events=Feed(events, limits=lambda _own: LIMITS),
    users=Feed(users, limits=lambda _own: LIMITS),
    placeholders={"toy_key": SecretStr("dry-run")},
)
