"""Conditions on `event_type` in the words of the file, where the mapping translates them: as steps have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.tables.conditions import parse_where, with_event_types
from ecom_assets_tests.command import ecom

MAPPING = """\
name: shop
fields:
  {event_id: id, event_type: what, event_timestamp: at, user_id: who, session_id: visit, product_id: thing,
   page_url: page}
event_types: {view: product_view, cart: add_to_cart, buy: purchase}
"""
EVENTS = """\
id,what,at,who,visit,thing,page
a1,view,2026-03-02T10:00:00Z,ann,s1,p1,https://shop.example/?utm_source=mail&utm_medium=email
a2,cart,2026-03-02T10:01:00Z,ann,s1,p1,
a3,buy,2026-03-03T10:02:00Z,ann,s2,p1,
b1,view,2026-03-02T11:00:00Z,bob,s3,p1,
b2,view,2026-03-04T11:01:00Z,bob,s4,p1,
c1,cart,2026-03-04T12:00:00Z,cid,s5,p1,
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    actual = tmp_path_factory.mktemp("own_words")
    (actual / "shop.yaml").write_text(MAPPING)
    (actual / "events.csv").write_text(EVENTS)
    return actual


def ask(folder: Path, command: str, *words: str) -> Any:
    files = ("--events", folder / "events.csv", "--mapping", folder / "shop.yaml")
    result = ecom(command, *files, *words, "--json", home=folder / "home")
    assert result.exit_code == 0, result.err
    return result.json


@pytest.mark.slow
def test_a_trend_counts_what_the_words_of_the_file_name(folder: Path) -> None:
    """Of the six events three are views, two are carts, and one is a purchase."""
    values = {"event_type = view": 3, "event_type in view, cart": 5, "event_type not in cart": 4}
    actual = {one: ask(folder, "trend", "--where", one)["series"][0]["total"] for one in values}
    assert actual == values


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("funnel", ("--steps", "view,cart", "--where", "event_type in {view}, {cart}")),
        (
            "funnel",
            ("--steps", "view,cart", "--within", "3d", "--step-where", "2: event_type != {view}", "--order", "any"),
        ),
        (
            "retention",
            ("--period", "day", "--start-where", "event_type = {view}", "--return-where", "event_type = {buy}"),
        ),
        ("journeys", ("--where", "event_type not in {cart}")),
        ("sessions", ("--where", "event_type = {view}")),
        ("attribution", ("--where", "event_type in {view}, {buy}")),
        ("correlation", ("--steps", "view,buy", "--where", "event_type != {cart}")),
    ],
)
def test_both_words_ask_the_same(folder: Path, command: str, words: tuple[str, ...]) -> None:
    theirs, ours = (
        ask(folder, command, *(one.format(**names) for one in words))
        for names in (
            {"view": "view", "cart": "cart", "buy": "buy"},
            {"view": "product_view", "cart": "add_to_cart", "buy": "purchase"},
        )
    )
    assert theirs == ours


def test_a_definition_file_and_a_segment_know_them(folder: Path) -> None:
    """Ann and Bob viewed, Ann alone bought; of the events of Ann, one is a view."""
    (folder / "trend.yaml").write_text(json.dumps({"series": [{"where": {"any_of": [{"event_type": "view"}]}}]}))
    actual = ask(folder, "trend", "--definition", str(folder / "trend.yaml"))
    assert actual["series"][0]["total"] == 3
    (folder / "buyers.yaml").write_text(json.dumps({"buyers": {"did": {"where": "event_type = buy"}}}))
    actual = ask(folder, "trend", "--where", "event_type = view", "--segment", f"{folder}/buyers.yaml#buyers")
    assert actual["series"][0]["total"] == 1


def test_only_whole_values_of_event_types_are_translated() -> None:
    words = {"view": "product_view"}
    where = parse_where(["event_type contains view", "properties.event_type = view", "event_type in view, 7"])
    actual = with_event_types(where, lambda one: words.get(one, one)).to_mapping()["all_of"]
    assert [one["value"] for one in actual] == ["view", "view", ["product_view", 7]]
