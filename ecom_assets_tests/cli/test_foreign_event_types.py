"""Event types that the platform has no name for, as exports of analytics tools have them: each well-formed one counts.

Not here: which types are well-formed (`events/test_clean.py`).
"""

from pathlib import Path

import pytest

from ecom_assets_tests.command import FEW_TABLES, CommandResult, ecom

MAPPING = """\
name: posthog
fields:
  event_id: uuid
  event_type: event
  event_timestamp: timestamp
  user_id: distinct_id
  session_id: $session_id
"""
# Ann scrolls between seeing the page and buying, Bob does not, Cid comes back to the page in between. Dan sends a type
# that nobody can have meant.
EVENTS = """\
uuid,event,timestamp,distinct_id,$session_id
a1,$pageview,2026-01-05T10:00:00Z,ann,s1
a2,$scroll,2026-01-05T10:01:00Z,ann,s1
a3,buy,2026-01-05T10:02:00Z,ann,s1
b1,$pageview,2026-01-05T11:00:00Z,bob,s2
b2,buy,2026-01-05T11:01:00Z,bob,s2
c1,$pageview,2026-01-05T12:00:00Z,cid,s3
c2,$pageview,2026-01-05T12:01:00Z,cid,s3
c3,buy,2026-01-06T12:02:00Z,cid,s4
d1," buy",2026-01-06T12:02:00Z,dan,s5
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "posthog.yaml").write_text(MAPPING)
    (tmp_path / "events.csv").write_text(EVENTS)
    return tmp_path / "home"


def ask(home: Path, command: str, *words: str, types: str = "") -> CommandResult:
    files = ("--events", home.parent / "events.csv", "--mapping", home.parent / "posthog.yaml")
    result = ecom(command, *files, *words, "--json", home=home, env={"ECOM_EVENT_TYPES": types})
    assert result.exit_code == 0, result.err
    return result


def funnel(home: Path, order: str, types: str = "") -> list[int]:
    result = ask(home, "funnel", "--steps", "$pageview,buy", "--order", order, types=types)
    return [step["count"] for step in result.json["steps"]]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ordered", [3, 3]),
        # Only Bob's purchase, and Cid's of the next day, follow a page view with nothing in between.
        ("exact", [3, 2]),
        ("strict_order", [3, 2]),
        ("allow_reentry", [3, 2]),
    ],
)
def test_an_event_of_any_type_may_come_between_steps(home: Path, order: str, expected: list[int]) -> None:
    assert funnel(home, order) == expected


def test_without_the_type_in_the_list_nothing_came_between(home: Path) -> None:
    assert funnel(home, "exact", types='["$pageview", "buy"]') == [3, 3]
    assert funnel(home, "exact", types="$pageview,buy,$scroll") == [3, 2]


@pytest.mark.slow
def test_sessions_retention_and_journeys_know_every_type(home: Path) -> None:
    sessions = ask(home, "sessions").json
    assert (sessions["events"], sessions["visitors"], sessions["sessions"]) == (8, 3, 4)
    cohorts = ask(home, "retention", "--period", "day").json["cohorts"]
    assert [(one["cohort"], one["returned"]) for one in cohorts] == [("2026-01-05", [3, 1])]
    paths = ask(home, "journeys").json["top_paths"]
    assert {tuple(one["path"]): one["sessions"] for one in paths} == {
        ("$pageview", "$scroll", "buy"): 1,
        ("$pageview", "buy"): 1,
        ("$pageview",): 1,
        ("buy",): 1,
    }


@pytest.mark.slow
def test_a_run_keeps_every_type_and_warns_of_one_that_is_new(home: Path) -> None:
    files = ("--events", home.parent / "events.csv", "--events-mapping", home.parent / "posthog.yaml")
    first = ecom("run", "--json", *files, *FEW_TABLES, home=home)
    assert first.exit_code == 0, first.err
    assert first.json["tables"]["staging.events"] == 8
    assert first.json["sessions"]["events"] == 8
    assert first.json["quarantined"] == {"malformed_event_type": 1}
    assert first.json["checks"]["warned"] == []
    with (home.parent / "events.csv").open("a") as file:
        file.write("a4,gift wrapped,2026-01-07T10:02:00Z,ann,s6\n")
    second = ecom("run", "--from", "2026-01-07", *files, *FEW_TABLES, home=home)
    assert second.exit_code == 0, second.err
    assert ", 0 failed, 1 warned" in second.out
    assert "WARNING staging/events no_event_type_is_new" in second.out
    assert "event_type gift wrapped, event_count 1" in second.out
    listed = ecom("status", "--json", home=home)
    shown = [one["failing_checks"] for one in listed.json if one["table"] == "staging.events"]
    assert shown == [["no_event_type_is_new (warning)"]]
