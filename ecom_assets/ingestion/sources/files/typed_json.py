"""JSON whose values are wrapped into objects that say their type,
as exports of databases write them.

MongoDB's extended JSON (`{"$numberDecimal": "19.90"}`), DynamoDB's (`{"N": "19.90"}`) and the
unions of Avro (`{"string": "a"}`) are read as the values in them. A file is of one kind, which its
first records say.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from ecom_assets.ingestion.sources.files.shape import json_in, objects_on

_HINT = re.compile(
    rb'\{\s*"(?:\$[a-zA-Z]+|S|N|B|BOOL|NULL|M|L|SS|NS|string|long|int|double|float|boolean|bytes|array|map)"\s*:'
)
_LOOKED_AT = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
MOST_DEPTH, MOST_FAILURES = 100, 5
Unwrap = Callable[[Any], Any]
ContentOf = Callable[[dict[str, Any], int], Any]
"""Returns the content of an object at a depth; `_NONE` if it is no wrapper."""


def wrapper_of(head: bytes) -> str:
    """Return how the values of JSON are wrapped by its beginning: `mongodb`,
    `dynamodb` or `avro`; else empty.
    """
    if not _HINT.search(head):
        return ""
    text = head.strip()
    if text.startswith(b"["):
        text = text[1:]
    lines = text.splitlines()
    parts = (json_in(part) for line in lines[:_LOOKED_AT] for part in objects_on(line))
    records = [part for part in parts if isinstance(part, dict)] or _records_in(text)
    return next(
        (name for name, unwrap in UNWRAPPED.items() if any(_changed(unwrap, r) for r in records)),
        "",
    )


def _records_in(text: bytes) -> list[dict[str, Any]]:
    """Return the objects that follow each other at the beginning of a text, over several lines."""
    decoder, decoded, at = json.JSONDecoder(), text.decode("utf-8", "replace"), 0
    records: list[dict[str, Any]] = []
    failures = 0
    while (
        len(records) < _LOOKED_AT
        and failures < MOST_FAILURES
        and (start := decoded.find("{", at)) >= 0
    ):
        try:
            record, at = decoder.raw_decode(decoded, start)
            records.append(record)
        except (ValueError, RecursionError):  # an object whose end is further on: those in it
            at, failures = start + 1, failures + 1
    return records


def _changed(unwrap: Unwrap, record: Mapping[str, Any]) -> bool:
    return unwrap(record) is not record


def unwrapped(document: object, kind: str) -> object:
    """Return a document, or a list of them, with values in place of the objects around them."""
    if isinstance(document, list):
        return [unwrapped(element, kind) for element in document]
    return UNWRAPPED[kind](document) if isinstance(document, dict) else document


def _unwrapped_by(content_of: ContentOf, value: Any, depth: int = 0) -> Any:  # noqa: ANN401 (any value of JSON)
    """Return a value of JSON with the content of each wrapper in it in place of
    the wrapper, at any depth.
    """
    if depth > MOST_DEPTH or not isinstance(value, list | dict):
        return value
    unwrap = partial(_unwrapped_by, content_of, depth=depth + 1)
    if isinstance(value, list):
        return _same_if_equal(value, [unwrap(element) for element in value])
    content = content_of(value, depth)
    if content is not _NONE:
        return content
    return _same_if_equal(value, {name: unwrap(member) for name, member in value.items()})


def _mongodb_content(value: dict[str, Any], _depth: int) -> Any:  # noqa: ANN401 (any value of JSON)
    return _mongodb_scalar(*next(iter(value.items()))) if len(value) == 1 else _NONE


_NONE: Final = object()
"""What is no wrapper."""


def _mongodb_scalar(name: str, value: Any) -> Any:  # noqa: ANN401 (any value of JSON)
    if name in {"$oid", "$symbol", "$uuid"} and isinstance(value, str):
        return value
    if name in {"$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"}:
        return _number(str(value))
    if name == "$date":
        return _moment(_mongodb(value))
    if name == "$timestamp" and isinstance(value, dict) and "t" in value:
        return _moment(_mongodb(value["t"]) * 1000)
    return None if name == "$undefined" else _NONE


def _number(text: str) -> object:
    """Return a number of JSON; a text where JSON would round it."""
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-+").isdigit() else text


def _moment(value: object) -> object:
    """Return an instant as ISO text, which MongoDB writes as that, or as milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return (_EPOCH + timedelta(milliseconds=value)).isoformat()
    except OverflowError:
        return value


def _dynamodb(value: Any) -> Any:  # noqa: ANN401 (any value of JSON)
    record = value["Item"] if isinstance(value, dict) and [*value] == ["Item"] else value
    if not isinstance(record, dict) or not record:
        return value
    members = {name: _dynamodb_value(member) for name, member in record.items()}
    if not any(member is _NONE for member in members.values()):
        return members
    # All values of a record are wrapped; a product with a size `S` is none. An answer has lists of
    # records.
    lists = {
        name: _same_if_equal(member, [_dynamodb(element) for element in member])
        for name, member in record.items()
        if isinstance(member, list)
    }
    return _same_if_equal(value, {**value, **lists}) if record is value else value


def _dynamodb_value(value: object, depth: int = 0) -> Any:  # noqa: ANN401 (any value of JSON)
    """Return the value in an object of one type and its value;
    `_NONE` for what is no such object.
    """
    if not isinstance(value, dict) or len(value) != 1 or depth > MOST_DEPTH:
        return _NONE
    ((name, inner),) = value.items()
    if name == "L" and isinstance(inner, list):
        elements = [_dynamodb_value(element, depth + 1) for element in inner]
        return _NONE if any(element is _NONE for element in elements) else elements
    if name == "M" and isinstance(inner, dict):
        members = {key: _dynamodb_value(member, depth + 1) for key, member in inner.items()}
        return _NONE if any(member is _NONE for member in members.values()) else members
    is_typed = isinstance(inner, _DYNAMODB.get(name, ()))
    return _DYNAMODB_SCALAR.get(name, _as_is)(inner) if is_typed else _NONE


def _as_is(value: Any) -> Any:  # noqa: ANN401 (any value of JSON)
    return value


_DYNAMODB: Final[Mapping[str, tuple[type, ...]]] = {
    "S": (str,),
    "B": (str,),
    "N": (str, int, float),
    "BOOL": (bool,),
    "NULL": (bool,),
    "SS": (list,),
    "NS": (list,),
    "BS": (list,),
}
_DYNAMODB_SCALAR: Final[Mapping[str, Unwrap]] = {
    "N": lambda inner: _number(str(inner)),
    "NULL": lambda _inner: None,
    "NS": lambda inner: [_number(str(element)) for element in inner],
}


_AVRO: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "bytes": str,
    "int": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "array": list,
    "map": dict,
}


def _avro_content(value: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 (any value of JSON)
    if not depth or len(value) != 1:
        return _NONE
    ((name, inner),) = value.items()
    is_typed = name in _AVRO and isinstance(inner, _AVRO[name])
    is_typed &= name == "boolean" or not isinstance(inner, bool)
    is_record = "." in name and isinstance(inner, dict)  # by its full name
    return _unwrapped_by(_avro_content, inner, depth + 1) if is_typed or is_record else _NONE


def _same_if_equal(before: Any, after: Any) -> Any:  # noqa: ANN401 (any value of JSON)
    """Return the value itself where nothing in it was wrapped, so that a caller sees that."""
    members = (
        zip(before, after, strict=True)
        if isinstance(before, list)
        else ((before[n], after[n]) for n in before)
    )
    return before if all(old is new for old, new in members) else after


_mongodb: Final = partial(_unwrapped_by, _mongodb_content)
UNWRAPPED: Final[Mapping[str, Unwrap]] = {
    "mongodb": _mongodb,
    "dynamodb": _dynamodb,
    "avro": partial(_unwrapped_by, _avro_content),
}
"""What takes the values of a record out of their objects, by how they are wrapped."""
