"""Sends to the toy, which answers 200 to what it takes."""

from collections.abc import Sequence
from functools import partial

from ecom_assets.delivery.batch_sender import BatchOutcome, HttpDestination, Reading, read_common
from ecom_assets.delivery.payloads import Texts
from ecom_assets.delivery.sender import Reply, Request
from ecom_assets.delivery.tool import ToolContext

from . import payload
from .settings import ToySettings


def events(context: ToolContext[ToySettings]) -> HttpDestination:
    """Return the destination of events."""
    make = partial(payload.events, choices=context.choices)
    return context.destination(make, partial(_request, context.own, "/events"), _read)


def users(context: ToolContext[ToySettings]) -> HttpDestination:
    """Return the destination of users."""
    return context.destination(payload.users, partial(_request, context.own, "/users"), _read)


def _request(own: ToySettings, path: str, payloads: Texts) -> Request:
    return Request(own.toy_url + path, payloads.between("[", "]"), params={"key": own.toy_key.get_secret_value()})


def _read(reply: Reply, _payloads: Sequence[str]) -> Reading:
    return read_common(reply) or Reading(BatchOutcome.TAKEN)
