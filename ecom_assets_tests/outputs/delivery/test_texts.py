"""Texts of a column and their hashes; batches by number and bytes, at the edges of both."""

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from ecom_assets.outputs.delivery.destination import PAYLOADS
from ecom_assets.outputs.delivery.payloads import cut, cut_by, hashes_of, joined
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.outputs.delivery.mart_rows import KEY, SENT_AT, event, events, tool, visits

TEXTS = st.lists(st.none() | st.text(max_size=40), max_size=12)


@examples(150)
@given(chunks=st.lists(TEXTS, max_size=4), begin=st.integers(0, 12), length=st.integers(0, 40))
def test_each_text_has_its_hash_in_chunks_and_slices(
    chunks: list[list[str | None]], begin: int, length: int
) -> None:
    column = pa.chunked_array(chunks, pa.string()).slice(begin, length)
    each = [0 if text is None else xxh3_64_intdigest(text.encode()) for text in column.to_pylist()]
    assert hashes_of(column).to_pylist() == each


def test_payloads_are_joined_as_they_are() -> None:
    assert joined(['{"a":1}', '"é"'], '{"all": [', "]}").decode() == '{"all": [{"a":1},"é"]}'
    assert joined([], "[", "]") == b"[]"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("", 0x2D06800538D394C2),
        ("{}", 0x1349CDE127705C16),
        ('{"user_id":"ann"}', 0x124825741E82FB73),
    ],
)
def test_the_hash_in_ledgers_is_the_same_in_every_release(payload: str, expected: int) -> None:
    assert hashes_of(pa.chunked_array([[payload]], pa.string())).to_pylist() == [expected]


def payloads(*texts: str) -> pa.Table:
    rows = [
        {"record_id": str(at), "user_key": text[:1], "payload": text}
        for at, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, PAYLOADS)


def sizes(most_records: int, most_bytes: int, *texts: str) -> list[int]:
    return [
        len(batch)
        for batch in cut(payloads(*texts), most_records=most_records, most_bytes=most_bytes)
    ]


def test_a_batch_ends_where_its_number_or_its_bytes_do() -> None:
    assert sizes(2, 100, "aa", "bb", "cc") == [2, 1]
    assert sizes(9, 6, "aa", "bb", "cc") == [2, 1]  # with their commas two are 6 bytes
    assert sizes(9, 5, "aa", "bb", "cc") == [1, 1, 1]
    assert sizes(9, 6, "éé", "b") == [1, 1]  # 4 bytes and a comma, then 2


def test_what_is_too_large_by_itself_goes_by_itself() -> None:
    assert sizes(9, 5, "a", "b" * 50, "c", "d") == [1, 1, 2]


def test_nothing_is_no_batch() -> None:
    assert sizes(9, 9) == []
    assert list(cut_by(payloads(), payloads()["user_key"], most_records=9, most_bytes=9)) == []


@examples(80)
@given(
    st.lists(st.text("abé", min_size=1, max_size=6), max_size=20),
    st.integers(1, 6),
    st.integers(1, 30),
)
def test_batches_are_all_in_order_and_none_could_take_the_next(
    texts: list[str], records: int, size: int
) -> None:
    batches = [
        row["payload"].to_pylist()
        for row in cut(payloads(*texts), most_records=records, most_bytes=size)
    ]
    assert [text for batch in batches for text in batch] == texts
    weights = [[len(text.encode()) + 1 for text in batch] for batch in batches]
    assert all(
        len(weight) <= records and (sum(weight) <= size or len(weight) == 1) for weight in weights
    )
    assert all(
        len(weight) == records or sum(weight) + next_weight[0] > size
        for weight, next_weight in pairwise(weights)
    )


@examples(80)
@given(
    st.lists(st.text("abé", min_size=1, max_size=6), max_size=20),
    st.integers(1, 6),
    st.integers(1, 30),
)
def test_batches_of_a_key_hold_that_key_only_and_keep_its_order(
    texts: list[str], records: int, size: int
) -> None:
    table = payloads(*texts)
    batches = list(cut_by(table, table["user_key"], most_records=records, most_bytes=size))
    assert all(
        len(set(batch["user_key"].to_pylist())) == 1 and len(batch) <= records for batch in batches
    )
    by_key = [text for batch in batches for text in batch["payload"].to_pylist()]
    for key in set(table["user_key"].to_pylist()):
        assert [text for text in by_key if text[0] == key] == [
            text for text in texts if text[0] == key
        ]


@each(
    "name, most, settings",
    [
        ("amplitude_events", 2_000, {}),
        ("amplitude_events", 1_999, {"amplitude_api": "http_v2"}),
        ("heap_events", 1_000, {}),
        ("mixpanel_events", 2_000, {}),
        ("ga4_events", 25, {}),
    ],
)
def test_each_tool_gets_as_many_at_once_as_it_documents(
    name: str, most: int, settings: dict[str, str]
) -> None:
    destination = tool(name, **settings)
    made = destination.payloads(visits(anna=most + 1), SENT_AT)
    assert [len(batch) for batch in destination.batches(made)] == [most, 1]


@each(
    "name, limit, settings",
    [
        ("amplitude_events", 1_000_000, {"amplitude_api": "http_v2"}),
        ("mixpanel_events", 2_000_000, {}),
        ("ga4_events", 130_000, {}),
    ],
)
def test_requests_stay_below_the_bytes_each_tool_documents(
    name: str, limit: int, settings: dict[str, Any]
) -> None:
    long = {f"p{at}": "é" * 100 for at in range(14)}
    rows = events(*[event(at, properties=str(long).replace("'", '"')) for at in range(1500)])
    destination = tool(name, **settings)
    batches = list(destination.batches(destination.payloads(rows, SENT_AT)))
    bodies = [destination.protocol.request(batch["payload"].to_pylist()).body for batch in batches]  # type: ignore[attr-defined]
    assert sum(map(len, batches)) == 1500
    assert max(map(len, bodies)) <= limit
    if name != "ga4_events":  # whose requests are full by their number
        assert max(map(len, bodies)) > 0.99 * limit
        assert KEY.encode() in bodies[0] or name == "mixpanel_events"
