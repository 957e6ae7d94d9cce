"""Event types in the words of the file: in conditions, and those of other tools that
have no name in the platform.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.tables.conditions import parse_where, with_event_types
from ecom_assets_tests.command import FEW_TABLES, CommandResult, ecom
from ecom_assets_tests.each import each

MAPPING = """\
name: shop
fields:
  {event_id: id, event_type: what, event_timestamp: at, user_id: who, session_id: visit, \
product_id: thing,
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


def ask(folder: Path, command: str, *arguments: str) -> Any:
    files = ("--events", folder / "events.csv", "--mapping", folder / "shop.yaml")
    result = ecom(command, *files, *arguments, "--json", home=folder / "home")
    assert result.exit_code == 0, result.err
    return result.json


@pytest.mark.slow
def test_a_trend_counts_what_the_words_of_the_file_name(folder: Path) -> None:
    """Of the six events three are views, two are carts, and one is a purchase."""
    values = {"event_type = view": 3, "event_type in view, cart": 5, "event_type not in cart": 4}
    actual = {
        value: ask(folder, "trend", "--where", value)["series"][0]["total"] for value in values
    }
    assert actual == values


@pytest.mark.slow
@each(
    "command, arguments",
    [
        ("funnel", ("--steps", "view,cart", "--where", "event_type in {view}, {cart}")),
        (
            "funnel",
            (
                "--steps",
                "view,cart",
                "--within",
                "3d",
                "--step-where",
                "2: event_type != {view}",
                "--order",
                "any",
            ),
        ),
        (
            "retention",
            (
                "--period",
                "day",
                "--start-where",
                "event_type = {view}",
                "--return-where",
                "event_type = {buy}",
            ),
        ),
        ("journeys", ("--where", "event_type not in {cart}")),
        ("sessions", ("--where", "event_type = {view}")),
        ("attribution", ("--where", "event_type in {view}, {buy}")),
        ("correlation", ("--steps", "view,buy", "--where", "event_type != {cart}")),
    ],
)
def test_both_words_ask_the_same(folder: Path, command: str, arguments: tuple[str, ...]) -> None:
    theirs, ours = (
        ask(folder, command, *(word.format(**names) for word in arguments))
        for names in (
            {"view": "view", "cart": "cart", "buy": "buy"},
            {"view": "product_view", "cart": "add_to_cart", "buy": "purchase"},
        )
    )
    assert theirs == ours


@pytest.mark.slow
def test_a_definition_file_and_a_segment_know_them(folder: Path) -> None:
    """Ann and Bob viewed, Ann alone bought; of the events of Ann, one is a view."""
    (folder / "trend.yaml").write_text(
        json.dumps({"series": [{"where": {"any_of": [{"event_type": "view"}]}}]})
    )
    actual = ask(folder, "trend", "--definition", str(folder / "trend.yaml"))
    assert actual["series"][0]["total"] == 3
    (folder / "buyers.yaml").write_text(
        json.dumps({"buyers": {"did": {"where": "event_type = buy"}}})
    )
    actual = ask(
        folder, "trend", "--where", "event_type = view", "--segment", f"{folder}/buyers.yaml#buyers"
    )
    assert actual["series"][0]["total"] == 1


def test_only_whole_values_of_event_types_are_translated() -> None:
    translations = {"view": "product_view"}
    where = parse_where(
        ["event_type contains view", "properties.event_type = view", "event_type in view, 7"]
    )
    actual = with_event_types(where, lambda value: translations.get(value, value)).to_mapping()[
        "all_of"
    ]
    assert [row["value"] for row in actual] == ["view", "view", ["product_view", 7]]


FOREIGN_MAPPING = """\
name: posthog
fields:
  event_id: uuid
  event_type: event
  event_timestamp: timestamp
  user_id: distinct_id
  session_id: $session_id
"""
# Ann scrolls between seeing the page and buying, Bob does not, Cid comes back to the page in
# between. Dan sends a type with a tabulator, which nobody can have meant.
FOREIGN_EVENTS = """\
uuid,event,timestamp,distinct_id,$session_id
a1,$pageview,2026-01-05T10:00:00Z,ann,s1
a2,$scroll,2026-01-05T10:01:00Z,ann,s1
a3,buy,2026-01-05T10:02:00Z,ann,s1
b1,$pageview,2026-01-05T11:00:00Z,bob,s2
b2,buy,2026-01-05T11:01:00Z,bob,s2
c1,$pageview,2026-01-05T12:00:00Z,cid,s3
c2,$pageview,2026-01-05T12:01:00Z,cid,s3
c3,buy,2026-01-06T12:02:00Z,cid,s4
d1,bu\ty,2026-01-06T12:02:00Z,dan,s5
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "posthog.yaml").write_text(FOREIGN_MAPPING)
    (tmp_path / "events.csv").write_text(FOREIGN_EVENTS)
    return tmp_path / "home"


def ask_foreign(home: Path, command: str, *arguments: str, types: str = "") -> CommandResult:
    files = ("--events", home.parent / "events.csv", "--mapping", home.parent / "posthog.yaml")
    result = ecom(command, *files, *arguments, "--json", home=home, env={"ECOM_EVENT_TYPES": types})
    assert result.exit_code == 0, result.err
    return result


def funnel(home: Path, order: str, types: str = "") -> list[int]:
    result = ask_foreign(home, "funnel", "--steps", "$pageview,buy", "--order", order, types=types)
    return [step["count"] for step in result.json["steps"]]


@pytest.mark.slow
@each(
    "order, expected",
    [
        ("ordered", [3, 3]),
        # Only Bob's purchase, and Cid's of the next day, follow a page view with nothing in
        # between.
        ("exact", [3, 2]),
        ("strict_order", [3, 2]),
        ("allow_reentry", [3, 2]),
    ],
)
def test_an_event_of_any_type_may_come_between_steps(
    home: Path, order: str, expected: list[int]
) -> None:
    assert funnel(home, order) == expected


@pytest.mark.slow
def test_without_the_type_in_the_list_nothing_came_between(home: Path) -> None:
    assert funnel(home, "exact", types='["$pageview", "buy"]') == [3, 3]
    assert funnel(home, "exact", types="$pageview,buy,$scroll") == [3, 2]


@pytest.mark.slow
def test_sessions_retention_and_journeys_know_every_type(home: Path) -> None:
    sessions = ask_foreign(home, "sessions").json
    assert (sessions["events"], sessions["visitors"], sessions["sessions"]) == (8, 3, 4)
    cohorts = ask_foreign(home, "retention", "--period", "day").json["cohorts"]
    assert [(cohort["cohort"], cohort["returned"]) for cohort in cohorts] == [
        ("2026-01-05", [3, 1])
    ]
    paths = ask_foreign(home, "journeys").json["top_paths"]
    assert {tuple(path["path"]): path["sessions"] for path in paths} == {
        ("$pageview", "$scroll", "buy"): 1,
        ("$pageview", "buy"): 1,
        ("$pageview",): 1,
        ("buy",): 1,
    }


@pytest.mark.slow
def test_a_run_keeps_every_type_and_warns_of_one_that_is_new(home: Path) -> None:
    files = (
        "--events",
        home.parent / "events.csv",
        "--events-mapping",
        home.parent / "posthog.yaml",
    )
    first = ecom("run", "--json", *files, *FEW_TABLES, home=home)
    assert first.exit_code == 0, first.err
    assert first.json["tables"]["staging.events"] == 8
    assert first.json["sessions"]["events"] == 8
    assert first.json["quarantined"] == {"malformed_event_type": 1}
    # One of nine rows is more than a twentieth.
    assert [check["name"] for check in first.json["checks"]["warned"]] == ["very_few_were_refused"]
    with (home.parent / "events.csv").open("a") as file:
        file.write("a4,gift wrapped,2026-01-07T10:02:00Z,ann,s6\n")
    second = ecom("run", "--from", "2026-01-07", *files, *FEW_TABLES, home=home)
    assert second.exit_code == 0, second.err
    assert ", 0 failed, 1 warned" in second.out
    assert "WARNING staging/events no_event_type_is_new" in second.out
    assert "event_type gift wrapped, event_count 1" in second.out
    listed = ecom("status", "--json", home=home)
    shown = [row["failing_checks"] for row in listed.json if row["table"] == "staging.events"]
    assert shown == [["no_event_type_is_new (warning)"]]
