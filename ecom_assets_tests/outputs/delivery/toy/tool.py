"""The toy, as the platform knows it: it answers 200 to what it takes."""

from collections.abc import Sequence
from functools import partial

from pydantic import SecretStr

from ecom_assets.outputs.delivery.batch_sender import BatchOutcome, BatchResponse, read_common
from ecom_assets.outputs.delivery.payloads import joined
from ecom_assets.outputs.delivery.sender import Limits, PostRequest, Reply
from ecom_assets.outputs.delivery.tool import Feed, Tool

from . import payload
from .settings import ToySettings


def _request(path: str, settings: ToySettings, payloads: Sequence[str]) -> PostRequest:
    return PostRequest(
        settings.toy_url + path,
        joined(payloads, "[", "]"),
        params={"key": settings.toy_key.get_secret_value()},
        headers={"Toy-Version": "2026-01"},
    )


def _read(reply: Reply, _payloads: Sequence[str]) -> BatchResponse:
    return read_common(reply) or BatchResponse(BatchOutcome.ACCEPTED)


LIMITS = Limits(most_records=2, most_bytes=10_000)

TOOL = Tool(
    name="toy",
    title="Toy",
    settings=ToySettings,
    needed=("toy_key",),
    account_settings="ECOM_TOY_KEY and ECOM_TOY_SHOP",
    is_set=lambda settings: bool(settings.toy_key.get_secret_value()),
    address=lambda settings: settings.toy_url,
    project=lambda settings: settings.toy_shop,
    events=Feed(
        lambda _settings: payload.EVENTS, partial(_request, "/events"), lambda _settings: LIMITS
    ),
    users=Feed(
        lambda _settings: payload.USERS, partial(_request, "/users"), lambda _settings: LIMITS
    ),
    read=_read,
    placeholders={"toy_key": SecretStr("dry-run")},
)
