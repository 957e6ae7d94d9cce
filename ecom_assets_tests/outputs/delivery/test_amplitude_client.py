"""Sending to Amplitude, by each answer that its documents show."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pyarrow as pa
import pytest

from ecom_assets.outputs.delivery import batch_sender
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets_tests.outputs.delivery.mart_rows import KEY, one_batch, tool, users, visits
from ecom_assets_tests.outputs.delivery.scripted_tool import OK, RESET, Say, ScriptedTool

DELIVERED, REJECTED, POSTPONED = (
    DeliveryState.DELIVERED,
    DeliveryState.REJECTED,
    DeliveryState.POSTPONED,
)


def send(far_side: ScriptedTool, rows: pa.Table, **settings: object) -> list[DeliveryResult]:
    destination = tool("amplitude_events", far_side.url, **settings)
    return list(destination.send(one_batch(destination, rows)))


def states_of(answers: list[DeliveryResult]) -> list[DeliveryState]:
    return [answer.state for answer in answers]


def refusal(error: str, **named: object) -> Say:
    """Return Amplitude's 400, which names rows by field."""
    nobody: dict[str, object] = {
        "missing_field": None,
        "events_with_invalid_fields": {},
        "events_with_missing_fields": {},
    }
    return Say(400, {"code": 400, "error": error, **nobody, **named})


def throttled(positions: list[int], **named: object) -> Say:
    """Return Amplitude's 429, which names events, users and devices."""
    nobody: dict[str, object] = {
        "throttled_users": {},
        "throttled_devices": {},
        "eps_threshold": 30,
    }
    error = "Too many requests for some devices and users"
    return Say(429, {"code": 429, "error": error, **nobody, "throttled_events": positions, **named})


def test_a_batch_is_one_gzipped_request_with_the_key_in_its_body(far_side: ScriptedTool) -> None:
    assert send(far_side, visits(anna=2)) == [DeliveryResult(DELIVERED), DeliveryResult(DELIVERED)]
    (request,) = far_side.heard
    assert (request.path, request.headers["Content-Encoding"]) == ("/batch", "gzip")
    assert request.json["api_key"] == KEY
    assert [event["insert_id"] for event in request.json["events"]] == [
        "e1@2026-01-05",
        "e2@2026-01-05",
    ]
    assert "options" not in request.json


def test_the_other_api_and_shorter_ids_are_a_setting_away(far_side: ScriptedTool) -> None:
    send(far_side, visits(anna=1), amplitude_api="http_v2", amplitude_min_id_length=3)
    (request,) = far_side.heard
    assert (request.path, request.json["options"]) == ("/2/httpapi", {"min_id_length": 3})


def test_named_rows_are_dropped_and_the_rest_is_sent_again_until_it_goes(
    far_side: ScriptedTool,
) -> None:
    # HTTP V2 names the first bad event only: the second shows when the first is out.
    first = refusal("Invalid field values on some events", events_with_invalid_fields={"time": [3]})
    second = refusal(
        "Request missing required field", events_with_missing_fields={"event_type": [0]}
    )
    far_side.restart(first, second)
    answers = send(far_side, visits(anna=5))
    assert far_side.ids() == [
        ["e1", "e2", "e3", "e4", "e5"],
        ["e1", "e2", "e3", "e5"],
        ["e2", "e3", "e5"],
    ]
    assert states_of(answers) == [REJECTED, DELIVERED, DELIVERED, REJECTED, DELIVERED]
    assert (answers[3].reason, answers[3].message) == (
        "invalid_fields",
        "Amplitude: Invalid field values on some events (time)",
    )
    assert (answers[0].reason, answers[0].attempts, answers[1].attempts) == ("missing_fields", 2, 3)


def test_every_list_that_the_official_client_reads_names_rows(far_side: ScriptedTool) -> None:
    body = refusal(
        "Invalid id length for user_id or device_id",
        events_with_invalid_fields={"time": [0]},
        events_with_missing_fields={"event_type": [1]},
        events_with_invalid_id_lengths={"user_id": [2], "device_id": [2]},
        silenced_events=[3],
    )
    answers = send(far_side.restart(body), visits(anna=5))
    assert [answer.reason for answer in answers] == [
        "invalid_fields",
        "missing_fields",
        "invalid_id_lengths",
        "silenced",
        "",
    ]
    assert far_side.ids()[1:] == [["e5"]]


def test_a_refusal_that_names_no_row_is_narrowed_down_by_halves(far_side: ScriptedTool) -> None:
    bad = Say(400, {"code": 400, "error": "Invalid event JSON"})
    far_side.restart(OK)
    destination = tool("amplitude_events", far_side.url)
    batch = one_batch(destination, visits(anna=4))
    destination.send(batch)  # Amplitude knows us
    far_side.restart(bad, bad, OK, bad, OK)
    answers = destination.send(batch)
    assert far_side.ids() == [["e1", "e2", "e3", "e4"], ["e1", "e2"], ["e1"], ["e2"], ["e3", "e4"]]
    assert states_of(list(answers)) == [DELIVERED, REJECTED, DELIVERED, DELIVERED]


@pytest.mark.parametrize(
    "body",
    [
        {"code": 400, "error": f"Invalid API key: {KEY}"},
        {"code": 400, "error": "Request missing required field", "missing_field": "api_key"},
    ],
)
def test_a_wrong_key_makes_no_dead_letters_and_is_not_shown(
    far_side: ScriptedTool, body: dict[str, object]
) -> None:
    answers = send(far_side.restart(Say(400, body)), visits(anna=3))
    assert states_of(answers) == [POSTPONED] * 3
    assert len(far_side.heard) == 1
    assert "ECOM_AMPLITUDE_API_KEY" in answers[0].message
    assert KEY not in repr(answers)


def test_too_large_is_sent_in_halves_and_a_single_one_given_up(far_side: ScriptedTool) -> None:
    large = Say(413, {"code": 413, "error": "Payload too large"})
    answers = send(far_side.restart(large, large, large, OK, OK), visits(anna=4))
    assert far_side.ids() == [["e1", "e2", "e3", "e4"], ["e1", "e2"], ["e1"], ["e2"], ["e3", "e4"]]
    assert (answers[0].state, answers[0].reason) == (REJECTED, "too_large")
    assert states_of(answers)[1:] == [DELIVERED] * 3


def test_only_who_sends_too_much_waits_and_in_order(far_side: ScriptedTool) -> None:
    # anna, ben, carl in turns: e1 e2 e3 e4 e5 e6; anna's e4 is throttled, so her e1 waits with it.
    far_side.restart(throttled([3], throttled_users={"anna-1": 31}))
    answers = send(far_side, visits(anna=2, ben=2, carl=2))
    assert far_side.ids()[1:] == [["e2", "e3", "e5", "e6"], ["e1", "e4"]]
    assert states_of(answers) == [DELIVERED] * 6


def test_who_is_over_the_day_s_quota_waits_for_another_day_with_all_that_follows(
    far_side: ScriptedTool,
) -> None:
    far_side.restart(throttled([0], exceeded_daily_quota_users={"anna-1": 500_000}))
    answers = send(far_side, visits(anna=2, ben=2))
    assert far_side.ids()[1:] == [["e2", "e4"]]
    assert states_of(answers) == [POSTPONED, DELIVERED, POSTPONED, DELIVERED]
    assert answers[0].reason == "daily_quota"


@pytest.mark.parametrize("status", [302, 401, 403, 404])
def test_what_is_wrong_with_us_is_not_tried_again(far_side: ScriptedTool, status: int) -> None:
    answers = send(
        far_side.restart(otherwise=Say(status, "no", (("Location", "/there"),))), visits(anna=2)
    )
    assert len(far_side.heard) == 1
    assert {(answer.state, answer.reason) for answer in answers} == {(POSTPONED, "not_allowed")}
    assert answers[0].message.endswith(
        "correct ECOM_AMPLITUDE_API_KEY and ECOM_AMPLITUDE_REGION or _URL."
    )


@pytest.mark.parametrize("stumble", [Say(408), Say(500), Say(502), Say(503), Say(504), RESET])
def test_what_may_be_better_the_next_time_is_sent_again_with_the_same_ids(
    far_side: ScriptedTool, stumble: Say
) -> None:
    answers = send(far_side.restart(stumble, stumble), visits(anna=2))
    assert answers == [DeliveryResult(DELIVERED, attempts=3)] * 2
    assert far_side.heard[0].body == far_side.heard[1].body == far_side.heard[2].body


@pytest.mark.parametrize(
    ("stumble", "reason"), [(Say(503), "busy"), (Say(500), "no_answer"), (RESET, "no_answer")]
)
def test_patience_ends_and_says_whether_the_tool_may_have_it(
    far_side: ScriptedTool, stumble: Say, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_sender, "RETRIES", 2)
    answers = send(far_side.restart(otherwise=stumble), visits(anna=1))
    assert len(far_side.heard) == 3
    assert [(answer.state, answer.reason, answer.attempts) for answer in answers] == [
        (POSTPONED, reason, 3)
    ]


def test_a_tool_that_is_not_there_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sender, "RETRIES", 1)
    destination = tool("amplitude_events", "http://127.0.0.1:9")
    (answer,) = destination.send(one_batch(destination, visits(anna=1)))
    assert (answer.state, answer.reason, answer.attempts) == (POSTPONED, "busy", 2)


@pytest.mark.slow
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for_in_seconds_and_as_a_date(
    far_side: ScriptedTool,
    as_date: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    soon = (
        format_datetime(datetime.now(UTC) + timedelta(seconds=1.5), usegmt=True) if as_date else "1"
    )
    begin = time.monotonic()
    answers = send(far_side.restart(Say(429, {}, (("Retry-After", soon),))), visits(anna=1))
    assert time.monotonic() - begin > 0.4
    assert states_of(answers) == [DELIVERED]


def test_a_pause_longer_than_our_patience_is_for_another_run(far_side: ScriptedTool) -> None:
    answers = send(far_side.restart(Say(429, {}, (("Retry-After", "3600"),))), visits(anna=2))
    assert [(answer.state, answer.reason) for answer in answers] == [(POSTPONED, "busy")] * 2
    assert len(far_side.heard) == 1


def test_after_a_record_that_has_to_wait_nothing_of_the_batch_is_sent(
    far_side: ScriptedTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_sender, "RETRIES", 0)
    far_side.restart(Say(413), otherwise=Say(503))
    answers = send(far_side, visits(anna=4))
    assert far_side.ids()[1:] == [["e1", "e2"]]
    assert states_of(answers) == [POSTPONED] * 4


def test_user_properties_are_a_form(far_side: ScriptedTool) -> None:
    destination = tool("amplitude_users", far_side.url)
    rows = users({"customer_id": "anna-1", "segment": "Can't Lose"})
    assert destination.send(one_batch(destination, rows)) == [DeliveryResult(DELIVERED)]
    (request,) = far_side.heard
    assert (request.path, request.headers["Content-Type"]) == (
        "/identify",
        "application/x-www-form-urlencoded",
    )
    assert request.body.startswith(
        f"api_key={KEY}&identification=%5B%7B%22user_id%22%3A%22anna-1%22".encode()
    )
