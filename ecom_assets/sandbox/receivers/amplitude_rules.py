"""What Amplitude wants of an event, as its HTTP V2 and Batch pages say. Not here: requests and answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecom_assets.sandbox.receivers.json_bodies import depth_and_length, is_number

MOST_CHARS, MOST_DEPTH = 1024, 40
MOST_GROUP_TYPES, MOST_GROUPS = 5, 10
MIN_ID_LENGTH = 5
FORBIDDEN_IDS = frozenset(
    {
        "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "",
        "00000000-0000-0000-0000-000000000000", "{}", "lmy47d", "0", "-1",
    }
)  # fmt: skip
RESERVED_EVENTS = frozenset(
    f"[Amplitude] {name}"
    for name in ("Start Session", "End Session", "Revenue", "Revenue (Verified)", "Revenue (Unverified)", "Merged User")
)
_IDS = ("user_id", "device_id")
_NUMBERS = ("price", "revenue", "quantity", "session_id", "event_id", "time")
_OBJECTS = ("event_properties", "user_properties", "groups", "group_properties", "plan")
Fields = dict[str, list[int]]


@dataclass
class Flaws:
    """What is wrong with the events of a request: per field the positions of the events."""

    missing: Fields = field(default_factory=dict)
    invalid: Fields = field(default_factory=dict)
    short_ids: Fields = field(default_factory=dict)
    no_object: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything is wrong."""
        return bool(self.missing or self.invalid or self.short_ids or self.no_object)


def note(fields: Fields, name: str, at: int) -> None:
    """Add an event's position to a field's."""
    fields.setdefault(name, []).append(at)


def look_at(event: object, at: int, flaws: Flaws, *, min_id_length: int, drops_short_ids: bool) -> None:
    """Note what is wrong with an event. A short id that is dropped is taken out of the event."""
    if not isinstance(event, dict):
        flaws.no_object = True
        return
    _ids(event, at, flaws, min_id_length, drops_short_ids=drops_short_ids)
    name = event.get("event_type")
    if not name:
        note(flaws.missing, "event_type", at)
    elif not isinstance(name, str) or name in RESERVED_EVENTS:
        note(flaws.invalid, "event_type", at)
    for column, value in event.items():
        if _is_invalid(column, value):
            note(flaws.invalid, column, at)
    if ("productId" in event or "revenueType" in event) and "revenue" not in event and "price" not in event:
        note(flaws.missing, "revenue", at)


def _ids(event: dict[str, Any], at: int, flaws: Flaws, min_id_length: int, *, drops_short_ids: bool) -> None:
    is_short = False
    for column in _IDS:
        value = event.get(column)
        if value is None:
            continue
        if not isinstance(value, str) or value in FORBIDDEN_IDS or (column == "device_id" and not value.strip("0-")):
            note(flaws.invalid, column, at)
        elif len(value) < min_id_length:
            is_short = True
            if drops_short_ids:
                del event[column]
            else:
                note(flaws.short_ids, column, at)
    if event.get("user_id") is None and event.get("device_id") is None and (drops_short_ids or not is_short):
        for column in _IDS:
            note(flaws.missing, column, at)


def _is_invalid(column: str, value: object) -> bool:
    kind = type(value)
    if column in _NUMBERS:
        return value is not None and not (kind is int or (kind is float and column in {"price", "revenue", "time"}))
    if column in _OBJECTS and kind is not dict:
        return value is not None
    if kind is str:
        return column not in _IDS and len(value) > MOST_CHARS  # type: ignore[arg-type]  # a text, by its type
    if column in _IDS:
        return False
    if kind is dict or kind is list:
        depth, is_long = depth_and_length(value, MOST_CHARS)
        return is_long or depth > MOST_DEPTH or (column == "groups" and _too_many_groups(value))
    return False


def _too_many_groups(groups: object) -> bool:
    if not isinstance(groups, Mapping):
        return True
    named = sum(len(names) if isinstance(names, list) else 1 for names in groups.values())
    return len(groups) > MOST_GROUP_TYPES or named > MOST_GROUPS


def identify_flaw(identification: object) -> str:
    """Return what is wrong with properties of a user; empty if nothing."""
    if not isinstance(identification, dict):
        return "missing_event"
    user = identification.get("user_id") or identification.get("device_id")
    properties = identification.get("user_properties")
    if not user or user in FORBIDDEN_IDS or not isinstance(properties, dict):
        return "missing_event"
    operations = [name for name in properties if name.startswith("$")]
    if operations and (len(operations) != len(properties) or not set(operations) <= OPERATIONS):
        return "invalid user_properties: operations and properties do not mix"
    if any(not isinstance(properties[name], dict) for name in operations):
        return "invalid user_properties: an operation holds properties"
    is_long = depth_and_length(properties, MOST_CHARS)[1]
    return "invalid user_properties: a text is too long" if is_long else ""


OPERATIONS = frozenset(
    {"$set", "$setOnce", "$add", "$append", "$prepend", "$unset", "$preInsert", "$postInsert", "$remove"}
)


def is_time(value: object) -> bool:
    """Tell whether a value can be an event's time: milliseconds since 1970."""
    return value is None or is_number(value)
