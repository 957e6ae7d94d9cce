"""JSON as the tools read it: strict, and with how deep it is. Not here: what a tool wants to find in it."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_constant=_no_number)
NO_JSON = object()


def parsed(body: bytes) -> Any:  # noqa: ANN401 (JSON is anything)
    """Return JSON; `NO_JSON` where it is none: NaN and Infinity are not."""
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return NO_JSON


def depth_and_length(value: object, most_chars: int, depth: int = 0) -> tuple[int, bool]:
    """Return how many objects and lists are in each other, and whether a text in there is too long."""
    if isinstance(value, str):
        return depth, len(value) > most_chars
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return depth, False
    deepest, is_long = depth + 1, False
    for one in inner:
        kind = type(one)
        if kind is str:
            is_long = is_long or len(one) > most_chars
        elif kind is dict or kind is list:
            found, long = depth_and_length(one, most_chars, depth + 1)
            deepest, is_long = max(deepest, found), is_long or long
    return deepest, is_long


def is_number(value: object) -> bool:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(record: Mapping[str, Any], name: str) -> str:
    """Return a value as text; empty where there is none."""
    value = record.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)
