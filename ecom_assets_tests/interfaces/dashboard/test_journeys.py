"""Journeys: the flows of the diagram are the transitions of the API, and its places add up."""

import json
from typing import Any

import pytest

from ecom_assets.behaviour.events.names import PLAIN
from ecom_assets.interfaces.dashboard.sankey import Flow, rows_of
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read


def drawn(client: Client, query: str) -> list[dict[str, Any]]:
    page = read(client.get(f"/dashboard/journeys?time_range=year&least=all&{query}").text)
    rows: list[dict[str, Any]] = json.loads(page.all("script", class_="chart-data")[0].texts[0])[
        "rows"
    ]
    return rows


def transitions(client: Client, **answer: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in answer.items())
    response: list[dict[str, Any]] = client.get(
        f"/analytics/journeys?time_range=year&limit=1000&{query}"
    ).json()["transitions"]
    return response


def test_from_the_beginning_each_column_has_the_transitions_of_its_place(client: Client) -> None:
    rows = drawn(client, "")
    for position in range(4):
        reported = sum(
            transition["transition_count"] for transition in transitions(client, place=position)
        )
        assert (
            sum(row["transition_count"] for row in rows if row["step"] == position + 1)
            == reported
            > 0
        )


def test_around_a_step_are_what_came_before_and_what_came_after(client: Client) -> None:
    reported = transitions(client)
    before = {
        PLAIN.get(row["from_step"], row["from_step"]): row["transition_count"]
        for row in reported
        if row["to_step"] == "add_to_cart"
    }
    after = {
        PLAIN.get(row["to_step"], row["to_step"]): row["transition_count"]
        for row in reported
        if row["from_step"] == "add_to_cart"
    }
    rows = drawn(client, "view=around_a_step&step=add_to_cart")
    assert {row["from_step"]: row["transition_count"] for row in rows if row["step"] == 1} == before
    assert {row["to_step"]: row["transition_count"] for row in rows if row["step"] == 2} == after


def test_flows_fill_their_nodes_and_nothing_leaves_the_picture() -> None:
    flows = [Flow(0, "a", "b", 6), Flow(0, "a", "c", 2), Flow(1, "b", "d", 5), Flow(1, "c", "d", 1)]
    rows, nodes = rows_of(flows, 3)
    high = {(round(node["x"], 3), node["name"]): node["high"] for node in nodes}
    [a] = [size for (_, name), size in high.items() if name == "a"]
    assert a == pytest.approx(sum(row["thick"] for row in rows if row["from_step"] == "a"))
    assert max(node["y"] + node["high"] for node in nodes) <= 1 + 1e-9
    thick = {(row["from_step"], row["to_step"]): row["thick"] for row in rows}
    assert thick["a", "b"] / thick["a", "c"] == pytest.approx(3), "as 6 to 2"
    assert rows_of(reversed(flows), 3) == (rows, nodes), "whatever the order of the numbers"
