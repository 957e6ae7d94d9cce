"""Sending to GA4, which never says what it took."""

import logging

import pytest

from ecom_assets.outputs.delivery import batch_sender
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.tools.ga4.tool import UNCONFIRMED
from ecom_assets_tests.outputs.delivery.mart_rows import (
    KEY,
    SENT_AT,
    event,
    events,
    one_batch,
    tool,
    users,
    visits,
)
from ecom_assets_tests.outputs.delivery.scripted_tool import RESET, Say, ScriptedTool

DELIVERED, POSTPONED, IN_DOUBT = (
    DeliveryState.DELIVERED,
    DeliveryState.POSTPONED,
    DeliveryState.IN_DOUBT,
)
GOT = Say(204, "")


def test_events_of_a_person_share_a_request_that_is_answered_by_nothing(
    far_side: ScriptedTool,
) -> None:
    destination = tool("ga4_events", far_side.restart(otherwise=GOT).url)
    answers = destination.send(one_batch(destination, visits(anna=3)))
    assert answers == [DeliveryResult(DELIVERED, *UNCONFIRMED)] * 3
    (request,) = far_side.heard
    assert request.path == "/mp/collect"
    assert request.params == {"measurement_id": "G-ABC123", "api_secret": KEY}
    assert (request.json["client_id"], request.json["user_id"]) == ("anna-1", "anna-1")
    assert request.ids() == ["e1", "e2", "e3"]


def test_a_request_is_of_one_person_and_has_25_events_at_most() -> None:
    destination = tool("ga4_events")
    batches = list(destination.batches(destination.payloads(visits(anna=26, ben=2), SENT_AT)))
    assert [(set(batch["user_key"].to_pylist()), len(batch)) for batch in batches] == [
        ({"anna-1"}, 25),
        ({"anna-1"}, 1),
        ({"ben-1"}, 2),
    ]
    assert batches[0]["record_id"].to_pylist()[:3] == [
        "e1@2026-01-05",
        "e3@2026-01-05",
        "e5@2026-01-05",
    ]


@pytest.mark.parametrize("stumble", [RESET, Say(500), Say(502)])
def test_what_may_have_arrived_is_not_sent_again_but_for_purchases(
    far_side: ScriptedTool, stumble: Say
) -> None:
    destination = tool("ga4_events", far_side.restart(stumble, otherwise=GOT).url)
    bought = event(
        2,
        event_type="purchase",
        cart_amount="9.90",
        product_id="p1",
        properties='{"order_id":"o1"}',
    )
    answers = destination.send(one_batch(destination, events(event(1), bought, event(3))))
    assert [answer.state for answer in answers] == [IN_DOUBT, DELIVERED, IN_DOUBT]
    assert far_side.ids() == [["e1", "e2", "e3"], ["e2"]]
    assert KEY not in repr(answers)


def test_a_shop_may_rather_count_twice_than_miss(far_side: ScriptedTool) -> None:
    destination = tool(
        "ga4_events", far_side.restart(RESET, otherwise=GOT).url, ga4_unconfirmed="at_least_once"
    )
    assert destination.safe_to_repeat
    assert (
        destination.send(one_batch(destination, visits(anna=2)))
        == [DeliveryResult(DELIVERED, *UNCONFIRMED, attempts=2)] * 2
    )


@pytest.mark.parametrize("stumble", [Say(503), Say(429, "", (("Retry-After", "0"),))])
def test_what_was_not_even_looked_at_is_sent_again(far_side: ScriptedTool, stumble: Say) -> None:
    destination = tool("ga4_events", far_side.restart(stumble, otherwise=GOT).url)
    assert not destination.safe_to_repeat
    assert [
        answer.state for answer in destination.send(one_batch(destination, visits(anna=1)))
    ] == [DELIVERED]


def test_where_nobody_listens_nothing_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sender, "RETRIES", 1)
    destination = tool("ga4_events")
    (answer,) = destination.send(one_batch(destination, visits(anna=1)))
    assert (answer.state, answer.reason) == (POSTPONED, "busy")


def test_user_properties_ride_on_an_event_a_request_each(far_side: ScriptedTool) -> None:
    destination = tool("ga4_users", far_side.restart(otherwise=GOT).url)
    rows = users(
        {"customer_id": "anna", "segment": "Loyal"}, {"customer_id": "ben", "segment": "Lost"}
    )
    batches = list(destination.batches(destination.payloads(rows, SENT_AT)))
    assert [list(destination.send(batch)) for batch in batches] == [
        [DeliveryResult(DELIVERED, *UNCONFIRMED)]
    ] * 2
    assert far_side.heard[0].json == {
        "client_id": "anna",
        "user_id": "anna",
        "user_properties": {"customer_segment": {"value": "Loyal"}},
        "events": [{"name": "customer_profile", "params": {"engagement_time_msec": 1}}],
    }


def test_the_secret_in_ga4_s_address_is_in_no_log(
    far_side: ScriptedTool, caplog: pytest.LogCaptureFixture
) -> None:
    destination = tool("ga4_events", far_side.restart(RESET, Say(500), otherwise=GOT).url)
    with caplog.at_level(logging.DEBUG):
        destination.send(one_batch(destination, visits(anna=1)))
        destination.send(one_batch(destination, visits(ben=1)))
        destination.send(one_batch(destination, visits(carl=1)))
    assert "POST /mp/collect" in caplog.text  # urllib3 was heard
    assert KEY not in caplog.text
    assert KEY not in repr(destination)
