"""What Mixpanel wants of an event and of a profile's update, as its pages say. Not here: requests and answers."""

import json
import re
from typing import Any

from ecom_assets.sandbox.receivers.json_bodies import is_number

FORBIDDEN_IDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined",
        "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}",
    }
)  # fmt: skip
MOST_INSERT_ID_BYTES = 36
FIRST_S = 365 * 24 * 3600
"""1971-01-01."""
AHEAD_S = 3600
MILLISECONDS_FROM = 100_000_000_000
"""From here on a time is taken as milliseconds; as seconds it would be the year 5138."""
TOO_MANY = 255
MOST_NESTED = 3
EVENT_BYTES = 1_000_000
OPERATIONS = frozenset({"$set", "$set_once", "$add", "$union", "$append", "$remove", "$unset", "$delete"})
_INSERT_ID = re.compile(r"[A-Za-z0-9-]+")


def seconds(time: float) -> float:
    """Return a time in seconds since 1970, whichever unit it came in."""
    return time / 1000 if time >= MILLISECONDS_FROM else time


def event_flaw(event: object, now_s: float, *, may_be_large: bool) -> tuple[str, str]:
    """Return the field of an event that is wrong and what is; empty if nothing."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str) or not event["event"]:
        return "event", "event is required: a name"
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return "properties", "properties is required: an object"
    if may_be_large and len(json.dumps(event, ensure_ascii=False).encode()) >= EVENT_BYTES:
        return "event", "event is 1 MB or more"
    return _time_flaw(properties, now_s) or _id_flaw(properties) or _size_flaw(properties)


def _time_flaw(properties: dict[str, Any], now_s: float) -> tuple[str, str] | None:
    time = properties.get("time")
    if time is None or not is_number(time):
        return "properties.time", "properties.time is invalid: must be specified as seconds since epoch"
    if not FIRST_S <= seconds(time) <= now_s + AHEAD_S:
        return "properties.time", "properties.time is before 1971-01-01 or more than an hour in the future"
    return None


def _id_flaw(properties: dict[str, Any]) -> tuple[str, str] | None:
    insert_id, user = properties.get("$insert_id"), properties.get("distinct_id")
    if not isinstance(insert_id, str) or insert_id in FORBIDDEN_IDS:
        return "properties.$insert_id", "properties.$insert_id is missing or not allowed"
    if len(insert_id) > MOST_INSERT_ID_BYTES or not _INSERT_ID.fullmatch(insert_id):
        return "properties.$insert_id", "properties.$insert_id has up to 36 of A-Z, a-z, 0-9 and -"
    if not isinstance(user, str) or user in FORBIDDEN_IDS:
        return "properties.distinct_id", "properties.distinct_id is missing or not allowed"
    return None


def _size_flaw(properties: dict[str, Any]) -> tuple[str, str]:
    if len(properties) >= TOO_MANY:
        return "properties", "properties has 255 or more keys"
    for name, value in properties.items():
        kind = type(value)
        if (kind is dict or kind is list) and (words := _nested_flaw(value, 1)):
            return f"properties.{name}", f"properties.{name} {words}"
    return "", ""


def _nested_flaw(value: Any, depth: int) -> str:  # noqa: ANN401 (an object or a list)
    if len(value) >= TOO_MANY:
        return "has 255 or more keys or elements"
    if isinstance(value, dict):
        if depth > MOST_NESTED:
            return "is nested more than 3 deep"
        depth += 1
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list) and (words := _nested_flaw(one, depth)):
            return words
    return ""


def profile_flaw(update: object) -> str:
    """Return what is wrong with an update of a profile; empty if nothing."""
    if not isinstance(update, dict):
        return "an update is an object"
    user = update.get("$distinct_id")
    if not isinstance(user, str | int) or isinstance(user, bool) or user == "" or user in FORBIDDEN_IDS:
        return "$distinct_id is missing or not allowed"
    operations = OPERATIONS & update.keys()
    if len(operations) != 1:
        return "an update has one operation"
    (operation,) = operations
    if operation in {"$set", "$set_once", "$add", "$append", "$remove", "$union"} and not isinstance(
        update[operation], dict
    ):
        return f"{operation} holds properties"
    return ""
