"""An event's own properties, fitted to what a tool takes: flat or nested, few or many, short or long.

Many events share one text of properties, so each different text is looked at once.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa

SEARCH_TERMS = ("search_term", "query")
"""Where sources keep what was searched for."""


@dataclass(frozen=True, slots=True)
class PropertyRule:
    """What a tool takes of properties; bounds are inclusive."""

    most: int
    """Properties of an event, those that we add not counted."""
    name_length: int
    value_length: int
    in_bytes: bool = False
    """Whether the tool counts these lengths in bytes of UTF-8; else in characters."""
    levels: int = 1
    """Objects within objects, the outermost counted."""
    joint: str = ""
    """Where only flat properties are taken: what joins the names of an object and of what is in it."""
    list_joint: str = ""
    """Where no lists are taken: what joins their values."""
    flags_as_text: bool = False
    """Whether true and false are sent as words, where only numbers and texts are taken."""
    most_values: int | None = None
    """Values of a list, and properties of an inner object; None: no bound."""
    name_pattern: str = ""
    """What a name must match; empty: anything."""
    forbidden_names: tuple[str, ...] = ()
    """Beginnings of names that the tool keeps for itself."""
    taken: frozenset[str] = frozenset()
    """Names of what we send ourselves; a property of that name is sent as `property_` and the name."""

    @property
    def unit(self) -> str:
        """What the tool counts lengths in."""
        return "bytes" if self.in_bytes else "characters"

    def length(self, value: str) -> int:
        """Return a text's length as the tool counts it."""
        return len(value.encode()) if self.in_bytes else len(value)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What becomes of a text: fields to stand in a JSON object, or why there are none."""

    fields: str | None = None
    reason: str | None = None
    words: str | None = None
    order_id: str | None = None
    search_term: str | None = None


NAMES = tuple(Fitted.__dataclass_fields__)


class _UnfitError(Exception):
    """The properties can't go; the arguments are reason and words."""


def fitted_column(properties: pa.ChunkedArray, rule: PropertyRule, names: tuple[str, ...]) -> pa.Table:
    """Return a row of `Fitted` per text, in order and coded as the texts are; `names` are those to keep, empty: all."""
    coded = properties.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    each = [fitted(text, rule, names) for text in coded.dictionary.to_pylist()]
    return pa.table(
        {
            name: pa.DictionaryArray.from_arrays(
                coded.indices, pa.array([getattr(one, name) for one in each], pa.string())
            )
            for name in NAMES
        }
    )


def fitted(text: str, rule: PropertyRule, names: tuple[str, ...] = ()) -> Fitted:
    """Return what becomes of one text of properties."""
    try:
        told = _read(text)
        kept = {name: value for name, value in told.items() if value is not None and (not names or name in names)}
        fields = _named(_flat(kept, rule) if rule.joint else kept, rule)
        _check(fields, rule)
    except _UnfitError as unfit:
        return Fitted(reason=unfit.args[0], words=unfit.args[1])
    inner = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[1:-1]
    return Fitted(inner or None, None, None, _scalar(told, ("order_id",)), _scalar(told, SEARCH_TERMS))


def _read(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if "\\u" in text:  # an escape can be half of a character
            json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _UnfitError("properties_unreadable", "The event's properties are no JSON text.") from error
    if not isinstance(told, dict):
        raise _UnfitError("properties_unreadable", "The event's properties are JSON, but no object with names.")
    return told


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        _no_number(digits)
    return number


def _scalar(told: dict[str, Any], names: tuple[str, ...]) -> str | None:
    found = (told.get(name) for name in names)
    return next((str(one) for one in found if isinstance(one, str | int) and not isinstance(one, bool) and one), None)


def _flat(kept: dict[str, Any], rule: PropertyRule) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in _leaves("", kept, rule):
        if name in fields:
            raise _UnfitError("property_twice", f"Two properties are both called {name!r} where objects are flattened.")
        fields[name] = value
    return fields


def _leaves(prefix: str, value: Any, rule: PropertyRule) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (what JSON holds)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{prefix}{rule.joint}{name}" if prefix else name, inner, rule)
    elif isinstance(value, list):
        if any(isinstance(one, dict | list) for one in value):
            raise _UnfitError("property_nested", f"The property {prefix!r} is a list of objects, which can't be flat.")
        yield prefix, rule.list_joint.join(_word(one) for one in value if one is not None)
    elif value is not None:
        yield prefix, _word(value) if isinstance(value, bool) and rule.flags_as_text else value


def _word(value: Any) -> str:  # noqa: ANN401 (what JSON holds)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _named(fields: dict[str, Any], rule: PropertyRule) -> dict[str, Any]:
    if not rule.taken.intersection(fields):
        return fields
    renamed = {f"property_{name}" if name in rule.taken else name: value for name, value in fields.items()}
    if len(renamed) < len(fields):
        raise _UnfitError("property_twice", "Two properties have one name once those that we use are renamed.")
    return renamed


def _check(fields: dict[str, Any], rule: PropertyRule) -> None:
    if len(fields) > rule.most:
        raise _UnfitError("too_many_properties", f"The event has {len(fields)} properties; {rule.most} are taken.")
    for name, value in fields.items():
        _check_name(name, rule)
        _check_value(name, value, rule, levels=rule.levels)


def _check_name(name: str, rule: PropertyRule) -> None:
    if not name or rule.length(name) > rule.name_length:
        raise _UnfitError("property_name", f"A property's name has not 1 to {rule.name_length} {rule.unit}.")
    if rule.name_pattern and not re.fullmatch(rule.name_pattern, name):
        raise _UnfitError("property_name", f"The property name {name!r} has characters that are not taken.")
    if rule.forbidden_names and name.lower().startswith(rule.forbidden_names):
        raise _UnfitError("property_name", f"The property name {name!r} begins like one that the tool keeps.")


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
                "property_too_long", f"The property {name!r} holds {len(value)} values; {rule.most_values} are taken."
            )
        inner_levels = levels - isinstance(value, dict)
        if inner_levels < 1:
            raise _UnfitError("property_nested", f"The property {name!r} is nested deeper than {rule.levels} levels.")
        for inner_name, inner in value.items() if isinstance(value, dict) else ((name, one) for one in value):
            if isinstance(value, dict):
                _check_name(inner_name, rule)
            _check_value(inner_name, inner, rule, levels=inner_levels)
