"""Bodies of requests, taken apart into events,
so that one event that is not JSON spoils no other.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ecom_assets.core.json_text import read_json
from ecom_assets.core.rows import NamedValues
from ecom_assets.ingestion.collector.refusals import EventRefusal
from ecom_assets.ingestion.sources.files.nesting import JsonStructure, is_deeper

MOST_LEVELS: Final = 200
"""Levels of lists and objects in an event; orjson writes 254,
and a line and a batch have some of their own.
"""
_BATCH: Final = re.compile(rb'\s*"batch"\s*:\s*(\[.*\])\s*', re.DOTALL)
_MOST_MEMBERS: Final = 1_000
"""Members around a batch that is read event by event; clients send fewer than ten."""


@dataclass(frozen=True)
class UnreadEvent:
    """An event that cannot be parsed, as it came, and why."""

    value: bytes
    refusal: EventRefusal


def events_in(body: bytes) -> tuple[list[Any], NamedValues]:
    """Return the events of a body, and what stands around or beside them.

    Raises:
        EventRefusal: The body is neither an event nor a batch.
    """
    fault = ""
    parsed: object = None
    try:
        parsed = read_json(body)
    except orjson.JSONDecodeError as error:
        fault = str(error)
    if not fault and not is_deeper(body, MOST_LEVELS):
        return members_of(parsed)
    if (batch := _batch_in(body)) is not None:
        parts, around = batch
        return [_event(part) for part in parts], around
    if fault:
        raise EventRefusal("invalid_json", f"The body is not JSON in UTF-8: {fault}")
    return [_event(body)], parsed if isinstance(parsed, dict) else {}


def members_of(body: Any) -> tuple[list[Any], NamedValues]:  # noqa: ANN401 (any JSON)
    """Return the events of a parsed body, and what stands around or beside them.

    Raises:
        EventRefusal: The body is neither an event nor a batch.
    """
    if isinstance(body, list):
        return body, {}
    if not isinstance(body, dict):
        raise EventRefusal(
            "not_an_object",
            "The body must be an event, a list of events, or an object with `batch`.",
        )
    batch = body.get("batch")
    if batch is None:
        return [body], body
    if not isinstance(batch, list):
        raise EventRefusal("wrong_type", "batch must be a list of events.")
    return batch, body


def _event(text: bytes) -> object:
    """Return an event, or why it cannot be read."""
    if is_deeper(text, MOST_LEVELS):
        detail = f"Lists and objects of an event may be nested {MOST_LEVELS} levels deep."
        return UnreadEvent(text, EventRefusal("nested_too_deeply", detail))
    try:
        return read_json(text)
    except orjson.JSONDecodeError as error:
        return UnreadEvent(
            text, EventRefusal("invalid_json", f"The event is not JSON in UTF-8: {error}")
        )


def _batch_in(body: bytes) -> tuple[list[bytes], dict[str, Any]] | None:
    """Return the texts of a batch's events, and what is around them;
    None if the body is no batch.
    """
    body = body.strip()
    parts = _parts(body)
    if parts is None or body.startswith(b"["):
        return None if parts is None else (parts, {})
    if len(parts) > _MOST_MEMBERS:
        return None
    events: list[bytes] | None = None
    around: dict[str, Any] = {}
    for part in parts:
        if whole := _BATCH.fullmatch(part):
            events = _parts(whole[1])
            continue
        try:
            around |= read_json(b"{%b}" % part)
        except orjson.JSONDecodeError:
            return None
    return None if events is None else (events, around)


def _parts(text: bytes) -> list[bytes] | None:
    """Return the elements of a list, or the members of an object, as texts;
    None if it is cut off or neither.
    """
    if not text.startswith((b"[", b"{")):
        return None
    structure = JsonStructure.of_text(text)
    # The first bracket that closes all that is open must be the last byte.
    if structure.is_in_string or (structure.levels <= 0).argmax() != len(text) - 1:
        return None
    if not text[1:-1].strip():
        return []
    commas = structure.commas[structure.levels[structure.commas] == 1]
    starts, ends = [1, *(commas + 1)], [*commas, len(text) - 1]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]
