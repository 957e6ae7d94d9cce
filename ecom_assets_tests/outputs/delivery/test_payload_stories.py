"""What becomes of an event and of a customer in each tool, field by field of
the tools' own documents.
"""

import hashlib
import json
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets_tests.commerce.customers.customer_stories import one_of, shop_with
from ecom_assets_tests.each import each
from ecom_assets_tests.outputs.delivery.mart_rows import NOON, SENT_AT, event, events, tool, users

# 2026-01-05 12:00:01 UTC is 20,458 days and 43,201 seconds after 1970.
AT_S = 20_458 * 86_400 + 43_201
PAGE, FROM = "https://shop.example/p/7?utm_source=mail", "https://mail.example/"
BOUGHT = {
    "event_type": "purchase",
    "source_session_id": "s-1",
    "product_id": "7",
    "product_category": "Lamps",
    "page_url": PAGE,
    "referrer_url": FROM,
    "cart_amount": "19.90",
    "properties": (
        '{"order_id": "o-5", "device": "mobile", "gift": true, "tags": ["a", "b"], "at": '
        '{"city": "Rome"}}'
    ),
}
STRANGER = {"visitor_id": "anon-s-1", "user_id": None}


def made(name: str, row: dict[str, Any], **settings: str) -> Any:
    """Return the payload of an event; its reason, if it can't go."""
    (payload,) = tool(name, **settings).payloads(events(row), SENT_AT).to_pylist()
    return payload["reason"] or json.loads(payload["payload"])


def user_payload(name: str, **row: object) -> Any:
    """Return the payload of a customer; its reason, if it can't go."""
    (payload,) = tool(name).payloads(users({"customer_id": "anna-1", **row}), SENT_AT).to_pylist()
    return payload["reason"] or json.loads(payload["payload"])


def test_amplitude_gets_a_purchase_with_its_revenue() -> None:
    began = {"session_started_at": NOON}
    assert made("amplitude_events", event(1, **BOUGHT, **began)) == {
        "session_id": (AT_S - 1) * 1000,
        "user_id": "anna-1",
        "event_type": "Order Completed",
        "time": AT_S * 1000,
        "insert_id": "e1@2026-01-05",
        "revenue": 19.9,
        "revenueType": "purchase",
        "currency": "USD",
        "productId": "7",
        "event_properties": {
            "event_id": "e1",
            "session_id": "s-1",
            "product_id": "7",
            "product_category": "Lamps",
            "page_url": PAGE,
            "referrer_url": FROM,
            "order_id": "o-5",
            "device": "mobile",
            "gift": True,
            "tags": ["a", "b"],
            "at": {"city": "Rome"},
        },
    }


def test_heap_gets_flat_properties_of_numbers_and_texts() -> None:
    assert made("heap_events", event(1, **BOUGHT)) == {
        "identity": "anna-1",
        "event": "Order Completed",
        "timestamp": "2026-01-05T12:00:01.000000Z",
        "idempotency_key": "e1@2026-01-05",
        "properties": {
            "event_id": "e1",
            "session_id": "s-1",
            "product_id": "7",
            "product_category": "Lamps",
            "page_url": PAGE,
            "referrer_url": FROM,
            "amount": 19.9,
            "currency": "USD",
            "order_id": "o-5",
            "device": "mobile",
            "gift": "true",
            "tags": "a||b",
            "at.city": "Rome",
        },
    }


def test_mixpanel_gets_an_insert_id_of_36_bytes_at_most() -> None:
    answer = made("mixpanel_events", event(1, **BOUGHT))
    assert answer["event"] == "Order Completed"
    assert answer["properties"] == {
        "time": AT_S * 1000,
        "distinct_id": "anna-1",
        "$insert_id": hashlib.md5(b"e1@2026-01-05", usedforsecurity=False).hexdigest(),
        "$user_id": "anna-1",
        "event_id": "e1",
        "session_id": "s-1",
        "product_id": "7",
        "product_category": "Lamps",
        "$current_url": PAGE,
        "$referrer": FROM,
        "amount": 19.9,
        "currency": "USD",
        "order_id": "o-5",
        "device": "mobile",
        "gift": True,
        "tags": ["a", "b"],
        "at": {"city": "Rome"},
    }


def test_ga4_gets_its_own_names_and_an_item() -> None:
    request = made("ga4_events", event(1, **BOUGHT))
    assert (request["client_id"], request["user_id"]) == ("anna-1", "anna-1")
    (answer,) = request["events"]
    assert (answer["name"], answer["timestamp_micros"]) == ("purchase", AT_S * 1_000_000)
    assert answer["params"] == {
        "session_id": int(hashlib.md5(b"s-1", usedforsecurity=False).hexdigest()[:8], 16),
        "engagement_time_msec": 1,
        "event_id": "e1",
        "page_location": PAGE,
        "page_referrer": FROM,
        "currency": "USD",
        "value": 19.9,
        "transaction_id": "o-5",
        "items": [{"item_id": "7", "item_category": "Lamps"}],
        "order_id": "o-5",
        "device": "mobile",
        "gift": "true",
        "tags": "a,b",
        "at_city": "Rome",
    }


OWN = {"events": "shop.csv"}
"""The settings of a shop that did not say its currency."""


@pytest.mark.parametrize("name", ["amplitude_events", "heap_events", "mixpanel_events"])
def test_an_amount_goes_without_a_currency_that_nobody_named(name: str) -> None:
    payload = json.dumps(made(name, event(1, **BOUGHT), **OWN))
    assert "19.9" in payload
    assert "currency" not in payload
    assert '"EUR"' in json.dumps(made(name, event(1, **BOUGHT), **OWN, currency="EUR"))


def test_ga4_gets_no_amount_without_its_currency() -> None:
    assert made("ga4_events", event(1, **BOUGHT), **OWN) == "currency_unknown"
    assert made("ga4_events", event(1), **OWN)["events"], "an event without an amount goes"


def test_where_the_amount_is_the_item_s_ga4_gets_its_price() -> None:
    request = made("ga4_events", event(1, **{**BOUGHT, "properties": None}), cart_value="item")
    params = request["events"][0]["params"]
    assert params["items"] == [
        {"item_id": "7", "item_category": "Lamps", "price": 19.9, "quantity": 1}
    ]
    assert params["transaction_id"] == "e1"  # without an order id the event's own


@pytest.mark.slow
@each(
    "event_type, titled, ga4",
    [
        ("page_view", "Page Viewed", "page_view"),
        ("product_view", "Product Viewed", "view_item"),
        ("category_view", "Product List Viewed", "view_item_list"),
        ("search", "Products Searched", "search"),
        ("add_to_cart", "Product Added", "add_to_cart"),
        ("remove_from_cart", "Product Removed", "remove_from_cart"),
        ("checkout_start", "Checkout Started", "begin_checkout"),
        ("purchase", "Order Completed", "purchase"),
        ("refund", "Order Refunded", "refund"),
        ("wish", "wish", "wish"),
    ],
)
def test_events_are_called_what_each_tool_s_users_call_them(
    event_type: str, titled: str, ga4: str
) -> None:
    row = event(1, **{**BOUGHT, "event_type": event_type})
    assert made("amplitude_events", row)["event_type"] == titled
    assert made("heap_events", row)["event"] == titled
    assert made("mixpanel_events", row)["event"] == titled
    assert made("ga4_events", row)["events"][0]["name"] == ga4


def test_a_refund_is_revenue_given_back() -> None:
    answer = made("amplitude_events", event(1, **{**BOUGHT, "event_type": "refund"}))
    assert (answer["revenue"], answer["revenueType"]) == (-19.9, "refund")


def test_what_was_searched_for_goes_where_ga4_looks_for_it() -> None:
    row = event(1, event_type="search", properties='{"query": "lamp"}')
    assert made("ga4_events", row)["events"][0]["params"]["search_term"] == "lamp"


def test_strangers_go_by_their_visit() -> None:
    row = event(1, **STRANGER)
    assert made("amplitude_events", row)["device_id"] == "anon-s-1"
    assert "user_id" not in made("amplitude_events", row)
    answer = made("mixpanel_events", row)["properties"]
    assert (answer["distinct_id"], answer["$device_id"]) == ("$device:anon-s-1", "anon-s-1")
    assert made("heap_events", row)["identity"] == "anon-s-1"
    assert made("ga4_events", row).keys() == {"client_id", "events"}


def test_a_sign_in_names_user_and_device_so_that_tools_join_them() -> None:
    row = event(1, device_id="cookie-1")
    amplitude, ga4 = made("amplitude_events", row), made("ga4_events", row)
    mixpanel = made("mixpanel_events", row)["properties"]
    assert (amplitude["user_id"], amplitude["device_id"]) == ("anna-1", "cookie-1")
    assert (mixpanel["$user_id"], mixpanel["$device_id"], mixpanel["distinct_id"]) == (
        "anna-1",
        "cookie-1",
        "anna-1",
    )
    assert (ga4["user_id"], ga4["client_id"]) == ("anna-1", "cookie-1")
    assert made("heap_events", row)["identity"] == "anna-1"


@pytest.mark.parametrize("user", ["guest", "Not_Authenticated", "000-0"])
def test_a_user_who_stands_for_nobody_joins_no_devices(user: str) -> None:
    row = event(1, user_id=user, visitor_id=user, device_id="cookie-1")
    mixpanel = made("mixpanel_events", row)["properties"]
    assert (mixpanel["$user_id"], mixpanel.get("$device_id")) == (user, None)
    assert "device_id" not in made("amplitude_events", row)
    assert made("ga4_events", row)["client_id"] == "cookie-1", "GA4 joins nobody"


def test_an_id_that_too_many_share_joins_no_device() -> None:
    row = event(1, device_id="kiosk", joins_nobody=True)
    mixpanel = made("mixpanel_events", row)["properties"]
    assert (mixpanel["$user_id"], mixpanel.get("$device_id")) == ("anna-1", None)
    assert "device_id" not in made("amplitude_events", row)


@each("name", ["$merge", "$identify", "$create_alias", "$merge_dangerously"])
def test_an_event_that_would_join_people_in_a_tool_is_refused_there(name: str) -> None:
    row = event(1, event_type=name)
    assert made("mixpanel_events", row) == "reserved_event_name"
    assert made("ga4_events", row) == "event_name"


def test_strangers_go_by_their_device_if_they_have_one() -> None:
    row = event(1, device_id="cookie-1", **STRANGER)
    assert made("amplitude_events", row)["device_id"] == "cookie-1"
    assert made("mixpanel_events", row)["properties"]["distinct_id"] == "$device:cookie-1"
    assert made("ga4_events", row)["client_id"] == "cookie-1"
    assert made("heap_events", row)["identity"] == "anon-s-1"


def test_a_user_whom_the_rule_found_joins_no_device_to_mixpanel_s_user_for_good() -> None:
    answer = made("mixpanel_events", event(1, user_id=None, device_id="cookie-1"))["properties"]
    assert (answer["$user_id"], answer.get("$device_id")) == ("anna-1", None)
    assert (
        made("amplitude_events", event(1, user_id=None, device_id="cookie-1"))["device_id"]
        == "cookie-1"
    )


def test_a_device_id_that_a_tool_does_not_take_keeps_no_user_s_event_back() -> None:
    for id_ in ("0", "anonymous", "x" * 2000):
        row = event(1, device_id=id_)
        assert "device_id" not in made("amplitude_events", row)
        assert "$device_id" not in made("mixpanel_events", row)["properties"]
    assert made("ga4_events", event(1, device_id="x" * 2000))["client_id"] == "anna-1"


def test_the_id_of_a_record_stays_when_its_visitor_changes() -> None:
    for name in ("amplitude_events", "mixpanel_events", "ga4_events", "heap_events"):
        before, after = (
            tool(name).payloads(
                events(event(1, user_id=None, device_id="cookie-1", visitor_id=visitor)), SENT_AT
            )
            for visitor in ("anon-cookie-1", "ben-2222")
        )
        assert before["record_id"].to_pylist() == after["record_id"].to_pylist()
        assert before["payload"] != after["payload"], (
            "another visitor is a change, which is listed and not sent again"
        )


def test_two_users_of_a_device_are_two_requests_to_ga4() -> None:
    rows = [
        event(n, user_id=who, visitor_id=who, device_id="cookie-1")
        for n, who in enumerate(("anna-1", "ben-1"))
    ]
    destination = tool("ga4_events")
    assert len(list(destination.batches(destination.payloads(events(*rows), SENT_AT)))) == 2


def test_who_was_recognised_by_a_visit_is_a_stranger_where_only_the_event_s_own_user_counts() -> (
    None
):
    row = event(1, user_id=None, source_session_id="s-9")
    assert made("amplitude_events", row)["user_id"] == "anna-1"
    assert made("amplitude_events", row, delivery_user_key="user_id")["device_id"] == "anon-s-9"


def test_a_shop_chooses_what_others_get_to_know() -> None:
    row = event(1, **BOUGHT)
    answer = made(
        "amplitude_events", row, delivery_properties="device", delivery_urls="without_query"
    )
    assert answer["event_properties"].keys() == {
        "event_id",
        "session_id",
        "product_id",
        "product_category",
        "page_url",
        "referrer_url",
        "device",
    }
    assert answer["event_properties"]["page_url"] == "https://shop.example/p/7"


def test_a_property_that_is_called_like_ours_gets_another_name() -> None:
    row = event(1, product_id="7", properties='{"product_id": 8, "time": "noon"}')
    answer = made("mixpanel_events", row)["properties"]
    assert (answer["product_id"], answer["property_product_id"], answer["property_time"]) == (
        "7",
        8,
        "noon",
    )


def test_an_id_that_comes_again_on_another_day_is_another_event() -> None:
    rows = events(event(1), event(1, event_at=NOON - timedelta(days=20)))
    payloads = tool("amplitude_events").payloads(rows, SENT_AT)
    assert payloads["record_id"].to_pylist() == ["e1@2026-01-05", "e1@2025-12-16"]


def test_amplitude_is_sent_what_is_no_longer_known_of_a_customer() -> None:
    answer = user_payload(
        "amplitude_users", segment="Loyal", customer_tier="basic", churn_risk_rate=0.12345
    )
    assert answer == {
        "user_id": "anna-1",
        "user_properties": {
            "$set": {"customer_segment": "Loyal", "customer_tier": "basic", "churn_risk": 0.1235},
            "$unset": {"lifetime_value": "-"},
        },
    }


def test_the_others_are_sent_what_is_known() -> None:
    row = {
        "segment": "Can't Lose",
        "customer_tier": None,
        "lifetime_value_amount": Decimal("80.50"),
    }
    properties = {"customer_segment": "Can't Lose", "lifetime_value": 80.5}
    assert user_payload("heap_users", **row) == {"identity": "anna-1", "properties": properties}
    assert user_payload("mixpanel_users", **row) == {"$distinct_id": "anna-1", "$set": properties}
    assert user_payload("ga4_users", **row)["user_properties"] == {
        name: {"value": value} for name, value in properties.items()
    }


@pytest.mark.parametrize("name", ["heap_users", "mixpanel_users", "ga4_users"])
def test_of_whom_nothing_is_known_nothing_is_sent(name: str) -> None:
    assert user_payload(name) == "nothing_known"
    assert user_payload(name, segment="x" * 256) == "text_too_long" or name == "heap_users"


def test_rows_are_taken_as_other_engines_give_them() -> None:
    plain = events(event(1, **BOUGHT))
    odd = plain.set_column(
        1,
        "event_at",
        plain["event_at"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("ns", "UTC")),
    )
    odd = odd.set_column(0, "event_id", plain["event_id"].cast(pa.large_string()))
    odd = odd.set_column(11, "cart_amount", plain["cart_amount"].cast(pa.decimal128(38, 4)))
    odd = odd.append_column("is_bot", pa.array([False]))
    destination = tool("amplitude_events")
    assert destination.payloads(odd, SENT_AT) == destination.payloads(plain, SENT_AT)
    assert destination.payloads(
        plain, SENT_AT.astimezone(UTC).replace(tzinfo=None)
    ) == destination.payloads(plain, SENT_AT)


@pytest.mark.slow
@pytest.mark.parametrize(("sources", "tier"), [({}, None), ({"events": "events.csv"}, "basic")])
def test_a_tier_that_no_source_has_is_sent_to_nobody(
    sources: dict[str, str], tier: str | None
) -> None:
    with shop_with(**sources) as shop:
        customer = one_of(shop)
    row = {"segment": "Loyal", "customer_tier": customer["customer_tier"]}
    properties = {"customer_segment": "Loyal"} | ({"customer_tier": tier} if tier else {})
    assert user_payload("heap_users", **row)["properties"] == properties
    assert user_payload("mixpanel_users", **row)["$set"] == properties
    assert user_payload("ga4_users", **row)["user_properties"] == {
        name: {"value": value} for name, value in properties.items()
    }
    answer = user_payload("amplitude_users", **row)["user_properties"]
    assert answer["$set"] == properties
    assert ("customer_tier" in answer["$unset"]) is (tier is None), "one of before is taken back"


def test_without_events_the_tier_of_orders_is_sent() -> None:
    with shop_with(orders="orders.csv") as shop:
        customer = one_of(shop)
    answer = user_payload("heap_users", segment="Loyal", customer_tier=customer["customer_tier"])
    assert answer["properties"] == {"customer_segment": "Loyal", "customer_tier": "basic"}
