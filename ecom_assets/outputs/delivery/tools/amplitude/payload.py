"""Payloads for Amplitude: events for its HTTP V2 and Batch APIs,
and user properties for its Identify API.

For field names, limits and forbidden ids, see amplitude.com/docs/apis/analytics/http-v2 and
…/identify.
"""

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.outputs.delivery.event_properties import PropertyRule
from ecom_assets.outputs.delivery.payloads import (
    EVENT_PROPERTIES,
    SEGMENT_LIST,
    TITLED,
    USER_PROPERTIES,
    PayloadForm,
    Refusal,
    forbidden_id,
    json_object,
    json_value,
    known_properties,
    money_json,
    names_as,
    segment_too_long,
    text_too_long,
)

EVENT_NAMES = TITLED
MIN_ID_LENGTH = 5
TEXT_CHARACTERS = 1024
LEVELS = 40
FORBIDDEN_IDS = (
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "",
    "00000000-0000-0000-0000-000000000000",
    "{}",
    "lmy47d",
    "0",
    "-1",
)
RESERVED_EVENTS = ("[amplitude]", "$identify", "$groupidentify")
"""Prefixes of the names of Amplitude's own events, in lower case."""
RECORD_BYTES = 500_000
"""Our limit, which no record needs; Amplitude limits requests to 1 MB or 20 MB."""
_OWN_PROPERTIES = {
    **EVENT_PROPERTIES,
    "amount": money_json("CASE WHEN revenue IS NULL THEN cart_amount END"),
}
PROPERTIES = PropertyRule(
    most=1000,
    name_length=TEXT_CHARACTERS,
    value_length=TEXT_CHARACTERS,
    levels=LEVELS - 1,
    reserved=frozenset(_OWN_PROPERTIES),
)
_EVENT = {
    "user_id": json_value("known_user"),
    "device_id": json_value("sent_device"),
    "event_type": json_value("name"),
    "time": "(at_us // 1000)",
    "insert_id": json_value("record_id"),
    "revenue": money_json("revenue"),
    "revenueType": json_value("CASE WHEN revenue IS NOT NULL THEN event_type END"),
    "currency": json_value("CASE WHEN revenue IS NOT NULL THEN $currency END"),
    "productId": json_value("CASE WHEN revenue IS NOT NULL THEN product_id END"),
    "event_properties": json_object(_OWN_PROPERTIES, "property_fields"),
}
NO_SESSION = -1
"""What Amplitude takes as the session of an event that is in none."""


def events(min_id_length: int = MIN_ID_LENGTH) -> PayloadForm:
    """Return the form of events of any age: known visitors have a user id, and all have the device
    id, if there is one.

    A device id that Amplitude does not accept is left out of an event with a user, which is
    complete without it. Requests must state a `min_id_length` (characters) that is not Amplitude's
    default.
    """
    refused = " OR ".join(
        f"({refusal.when})" for refusal in id_refusals("device_id", min_id_length)
    )
    columns = "name, record_id, source_session_id, product_id, product_category, page, referrer"
    return PayloadForm(
        named={
            "name": names_as(EVENT_NAMES),
            "actor": "coalesce(known_user, device)",
            "sent_device": "CASE WHEN known_user IS NULL THEN device "
            f"WHEN NOT is_unlinked AND NOT ({refused}) THEN device_id END",
            "revenue": (
                "CASE event_type WHEN 'purchase' THEN cart_amount WHEN 'refund' THEN "
                "-cart_amount END"
            ),
            "without_session": json_object(_EVENT),
        },
        user_key="actor",
        payload=(
            f"concat('{{\"session_id\":', coalesce(epoch_ms(session_started_at), {NO_SESSION}), "
            "',', without_session[2:])"
        ),
        former="without_session",
        refusals=[
            *id_refusals("actor", min_id_length),
            Refusal(
                "reserved_event_name",
                "The event's type begins like one of Amplitude's own.",
                " OR ".join(
                    f"starts_with(lower(name), {text(prefix)})" for prefix in RESERVED_EVENTS
                ),
            ),
            text_too_long("Amplitude", columns, TEXT_CHARACTERS),
        ],
        most_bytes=RECORD_BYTES,
        properties=PROPERTIES,
    )


def users(min_id_length: int = MIN_ID_LENGTH) -> PayloadForm:
    """Return the form of users; properties that are no longer known are unset."""
    properties = known_properties("segment_list")
    unknown = {
        name: f"CASE WHEN {sql} IS NULL THEN '\"-\"' END" for name, sql in USER_PROPERTIES.items()
    }
    return PayloadForm(
        named={
            "segment_list": SEGMENT_LIST,
            "sets": json_object(properties),
            "unsets": json_object(unknown),
        },
        user_key="customer_id",
        payload=json_object(
            {
                "user_id": json_value("customer_id"),
                "user_properties": json_object(
                    {"$set": "nullif(sets, '{}')", "$unset": "nullif(unsets, '{}')"},
                ),
            }
        ),
        refusals=[
            *id_refusals("customer_id", min_id_length),
            text_too_long("Amplitude", "segment, customer_tier", TEXT_CHARACTERS),
            segment_too_long("Amplitude", TEXT_CHARACTERS),
        ],
        most_bytes=RECORD_BYTES,
    )


def id_refusals(column: str, min_id_length: int) -> list[Refusal]:
    """Return the refusals of ids that Amplitude does not accept."""
    return [
        forbidden_id(
            "Amplitude", column, FORBIDDEN_IDS, also=f"regexp_full_match({column}, '[0-]*0[0-]*')"
        ),
        Refusal(
            "short_id",
            (
                f"The user's id has fewer than {min_id_length} characters; set "
                "ECOM_AMPLITUDE_MIN_ID_LENGTH to what your shop's shortest id has."
            ),
            f"length({column}) < {min_id_length}",
        ),
        Refusal(
            "long_id",
            f"The user's id has more than the {TEXT_CHARACTERS} characters that Amplitude takes.",
            f"length({column}) > {TEXT_CHARACTERS}",
        ),
    ]
