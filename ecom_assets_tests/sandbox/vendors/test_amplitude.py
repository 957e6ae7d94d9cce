"""The stand-in of Amplitude and its Identify: limits at their edges, shapes of answers,
what counts as a repeat.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.sandbox.vendors.vendor_requests import (
    DAY_S,
    amplitude_event,
    ask,
    identify,
    packed,
    still,
    to_amplitude,
)
from ecom_sandbox.services.service import ServiceRequest
from ecom_sandbox.vendors.amplitude import (
    BATCH,
    FORBIDDEN_IDS,
    HTTP_V2,
    IDENTIFY,
    MOST_BYTES,
    RESERVED_EVENTS,
    AmplitudeBehaviour,
    AmplitudeRates,
    AmplitudeReceiver,
)
from ecom_sandbox.vendors.receiver import Held, Setup

NOBODY_ELSE = {"device_id": None}


@pytest.fixture(scope="module")
def amplitude() -> Iterator[AmplitudeReceiver]:
    with AmplitudeReceiver(Setup(clock=still), rates=AmplitudeRates.none()) as receiver:
        yield receiver


@pytest.fixture
def forgetful() -> Iterator[AmplitudeReceiver]:
    with AmplitudeReceiver(Setup(clock=still)) as receiver:
        yield receiver


def test_an_accepted_batch_is_reported_with_its_size(amplitude: AmplitudeReceiver) -> None:
    events = [amplitude_event(1), amplitude_event(2)]
    size = len(json.dumps({"api_key": amplitude.key, "events": events}))
    assert to_amplitude(amplitude, *events) == (
        200,
        {
            "code": 200,
            "events_ingested": 2,
            "payload_size_bytes": size,
            "server_upload_time": 1_767_225_600_000,
        },
    )
    body, header = packed({"api_key": amplitude.key, "events": events})
    assert ask(amplitude, HTTP_V2, body, headers=header)[0] == 200
    assert ask(amplitude, HTTP_V2, b"no gzip", headers=header)[0] == 400


@pytest.mark.parametrize("path", [HTTP_V2, BATCH])
def test_two_thousand_events_pass_and_one_more_is_too_large(
    amplitude: AmplitudeReceiver, path: str
) -> None:
    events = [{"event_type": "a", "user_id": "user-1"}] * 2_001
    assert to_amplitude(amplitude, *events[1:], path=path)[0] == 200
    too_large = (413, {"code": 413, "error": "Payload too large"})
    assert to_amplitude(amplitude, *events, path=path) == too_large


@pytest.mark.parametrize("path", [HTTP_V2, BATCH])
def test_so_many_bytes_pass_and_one_more_is_too_large(
    amplitude: AmplitudeReceiver, path: str
) -> None:
    body = json.dumps({"api_key": amplitude.key, "events": [amplitude_event()]}).encode()
    full = body + b" " * (MOST_BYTES[path] - len(body))
    assert MOST_BYTES[path] == (1_000_000 if path == HTTP_V2 else 20_000_000)
    assert [ask(amplitude, path, full)[0], ask(amplitude, path, full + b" ")[0]] == [200, 413]


@each(
    "body, result",
    [
        (b"", {"error": "Missing request body"}),
        (b"{", {"error": "Invalid JSON request body"}),
        (b"[]", {"error": "Invalid JSON request body"}),
        (b'{"api_key": "x", "events": [{"price": NaN}]}', {"error": "Invalid JSON request body"}),
        (
            b'{"events": [{}]}',
            {"error": "Request missing required field", "missing_field": "api_key"},
        ),
        (
            b'{"api_key": "x"}',
            {"error": "Request missing required field", "missing_field": "events"},
        ),
        (
            b'{"api_key": "x", "events": []}',
            {"error": "Request missing required field", "missing_field": "events"},
        ),
        (b'{"api_key": "x", "events": [{}]}', {"error": "Invalid API key: x"}),
    ],
)
def test_unreadable_requests_are_refused(
    amplitude: AmplitudeReceiver, body: bytes, result: dict[str, str]
) -> None:
    assert ask(amplitude, BATCH, body) == (400, {"code": 400} | result)


def test_other_paths_and_methods_are_refused(amplitude: AmplitudeReceiver) -> None:
    refused = (400, {"code": 400, "error": "Invalid request path"})
    assert to_amplitude(amplitude, amplitude_event(), path="/httpapi") == refused
    assert amplitude.answer(ServiceRequest("GET", BATCH, {}, {})).status == 400
    assert to_amplitude(amplitude, "no event") == (
        400,
        {"code": 400, "error": "Invalid event JSON"},
    )


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"time": "2026-01-01T00:00:00Z"}, "time"),
    ({"time": True}, "time"),
    ({"event_type": "x" * 1_025}, "event_type"),
    ({"event_properties": {"text": "x" * 1_025}}, "event_properties"),
    ({"event_properties": {"texts": ["x" * 1_025]}}, "event_properties"),
    ({"event_properties": "text"}, "event_properties"),
    ({"price": "1.5"}, "price"),
    ({"quantity": 1.5}, "quantity"),
    ({"session_id": "s-1"}, "session_id"),
    ({"session_id": -2}, "session_id"),
    ({"groups": {str(number): "a" for number in range(6)}}, "groups"),
    ({"groups": {"team": [str(number) for number in range(11)]}}, "groups"),
    ({"device_id": "000-000"}, "device_id"),
    ({"user_id": 17}, "user_id"),
    *(({"user_id": word}, "user_id") for word in sorted(FORBIDDEN_IDS)),
    *(({"event_type": name}, "event_type") for name in sorted(RESERVED_EVENTS)),
]


@each("changes, field", INVALID)
def test_a_wrong_value_refuses_all_by_name(
    amplitude: AmplitudeReceiver, changes: dict[str, Any], field: str
) -> None:
    before = amplitude.held
    status, result = to_amplitude(amplitude, amplitude_event(1), amplitude_event(2, **changes))
    assert (status, result["error"]) == (400, "Invalid field values on some events")
    assert (result["events_with_invalid_fields"], result["events_with_missing_fields"]) == (
        {field: [1]},
        {},
    )
    assert amplitude.held == before


@each(
    "changes",
    [
        {"event_properties": {"text": "x" * 1_024}},
        {"event_type": "$identify"},
        {"groups": {str(number): ["a", "b"] for number in range(5)}},
        {
            "price": 9.99,
            "quantity": 2,
            "productId": "p1",
            "revenueType": "purchase",
            "currency": "EUR",
        },
        {"price": -9.99},
        {"time": None},
        {"user_id": None},
        {"device_id": None},
        {"session_id": -1},
        {"session_id": 1_767_614_280_000},
    ],
)
def test_values_at_their_limit_pass(amplitude: AmplitudeReceiver, changes: dict[str, Any]) -> None:
    assert to_amplitude(amplitude, amplitude_event(**changes))[0] == 200


def test_properties_may_be_forty_deep(amplitude: AmplitudeReceiver) -> None:
    deep: dict[str, Any] = {"a": 1}
    for _ in range(39):
        deep = {"a": deep}
    assert to_amplitude(amplitude, amplitude_event(event_properties=deep))[0] == 200
    assert to_amplitude(amplitude, amplitude_event(event_properties={"a": deep}))[0] == 400


@each(
    "changes, fields",
    [
        ({"event_type": None}, {"event_type"}),
        ({"user_id": None, "device_id": None}, {"user_id", "device_id"}),
        ({"productId": "p1"}, {"revenue"}),
        ({"revenueType": "purchase"}, {"revenue"}),
    ],
)
def test_missing_values_refuse_a_batch(
    amplitude: AmplitudeReceiver, changes: dict[str, Any], fields: set[str]
) -> None:
    status, result = to_amplitude(amplitude, amplitude_event(1), amplitude_event(2, **changes))
    assert (status, result["events_with_missing_fields"]) == (400, {field: [1] for field in fields})


def test_http_v2_names_the_first_wrong_event_and_batch_names_all(
    amplitude: AmplitudeReceiver,
) -> None:
    events = [
        amplitude_event(1),
        amplitude_event(2, time="x"),
        amplitude_event(3),
        amplitude_event(4, time="x"),
    ]
    by_path = {path: to_amplitude(amplitude, *events, path=path)[1] for path in (HTTP_V2, BATCH)}
    assert by_path[HTTP_V2]["events_with_invalid_fields"] == {"time": [1]}
    assert by_path[BATCH]["events_with_invalid_fields"] == {"time": [1, 3]}
    with AmplitudeReceiver(
        Setup(clock=still), behaviour=AmplitudeBehaviour(names="all")
    ) as generous:
        result = to_amplitude(generous, *events, path=HTTP_V2)[1]
    assert result["events_with_invalid_fields"] == {"time": [1, 3]}


def test_a_short_id_refuses_the_batch_as_production_was_seen_to(
    amplitude: AmplitudeReceiver,
) -> None:
    events = [amplitude_event(1, user_id="a" * 5), amplitude_event(2, user_id="a" * 4)]
    assert to_amplitude(amplitude, *events) == (
        400,
        {
            "code": 400,
            "error": "Invalid id length for user_id or device_id",
            "events_with_invalid_id_lengths": {"user_id": [1]},
        },
    )
    assert to_amplitude(amplitude, *events, options={"min_id_length": 4})[0] == 200
    assert (
        to_amplitude(amplitude, amplitude_event(user_id="a" * 5), options={"min_id_length": 6})[0]
        == 400
    )


def test_or_a_short_id_is_dropped_as_the_page_says() -> None:
    with AmplitudeReceiver(
        Setup(clock=still), behaviour=AmplitudeBehaviour(id_lengths="drop")
    ) as receiver:
        assert to_amplitude(receiver, amplitude_event(1, user_id="bob"))[0] == 200
        status, result = to_amplitude(receiver, amplitude_event(2, user_id="bob", device_id=None))
    assert (status, set(result["events_with_missing_fields"])) == (400, {"user_id", "device_id"})


def test_a_repeat_within_seven_days_is_not_counted_and_a_later_one_is(
    forgetful: AmplitudeReceiver,
) -> None:
    to_amplitude(forgetful, amplitude_event(1), amplitude_event(1))
    to_amplitude(forgetful, amplitude_event(1, event_type="other"), path=HTTP_V2)
    assert forgetful.held == Held(taken_count=3, counted_count=1, repeated_count=2)
    forgetful.ahead_s = 7 * DAY_S - 1
    to_amplitude(forgetful, amplitude_event(1))
    assert forgetful.held.counted_count == 1
    forgetful.ahead_s = 7 * DAY_S
    to_amplitude(forgetful, amplitude_event(1))
    assert forgetful.held.counted_count == 2


def test_an_insert_id_is_known_per_device_and_without_one_all_are_counted(
    forgetful: AmplitudeReceiver,
) -> None:
    to_amplitude(forgetful, amplitude_event(1), amplitude_event(1, device_id="device-2"))
    assert forgetful.held.counted_count == 2
    by_user = [
        amplitude_event(1, user_id=user, **NOBODY_ELSE) for user in ("anna-1", "anna-1", "bert-1")
    ]
    to_amplitude(forgetful, *by_user)
    assert forgetful.held.counted_count == 4
    to_amplitude(forgetful, *[amplitude_event(1, insert_id=None)] * 2)
    assert forgetful.held.counted_count == 6


def test_thirty_events_a_second_per_user_pass_and_more_are_throttled() -> None:
    anna = [amplitude_event(number, user_id="anna-1", device_id=None) for number in range(901)]
    with AmplitudeReceiver(Setup(clock=still)) as receiver:
        assert to_amplitude(receiver, *anna[:900], path=HTTP_V2)[0] == 200
        bert = amplitude_event(1, user_id="bert-1", device_id=None)
        assert to_amplitude(receiver, anna[900], bert, path=HTTP_V2) == (
            429,
            {
                "code": 429,
                "error": "Too many requests for some devices and users",
                "eps_threshold": 30,
                "throttled_devices": {},
                "throttled_users": {"anna-1": 30},
                "throttled_events": [0],
            },
        )
        assert to_amplitude(receiver, bert, path=HTTP_V2)[0] == 200
        receiver.ahead_s = 31
        assert to_amplitude(receiver, anna[900], path=HTTP_V2)[0] == 200


def test_batch_has_a_daily_quota_too() -> None:
    rates = AmplitudeRates(batch_per_s=100, batch_per_day=3)
    device = [amplitude_event(number, user_id=None, device_id="device-1") for number in range(4)]
    with AmplitudeReceiver(Setup(clock=still), rates=rates) as receiver:
        assert to_amplitude(receiver, *device[:3])[0] == 200
        status, result = to_amplitude(receiver, device[3])
        assert (status, result["eps_threshold"], result["throttled_events"]) == (429, 100, [0])
        assert (result["exceeded_daily_quota_devices"], result["exceeded_daily_quota_users"]) == (
            {"device-1": 4},
            {},
        )
        receiver.ahead_s = 25 * 3600
        assert to_amplitude(receiver, device[3])[0] == 200


def test_a_project_may_have_a_rate_of_its_own() -> None:
    rates = AmplitudeRates(project_per_s=1)
    with AmplitudeReceiver(Setup(clock=still), rates=rates) as receiver:
        assert to_amplitude(receiver, *[amplitude_event(number) for number in range(30)])[0] == 200
        assert to_amplitude(receiver, amplitude_event(31))[0] == 429


def test_silenced_devices_are_refused_for_good() -> None:
    behaviour = AmplitudeBehaviour(silenced_devices=frozenset({"device-2"}))
    with AmplitudeReceiver(Setup(clock=still), behaviour=behaviour) as receiver:
        status, result = to_amplitude(receiver, amplitude_event(1), amplitude_event(2))
    assert (status, result["error"]) == (400, "Events silenced for device_id")
    assert (result["silenced_devices"], result["silenced_events"]) == (["device-2"], [1])


def test_properties_of_users_are_taken_from_a_form(forgetful: AmplitudeReceiver) -> None:
    identification = {"user_id": "anna-1", "user_properties": {"tier": "gold"}}
    assert identify(forgetful, identification) == (200, "success")
    assert (
        identify(
            forgetful,
            [identification, {"device_id": "device-1", "user_properties": {"$set": {"a": 1}}}],
        )[0]
        == 200
    )
    assert forgetful.held.taken_count == 3
    assert identify(forgetful, identification, key="other") == (400, "invalid_api_key")
    assert (
        ask(forgetful, IDENTIFY, {"api_key": forgetful.key, "identification": identification})[0]
        == 400
    )


@pytest.mark.parametrize(
    "identification",
    [
        [],
        "text",
        {"user_properties": {"a": 1}},
        {"user_id": "anonymous", "user_properties": {"a": 1}},
        {"user_id": "anna-1"},
        {"user_id": "anna-1", "user_properties": {"$set": {"a": 1}, "b": 2}},
        {"user_id": "anna-1", "user_properties": {"$mystery": {"a": 1}}},
        {"user_id": "anna-1", "user_properties": {"$set": 1}},
        {"user_id": "anna-1", "user_properties": {"a": "x" * 1_025}},
    ],
)
def test_properties_that_are_wrong_are_refused(
    forgetful: AmplitudeReceiver, identification: object
) -> None:
    assert identify(forgetful, identification)[0] == 400


def test_more_than_1800_updates_an_hour_are_dropped_without_a_word() -> None:
    anna = {"user_id": "anna-1", "user_properties": {"a": 1}}
    with AmplitudeReceiver(
        Setup(clock=still), rates=AmplitudeRates(updates_per_hour=2)
    ) as receiver:
        assert identify(receiver, [anna, anna, anna, anna | {"user_id": "bert-1"}])[0] == 200
        assert receiver.held.taken_count == 3
    assert AmplitudeRates().updates_per_hour == 1_800
