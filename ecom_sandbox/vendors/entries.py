"""Requests, the records in them, and JSON as strict as the tools read it."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

from ecom_sandbox.services.service import ServiceRequest, ServiceResponse

Kind = Literal["event", "profile"]


@dataclass(frozen=True)
class Incoming:
    """A complete request, with its decompressed body,
    and the receiver's time in seconds since 1970.
    """

    request: ServiceRequest
    body: bytes
    at_s: float


class Entry(NamedTuple):
    """A record as the tool sees it.

    kind: `event`, or `profile` for properties of a user.
    user: The user of the record.
    record_id: The sender's id of the record.
    key: The tool counts one record per key; None: it counts every copy.
    name: The event's name.
    at: The event's time, as sent.
    properties: The properties that are set in a profile.
    """

    kind: Kind
    user: str
    record_id: str
    key: Hashable | None
    name: str = ""
    at: object = None
    properties: dict[str, Any] | None = None


@dataclass(frozen=True)
class Decision:
    """The tool's response to a request without faults.

    answer: The response.
    entries: The accepted records, in the order of the request.
    records: The accepted records as sent, in the same order.
    refused: Positions of the refused records, if others are accepted.
    """

    answer: ServiceResponse
    entries: Sequence[Entry] = ()
    records: Sequence[Any] = ()
    refused: Sequence[int] = ()


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_constant=_no_number)
NO_JSON = object()


def parsed(body: bytes) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return the parsed JSON, or `NO_JSON` if it is invalid; NaN and Infinity are invalid."""
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return NO_JSON


def depth_and_length(value: object, most_chars: int, depth: int = 0) -> tuple[int, bool]:
    """Return the nesting depth of objects and lists, and whether a text in them is too long."""
    if isinstance(value, str):
        return depth, len(value) > most_chars
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    if inner is None:
        return depth, False
    deepest, is_long = depth + 1, False
    for item in inner:
        kind = type(item)
        if kind is str:
            is_long = is_long or len(item) > most_chars
        elif kind is dict or kind is list:
            inner_depth, long = depth_and_length(item, most_chars, depth + 1)
            deepest, is_long = max(deepest, inner_depth), is_long or long
    return deepest, is_long


def is_number(value: object) -> bool:
    """Return whether a value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(record: Mapping[str, Any], name: str) -> str:
    """Return a value as text, empty if there is none."""
    value = record.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def texts(record: object, name: str) -> list[str]:
    """Return the list of non-empty texts with this name in a JSON object,
    empty if there is none.
    """
    value = record.get(name) if isinstance(record, dict) else None
    return (
        value
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value)
        else []
    )
