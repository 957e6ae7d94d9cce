"""The stand-in of Mixpanel: limits at their edges, what of a refused batch is taken, repeats."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.sandbox.vendors.vendor_requests import (
    NOW_S,
    ask,
    basic,
    engage,
    mixpanel_event,
    mixpanel_profile,
    packed,
    still,
    to_mixpanel,
)
from ecom_sandbox.services.service import ServiceRequest
from ecom_sandbox.vendors.mixpanel import (
    ENGAGE,
    EVENT_BYTES,
    FORBIDDEN_IDS,
    IMPORT,
    TEN_MB,
    TWO_MB,
    MixpanelBehaviour,
    MixpanelRates,
    MixpanelReceiver,
)
from ecom_sandbox.vendors.receiver import Held, Setup


@pytest.fixture(scope="module")
def mixpanel() -> Iterator[MixpanelReceiver]:
    with MixpanelReceiver(Setup(clock=still), rates=MixpanelRates.none()) as receiver:
        yield receiver


@pytest.fixture
def forgetful() -> Iterator[MixpanelReceiver]:
    with MixpanelReceiver(Setup(clock=still)) as receiver:
        yield receiver


def test_good_events_are_counted_in_the_answer(mixpanel: MixpanelReceiver) -> None:
    assert to_mixpanel(mixpanel, mixpanel_event(1), mixpanel_event(2)) == (
        200,
        {"code": 200, "num_records_imported": 2, "status": "OK"},
    )


def test_of_a_refused_batch_the_good_events_are_taken(forgetful: MixpanelReceiver) -> None:
    status, result = to_mixpanel(
        forgetful, mixpanel_event(1), mixpanel_event(2, time="noon"), mixpanel_event(3)
    )
    assert (status, result) == (
        400,
        {
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": [
                {
                    "index": 1,
                    "$insert_id": "event-2",
                    "field": "properties.time",
                    "message": (
                        "properties.time is invalid: must be specified as seconds since epoch"
                    ),
                }
            ],
            "num_records_imported": 2,
            "status": "Bad Request",
        },
    )
    assert forgetful.held == Held(2, 2, 0)
    assert (
        to_mixpanel(forgetful, mixpanel_event(4), mixpanel_event(5, time=None), strict="0")[0]
        == 200
    )
    assert forgetful.held.counted_count == 3


def test_a_refused_record_may_be_named_the_other_way() -> None:
    with MixpanelReceiver(
        Setup(clock=still), behaviour=MixpanelBehaviour(id_name="insert_id")
    ) as receiver:
        result = to_mixpanel(receiver, mixpanel_event(1, time=None))[1]
    assert [record.get("insert_id") for record in result["failed_records"]] == ["event-1"]


def test_two_thousand_events_pass_and_one_more_is_too_large(mixpanel: MixpanelReceiver) -> None:
    events = [mixpanel_event()] * 2_001
    assert [to_mixpanel(mixpanel, *events[1:])[0], to_mixpanel(mixpanel, *events)[0]] == [200, 413]


@pytest.mark.parametrize("most_bytes", [TWO_MB, TEN_MB])
def test_so_many_bytes_pass_and_one_more_is_too_large(most_bytes: int) -> None:
    body = json.dumps([mixpanel_event()]).encode()
    full = body + b" " * (most_bytes - len(body))
    with MixpanelReceiver(
        Setup(clock=still), behaviour=MixpanelBehaviour(most_bytes=most_bytes)
    ) as receiver:
        header = basic(receiver.project.token)
        assert ask(receiver, IMPORT, full, headers=header)[0] == 200
        assert ask(receiver, IMPORT, full + b" ", headers=header) == (
            413,
            {
                "code": 413,
                "error": f"request exceeds max limit of {most_bytes} bytes",
                "status": "Request Entity Too Large",
            },
        )


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"time": None}, "time"),
    ({"time": True}, "time"),
    ({"time": 31_535_999}, "time"),
    ({"time": NOW_S + 3_601}, "time"),
    ({"time": (NOW_S + 3_601) * 1_000}, "time"),
    ({"$insert_id": None}, "$insert_id"),
    ({"$insert_id": ""}, "$insert_id"),
    ({"$insert_id": "x" * 37}, "$insert_id"),
    ({"$insert_id": "a_b"}, "$insert_id"),
    ({"$insert_id": "ä"}, "$insert_id"),
    ({"distinct_id": None}, "distinct_id"),
    ({"distinct_id": 17}, "distinct_id"),
    ({"a": {str(number): 1 for number in range(255)}}, "a"),
    ({"a": [1] * 255}, "a"),
    ({"a": {"b": {"c": {"d": 1}}}}, ""),
    *(({"$insert_id": word}, "$insert_id") for word in sorted(FORBIDDEN_IDS)),
    *(({"distinct_id": word}, "distinct_id") for word in sorted(FORBIDDEN_IDS)),
]


@each("changes, field", [case for case in INVALID if case[1]])
def test_a_wrong_property_is_named(
    mixpanel: MixpanelReceiver, changes: dict[str, Any], field: str
) -> None:
    status, result = to_mixpanel(mixpanel, mixpanel_event(1), mixpanel_event(2, **changes))
    assert (status, result["num_records_imported"]) == (400, 1)
    assert [(record["index"], record["field"]) for record in result["failed_records"]] == [
        (1, f"properties.{field}")
    ]


@each(
    "changes",
    [
        {"time": 31_536_000},
        {"time": NOW_S + 3_600},
        {"time": NOW_S * 1_000},
        {"$insert_id": "x" * 36},
        {"distinct_id": ""},
        {str(number): 1 for number in range(251)},
        {"a": {str(number): 1 for number in range(254)}},
        {"a": [1] * 254},
        {"a": {"b": {"c": 1}}},
    ],
)
def test_values_at_their_limit_pass(mixpanel: MixpanelReceiver, changes: dict[str, Any]) -> None:
    assert to_mixpanel(mixpanel, mixpanel_event(**changes))[0] == 200


def test_properties_and_objects_have_fewer_than_255_names_and_are_three_deep(
    mixpanel: MixpanelReceiver,
) -> None:
    many = mixpanel_event(**{str(number): 1 for number in range(252)})
    assert len(many["properties"]) == 255
    assert to_mixpanel(mixpanel, many)[1]["failed_records"][0]["field"] == "properties"
    deep = {"a": {"b": {"c": {"d": 1}}}}
    assert to_mixpanel(mixpanel, mixpanel_event(p=deep["a"]))[0] == 200
    assert to_mixpanel(mixpanel, mixpanel_event(p=deep))[0] == 400


def test_an_event_has_less_than_a_megabyte(mixpanel: MixpanelReceiver) -> None:
    empty = len(json.dumps(mixpanel_event(a="")))
    for missing, status in ((1, 200), (0, 400)):
        event = mixpanel_event(a="x" * (EVENT_BYTES - empty - missing))
        assert len(json.dumps(event)) == EVENT_BYTES - missing
        assert to_mixpanel(mixpanel, event)[0] == status


@each("event", [{"properties": {}}, {"event": ""}, {"event": "x"}, "text", None])
def test_what_is_no_event_is_refused(mixpanel: MixpanelReceiver, event: Any) -> None:
    assert to_mixpanel(mixpanel, event)[1]["num_records_imported"] == 0


def test_who_may_send(mixpanel: MixpanelReceiver) -> None:
    project, events = mixpanel.project, [mixpanel_event()]

    def status(header: dict[str, str], **query: str) -> int:
        return ask(mixpanel, IMPORT, events, query=query, headers=header)[0]

    assert [
        status(basic(project.token)),
        status(basic(project.token), project_id=project.project_id),
    ] == [200, 200]
    assert status(basic(*project.account), project_id=project.project_id) == 200
    wrong = [
        {},
        basic("other"),
        basic(*project.account),
        {"authorization": "Basic ?"},
        basic(project.token, "word"),
    ]
    assert [status(header) for header in wrong] == [401] * 5
    assert status(basic(project.token), project_id="17") == 401
    assert ask(mixpanel, IMPORT, events) == (
        401,
        {"code": 401, "error": "Invalid credentials", "status": "Unauthorized"},
    )


def test_lines_gzip_and_forms_are_read(forgetful: MixpanelReceiver) -> None:
    header = basic(forgetful.project.token)
    lines = "\n".join(json.dumps(mixpanel_event(number)) for number in (1, 2)).encode()
    ndjson = header | {"content-type": "application/x-ndjson"}
    assert ask(forgetful, IMPORT, lines, headers=ndjson)[1]["num_records_imported"] == 2
    assert ask(forgetful, IMPORT, lines + b"\n{", headers=ndjson)[0] == 400
    body, gzipped = packed([mixpanel_event(3)])
    assert ask(forgetful, IMPORT, body, headers=header | gzipped)[0] == 200
    form = {"content-type": "application/x-www-form-urlencoded"}
    data = urlencode({"data": json.dumps([mixpanel_event(4)])}).encode()
    assert ask(forgetful, IMPORT, data, headers=header | form) == (
        200,
        {"status": 1, "error": None},
    )
    assert forgetful.held.counted_count == 4
    assert ask(forgetful, IMPORT, b"{}", headers=header)[0] == 400
    assert forgetful.answer(ServiceRequest("GET", IMPORT, {}, {})).status == 404


def test_event_time_user_and_insert_id_make_a_repeat_in_seconds_and_milliseconds(
    forgetful: MixpanelReceiver,
) -> None:
    to_mixpanel(
        forgetful,
        mixpanel_event(1),
        mixpanel_event(1, time=NOW_S * 1_000),
        mixpanel_event(1, page="/"),
    )
    assert forgetful.held == Held(taken_count=3, counted_count=1, repeated_count=2)
    others: list[dict[str, Any]] = [
        {"event": "other"},
        {"time": NOW_S - 1},
        {"distinct_id": "user-2"},
        {"$insert_id": "event-2"},
    ]
    to_mixpanel(forgetful, *[mixpanel_event(1, **change) for change in others])
    assert forgetful.held.counted_count == 5


def test_too_many_events_or_bytes_in_a_minute_are_refused() -> None:
    for rates in (MixpanelRates(events_per_min=2), MixpanelRates(bytes_per_min=300)):
        with MixpanelReceiver(Setup(clock=still), rates=rates) as receiver:
            assert to_mixpanel(receiver, mixpanel_event(1), mixpanel_event(2))[0] == 200
            status, result = to_mixpanel(receiver, mixpanel_event(3))
            assert (status, result["status"]) == (429, "Too Many Requests")
            receiver.ahead_s = 62
            assert to_mixpanel(receiver, mixpanel_event(3))[0] == 200
    assert (MixpanelRates().events_per_min, MixpanelRates().bytes_per_min) == (
        1_800_000,
        2_000_000_000,
    )


# Profiles


def test_two_thousand_profiles_pass_and_one_more_is_too_large(mixpanel: MixpanelReceiver) -> None:
    updates = [mixpanel_profile(mixpanel)] * 2_001
    assert engage(mixpanel, *updates[1:]) == (200, "1")
    assert engage(mixpanel, *updates[1:], verbose="1") == (200, {"status": 1, "error": None})
    assert engage(mixpanel, *updates)[0] == 413


@pytest.mark.parametrize(
    "changes",
    [
        {"$distinct_id": ""},
        {"$distinct_id": "anonymous"},
        {"$set": 1},
        {"$add": {"a": 1}},
        {"$set": None},
    ],
)
def test_a_wrong_profile_is_refused_with_200(
    forgetful: MixpanelReceiver, changes: dict[str, Any]
) -> None:
    update = mixpanel_profile(forgetful) | changes
    assert engage(forgetful, mixpanel_profile(forgetful), update) == (200, "0")
    assert engage(forgetful, update, verbose="1")[1]["status"] == 0
    assert forgetful.held.taken_count == 0


def test_profiles_are_of_the_project(mixpanel: MixpanelReceiver) -> None:
    assert ask(mixpanel, ENGAGE, [mixpanel_profile(mixpanel) | {"$token": "other"}])[0] == 401
    assert ask(mixpanel, ENGAGE, ["text"])[0] == 401
