"""Sending to Heap, which names no row of what it refuses."""

import math

import pytest

from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets_tests.outputs.delivery.mart_rows import one_batch, tool, users, visits
from ecom_assets_tests.outputs.delivery.scripted_tool import BAD, ScriptedTool


def test_a_batch_is_one_request_with_the_environment_in_its_body(far_side: ScriptedTool) -> None:
    destination = tool("heap_events", far_side.url)
    assert (
        destination.send(one_batch(destination, visits(anna=1, ben=1)))
        == [DeliveryResult(DeliveryState.DELIVERED)] * 2
    )
    (request,) = far_side.heard
    assert (request.path, request.json["app_id"]) == ("/api/track", "1234")
    assert [event["identity"] for event in request.json["events"]] == ["anna-1", "ben-1"]
    assert "Content-Encoding" not in request.headers  # Heap documents none


@pytest.mark.parametrize("position", [1, 500, 777, 1000])
def test_one_bad_row_of_a_thousand_is_found_by_halving(
    far_side: ScriptedTool, position: int
) -> None:
    far_side.poison = frozenset({f"e{position}"})
    destination = tool("heap_events", far_side.url, delivery_events_per_s=0.0)
    answers = destination.send(one_batch(destination, visits(anna=500, ben=500)))
    assert [
        at for at, answer in enumerate(answers, start=1) if answer.state is DeliveryState.REJECTED
    ] == [position]
    assert sum(answer.state is DeliveryState.DELIVERED for answer in answers) == 999
    assert len(far_side.heard) <= 1 + 2 * math.ceil(math.log2(1000))
    taken = [
        event
        for heard in far_side.heard
        if f"e{position}" not in heard.ids()
        for event in heard.ids()
    ]
    assert taken == [
        f"e{number}" for number in range(1, 1001) if number != position
    ]  # once each, in order


@pytest.mark.parametrize(("count", "requests"), [(200, 65), (3, 5), (2, 3), (1, 1)])
def test_a_refusal_from_the_first_on_names_the_setting(
    far_side: ScriptedTool, count: int, requests: int
) -> None:
    stranger = tool("heap_events", far_side.restart(otherwise=BAD).url, delivery_events_per_s=0.0)
    answers = stranger.send(one_batch(stranger, visits(anna=count)))
    assert {answer.state for answer in answers} == {DeliveryState.POSTPONED}
    assert len(far_side.heard) == requests
    assert answers[0].message == (
        "Heap refuses all that it is sent and has taken nothing yet, so nothing counts as sent; "
        "correct ECOM_HEAP_APP_ID and ECOM_HEAP_REGION or _URL."
    )


def test_once_heap_has_taken_something_what_it_refuses_is_the_record(
    far_side: ScriptedTool,
) -> None:
    destination = tool("heap_events", far_side.url)
    batch = one_batch(destination, visits(anna=3))
    destination.send(batch)
    far_side.restart(otherwise=BAD)
    assert [(answer.state, answer.message) for answer in destination.send(batch)] == [
        (DeliveryState.REJECTED, "400 Bad Request")
    ] * 3


def test_user_properties_go_in_bulk(far_side: ScriptedTool) -> None:
    destination = tool("heap_users", far_side.url)
    rows = users(
        {"customer_id": "anna", "segment": "Loyal"},
        {"customer_id": "ben", "customer_tier": "basic"},
    )
    assert (
        destination.send(one_batch(destination, rows))
        == [DeliveryResult(DeliveryState.DELIVERED)] * 2
    )
    (request,) = far_side.heard
    assert request.path == "/api/add_user_properties"
    assert request.json["users"] == [
        {"identity": "anna", "properties": {"customer_segment": "Loyal"}},
        {"identity": "ben", "properties": {"customer_tier": "basic"}},
    ]
