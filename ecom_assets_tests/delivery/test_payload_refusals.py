"""What each tool would refuse, cut or move, at the edges of its documents."""

import json
from datetime import timedelta
from typing import Any

import pytest

from ecom_assets_tests.delivery.mart_rows import NOON, SENT_AT, event, events, tool

LIMITS: dict[str, list[tuple[dict[str, Any], str | None]]] = {
    "amplitude_events": [
        ({"user_id": "anna"}, None),  # the visitor is what counts
        ({"visitor_id": "anna"}, "short_id"),
        ({"visitor_id": "-1"}, "forbidden_id"),
        ({"visitor_id": "UNDEFINED"}, "forbidden_id"),
        ({"visitor_id": "0000-0000"}, "forbidden_id"),
        ({"visitor_id": "a" * 1024}, None),
        ({"visitor_id": "a" * 1025}, "long_id"),
        ({"event_type": "[Amplitude] Revenue"}, "reserved_event_name"),
        ({"page_url": "é" * 1024}, None),  # characters, not bytes
        ({"page_url": "é" * 1025}, "text_too_long"),
        ({"properties": "{"}, "properties_unreadable"),
        ({"properties": '{"a":' * 39 + "1" + "}" * 39}, None),
        ({"properties": '{"a":' * 40 + "1" + "}" * 40}, "property_nested"),
    ],
    "heap_events": [
        ({"visitor_id": "a" * 255}, None),
        ({"visitor_id": "a" * 256}, "identity"),
        ({"properties": json.dumps({"a": "x" * 1023})}, None),
        ({"properties": json.dumps({"a": "x" * 1024})}, "property_too_long"),
        ({"properties": json.dumps({"a": ["x" * 511, "x" * 511]})}, "property_too_long"),
        ({"properties": '{"a": [{"b": 1}]}'}, "property_nested"),
    ],
    "mixpanel_events": [
        ({"visitor_id": "<nil>"}, "forbidden_id"),
        ({"page_url": "é" * 127}, None),
        ({"page_url": "é" * 128}, "text_too_long"),  # 256 bytes
        ({"event_at": NOON + timedelta(hours=1)}, None),
        ({"event_at": NOON + timedelta(hours=1, seconds=1)}, "in_future"),
        ({"event_at": NOON.replace(year=1970)}, "too_old"),
        ({"properties": json.dumps(dict.fromkeys(map(str, range(241)), 1))}, None),
        ({"properties": json.dumps(dict.fromkeys(map(str, range(242)), 1))}, "too_many_properties"),
        ({"properties": json.dumps({"a": [1] * 255})}, "property_too_long"),
        ({"properties": '{"a": {"b": {"c": 1}}}'}, None),
        ({"properties": '{"a": {"b": {"c": {"d": 1}}}}'}, "property_nested"),
    ],
    "ga4_events": [
        ({"event_at": NOON - timedelta(hours=70, minutes=49)}, None),
        ({"event_at": NOON - timedelta(hours=70, minutes=51)}, "too_old"),
        ({"event_type": "session_start"}, "reserved_event_name"),
        ({"event_type": "ga_wish"}, "reserved_event_name"),
        ({"event_type": "a" * 40}, None),
        ({"event_type": "a" * 41}, "event_name"),
        ({"event_type": "1st"}, "event_name"),
        ({"event_type": "purchase", "cart_amount": "1.00"}, "purchase_without_item"),
        ({"event_type": "refund", "product_id": "7"}, "refund_without_order"),
        ({"product_id": "p" * 101}, "text_too_long"),
        ({"page_url": "p" * 1000, "referrer_url": "p" * 420}, None),
        ({"referrer_url": "p" * 421}, "url_too_long"),
        ({"properties": '{"utm-source": "x"}'}, "property_name"),
        ({"properties": '{"firebase_conversion": 1}'}, "property_name"),
        ({"properties": json.dumps({f"p{at}": at for at in range(15)})}, "too_many_properties"),
        ({"properties": json.dumps({f"p{at}": at for at in range(14)})}, None),
    ],
}
"""What of an event is at a limit, or past it: then the reason why it does not go."""


@pytest.mark.parametrize("name", LIMITS)
def test_what_a_tool_would_refuse_cut_or_move_does_not_go(name: str) -> None:
    table = events(*[event(number, **row) for number, (row, _) in enumerate(LIMITS[name])])
    answer = tool(name).payloads(table, SENT_AT)["reason"].to_pylist()
    assert answer == [reason for _, reason in LIMITS[name]]
