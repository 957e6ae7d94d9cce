"""Sending to Mixpanel, which takes the good rows of what it refuses."""

import base64
import json

import pytest

from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets_tests.outputs.delivery.mart_rows import KEY, one_batch, tool, users, visits
from ecom_assets_tests.outputs.delivery.scripted_tool import OK, RESET, Say, ScriptedTool

DELIVERED, REJECTED, POSTPONED, IN_DOUBT = (
    DeliveryState.DELIVERED,
    DeliveryState.REJECTED,
    DeliveryState.POSTPONED,
    DeliveryState.IN_DOUBT,
)
VALIDATION = "some data points in the request failed validation"


def send(far_side: ScriptedTool, **settings: str) -> list[DeliveryResult]:
    destination = tool("mixpanel_events", far_side.url, **settings)
    return list(destination.send(one_batch(destination, visits(anna=3))))


def partly(imported: int, *failed: dict[str, object]) -> Say:
    body = {
        "code": 400,
        "error": VALIDATION,
        "status": "Bad Request",
        "num_records_imported": imported,
    }
    return Say(400, {**body, "failed_records": list(failed)})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_events_are_imported_strictly_with_the_token_as_user(far_side: ScriptedTool) -> None:
    assert send(far_side) == [DeliveryResult(DELIVERED)] * 3
    (request,) = far_side.heard
    assert (request.path, request.params) == ("/import", {"strict": "1"})
    assert request.headers["Authorization"] == basic(KEY, "")
    assert request.headers["Content-Encoding"] == "gzip"
    assert KEY not in request.body.decode()


def test_a_service_account_names_its_project(far_side: ScriptedTool) -> None:
    account = {
        "mixpanel_service_user": "robot",
        "mixpanel_service_secret": "s3",
        "mixpanel_project_id": "77",
    }
    send(far_side, **account)
    (request,) = far_side.heard
    assert request.params == {"strict": "1", "project_id": "77"}
    assert request.headers["Authorization"] == basic("robot", "s3")


@pytest.mark.parametrize("called", ["$insert_id", "insert_id"])
def test_good_rows_of_a_refused_batch_are_in_and_never_sent_again(
    far_side: ScriptedTool, called: str
) -> None:
    far_side.restart(
        partly(
            2,
            {
                "index": 1,
                called: "…",
                "field": "properties.time",
                "message": "'properties.time' is invalid",
            },
        )
    )
    answers = send(far_side)
    assert len(far_side.heard) == 1
    assert [answer.state for answer in answers] == [DELIVERED, REJECTED, DELIVERED]
    assert answers[1].message == "Mixpanel: 'properties.time' is invalid (properties.time)"


@pytest.mark.parametrize("called", ["$insert_id", "insert_id"])
def test_a_row_is_found_by_its_insert_id_too(far_side: ScriptedTool, called: str) -> None:
    send(far_side)
    insert_id = far_side.heard[0].json[2]["properties"]["$insert_id"]
    answers = send(
        far_side.restart(partly(2, {called: insert_id, "field": "event", "message": "is bad"}))
    )
    assert [answer.state for answer in answers] == [DELIVERED, DELIVERED, REJECTED]


def test_rows_that_are_missing_and_not_named_are_in_doubt(far_side: ScriptedTool) -> None:
    answers = send(far_side.restart(partly(1, {"index": 0, "field": "event", "message": "is bad"})))
    assert [answer.state for answer in answers] == [REJECTED, IN_DOUBT, IN_DOUBT]
    assert answers[1].message == "Mixpanel took 1 of 3 records and names 1 that it refused."
    assert len(far_side.heard) == 1


def test_a_request_of_which_nothing_was_taken_is_narrowed_down(far_side: ScriptedTool) -> None:
    destination = tool("mixpanel_events", far_side.url)
    batch = one_batch(destination, visits(anna=2))
    destination.send(batch)
    malformed = Say(400, {"code": 400, "error": "invalid JSON", "status": "Bad Request"})
    far_side.restart(malformed, malformed, OK)
    assert [answer.state for answer in destination.send(batch)] == [REJECTED, DELIVERED]
    assert far_side.ids() == [["e1", "e2"], ["e1"], ["e2"]]


def test_wrong_credentials_make_no_dead_letters(far_side: ScriptedTool) -> None:
    body = {"code": 401, "error": f"Invalid credentials {KEY}", "status": "Unauthorized"}
    answers = send(far_side.restart(Say(401, body)))
    assert [(answer.state, answer.reason) for answer in answers] == [(POSTPONED, "not_allowed")] * 3
    assert "ECOM_MIXPANEL_TOKEN" in answers[0].message
    assert KEY not in repr(answers)


def test_two_megabytes_are_too_much_where_it_says_so(far_side: ScriptedTool) -> None:
    body = {
        "code": 413,
        "error": "request exceeds max limit of 2097152 bytes",
        "status": "Request Entity Too Large",
    }
    assert send(far_side.restart(Say(413, body))) == [DeliveryResult(DELIVERED, attempts=2)] * 3
    assert far_side.ids()[1:] == [["e1"], ["e2", "e3"]]


def test_a_busy_project_is_tried_again(far_side: ScriptedTool) -> None:
    body = {"code": 429, "error": "Project exceeded rate limits.", "status": "Too Many Requests"}
    assert (
        send(far_side.restart(Say(429, body), Say(502), Say(503), RESET))
        == [DeliveryResult(DELIVERED, attempts=5)] * 3
    )


@pytest.mark.parametrize("yes", ["1", {"status": 1, "error": None}, {"code": 200, "status": "OK"}])
def test_user_properties_carry_the_token_in_the_request_only(
    far_side: ScriptedTool, yes: object
) -> None:
    destination = tool("mixpanel_users", far_side.restart(Say(200, yes)).url)
    batch = one_batch(destination, users({"customer_id": "anna", "churn_risk_rate": 0.25}))
    assert KEY not in batch["payload"][0].as_py()
    assert destination.send(batch) == [DeliveryResult(DELIVERED)]
    (request,) = far_side.heard
    assert (request.path, request.params) == ("/engage", {"ip": "0", "strict": "1", "verbose": "1"})
    assert request.json == [{"$token": KEY, "$distinct_id": "anna", "$set": {"churn_risk": 0.25}}]
    assert "Content-Encoding" not in request.headers  # /engage takes no gzip


@pytest.mark.parametrize("no", ["0", {"status": 0, "error": "value is too long"}])
def test_a_no_of_engage_comes_as_200(far_side: ScriptedTool, no: object) -> None:
    destination = tool("mixpanel_users", far_side.url)
    rows = users(
        {"customer_id": "anna", "segment": "Loyal"}, {"customer_id": "ben", "segment": "Loyal"}
    )
    batch = one_batch(destination, rows)
    destination.send(batch)
    far_side.restart(Say(200, no), Say(200, no), Say(200, "1"))
    assert [answer.state for answer in destination.send(batch)] == [REJECTED, DELIVERED]
    assert [len(json.loads(message.body)) for message in far_side.heard] == [2, 1, 1]
