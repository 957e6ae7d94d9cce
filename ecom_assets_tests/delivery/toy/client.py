"""Sends to the toy, which answers 200 to what it takes."""

from collections.abc import Sequence
from functools import partial

from ecom_assets.delivery.batch_sender import (
    BatchOutcome,
    HttpDestination,
    Reading,
    ToolProtocol,
    http_rule,
    patience,
    read_common,
)
from ecom_assets.delivery.sender import Reply, Request, Sender
from ecom_assets.delivery.texts import cut
from ecom_assets.delivery.tool import ToolContext

from . import payload
from .settings import ToySettings


def events(context: ToolContext[ToySettings]) -> HttpDestination:
    """Return the destination of events."""
    return HttpDestination(
        make=lambda rows, sent_at: payload.events(rows, sent_at, context.choices),
        cut=partial(cut, most_records=context.limits.most_records, most_bytes=context.limits.most_bytes),
        protocol=_protocol(context, "/events"),
    )


def users(context: ToolContext[ToySettings]) -> HttpDestination:
    """Return the destination of users."""
    return HttpDestination(
        make=payload.users,
        cut=partial(cut, most_records=context.limits.most_records, most_bytes=context.limits.most_bytes),
        protocol=_protocol(context, "/users"),
    )


def _protocol(context: ToolContext[ToySettings], path: str) -> ToolProtocol:
    key = context.own.toy_key.get_secret_value()
    rule = http_rule(context.settings, "Toy", named_by="ECOM_TOY_KEY", secrets=[key], limits=context.limits, per_s=None)
    return ToolProtocol(
        Sender(rule),
        patience(context.settings, context.limits),
        lambda payloads: Request(context.own.toy_url + path, payloads.between("[", "]"), params={"key": key}),
        _read,
    )


def _read(reply: Reply, _payloads: Sequence[str]) -> Reading:
    return read_common(reply) or Reading(BatchOutcome.TAKEN)
