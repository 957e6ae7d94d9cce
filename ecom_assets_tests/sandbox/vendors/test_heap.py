"""The stand-in of Heap: limits at their edges, what is refused whole, what counts as a repeat."""

from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.sandbox.vendors.vendor_requests import (
    ask,
    heap_event,
    packed,
    still,
    to_heap,
)
from ecom_sandbox.services.service import ServiceRequest
from ecom_sandbox.vendors.heap import PROPERTIES, TRACK, HeapRates, HeapReceiver
from ecom_sandbox.vendors.receiver import Held, Setup


@pytest.fixture(scope="module")
def heap() -> Iterator[HeapReceiver]:
    with HeapReceiver(Setup(clock=still), rates=HeapRates.none()) as receiver:
        yield receiver


@pytest.fixture
def forgetful() -> Iterator[HeapReceiver]:
    with HeapReceiver(Setup(clock=still)) as receiver:
        yield receiver


@pytest.mark.parametrize("path", [TRACK, PROPERTIES])
def test_a_thousand_records_pass_and_one_more_is_refused(heap: HeapReceiver, path: str) -> None:
    record = (
        heap_event() if path == TRACK else {"identity": "user-1", "properties": {"tier": "gold"}}
    )
    assert to_heap(heap, *[record] * 1_000, path=path)[0] == 200
    assert to_heap(heap, *[record] * 1_001, path=path)[0] == 400
    assert to_heap(heap, path=path)[0] == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"event": None},
        {"event": ""},
        {"event": "x" * 1_025},
        {"identity": None},
        {"user_id": "17"},
        {"identity": "x" * 256},
        {"identity": None, "user_id": str(2**53)},
        {"identity": None, "user_id": "anna"},
        {"timestamp": "yesterday"},
        {"timestamp": 1_767_225_600},
        {"idempotency_key": 17},
        {"properties": {"a": "x" * 1_024}},
        {"properties": {"x" * 1_024: 1}},
        {"properties": {"a": {"b": 1}}},
        {"properties": {"a": True}},
        {"properties": []},
    ],
)
def test_a_wrong_event_refuses_the_whole_batch_unnamed(
    forgetful: HeapReceiver, changes: dict[str, Any]
) -> None:
    status, result = to_heap(forgetful, heap_event(1), heap_event(2, **changes))
    assert status == 400
    assert "event-2" not in result
    assert forgetful.held == Held(0, 0, 0)


@each(
    "changes",
    [
        {"event": "x" * 1_024},
        {"identity": "x" * 255},
        {"identity": None, "user_id": str(2**53 - 1)},
        {"timestamp": "2026-01-01T00:00:00+02:00"},
        {"timestamp": None},
        {"properties": {"a": "x" * 1_023, "list": ["a", "b"]}},
        {"properties": None},
    ],
)
def test_values_at_their_limit_pass(heap: HeapReceiver, changes: dict[str, Any]) -> None:
    assert to_heap(heap, heap_event(**changes))[0] == 200


@each(
    "user, status",
    [
        ({"identity": "anna", "properties": {"tier": "gold"}}, 200),
        ({"user_id": "17", "properties": {"score": 1.5}}, 200),
        ({"identity": "anna", "properties": {"Id": 1}}, 400),
        ({"identity": "anna"}, 400),
        ({"properties": {"a": 1}}, 400),
        ("anna", 400),
    ],
)
def test_properties_of_users(heap: HeapReceiver, user: Any, status: int) -> None:
    assert to_heap(heap, user, path=PROPERTIES)[0] == status


def test_the_app_must_be_its_own(heap: HeapReceiver) -> None:
    assert to_heap(heap, heap_event(), app_id="other")[0] == 400
    assert ask(heap, TRACK, b"{")[0] == 400
    assert heap.answer(ServiceRequest("GET", TRACK, {}, {})).status == 404
    body, header = packed({"app_id": heap.app_id, "events": [heap_event()]})
    assert ask(heap, TRACK, body, headers=header)[0] == 400


def test_an_idempotency_key_is_counted_once_for_ever(forgetful: HeapReceiver) -> None:
    to_heap(forgetful, heap_event(1), heap_event(1, identity="user-2"), heap_event(2))
    forgetful.ahead_s = 400 * 24 * 3600
    to_heap(forgetful, heap_event(1))
    assert forgetful.held == Held(taken_count=4, counted_count=2, repeated_count=2)
    to_heap(forgetful, heap_event(1, idempotency_key=None), heap_event(1, idempotency_key=None))
    assert forgetful.held.counted_count == 4


def test_a_thousand_events_a_minute_per_identity_pass(forgetful: HeapReceiver) -> None:
    assert to_heap(forgetful, *[heap_event()] * 1_000)[0] == 200
    assert to_heap(forgetful, heap_event())[0] == 429
    assert to_heap(forgetful, heap_event(2))[0] == 200
    forgetful.ahead_s = 62
    assert to_heap(forgetful, heap_event())[0] == 200


def test_fifteen_thousand_events_a_minute_pass_per_app(forgetful: HeapReceiver) -> None:
    batches = [
        [heap_event(number) for number in range(first, first + 1_000)]
        for first in range(0, 15_000, 1_000)
    ]
    assert {to_heap(forgetful, *batch)[0] for batch in batches} == {200}
    assert to_heap(forgetful, heap_event(15_001))[0] == 429


def test_thirty_single_requests_in_thirty_seconds_pass_per_identity(
    forgetful: HeapReceiver,
) -> None:
    single = {"app_id": forgetful.app_id} | heap_event()
    assert [ask(forgetful, TRACK, single)[0] for _ in range(31)] == [200] * 30 + [429]
    assert ask(forgetful, TRACK, single | {"identity": "user-2"})[0] == 200
    assert to_heap(forgetful, heap_event())[0] == 200
