"""Payloads for Mixpanel: events for its /import API, and user properties for its /engage API.

For field names, limits and forbidden ids, see docs.mixpanel.com/reference (import-events,
user-profile-limits) and its data types. Mixpanel truncates texts after 255 bytes, so longer texts
are refused here.
"""

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.outputs.delivery.event_properties import PropertyRule
from ecom_assets.outputs.delivery.payloads import (
    SEGMENT_LIST,
    TITLED,
    PayloadForm,
    Refusal,
    forbidden_id,
    json_object,
    json_value,
    known_properties,
    money_json,
    names_as,
    nothing_known,
    segment_too_long,
    text_too_long,
)
from ecom_assets.outputs.delivery.tools.mixpanel.settings import IdMerge

EVENT_NAMES = TITLED
TEXT_BYTES = 255
MOST_PROPERTIES = 254
FIRST_US = 365 * 86_400 * 1_000_000
"""1971-01-01, the earliest time of an event that is accepted."""
RECORD_BYTES = 999_999
FORBIDDEN_IDS = (
    "",
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
)
JOINING_EVENTS = ("$identify", "$create_alias", "$merge")
"""Prefixes of the names of events by which Mixpanel joins people, in lower case;
what is joined stays so.
"""
_JOINS = " OR ".join(f"starts_with(lower(name), {text(prefix)})" for prefix in JOINING_EVENTS)
_OWN_PROPERTIES = {
    "time": "(at_us // 1000)",
    "distinct_id": json_value("distinct_id"),
    "$insert_id": json_value("md5(record_id)"),
    "$user_id": json_value("known_user"),
    "$device_id": json_value("sent_device"),
    "event_id": json_value("event_id"),
    "session_id": json_value("source_session_id"),
    "product_id": json_value("product_id"),
    "product_category": json_value("product_category"),
    "$current_url": json_value("page"),
    "$referrer": json_value("referrer"),
    "amount": money_json("cart_amount"),
    "currency": json_value("CASE WHEN cart_amount IS NOT NULL THEN $currency END"),
}
PROPERTIES = PropertyRule(
    most=MOST_PROPERTIES - len(_OWN_PROPERTIES),
    name_length=TEXT_BYTES,
    value_length=TEXT_BYTES,
    in_bytes=True,
    levels=3,
    most_values=254,
    reserved=frozenset({*_OWN_PROPERTIES, "token", "ip", "$time"}),
)
EVENT_TEXTS = (
    "name, distinct_id, event_id, source_session_id, product_id, product_category, page, referrer"
)
_NO_DEVICE = (
    f"{forbidden_id('Mixpanel', 'device_id', FORBIDDEN_IDS).when} OR strlen(device_id) > "
    f"{TEXT_BYTES}"
)
_UUID_4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def device_prefix(identity: IdMerge) -> str:
    """Return how the ids of devices begin as those of people."""
    return {"simplified": "$device:", "original": ""}[identity]


def events(identity: IdMerge = "simplified") -> PayloadForm:
    """Return the form of events, by the way in which the project joins devices and users.

    With the Simplified ID Merge, anonymous visitors have the id `$device:<id>`, and only an event
    that has a user itself has both ids, which joins the device to the user for good. With the
    Original ID Merge, a further `$identify` event does so. Users whom the identity rule found can
    change.
    """
    device = {
        "simplified": "CASE WHEN known_user IS NULL THEN device "
        f"WHEN user_id IS NOT NULL AND NOT is_unlinked AND NOT ({_NO_DEVICE}) THEN device_id END",
        "original": "NULL",
    }
    identifies = {
        "$identified_id": json_value("CASE WHEN is_sign_in THEN known_user END"),
        "$anon_id": json_value("CASE WHEN is_sign_in THEN device_id END"),
    }
    properties = _OWN_PROPERTIES | (identifies if identity == "original" else {})
    return PayloadForm(
        named={
            "name": f"CASE WHEN is_sign_in THEN '$identify' ELSE {names_as(EVENT_NAMES)} END",
            "actor": "coalesce(known_user, device)",
            "distinct_id": f"coalesce(known_user, {text(device_prefix(identity))} || device)",
            "sent_device": device[identity],
        },
        user_key="actor",
        payload=json_object(
            {"event": json_value("name"), "properties": json_object(properties, "property_fields")}
        ),
        refusals=_REFUSALS,
        most_bytes=RECORD_BYTES,
        properties=PROPERTIES,
    )


_REFUSALS = [
    forbidden_id("Mixpanel", "actor", FORBIDDEN_IDS),
    Refusal(
        "not_a_uuid",
        (
            "The device's id is not a UUID of version 4, the only ids of devices that Mixpanel's "
            "Original ID Merge joins, so its events without a user stay apart from the user's "
            "there."
        ),
        f"is_sign_in AND NOT regexp_full_match(device_id, '{_UUID_4}', 'i')",
    ),
    Refusal(
        "reserved_event_name",
        "The event's type is one by which Mixpanel joins people for good.",
        f"NOT coalesce(is_sign_in, false) AND ({_JOINS})",
    ),
    Refusal(
        "too_old", "It happened before 1971, which Mixpanel does not take.", f"at_us < {FIRST_US}"
    ),
    Refusal(
        "in_future",
        "It happens later than it is sent: Mixpanel would give it another time.",
        "at_us > $sent_us",
    ),
    text_too_long("Mixpanel", EVENT_TEXTS, TEXT_BYTES, "bytes"),
]
USERS = PayloadForm(
    named={"segment_list": SEGMENT_LIST, "known": json_object(known_properties("segment_list"))},
    user_key="customer_id",
    payload=json_object({"$distinct_id": json_value("customer_id"), "$set": "known"}),
    refusals=[
        forbidden_id("Mixpanel", "customer_id", FORBIDDEN_IDS),
        nothing_known("Mixpanel"),
        text_too_long(
            "Mixpanel",
            "customer_id, segment, customer_tier",
            TEXT_BYTES,
            "bytes",
            subject="The id, segment or tier",
        ),
        segment_too_long("Mixpanel", TEXT_BYTES, "bytes"),
    ],
    most_bytes=RECORD_BYTES,
)
"""Users, without the project token, which requests add."""
