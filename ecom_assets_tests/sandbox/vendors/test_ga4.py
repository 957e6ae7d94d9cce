"""The stand-in of GA4: it answers 204 to all, so what it has kept is asked, at each limit."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.sandbox.vendors.vendor_requests import (
    NOW_S,
    ask,
    ga4_event,
    ga4_says,
    packed,
    still,
    to_ga4,
)
from ecom_sandbox.services.service import ServiceRequest
from ecom_sandbox.vendors.entries import Incoming
from ecom_sandbox.vendors.ga4 import (
    BACK_S,
    COLLECT,
    DEBUG,
    RESERVED_EVENTS,
    RESERVED_PROPERTIES,
    TOO_MANY_BYTES,
    Ga4Receiver,
)
from ecom_sandbox.vendors.receiver import Setup

MICROS = 1_000_000
PURCHASE: dict[str, Any] = {
    "name": "purchase",
    "transaction_id": "T-1",
    "currency": "EUR",
    "value": 20.0,
    "items": [{"item_id": "p1", "price": 10.0, "quantity": 2}],
}


@pytest.fixture
def ga4() -> Iterator[Ga4Receiver]:
    with Ga4Receiver(Setup(clock=still)) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def shared() -> Iterator[Ga4Receiver]:
    with Ga4Receiver(Setup(clock=still)) as receiver:
        yield receiver


def kept(ga4: Ga4Receiver, *events: Any, **more: Any) -> int:
    """Send events, get no word in answer, and return how many more are counted."""
    before = ga4.held.counted_count
    assert to_ga4(ga4, *events, **more) == (204, "")
    return ga4.held.counted_count - before


def test_everything_is_answered_with_204_and_only_what_is_right_is_kept(ga4: Ga4Receiver) -> None:
    assert kept(ga4, ga4_event(1), ga4_event(2)) == 2
    assert ask(ga4, COLLECT, b"{") == (204, "")
    right = {"measurement_id": ga4.measurement_id, "api_secret": ga4.api_secret}
    body = {"client_id": "c", "events": [ga4_event()]}
    for wrong in ({"api_secret": "x"}, {"measurement_id": "G-OTHER"}):
        assert ask(ga4, COLLECT, body, query=right | wrong) == (204, "")
    zipped, header = packed(body)
    assert ask(ga4, COLLECT, zipped, query=right, headers=header) == (204, "")
    assert ga4.held.counted_count == 2
    assert ga4.answer(ServiceRequest("POST", "/collect", {}, {}, b"{}")).status == 404


def test_no_event_is_known_again_but_a_purchase_by_its_transaction(ga4: Ga4Receiver) -> None:
    assert kept(ga4, ga4_event(1), ga4_event(1)) == 2
    assert kept(ga4, ga4_event(2, **PURCHASE)) == 1
    assert kept(ga4, ga4_event(2, **PURCHASE)) == 0
    assert kept(ga4, ga4_event(2, **PURCHASE | {"transaction_id": "T-2"})) == 1


LOST_WHOLE: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"client_id": ""}, ("client_id", "VALUE_REQUIRED")),
    ({"client_id": 17}, ("client_id", "VALUE_REQUIRED")),
    ({"events": []}, ("events", "VALUE_REQUIRED")),
    ({"events": [ga4_event()] * 26}, ("events", "EXCEEDED_MAX_ENTITIES")),
    (
        {"user_properties": {f"p{number}": {"value": 1} for number in range(26)}},
        ("user_properties", "EXCEEDED_MAX_ENTITIES"),
    ),
    (
        {"user_properties": {"x" * 25: {"value": 1}}},
        (f"user_properties.{'x' * 25}", "NAME_INVALID"),
    ),
    ({"user_properties": {"tier": {"value": "x" * 37}}}, ("user_properties.tier", "VALUE_INVALID")),
    ({"user_properties": {"tier": "gold"}}, ("user_properties.tier", "VALUE_INVALID")),
    ({"user_properties": {"ga_x": {"value": 1}}}, ("user_properties.ga_x", "NAME_RESERVED")),
    *(
        ({"user_properties": {name: {"value": 1}}}, (f"user_properties.{name}", "NAME_RESERVED"))
        for name in sorted(RESERVED_PROPERTIES)
    ),
]


@each("more, message", LOST_WHOLE)
def test_the_debug_server_has_the_reason(
    shared: Ga4Receiver, more: dict[str, Any], message: tuple[str, str]
) -> None:
    assert kept(shared, ga4_event(), **more) == 0
    assert ga4_says(shared, ga4_event(), **more) == [message]


LOST: list[tuple[dict[str, Any], tuple[str, str]]] = [
    (ga4_event(name="x" * 41), ("name", "NAME_INVALID")),
    (ga4_event(name="view item"), ("name", "NAME_INVALID")),
    (ga4_event(name="1st"), ("name", "NAME_INVALID")),
    (ga4_event(name="ga_view"), ("name", "NAME_RESERVED")),
    *((ga4_event(name=name), ("name", "NAME_RESERVED")) for name in sorted(RESERVED_EVENTS)),
    ({"params": {}}, ("name", "VALUE_REQUIRED")),
    (ga4_event(page="x" * 101), ("params.page", "VALUE_INVALID")),
    (ga4_event(page_location="x" * 1_001), ("params.page_location", "VALUE_INVALID")),
    (ga4_event(page_referrer="x" * 421), ("params.page_referrer", "VALUE_INVALID")),
    (ga4_event(page={"a": 1}), ("params.page", "VALUE_INVALID")),
    (ga4_event(**{"x" * 41: 1}), (f"params.{'x' * 41}", "NAME_INVALID")),
    (ga4_event(firebase_conversion=1), ("params.firebase_conversion", "NAME_RESERVED")),
    (ga4_event(**{f"p{number}": 1 for number in range(23)}), ("params", "EXCEEDED_MAX_ENTITIES")),
    (ga4_event(value=1.0), ("params.currency", "VALUE_REQUIRED")),
    (ga4_event(**PURCHASE | {"transaction_id": None}), ("params.transaction_id", "VALUE_REQUIRED")),
    (ga4_event(**PURCHASE | {"items": None}), ("params.items", "VALUE_REQUIRED")),
    (ga4_event(name="refund"), ("params.transaction_id", "VALUE_REQUIRED")),
    (ga4_event(items=[{"price": 1}]), ("params.items[0]", "VALUE_REQUIRED")),
    (ga4_event(items=[{"item_id": "x" * 101}]), ("params.items[0]", "VALUE_INVALID")),
    (ga4_event(items=[{"item_id": "p"}] * 201), ("params.items", "EXCEEDED_MAX_ENTITIES")),
    (
        ga4_event(items=[{"item_id": "p"} | {f"c{number}": 1 for number in range(11)}]),
        ("params.items[0]", "EXCEEDED_MAX_ENTITIES"),
    ),
]


@each("event, message", LOST)
def test_a_wrong_event_alone_is_lost(
    shared: Ga4Receiver, event: dict[str, Any], message: tuple[str, str]
) -> None:
    assert kept(shared, ga4_event(1), event) == 1
    path, code = message
    assert ga4_says(shared, ga4_event(1), event) == [(f"events[1].{path}", code)]


@pytest.mark.parametrize(
    "event",
    [
        ga4_event(name="x" * 40),
        ga4_event(name="purchse"),
        ga4_event(
            page="x" * 100, page_location="x" * 1_000, page_referrer="x" * 420, page_title="x" * 300
        ),
        ga4_event(**{f"p{number}": 1 for number in range(22)}),
        ga4_event(items=[{"item_id": "p"} | {f"c{number}": 1 for number in range(10)}] * 200),
        ga4_event(**PURCHASE),
        {"name": "share"},
    ],
)
def test_values_at_their_limit_are_kept(ga4: Ga4Receiver, event: dict[str, Any]) -> None:
    assert ga4_says(ga4, event) == []
    assert kept(ga4, event) == 1


def test_25_events_and_user_properties_at_their_limit_are_kept(ga4: Ga4Receiver) -> None:
    properties = {f"{'p' * 22}{number:02}": {"value": "x" * 36} for number in range(25)}
    assert kept(ga4, *[ga4_event()] * 25, user_properties=properties) == 25 + 1


def test_a_body_is_below_130_kilobytes(ga4: Ga4Receiver) -> None:
    query = {"measurement_id": ga4.measurement_id, "api_secret": ga4.api_secret}
    body = json.dumps({"client_id": "c", "events": [ga4_event()]}).encode()
    for size, count in ((TOO_MANY_BYTES, 0), (TOO_MANY_BYTES - 1, 1)):
        before = ga4.held.counted_count
        ask(ga4, COLLECT, body + b" " * (size - len(body)), query=query)
        assert ga4.held.counted_count - before == count


def shown_s(ga4: Ga4Receiver, **more: Any) -> float:
    """Return the time that an event is shown at."""
    body = json.dumps({"client_id": "c", "events": [ga4_event()], **more}).encode()
    (entry,) = ga4.entries(Incoming(ServiceRequest("POST", COLLECT, {}, {}, body), body, NOW_S))
    assert isinstance(entry.at, int)
    return entry.at / MICROS


def test_an_event_older_than_72_hours_is_shifted_without_a_word_or_lost_where_asked(
    ga4: Ga4Receiver,
) -> None:
    oldest = int((NOW_S - BACK_S) * MICROS)
    assert shown_s(ga4) == NOW_S
    assert shown_s(ga4, timestamp_micros=oldest) == NOW_S - BACK_S
    assert shown_s(ga4, timestamp_micros=oldest - 3600 * MICROS) == NOW_S - BACK_S
    assert shown_s(ga4, timestamp_micros=str(oldest + MICROS)) == NOW_S - BACK_S + 1
    own = ga4_event() | {"timestamp_micros": oldest + 2 * MICROS}
    assert shown_s(ga4, timestamp_micros=1, events=[own]) == NOW_S - BACK_S + 2
    enforced = {"validation_behavior": "ENFORCE_RECOMMENDATIONS"}
    assert kept(ga4, ga4_event(1), timestamp_micros=oldest - 1) == 1
    assert kept(ga4, ga4_event(1), timestamp_micros=oldest, **enforced) == 1
    assert kept(ga4, ga4_event(1), timestamp_micros=oldest - 1, **enforced) == 0
    assert ga4_says(ga4, ga4_event(1), timestamp_micros=oldest - 1, **enforced) == [
        ("events[0].timestamp_micros", "VALUE_OUT_OF_BOUNDS")
    ]


def test_the_debug_server_keeps_nothing_and_checks_no_secret(ga4: Ga4Receiver) -> None:
    assert ask(ga4, DEBUG, {"client_id": "c", "events": [ga4_event()]}) == (
        200,
        {"validationMessages": []},
    )
    assert ga4.held.taken_count == 0
