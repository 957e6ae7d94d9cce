"""Payloads for Heap: events for its bulk track API,
and user properties for its bulk add_user_properties API.

For field names and limits, see developers.heap.io/reference.
"""

from ecom_assets.outputs.delivery.event_properties import PropertyRule
from ecom_assets.outputs.delivery.payloads import (
    EVENT_PROPERTIES,
    TITLED,
    PayloadForm,
    Refusal,
    id_length,
    json_object,
    json_value,
    known_properties,
    money_json,
    names_as,
    nothing_known,
    segments_joined,
    text_too_long,
    user_texts_too_long,
)

EVENT_NAMES = TITLED
IDENTITY_CHARACTERS = 255
EVENT_CHARACTERS = 1024
TEXT_CHARACTERS = 1023
"""Maximum characters of names and values of properties; Heap requires fewer than 1024."""
RECORD_BYTES = 500_000
"""Our limit, which no record needs; Heap documents none."""
_OWN_PROPERTIES = {
    **EVENT_PROPERTIES,
    "amount": money_json("cart_amount"),
    "currency": json_value("CASE WHEN cart_amount IS NOT NULL THEN $currency END"),
}
PROPERTIES = PropertyRule(
    most=1000,
    name_length=TEXT_CHARACTERS,
    value_length=TEXT_CHARACTERS,
    joint=".",
    list_joint="||",
    flags_as_text=True,
    reserved=frozenset(_OWN_PROPERTIES),
)
"""Heap accepts numbers and texts.

It would join a list with `||` and truncate it, so lists are joined and checked here.
"""


def _no_identity(column: str) -> Refusal:
    message = (
        f"The user's id must have 1 to {IDENTITY_CHARACTERS} characters that Heap takes as an "
        "identity."
    )
    return id_length("identity", message, column, IDENTITY_CHARACTERS)


EVENTS = PayloadForm(
    named={"name": names_as(EVENT_NAMES), "actor": "coalesce(known_user, substitute)"},
    user_key="actor",
    payload=json_object(
        {
            "identity": json_value("actor"),
            "event": json_value("name"),
            "timestamp": json_value("strftime(make_timestamp(at_us), '%Y-%m-%dT%H:%M:%S.%fZ')"),
            "idempotency_key": json_value("record_id"),
            "properties": json_object(_OWN_PROPERTIES, "property_fields"),
        }
    ),
    refusals=[
        _no_identity("actor"),
        Refusal(
            "event_name",
            f"The event's type must have 1 to {EVENT_CHARACTERS} characters.",
            f"length(name) NOT BETWEEN 1 AND {EVENT_CHARACTERS}",
        ),
        text_too_long(
            "Heap",
            "record_id, source_session_id, product_id, product_category, page, referrer",
            TEXT_CHARACTERS,
        ),
    ],
    most_bytes=RECORD_BYTES,
    properties=PROPERTIES,
)
"""Events of any age."""
USERS = PayloadForm(
    named={
        "joined_segments": segments_joined("||"),
        "known": json_object(known_properties("joined_segments")),
    },
    user_key="customer_id",
    payload=json_object({"identity": json_value("customer_id"), "properties": "known"}),
    refusals=[
        _no_identity("customer_id"),
        nothing_known("Heap"),
        *user_texts_too_long("Heap", TEXT_CHARACTERS),
    ],
    most_bytes=RECORD_BYTES,
)
"""Users; unknown values are left out, as Heap cannot unset."""
