"""What one odd event in a body does to the others: nothing, whatever it is."""

import json
import statistics
import time
from http import HTTPStatus
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.ingestion.collector.access import CollectRefusal, EventQuota
from ecom_assets.ingestion.collector.bodies import MOST_LEVELS, UnreadEvent, events_in
from ecom_assets.ingestion.collector.events import MOST_SHOWN
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.collector.served import CollectClient

GOOD: Final = '{"event_id": "good", "event_type": "page_view", "user_id": "anna"}'
SHOP: Final = "https://shop.example"
EMPTY_DATE: Final = "0001-01-01T00:00:00+01:00"
"""What .NET sends of a date that nobody set; in UTC it is before the first year."""


def lists(levels: int) -> str:
    return "[" * levels + "]" * levels


def odd_event(member: str) -> str:
    return f'{{"event_id": "odd", "event_type": "page_view", "user_id": "ben", {member}}}'


REFUSED: Final = {
    odd_event(f'"properties": {{"deep": {lists(253)}}}'): "nested_too_deeply",
    odd_event(f'"deep": {lists(253)}'): "nested_too_deeply",
    odd_event(f'"deep": {lists(100_000)}'): "nested_too_deeply",
    odd_event(f'"event_timestamp": "{EMPTY_DATE}"'): "unparseable_timestamp",
    odd_event('"event_timestamp": "9999-12-31T23:59:59-01:00"'): "unparseable_timestamp",
    odd_event('"event_timestamp": "10000-01-01T00:00:00Z"'): "unparseable_timestamp",
    odd_event('"event_timestamp": 1767225600'): "unparseable_timestamp",
    odd_event('"cart_value": NaNs'): "invalid_json",
    odd_event('"cart_value": 1e400'): "invalid_json",
    odd_event('"product_id": 123456789012345678901234567890'): "inexact_number",
    odd_event('"page_url": "\\ud83d"'): "invalid_json",
    odd_event('"page_url": "nul\\u0000"'): "nul_character",
    odd_event('"nul\\u0000": 1'): "nul_character",
    odd_event('"properties": {"nul": "\\\\\\u0000"}'): "nul_character",
    odd_event('"properties": []'): "wrong_type",
    odd_event('"user_id": true'): "wrong_type",
    odd_event('"event_type": {"a": 1}'): "wrong_type",
    odd_event('"a": 01'): "invalid_json",
    "{}": "missing_event_type",
    "null": "not_an_object",
}
TAKEN: Final = (
    odd_event('"cart_value": NaN'),
    odd_event('"cart_value": -Infinity, "properties": {"rates": [NaN, 1], "name": "NaN \\" NaN"}'),
    odd_event('"user_id": "carl"'),  # twice: parsers of JSON take the last
    odd_event('"page_url": "a backslash and six characters: \\\\u0000"'),
    odd_event(f'"deep": {lists(100)}'),
    odd_event('"product_id": 18446744073709551615'),
)


@pytest.mark.slow
@pytest.mark.parametrize("member", REFUSED, ids=range(len(REFUSED)))
def test_an_odd_event_is_refused_with_a_reason_and_the_others_are_taken(
    client: CollectClient, member: str
) -> None:
    body = f'{{"sent_at": "2026-01-31T12:00:00Z", "batch": [{member}, {GOOD}]}}'.encode()
    answer = client.post(body)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [entry["reason"] for entry in answer.json()["refused"]] == [REFUSED[member]]
    assert [row["event_id"] for row in client.wait_for(1)] == ["good"]
    (letter,) = client.wait_for_letters(1)
    assert letter["reason"] == REFUSED[member]


@pytest.mark.parametrize("member", TAKEN, ids=range(len(TAKEN)))
def test_what_looks_odd_and_can_be_read_is_taken(client: CollectClient, member: str) -> None:
    assert client.post(f"[{member}, {GOOD}]".encode()).json()["refused_count"] == 0
    assert {row["event_id"] for row in client.wait_for(2)} == {"good", "odd"}


def test_what_is_no_number_is_no_amount_and_texts_stay(client: CollectClient) -> None:
    body = odd_event(
        '"cart_value": NaN, "properties": {"size": NaN, "name": "a \\"NaN\\" of Infinity"}'
    )
    assert client.post(body.encode()).json()["accepted"] == 1
    (row,) = client.wait_for(1)
    assert row["cart_value"] is None
    assert json.loads(row["properties"]) == {"size": None, "name": 'a "NaN" of Infinity'}


def test_bytes_that_are_no_text_spoil_their_own_event_only(client: CollectClient) -> None:
    latin = odd_event('"page_url": "café"').encode("latin-1")
    answer = client.post(b'{"batch": [%b, %b]}' % (latin, GOOD.encode())).json()
    assert (answer["accepted"], answer["refused"][0]["reason"]) == (1, "invalid_json")
    (letter,) = client.wait_for_letters(1)
    assert letter["value"] == latin


def test_a_time_of_sending_that_moves_an_event_out_of_range_refuses_the_event(
    client: CollectClient,
) -> None:
    old, new = odd_event('"event_timestamp": "0001-01-02T00:00:00Z"'), GOOD
    body = f'{{"sent_at": "9999-12-31T00:00:00Z", "batch": [{old}, {new}]}}'.encode()
    answer = client.post(body).json()
    assert (answer["accepted"], [row["reason"] for row in answer["refused"]]) == (
        1,
        ["unparseable_timestamp"],
    )
    call = {"type": "track", "event": "x", "userId": "anna", "timestamp": "0001-01-02T00:00:00Z"}
    batch = {
        "batch": [
            {**call, "sentAt": "9999-12-31T00:00:00Z"},
            {**call, "timestamp": "2026-01-31T12:00:00Z"},
        ]
    }
    assert client.post(batch, "/v1/batch").json()["accepted"] == 1
    # A time of sending that is none says nothing, as before.
    assert (
        client.post(f'{{"sentAt": "{EMPTY_DATE}", "batch": [{GOOD}]}}'.encode()).json()["accepted"]
        == 1
    )


def test_a_body_that_is_one_deep_event_is_refused_by_its_key_too(client: CollectClient) -> None:
    answer = client.post(odd_event(f'"deep": {lists(300)}').encode())
    assert (answer.status_code, answer.json()["refused"][0]["reason"]) == (200, "nested_too_deeply")


def test_a_body_has_5000_events_at_most(client: CollectClient) -> None:
    answer = client.post(("[" + ",".join(["0"] * 5_001) + "]").encode())
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_many_events")
    assert "5,000" in answer.json()["detail"]
    answer = client.post(
        [{"event_id": str(number), "event_type": "a", "user_id": 1} for number in range(5_000)]
    )
    assert answer.json() == {"success": True, "accepted": 5_000, "refused_count": 0, "refused": []}
    client.wait_for(5_000)


def test_the_list_of_refusals_is_short_and_their_number_whole(client: CollectClient) -> None:
    answer = client.post([{"event_id": "x" * 5_000}] + [0] * 4_999)
    body = answer.json()
    assert (body["accepted"], body["refused_count"], len(body["refused"])) == (0, 5_000, MOST_SHOWN)
    assert body["refused"][0]["event_id"] is None  # too long for a list
    assert len(answer.content) < 5_000
    assert len(client.wait_for_letters(5_000)) == 5_000


def test_others_are_answered_while_bodies_without_events_come(client: CollectClient) -> None:
    """Seven bodies of 200,000 zeros took 1.9 s of the event loop each;
    now each costs what parsing it costs.
    """
    flood = f"[{','.join(['0'] * 200_000)}]".encode()
    assert len(flood) == 400_001
    took = []
    for _ in range(7):
        began = time.perf_counter()
        assert client.post(flood).status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.2


_BATCHES: Final = count()
_TEXTS: Final = st.text(st.characters(codec=None, categories=None), max_size=8)
_DATES: Final = st.sampled_from(
    [EMPTY_DATE, "10000-01-01", "9999-12-31T23:59:59-14:00", "2026-01-31"]
)
_NUMBERS: Final = st.integers() | st.floats() | st.integers(10**30, 10**40)
_ODD: Final = (
    st.none() | st.booleans() | _NUMBERS | _TEXTS | _DATES | st.sampled_from(["\x00", "\ud800"])
)
_FIELDS: Final = {
    "event_id",
    "event_type",
    "user_id",
    "anonymous_id",
    "event_timestamp",
    "cart_value",
}
_MEMBERS: Final = {"messageId", "type", "userId", "timestamp", "sentAt", "context", "event", "key"}
_NAMES: Final = st.sampled_from(sorted(_FIELDS | _MEMBERS | {"batch", "currency", "properties"}))
_JSON: Final = st.recursive(
    _ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | _TEXTS, inner, max_size=6),
)


def nested(value: Any, levels: int) -> str:
    text = json.dumps(value)
    return (
        f'{{"event_type": "a", "user_id": "1", "properties": {{"x": '
        f"{'[' * levels}{text}{']' * levels}}}}}"
    )


@pytest.mark.slow
@examples(100)
@given(
    values=st.lists(_JSON, max_size=4),
    levels=st.sampled_from([0, 0, 1, 100, 198, 201, 253, 1_100]),
    at=st.integers(0, 5),
)
@pytest.mark.parametrize(
    "sent", [(path, page) for path in ("/collect", "/v1/batch") for page in ("", SHOP)]
)
def test_whatever_stands_beside_a_good_event_it_is_taken_once(
    running: CollectClient, sent: tuple[str, str], values: list[Any], levels: int, at: int
) -> None:
    """Numbers that are none, texts that are none, depths, dates, wrong types: never 500,
    and no other event is lost.
    """
    path, origin = sent
    headers = {"origin": origin} if origin else {}  # what a page sends is checked by further rules
    good_id = f"good-{next(_BATCHES)}"
    good = {"event_id": good_id, "event_type": "a", "user_id": "1"}
    if path != "/collect":
        good = {"messageId": good_id, "type": "track", "event": "a", "userId": "1"}
    others = [json.dumps(value) for value in values[:-1]] + [
        nested(value, levels) for value in values[-1:]
    ]
    others.insert(at, json.dumps(good))
    body = (
        f'{{"sentAt": {json.dumps(values[0] if values else None)}, "batch": [{", ".join(others)}]}}'
    )
    answer = running.post(body.encode(), path, **headers)
    if answer.status_code == HTTPStatus.BAD_REQUEST:  # what is around the batch is not JSON
        body = f'{{"batch": [{", ".join(others)}]}}'
        answer = running.post(body.encode(), path, **headers)
    assert answer.status_code == HTTPStatus.OK, (answer.text, body)
    counts = answer.json()
    assert counts["accepted"] + counts["refused_count"] == len(others)
    running.wait_until_sealed()
    rows = [row for row in running.rows("received_at") if good_id in row.values()]
    assert len(rows) == 1, body


@examples(200)
@given(
    value=st.lists(
        st.recursive(
            st.none() | st.text() | st.integers(0, 9),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
)
def test_bodies_are_taken_apart_as_a_parser_would(value: list[Any]) -> None:
    """Beside one event that is too deep, each other is what Python's own parser makes of it."""
    too_deep = f'{{"a": {lists(MOST_LEVELS)}}}'
    for ascii_only in (True, False):
        events_of_text = [
            *(json.dumps(event, ensure_ascii=ascii_only) for event in value),
            too_deep,
        ]
        text = f"[{', '.join(events_of_text)}]"
        *events, unread = events_in(text.encode())[0]
        assert events == value
        assert isinstance(unread, UnreadEvent)
        around = events_in(f'{{"a": {json.dumps(value)}, "batch": [{too_deep}], "b": 1}}'.encode())[
            1
        ]
        assert around == {"a": value, "b": 1}


@pytest.mark.parametrize("levels", [MOST_LEVELS - 1, MOST_LEVELS])
def test_the_deepest_event_is_of_200_levels(levels: int) -> None:
    (event,) = events_in(f'[{{"a": {lists(levels)}}}]'.encode())[0]
    assert isinstance(event, UnreadEvent) == (levels + 1 > MOST_LEVELS)


def test_a_batch_counts_by_its_events_in_every_rate() -> None:
    """250 events at 100 an hour take three hours;
    a limit counts nothing of what another refuses.
    """
    quota = EventQuota("100/hour", "1000/hour")
    quota.take("shop", "203.0.113.1", 250)
    with pytest.raises(CollectRefusal) as refused:
        quota.take("shop", "203.0.113.1", 1)
    assert 2 * 3_600 < (refused.value.retry_s or 0) <= 3 * 3_600
    for _ in range(8):  # 750 of another key's, since the refused one counts nowhere
        with pytest.raises(CollectRefusal):
            quota.take("shop", "203.0.113.1", 100)
    quota.take("other", "203.0.113.1", 100)
