"""Payloads for GA4: Measurement Protocol requests with one event each,
which the client merges per person.

For names and limits, see developers.google.com/analytics/devguides/collection/protocol/ga4
(reference, sending-events). GA4's collection limits allow page URLs to be longer than other values.
GA4 answers every request with 2xx, so everything that it would drop is refused here.
"""

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.outputs.delivery.event_properties import PropertyRule
from ecom_assets.outputs.delivery.payloads import (
    PayloadForm,
    Refusal,
    any_longer,
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
    user_values,
)

EVENT_NAMES = {
    "page_view": "page_view",
    "product_view": "view_item",
    "category_view": "view_item_list",
    "search": "search",
    "add_to_cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "checkout_start": "begin_checkout",
    "purchase": "purchase",
    "refund": "refund",
}
"""GA4's recommended events, which its e-commerce reports use."""
NAME_CHARACTERS = 40
NAME_PATTERN = "[A-Za-z][A-Za-z0-9_]*"
VALUE_CHARACTERS = 100
LOCATION_CHARACTERS, REFERRER_CHARACTERS = 1000, 420
ID_CHARACTERS = 256
MOST_PARAMETERS = 25
USER_VALUE_CHARACTERS = 36
OLDEST_S = 72 * 3600 - 600
"""GA4 changes the time of events that are older than 72 hours;
ten minutes less leave time for sending.
"""
RECORD_BYTES = 100_000
PROFILE_EVENT = "customer_profile"
"""The event that carries user properties, because GA4 does not accept them without an event."""
_ITEM = {
    "item_id": json_value("product_id"),
    "item_category": json_value("product_category"),
    "price": money_json("CASE WHEN $cart_value = 'item' THEN cart_amount END"),
    "quantity": "CASE WHEN $cart_value = 'item' AND cart_amount IS NOT NULL THEN '1' END",
}
_OWN_PARAMETERS = {
    "session_id": "session_number",
    "engagement_time_msec": "1",
    "event_id": json_value("event_id"),
    "page_location": json_value("page"),
    "page_referrer": json_value("referrer"),
    "currency": json_value("CASE WHEN amount IS NOT NULL THEN $currency END"),
    "value": money_json("amount"),
    "transaction_id": json_value("transaction_id"),
    "search_term": json_value("CASE WHEN name = 'search' THEN search_term END"),
    "item_list_name": json_value("CASE WHEN name = 'view_item_list' THEN product_category END"),
    "items": f"CASE WHEN has_items THEN '[' || {json_object(_ITEM)} || ']' END",
}
RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
"""Prefixes that names of events and parameters must not have."""
PROPERTIES = PropertyRule(
    most=MOST_PARAMETERS - len(_OWN_PARAMETERS),
    name_length=NAME_CHARACTERS,
    value_length=VALUE_CHARACTERS,
    joint="_",
    list_joint=",",
    flags_as_text=True,
    name_pattern=NAME_PATTERN,
    forbidden_names=RESERVED_PREFIXES,
    reserved=frozenset(_OWN_PARAMETERS),
)
_WITH_ITEMS = (
    "view_item",
    "add_to_cart",
    "remove_from_cart",
    "begin_checkout",
    "purchase",
    "refund",
)
RESERVED_EVENTS = (
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_impression",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_clear_data",
    "app_exception",
    "app_install",
    "app_remove",
    "app_store_refund",
    "app_store_subscription_cancel",
    "app_store_subscription_convert",
    "app_store_subscription_renew",
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
    "in_app_purchase",
    "notification_dismiss",
    "notification_foreground",
    "notification_open",
    "notification_receive",
    "notification_send",
    "os_update",
    "screen_view",
    "session_start",
    "user_engagement",
)
"""Events that only Google's own web tags or app SDKs may send."""
_RESERVED = ", ".join(text(name) for name in RESERVED_EVENTS)
_HAS_RESERVED_PREFIX = " OR ".join(
    f"starts_with(lower(name), {text(prefix)})" for prefix in RESERVED_PREFIXES
)


def _client_id(column: str) -> Refusal:
    message = f"The person's id must have 1 to {ID_CHARACTERS} characters."
    return id_length("client_id", message, column, ID_CHARACTERS)


EVENTS = PayloadForm(
    named={
        "name": names_as(EVENT_NAMES),
        "client": f"CASE WHEN length(device_id) BETWEEN 1 AND {ID_CHARACTERS} THEN device_id "
        "ELSE coalesce(known_user, substitute) END",
        # A request has one client and one user.
        "actor": (
            "CASE WHEN client <> known_user THEN client || chr(10) || known_user ELSE client END"
        ),
        "session_number": "('0x' || md5(source_session_id)[:8])::BIGINT::VARCHAR",
        "amount": "CASE WHEN name <> 'page_view' THEN cart_amount END",
        "transaction_id": (
            "CASE name WHEN 'purchase' THEN coalesce(order_id, event_id) WHEN 'refund' THEN "
            "order_id END"
        ),
        "has_items": f"name IN ({', '.join(map(text, _WITH_ITEMS))}) AND product_id IS NOT NULL",
    },
    user_key="actor",
    payload=json_object(
        {
            "client_id": json_value("client"),
            "user_id": json_value("known_user"),
            "events": "'[' || "
            + json_object(
                {
                    "name": json_value("name"),
                    "timestamp_micros": "at_us",
                    "params": json_object(_OWN_PARAMETERS, "property_fields"),
                }
            )
            + " || ']'",
        }
    ),
    refusals=[
        _client_id("client"),
        Refusal(
            "too_old",
            "It happened more than 72 hours before it is sent: GA4 would move it to another time.",
            f"at_us < $sent_us - {OLDEST_S * 1_000_000}",
        ),
        Refusal(
            "in_future",
            "It happens later than it is sent, which GA4 does not take.",
            "at_us > $sent_us",
        ),
        Refusal(
            "event_name",
            (
                f"The event's type must have 1 to {NAME_CHARACTERS} letters, digits and _, and "
                "begin with a letter."
            ),
            (
                f"NOT regexp_full_match(name, {text(NAME_PATTERN)}) OR length(name) > "
                f"{NAME_CHARACTERS}"
            ),
        ),
        Refusal(
            "reserved_event_name",
            "The event's type is one of GA4's own, or begins like them.",
            f"name IN ({_RESERVED}) OR {_HAS_RESERVED_PREFIX}",
        ),
        Refusal(
            "purchase_without_item",
            "GA4 takes purchases with the product only, and this event names none.",
            "name = 'purchase' AND product_id IS NULL",
        ),
        Refusal(
            "currency_unknown",
            "GA4 takes amounts with their currency only; set ECOM_CURRENCY.",
            "amount IS NOT NULL AND $currency IS NULL",
        ),
        Refusal(
            "refund_without_order",
            (
                "GA4 takes refunds by the purchase's order id only, and this event's properties "
                "have no order_id."
            ),
            "name = 'refund' AND order_id IS NULL",
        ),
        text_too_long(
            "GA4",
            "event_id, product_id, product_category, transaction_id, search_term",
            VALUE_CHARACTERS,
        ),
        Refusal(
            "url_too_long",
            (
                f"The page's address has more than {LOCATION_CHARACTERS} characters, or its "
                f"referrer's more than {REFERRER_CHARACTERS}."
            ),
            (
                f"{any_longer('page', LOCATION_CHARACTERS)} OR "
                f"{any_longer('referrer', REFERRER_CHARACTERS)}"
            ),
        ),
    ],
    most_bytes=RECORD_BYTES,
    properties=PROPERTIES,
)
"""Each payload is a whole request with one event."""


def _user_properties(values: dict[str, str]) -> str:
    """Return the SQL of user properties, from the SQL of their values as JSON."""
    return json_object({name: f"'{{\"value\":' || ({sql}) || '}}'" for name, sql in values.items()})


def _user_request(properties: str) -> str:
    """Return the SQL of the request with a user's properties in a column."""
    events = f'[{{"name":"{PROFILE_EVENT}","params":{{"engagement_time_msec":1}}}}]'
    return json_object(
        {
            "client_id": json_value("customer_id"),
            "user_id": json_value("customer_id"),
            "user_properties": properties,
            "events": text(events),
        }
    )


_FORMER_VALUES = {
    name: json_value(f"({sql})") for name, sql in user_values("joined_segments").items()
}
"""The properties as releases wrote them that gave each amount four decimals: 935.6000."""
USERS = PayloadForm(
    named={
        "joined_segments": segments_joined(","),
        "known": _user_properties(known_properties("joined_segments")),
        "formerly_known": _user_properties(_FORMER_VALUES),
    },
    user_key="customer_id",
    payload=_user_request("known"),
    former=_user_request("formerly_known"),
    refusals=[
        _client_id("customer_id"),
        nothing_known("GA4"),
        *user_texts_too_long("GA4", USER_VALUE_CHARACTERS),
    ],
    most_bytes=RECORD_BYTES,
)
"""User properties, on an otherwise empty event."""
