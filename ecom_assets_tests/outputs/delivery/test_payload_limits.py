"""Whatever the mart holds: what goes keeps to the documents, at their edges too,
and what does not has a reason.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.outputs.delivery.destination import PAYLOADS
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.outputs.delivery import documented_limits as documents
from ecom_assets_tests.outputs.delivery.mart_rows import NOON, SENT_AT, event, events, tool

CHECKS: dict[str, Callable[[Any], Iterator[str]]] = {
    "amplitude_events": documents.amplitude_event,
    "heap_events": documents.heap_event,
    "mixpanel_events": partial(documents.mixpanel_event, sent_at=SENT_AT),
    "ga4_events": partial(documents.ga4_request, sent_at=SENT_AT),
}
TYPES = (
    "page_view",
    "search",
    "add_to_cart",
    "checkout_start",
    "purchase",
    "refund",
    "category_view",
)
ODD_TYPES = (
    "wish",
    "first_open",
    "ga_x",
    "[Amplitude] Revenue",
    "$identify",
    "x y",
    "é",
    "a" * 41,
    "z" * 1025,
)
URLS = st.sampled_from(["https://x.example/?" + "q" * 990, "https://x.example/" + "q" * 990])
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "anonymous",
            "0",
            "-1",
            "N/A",
            "anna-1",
            "0000-0000",
            "{}",
            "a'b\"c",
            "\x00",
            "日本語" * 40,
        ]
    ),
    st.builds(
        lambda part, count: part * count,
        st.sampled_from("aé👍"),
        st.sampled_from([99, 101, 255, 256, 1024, 1025]),
    ),
)
ids = texts.filter(bool)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.one_of(
    texts,
    st.sampled_from(["device", "order_id", "query", "time", "distinct_id", "items", "event_id"]),
)
properties = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            "[]",
            "{",
            "NaN",
            '{"a":NaN}',
            '{"a":1e999}',
            '{"a":"\\ud800"}',
            "null",
            '{"a":{"b":[[1]]}}',
        ]
    ),
    st.dictionaries(names, values, max_size=5).map(json.dumps),
    st.integers(10, 30).map(
        lambda count: json.dumps({f"p{number}": number for number in range(count)})
    ),
)


def mostly(fine: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw what is odd in one of eight: a row that is odd all over is refused
    for the first reason only.
    """
    return st.integers(1, 8).flatmap(lambda number: odd if number == 8 else fine)


def hours_ago(*hours: float) -> st.SearchStrategy[Any]:
    return st.sampled_from(hours).map(lambda hour: NOON - timedelta(hours=hour))


PLAIN = st.sampled_from(["anna-1", "benno-2", "größe-3", "x" * 99])
rows = st.fixed_dictionaries(
    {
        "event_id": mostly(PLAIN, ids),
        "event_at": mostly(
            hours_ago(0.0, 0.5, 70.0), hours_ago(-24.0, -1.5, 71.7, 71.9, 73.0, 486_000.0)
        ),
        "event_type": mostly(st.sampled_from(TYPES), st.sampled_from(ODD_TYPES)),
        "visitor_id": mostly(PLAIN | st.just("anon-s1"), ids),
        "user_id": mostly(st.none() | PLAIN, ids),
        "source_session_id": mostly(st.none() | PLAIN, ids),
        "product_id": mostly(st.none() | PLAIN, ids),
        "page_url": mostly(st.none() | PLAIN, texts | URLS),
        "cart_amount": st.none() | st.decimals(Decimal(0), Decimal(10**9), places=2),
        "properties": mostly(
            st.sampled_from([None, '{"device":"mobile","order_id":"o1"}']), properties
        ),
    }
)


def looked_at(name: str, table: pa.Table, **settings: str) -> tuple[int, int]:
    """Check all payloads of rows; return how many go, and how many don't."""
    payloads = tool(name, **settings).payloads(table, SENT_AT)
    assert payloads.schema == PAYLOADS
    assert len(payloads) == len(table)
    gone = 0
    for row, payload in zip(table.to_pylist(), payloads.to_pylist(), strict=True):
        assert payload["record_id"] == f"{row['event_id']}@{row['event_at']:%Y-%m-%d}"
        if payload["payload"] is None:
            assert payload["reason"]
            assert payload["words"].endswith(".")
        else:
            assert payload["reason"] is payload["words"] is None
            assert list(CHECKS[name](documents.parsed(payload["payload"]))) == []
            gone += 1
    return gone, len(table) - gone


@pytest.mark.slow
@each("name", CHECKS)
def test_all_that_goes_keeps_to_the_documents(name: str) -> None:
    counts = [0, 0]

    @examples(120)
    @given(
        st.lists(rows, min_size=5, max_size=30),
        st.sampled_from(["visitor_id", "user_id"]),
        st.sampled_from(["cart", "item"]),
    )
    def whatever(drawn: list[dict[str, object]], user_key: str, cart_value: str) -> None:
        gone, not_gone = looked_at(
            name, events(*drawn), delivery_user_key=user_key, cart_value=cart_value
        )
        counts[0] += gone
        counts[1] += not_gone

    whatever()
    assert min(counts) > 3, (
        f"{name}: {counts} were sent and refused: the search looks at one side only"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_all_that_goes_keeps_to_the_documents_in_a_long_search(name: str) -> None:
    examples(300)(
        given(st.lists(rows, max_size=20))(lambda drawn: looked_at(name, events(*drawn)) and None)
    )()


@each("name", CHECKS)
def test_no_rows_are_no_payloads(name: str) -> None:
    destination = tool(name)
    payloads = destination.payloads(events(), SENT_AT)
    assert payloads.schema == PAYLOADS
    assert len(payloads) == 0
    assert list(destination.batches(payloads)) == []


@each("name", CHECKS)
def test_payloads_of_rows_do_not_depend_on_other_rows(name: str) -> None:
    purchase = event(
        1,
        event_type="purchase",
        cart_amount="1.10",
        product_id="p1",
        properties='{"order_id":"o1"}',
    )
    page_view = event(2, properties="[]")
    destination = tool(name)
    alone = [
        destination.payloads(events(row), SENT_AT).to_pylist()[0] for row in (purchase, page_view)
    ]
    assert destination.payloads(events(purchase, page_view), SENT_AT).to_pylist() == alone
    assert destination.payloads(events(page_view, purchase), SENT_AT).to_pylist() == alone[::-1]


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


@each("name", LIMITS)
def test_what_a_tool_would_refuse_cut_or_move_does_not_go(name: str) -> None:
    table = events(*[event(number, **row) for number, (row, _) in enumerate(LIMITS[name])])
    answer = tool(name).payloads(table, SENT_AT)["reason"].to_pylist()
    assert answer == [reason for _, reason in LIMITS[name]]
