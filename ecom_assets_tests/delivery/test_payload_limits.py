"""Whatever the mart holds: what goes keeps to the documents, and what does not go has a reason and a sentence."""

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

from ecom_assets.delivery.destination import PAYLOADS
from ecom_assets_tests.delivery import documented_limits as documents
from ecom_assets_tests.delivery.mart_rows import NOON, SENT_AT, event, events, tool
from ecom_assets_tests.hypothesis_settings import examples

CHECKS: dict[str, Callable[[Any], Iterator[str]]] = {
    "amplitude_events": documents.amplitude_event,
    "heap_events": documents.heap_event,
    "mixpanel_events": partial(documents.mixpanel_event, sent_at=SENT_AT),
    "ga4_events": partial(documents.ga4_request, sent_at=SENT_AT),
}
TYPES = ("page_view", "search", "add_to_cart", "checkout_start", "purchase", "refund", "category_view")
ODD_TYPES = ("wish", "first_open", "ga_x", "[Amplitude] Revenue", "$identify", "x y", "é", "a" * 41, "z" * 1025)
URLS = st.sampled_from(["https://x.example/?" + "q" * 990, "https://x.example/" + "q" * 990])
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["anonymous", "0", "-1", "N/A", "anna-1", "0000-0000", "{}", "a'b\"c", "\x00", "日本語" * 40]),
    st.builds(
        lambda part, count: part * count, st.sampled_from("aé👍"), st.sampled_from([99, 101, 255, 256, 1024, 1025])
    ),
)
ids = texts.filter(bool)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
names = st.one_of(texts, st.sampled_from(["device", "order_id", "query", "time", "distinct_id", "items", "event_id"]))
properties = st.one_of(
    st.none(),
    st.sampled_from(["", "[]", "{", "NaN", '{"a":NaN}', '{"a":1e999}', '{"a":"\\ud800"}', "null", '{"a":{"b":[[1]]}}']),
    st.dictionaries(names, values, max_size=5).map(json.dumps),
    st.integers(10, 30).map(lambda count: json.dumps({f"p{number}": number for number in range(count)})),
)


def mostly(fine: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw what is odd in one of eight: a row that is odd all over is refused for the first reason only."""
    return st.integers(1, 8).flatmap(lambda number: odd if number == 8 else fine)


def hours_ago(*hours: float) -> st.SearchStrategy[Any]:
    return st.sampled_from(hours).map(lambda one: NOON - timedelta(hours=one))


PLAIN = st.sampled_from(["anna-1", "benno-2", "größe-3", "x" * 99])
rows = st.fixed_dictionaries(
    {
        "event_id": mostly(PLAIN, ids),
        "event_at": mostly(hours_ago(0.0, 0.5, 70.0), hours_ago(-24.0, -1.5, 71.7, 71.9, 73.0, 486_000.0)),
        "event_type": mostly(st.sampled_from(TYPES), st.sampled_from(ODD_TYPES)),
        "visitor_id": mostly(PLAIN | st.just("anon-s1"), ids),
        "user_id": mostly(st.none() | PLAIN, ids),
        "source_session_id": mostly(st.none() | PLAIN, ids),
        "product_id": mostly(st.none() | PLAIN, ids),
        "page_url": mostly(st.none() | PLAIN, texts | URLS),
        "cart_amount": st.none() | st.decimals(Decimal(0), Decimal(10**9), places=2),
        "properties": mostly(st.sampled_from([None, '{"device":"mobile","order_id":"o1"}']), properties),
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


@pytest.mark.parametrize("name", CHECKS)
def test_all_that_goes_keeps_to_the_documents(name: str) -> None:
    counts = [0, 0]

    @examples(120)
    @given(
        st.lists(rows, min_size=5, max_size=30),
        st.sampled_from(["visitor_id", "user_id"]),
        st.sampled_from(["cart", "item"]),
    )
    def whatever(drawn: list[dict[str, object]], user_key: str, cart_value: str) -> None:
        gone, not_gone = looked_at(name, events(*drawn), delivery_user_key=user_key, cart_value=cart_value)
        counts[0] += gone
        counts[1] += not_gone

    whatever()
    assert min(counts) > 3, f"{name}: {counts} were sent and refused: the search looks at one side only"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_all_that_goes_keeps_to_the_documents_in_a_long_search(name: str) -> None:
    examples(300)(given(st.lists(rows, max_size=20))(lambda drawn: looked_at(name, events(*drawn)) and None))()


@pytest.mark.parametrize("name", CHECKS)
def test_no_rows_are_no_payloads(name: str) -> None:
    destination = tool(name)
    payloads = destination.payloads(events(), SENT_AT)
    assert payloads.schema == PAYLOADS
    assert len(payloads) == 0
    assert list(destination.batches(payloads)) == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CHECKS)
def test_payloads_of_rows_do_not_depend_on_other_rows(name: str) -> None:
    one = event(1, event_type="purchase", cart_amount="1.10", product_id="p1", properties='{"order_id":"o1"}')
    other = event(2, properties="[]")
    destination = tool(name)
    alone = [destination.payloads(events(row), SENT_AT).to_pylist()[0] for row in (one, other)]
    assert destination.payloads(events(one, other), SENT_AT).to_pylist() == alone
    assert destination.payloads(events(other, one), SENT_AT).to_pylist() == alone[::-1]
