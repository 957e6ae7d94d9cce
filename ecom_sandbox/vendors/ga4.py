"""A stand-in for GA4. It validates Measurement Protocol requests as Google documents."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecom_sandbox.services.service import ServiceResponse
from ecom_sandbox.vendors.entries import NO_JSON, Decision, Entry, Incoming, is_number, parsed
from ecom_sandbox.vendors.receiver import OK, Receiver

MOST_EVENTS = MOST_PARAMS = MOST_PROPERTIES = 25
NAME_CHARS, VALUE_CHARS = 40, 100
PROPERTY_NAME_CHARS, PROPERTY_VALUE_CHARS = 24, 36
LONGER_CHARS = {"page_location": 1000, "page_referrer": 420, "page_title": 300}
"""Parameters that may be longer than `VALUE_CHARS`."""
MOST_ITEMS, MOST_CUSTOM_ITEM_PARAMS = 200, 10
BACK_S = 72 * 3600
MICROS = 1_000_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
RESERVED_EVENTS = frozenset(
    {
        "ad_activeview",
        "ad_click",
        "ad_exposure",
        "ad_query",
        "ad_reward",
        "adunit_exposure",
        "app_clear_data",
        "app_exception",
        "app_install",
        "app_remove",
        "app_store_refund",
        "app_update",
        "app_upgrade",
        "dynamic_link_app_open",
        "dynamic_link_app_update",
        "dynamic_link_first_open",
        "error",
        "firebase_campaign",
        "firebase_in_app_message_action",
        "firebase_in_app_message_dismiss",
        "firebase_in_app_message_impression",
        "first_open",
        "first_visit",
        "notification_dismiss",
        "notification_foreground",
        "notification_open",
        "notification_receive",
        "notification_send",
        "os_update",
        "session_start",
        "user_engagement",
        "ad_impression",
        "in_app_purchase",
        "screen_view",
    }
)
"""The last three are allowed in app streams only; this is a stand-in for a web stream."""
RESERVED_PROPERTIES = frozenset(
    {
        "first_open_time",
        "first_visit_time",
        "last_deep_link_referrer",
        "user_id",
        "first_open_after_install",
    }
)
ITEM_KEYS = frozenset(
    {
        "item_id",
        "item_name",
        "affiliation",
        "coupon",
        "discount",
        "index",
        "item_brand",
        "item_category",
        "item_category2",
        "item_category3",
        "item_category4",
        "item_category5",
        "item_list_id",
        "item_list_name",
        "item_variant",
        "location_id",
        "price",
        "quantity",
        "promotion_id",
        "promotion_name",
        "creative_name",
        "creative_slot",
    }
)
REQUIRED_PARAMS = {
    "purchase": ("currency", "value", "transaction_id", "items"),
    "refund": ("transaction_id",),
}


@dataclass(frozen=True)
class Message:
    """A message of the debug server; `event` is the position of the event concerned, None:
    the whole request.
    """

    path: str
    description: str
    code: str
    event: int | None = None

    def as_json(self) -> dict[str, str]:
        """Return the message in the format of the debug server."""
        return {
            "fieldPath": self.path,
            "description": self.description,
            "validationCode": self.code,
        }


def messages_on(body: object, now_s: float) -> Iterator[Message]:
    """Yield the validation messages for a body."""
    if not isinstance(body, dict):
        yield Message("", "The body is not a JSON object.", "VALUE_INVALID")
        return
    if not isinstance(body.get("client_id"), str) or not body["client_id"]:
        yield Message("client_id", "client_id is required: a text.", "VALUE_REQUIRED")
    events = body.get("events")
    if not isinstance(events, list) or not events:
        yield Message("events", "events is required: a list.", "VALUE_REQUIRED")
        events = []
    if len(events) > MOST_EVENTS:
        yield Message(
            "events", f"There are more than {MOST_EVENTS} events.", "EXCEEDED_MAX_ENTITIES"
        )
    yield from _property_messages(body.get("user_properties"))
    for at, event in enumerate(events):
        yield from _event_messages(event, at)
        if body.get("validation_behavior") == "ENFORCE_RECOMMENDATIONS" and isinstance(event, dict):
            micros = micros_of(body, event)
            if micros is not None and micros < (now_s - BACK_S) * MICROS:
                yield Message(
                    f"events[{at}].timestamp_micros",
                    "Older than 72 hours.",
                    "VALUE_OUT_OF_BOUNDS",
                    at,
                )


def micros_of(body: Mapping[str, Any], event: Mapping[str, Any]) -> float | None:
    """Return the time of an event, or else of its request; None if neither has one."""
    for value in (event.get("timestamp_micros"), body.get("timestamp_micros")):
        if value is not None and (is_number(value) or str(value).isdecimal()):
            return float(value)
    return None


def _property_messages(properties: object) -> Iterator[Message]:
    if properties is None:
        return
    if not isinstance(properties, dict):
        yield Message("user_properties", "user_properties is an object.", "VALUE_INVALID")
        return
    if len(properties) > MOST_PROPERTIES:
        yield Message(
            "user_properties", f"There are more than {MOST_PROPERTIES}.", "EXCEEDED_MAX_ENTITIES"
        )
    for name, entry in properties.items():
        path = f"user_properties.{name}"
        if name in RESERVED_PROPERTIES or name.startswith(_PREFIXES):
            yield Message(path, "The name is reserved.", "NAME_RESERVED")
        elif not _NAME.fullmatch(name) or len(name) > PROPERTY_NAME_CHARS:
            yield Message(
                path,
                f"A name has up to {PROPERTY_NAME_CHARS} letters, digits and _.",
                "NAME_INVALID",
            )
        value = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(value, str | int | float) or len(str(value)) > PROPERTY_VALUE_CHARS:
            yield Message(
                path, f"A value has up to {PROPERTY_VALUE_CHARS} characters.", "VALUE_INVALID"
            )


def _event_messages(event: object, at: int) -> Iterator[Message]:
    path = f"events[{at}]"
    if not isinstance(event, dict) or not isinstance(event.get("name"), str):
        yield Message(f"{path}.name", "An event has a name.", "VALUE_REQUIRED", at)
        return
    yield from _name_messages(event["name"], f"{path}.name", at, RESERVED_EVENTS)
    params = event.get("params", {})
    if not isinstance(params, dict):
        yield Message(f"{path}.params", "params is an object.", "VALUE_INVALID", at)
        return
    if len(params) > MOST_PARAMS:
        yield Message(
            f"{path}.params", f"There are more than {MOST_PARAMS}.", "EXCEEDED_MAX_ENTITIES", at
        )
    required = (
        *REQUIRED_PARAMS.get(event["name"], ()),
        *(("currency",) if "value" in params else ()),
    )
    for name in dict.fromkeys(required):
        if not params.get(name) and params.get(name) != 0:
            yield Message(f"{path}.params.{name}", f"{name} is required.", "VALUE_REQUIRED", at)
    for name, value in params.items():
        yield from _name_messages(
            name, f"{path}.params.{name}", at, frozenset({"firebase_conversion"})
        )
        if name == "items":
            yield from _items_messages(value, f"{path}.params.items", at)
        elif isinstance(value, str) and len(value) > (most := LONGER_CHARS.get(name, VALUE_CHARS)):
            yield Message(
                f"{path}.params.{name}", f"Longer than {most} characters.", "VALUE_INVALID", at
            )
        elif isinstance(value, dict | list):
            yield Message(
                f"{path}.params.{name}", "A value is a text or a number.", "VALUE_INVALID", at
            )


def _name_messages(name: str, path: str, at: int, reserved: frozenset[str]) -> Iterator[Message]:
    if name in reserved or name.startswith(_PREFIXES):
        yield Message(path, "The name is reserved.", "NAME_RESERVED", at)
    elif len(name) > NAME_CHARS or not _NAME.fullmatch(name):
        rule = f"A name has up to {NAME_CHARS} letters, digits and _, and begins with a letter."
        yield Message(path, rule, "NAME_INVALID", at)


def _items_messages(items: object, path: str, at: int) -> Iterator[Message]:
    if not isinstance(items, list) or len(items) > MOST_ITEMS:
        yield Message(path, f"items is a list of up to {MOST_ITEMS}.", "EXCEEDED_MAX_ENTITIES", at)
        return
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not (item.get("item_id") or item.get("item_name")):
            yield Message(
                f"{path}[{number}]", "An item has an item_id or an item_name.", "VALUE_REQUIRED", at
            )
        elif len(item.keys() - ITEM_KEYS) > MOST_CUSTOM_ITEM_PARAMS:
            rule = f"There are more than {MOST_CUSTOM_ITEM_PARAMS} custom parameters."
            yield Message(f"{path}[{number}]", rule, "EXCEEDED_MAX_ENTITIES", at)
        elif any(isinstance(value, str) and len(value) > VALUE_CHARS for value in item.values()):
            yield Message(
                f"{path}[{number}]", f"Longer than {VALUE_CHARS} characters.", "VALUE_INVALID", at
            )


PROPERTY_ID, DELETION_TOKEN = "123456789", "sandbox-ga4-oauth"
COLLECT, DEBUG = "/mp/collect", "/debug/mp/collect"
DELETIONS = "/analytics/v3/userDeletion/userDeletionRequests:upsert"
ID_TYPES = ("CLIENT_ID", "USER_ID", "APP_INSTANCE_ID")
TOO_MANY_BYTES = 130_000
NO_CONTENT = 204


class Ga4Receiver(Receiver):
    """Serves `POST /mp/collect` and `/debug/mp/collect`,
    with measurement_id and api_secret in the query.
    """

    tool, title, default_port = "ga4", "GA4", 8307
    measurement_id, api_secret = "G-SANDBOX001", "sandbox-ga4-secret"
    takes_gzip = False

    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to it."""
        return {
            "ga4_url": self.url,
            "ga4_measurement_id": self.measurement_id,
            "ga4_api_secret": self.api_secret,
            "ga4_property_id": PROPERTY_ID,
            "ga4_deletion_token": DELETION_TOKEN,
        }

    def refusal(self, status: int) -> ServiceResponse:
        """Return the response with this status."""
        return ServiceResponse(NO_CONTENT if status == OK else status)

    def decide(self, incoming: Incoming) -> Decision:
        """Return the response to a request, and the records that are accepted."""
        request = incoming.request
        if request.method != "POST" or request.path not in {COLLECT, DEBUG}:
            return Decision(self.refusal(404))
        body = parsed(incoming.body)
        messages = list(messages_on(None if body is NO_JSON else body, incoming.at_s))
        if request.path == DEBUG:
            return Decision(
                ServiceResponse.json(
                    {"validationMessages": [message.as_json() for message in messages]}
                )
            )
        credentials = (request.query.get("measurement_id"), request.query.get("api_secret"))
        is_lost = len(incoming.body) >= TOO_MANY_BYTES or any(
            message.event is None for message in messages
        )
        if is_lost or credentials != (self.measurement_id, self.api_secret):
            return Decision(ServiceResponse(NO_CONTENT))
        bad = {message.event for message in messages if message.event is not None}
        entries = self.entries(incoming)
        bad |= {at for at, entry in enumerate(entries) if entry.record_id in self.refuses}
        kept = [entry for at, entry in enumerate(entries) if at not in bad] if bad else entries
        return Decision(ServiceResponse(NO_CONTENT), kept, refused=sorted(bad))

    def delete(self, incoming: Incoming) -> ServiceResponse | None:
        """Respond to a request of the User Deletion API: an OAuth token,
        and one id of the property.
        """
        if incoming.request.path != DELETIONS:
            return None
        if incoming.request.bearer != DELETION_TOKEN:
            return ServiceResponse.json({"error": {"code": 401}}, 401)
        body = parsed(incoming.body)
        user = (
            body.get("id")
            if isinstance(body, dict) and body.get("propertyId") == PROPERTY_ID
            else None
        )
        if not isinstance(user, dict) or user.get("type") not in ID_TYPES or not user.get("userId"):
            return ServiceResponse.json({"error": {"code": 400}}, 400)
        self.deleted_ids.append(f"{user['type']} {user['userId']}")
        return ServiceResponse.json({**body, "deletionRequestTime": "2026-02-04T10:00:00.000Z"})

    @classmethod
    def entries(cls, incoming: Incoming) -> Sequence[Entry]:
        """Return the events, each with the time at which GA4 shows it,
        and then the user properties.
        """
        body = parsed(incoming.body)
        user = str(body["client_id"])
        entries = [_event_entry(body, event, user, incoming.at_s) for event in body["events"]]
        if properties := body.get("user_properties"):
            values = {name: entry.get("value") for name, entry in properties.items()}
            entries.append(Entry("profile", user, user, None, properties=values))
        return entries


def _event_entry(body: dict[str, Any], event: object, user: str, at_s: float) -> Entry:
    """Return the entry of an event.

    Its id is the parameter `event_id`, else the transaction_id, else a hash.

    A time more than `BACK_S` seconds ago is moved to `BACK_S` seconds ago.
    """
    if not isinstance(event, dict) or not isinstance(params := event.get("params", {}), dict):
        return Entry("event", user, "", None)
    name, transaction_id = str(event.get("name")), params.get("transaction_id")
    key = (name, transaction_id) if transaction_id and name == "purchase" else None
    event_key = params.get("event_id") or transaction_id
    record_id = (
        str(event_key)
        if event_key
        else hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
    )
    micros = micros_of(body, event)
    shown = at_s * MICROS if micros is None else max(micros, (at_s - BACK_S) * MICROS)
    return Entry("event", user, record_id, key, name, int(shown))


STAND_IN = Ga4Receiver
