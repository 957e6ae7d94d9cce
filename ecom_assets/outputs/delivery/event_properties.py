"""Fit the custom properties of events to a tool's limits: nesting, number and length.

Many events have the same text of properties, so each distinct text is processed once.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa

SEARCH_TERMS = ("search_term", "query")
"""The properties in which sources keep the search term."""


@dataclass(frozen=True, slots=True)
class PropertyRule:
    """A tool's rules for properties; limits are inclusive."""

    most: int
    """Maximum number of properties of an event, without those that we add."""
    name_length: int
    value_length: int
    in_bytes: bool = False
    """Whether the tool counts lengths in bytes of UTF-8 instead of characters."""
    levels: int = 1
    """Maximum depth of nested objects, counting the outermost."""
    joint: str = ""
    """If only flat properties are accepted: the separator between an object's name and its keys."""
    list_joint: str = ""
    """If lists are not accepted: the separator between their values."""
    flags_as_text: bool = False
    """Whether true and false are sent as text, for tools that accept only numbers and text."""
    most_values: int | None = None
    """Maximum number of values in a list and of properties in a nested object; None: no limit."""
    name_pattern: str = ""
    """The pattern that a name must match; empty: any name."""
    forbidden_names: tuple[str, ...] = ()
    """Prefixes of names that the tool reserves."""
    reserved: frozenset[str] = frozenset()
    """Names of the properties that we send.

    A custom property with such a name is sent as `property_<name>`.
    """

    @property
    def unit(self) -> str:
        """The unit in which the tool counts lengths."""
        return "bytes" if self.in_bytes else "characters"

    def length(self, value: str) -> int:
        """Return the length of a text as the tool counts it."""
        return len(value.encode()) if self.in_bytes else len(value)


@dataclass(frozen=True, slots=True)
class FittedProperties:
    """The result for one text: the fields for a JSON object, or why it cannot be sent."""

    fields: str | None = None
    reason: str | None = None
    words: str | None = None
    order_id: str | None = None
    search_term: str | None = None


NAMES = tuple(FittedProperties.__dataclass_fields__)


class _UnfitError(Exception):
    """The properties cannot be sent; the arguments are reason and message."""


def fitted_column(
    properties: pa.ChunkedArray, rule: PropertyRule, names: tuple[str, ...]
) -> pa.Table:
    """Return a `FittedProperties` row per text, in order, dictionary-encoded;
    `names` are those to keep, empty: all.
    """
    coded = properties.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    each = [fitted(text, rule, names) for text in coded.dictionary.to_pylist()]
    return pa.table(
        {
            name: pa.DictionaryArray.from_arrays(
                coded.indices, pa.array([getattr(entry, name) for entry in each], pa.string())
            )
            for name in NAMES
        }
    )


def fitted(text: str, rule: PropertyRule, names: tuple[str, ...] = ()) -> FittedProperties:
    """Fit one text of properties to a tool's rules."""
    try:
        properties = _read(text)
        named = {
            name: value
            for name, value in properties.items()
            if value is not None and (not names or name in names)
        }
        fields = _renamed(_flat(named, rule) if rule.joint else named, rule)
        _check(fields, rule)
    except _UnfitError as unfit:
        return FittedProperties(reason=unfit.args[0], words=unfit.args[1])
    inner = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[1:-1]
    return FittedProperties(
        inner or None,
        None,
        None,
        _scalar(properties, ("order_id",)),
        _scalar(properties, SEARCH_TERMS),
    )


def _read(text: str) -> dict[str, Any]:
    try:
        properties = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if "\\u" in text:  # an escape can be half of a surrogate pair
            json.dumps(properties, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _UnfitError(
            "properties_unreadable", "The event's properties are not JSON text."
        ) from error
    if not isinstance(properties, dict):
        raise _UnfitError(
            "properties_unreadable", "The event's properties are JSON, but not an object."
        )
    return properties


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        _no_number(digits)
    return number


def _scalar(properties: dict[str, Any], names: tuple[str, ...]) -> str | None:
    result = (properties.get(name) for name in names)
    return next(
        (
            str(value)
            for value in result
            if isinstance(value, str | int) and not isinstance(value, bool) and value
        ),
        None,
    )


def _flat(properties: dict[str, Any], rule: PropertyRule) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in _leaves("", properties, rule):
        if name in fields:
            raise _UnfitError(
                "property_twice",
                f"Two properties are both called {name!r} where objects are flattened.",
            )
        fields[name] = value
    return fields


def _leaves(prefix: str, value: Any, rule: PropertyRule) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (what JSON holds)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{prefix}{rule.joint}{name}" if prefix else name, inner, rule)
    elif isinstance(value, list):
        if any(isinstance(item, dict | list) for item in value):
            raise _UnfitError(
                "property_nested",
                f"The property {prefix!r} is a list of objects, which cannot be flattened.",
            )
        yield prefix, rule.list_joint.join(_word(item) for item in value if item is not None)
    elif value is not None:
        yield prefix, _word(value) if isinstance(value, bool) and rule.flags_as_text else value


def _word(value: Any) -> str:  # noqa: ANN401 (what JSON holds)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _renamed(fields: dict[str, Any], rule: PropertyRule) -> dict[str, Any]:
    if not rule.reserved.intersection(fields):
        return fields
    renamed = {
        f"property_{name}" if name in rule.reserved else name: value
        for name, value in fields.items()
    }
    if len(renamed) < len(fields):
        raise _UnfitError(
            "property_twice", "Two properties have the same name after reserved names are changed."
        )
    return renamed


def _check(fields: dict[str, Any], rule: PropertyRule) -> None:
    if len(fields) > rule.most:
        raise _UnfitError(
            "too_many_properties", f"The event has {len(fields)} properties; {rule.most} are taken."
        )
    for name, value in fields.items():
        _check_name(name, rule)
        _check_value(name, value, rule, levels=rule.levels)


def _check_name(name: str, rule: PropertyRule) -> None:
    if not name or rule.length(name) > rule.name_length:
        raise _UnfitError(
            "property_name", f"A property's name must have 1 to {rule.name_length} {rule.unit}."
        )
    if rule.name_pattern and not re.fullmatch(rule.name_pattern, name):
        raise _UnfitError(
            "property_name", f"The property name {name!r} has characters that are not allowed."
        )
    if rule.forbidden_names and name.lower().startswith(rule.forbidden_names):
        raise _UnfitError(
            "property_name",
            f"The property name {name!r} begins with a prefix that the tool reserves.",
        )


def _check_value(name: str, value: Any, rule: PropertyRule, *, levels: int) -> None:  # noqa: ANN401 (what JSON holds)
    if isinstance(value, str):
        if (length := rule.length(value)) > rule.value_length:
            raise _UnfitError(
                "property_too_long",
                f"The property {name!r} has {length} {rule.unit}; {rule.value_length} are taken.",
            )
    elif isinstance(value, dict | list):
        if rule.most_values is not None and len(value) > rule.most_values:
            raise _UnfitError(
                "property_too_long",
                f"The property {name!r} holds {len(value)} values; {rule.most_values} are taken.",
            )
        inner_levels = levels - isinstance(value, dict)
        if inner_levels < 1:
            raise _UnfitError(
                "property_nested",
                f"The property {name!r} is nested deeper than {rule.levels} levels.",
            )
        for inner_name, inner in (
            value.items() if isinstance(value, dict) else ((name, item) for item in value)
        ):
            if isinstance(value, dict):
                _check_name(inner_name, rule)
            _check_value(inner_name, inner, rule, levels=inner_levels)
