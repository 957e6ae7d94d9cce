"""`--session-rule`: which events of files are one session, in every question that knows sessions.

Not here: what the peers' rules are (`sessions/test_rule.py`).
"""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.command import HEADER, ecom, real_file

# Ann's source session s1 is silent for an hour; s2 begins at the very second at which s3 of hers does, elsewhere.
# Bob's phone carries on Ann's s4. Cid has no session id, and an hour of silence.
STORY = """\
a1,ann,page_view,2026-01-01T08:00:00Z,,,s1,https://shop.example/?utm_source=x&utm_medium=email,,
a2,ann,purchase,2026-01-01T09:00:00Z,,,s1,https://shop.example/,,10
a3,ann,page_view,2026-01-02T10:00:00Z,,,s2,https://shop.example/,,
a4,ann,page_view,2026-01-02T10:00:00Z,,,s3,https://shop.example/,,
a5,ann,page_view,2026-01-03T10:00:00Z,,,s4,https://shop.example/,,
b1,bob,purchase,2026-01-03T10:01:00Z,,,s4,https://shop.example/,,20
c1,cid,page_view,2026-01-04T10:00:00Z,,,,https://shop.example/,,
c2,cid,purchase,2026-01-04T11:00:00Z,,,,https://shop.example/,,30
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "story.csv").write_text(f"{HEADER}\n{STORY}")
    return tmp_path / "home"


def ask(home: Path, command: str, *words: str) -> Any:
    result = ecom(command, "--events", home.parent / "story.csv", *words, "--json", home=home)
    assert result.exit_code == 0, result.err
    return result.json


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("rule", "sessions", "funnel"),
    [
        # Ann's two halves of s1, s2 with s3, and s4; Bob's; Cid's two. Nobody views and buys in one.
        ("ga4", 7, [4, 0]),
        # s1 whole; s2, s3; s4 of Ann and s4 of Bob; Cid's two.
        ("snowplow", 7, [5, 1]),
        # s4 is one session, Ann's.
        ("source", 6, [5, 2]),
    ],
)
def test_each_rule_gives_its_sessions_in_each_question(home: Path, rule: str, sessions: int, funnel: list[int]) -> None:
    words = ("--session-rule", rule)
    totals = ask(home, "sessions", *words)
    assert (totals["sessions"], totals["visitors"], totals["events"]) == (sessions, 3, 8)
    steps = ask(home, "funnel", "--steps", "page_view,purchase", "--per", "session", *words)["steps"]
    assert [step["count"] for step in steps] == funnel
    journeys = ask(home, "journeys", *words)
    assert (journeys["sessions"], journeys["definition"]["session_rule"]) == (sessions, rule)
    paths = {tuple(one["path"]): one["sessions"] for one in journeys["top_paths"]}
    assert paths.get(("page_view", "purchase"), 0) == funnel[1]


@pytest.mark.slow
def test_credit_goes_to_the_visit_that_the_rule_puts_the_purchase_in(home: Path) -> None:
    # By the silence, Ann bought in a visit of its own, from nowhere; by the source's id, in that of the letter.
    assert ask(home, "attribution", "--model", "last")["channels"] == [
        {"channel": "Direct", "credit": 3.0, "revenue": 60.0}
    ]
    actual = ask(home, "attribution", "--model", "last", "--session-rule", "source")
    assert actual["definition"]["session_rule"] == "source"
    assert actual["channels"] == [
        {"channel": "Direct", "credit": 2.0, "revenue": 50.0},
        {"channel": "Email", "credit": 1.0, "revenue": 10.0},
    ]


@pytest.mark.slow
@pytest.mark.sampled(1)
@pytest.mark.parametrize("command", ["segments", "value"])
def test_customers_of_purchase_events_say_by_which_rule(home: Path, command: str) -> None:
    actual = ask(home, command, "--session-rule", "source")
    assert (actual["definition"]["source"], actual["definition"]["session_rule"]) == ("purchase_events", "source")
    assert actual["customers"] == 2  # the shared session is Ann's


@pytest.mark.slow
def test_a_real_shop_s_own_sessions_are_counted_as_the_shop_cut_them(home: Path) -> None:
    # Its README: 5,066 session ids, one of which two users share.
    words = ("--mapping", "rees46", "--session-rule", "source", "--json")
    path = real_file("rees46_2019_10_01.csv")
    steps = ("--steps", "view,cart,purchase", "--per", "session", "--within", "1d")
    result = ecom("funnel", "--events", path, *steps, *words, home=home).json
    assert [step["count"] for step in result["steps"]] == [5066, 118, 65]
    assert result["rows"] == {"read": 17_434, "counted": 17_429, "rejected": {"duplicate": 5}}
    sessions = ecom("sessions", "--events", path, *words, home=home).json
    assert (sessions["sessions"], sessions["visitors"]) == (5066, 4504)
