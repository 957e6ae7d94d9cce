"""`ecom sessions`, sessions from files;
and `--session-rule` in every question that knows sessions.
"""

from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from ecom_assets.behaviour.questions.answer import QuestionAnswer
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets_tests.command import HEADER, ecom, real_file, shape
from ecom_assets_tests.each import each

# Ann views at 10:00 and 10:30 (exactly the timeout, so one session), Bob at 10:00 and 10:31 (two
# sessions).
STORY = """\
a1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,
a2,ann,page_view,2026-01-01T10:30:00Z,,,s1,https://shop.example/,,
b1,bob,page_view,2026-01-01T10:00:00Z,,,s2,https://shop.example/,,
b2,bob,page_view,2026-01-01T10:31:00Z,,,s2,https://shop.example/,,
"""


def test_totals_have_the_shape_that_scripts_read(home: Path, events: Path) -> None:
    result = ecom("sessions", "--events", events, "--json", home=home)
    assert (result.exit_code, result.err) == (0, "")
    of_every_answer = {*QuestionAnswer.model_fields} - {"rows"}
    assert of_every_answer <= result.json.keys()
    assert result.json["definition"]["session_rule"] == "ga4"
    assert result.json["definition"]["idle_timeout_s"] == 1800
    # Sessions of 1,800 s, 0 s and 0 s with 2, 1 and 1 pages; Ann's is engaged.
    assert {name: value for name, value in result.json.items() if name not in of_every_answer} == {
        "events": 4,
        "visitors": 2,
        "sessions": 3,
        "engaged_sessions": 1,
        "bounce_rate": pytest.approx(2 / 3),
        "pages_per_session": pytest.approx(4 / 3),
        "median_duration_s": 0.0,
        "rows": {"read": 4, "counted": 4, "rejected": {}},
    }
    assert shape(result.json["median_duration_s"]) is float


@pytest.mark.slow
def test_another_silence_gives_other_sessions(home: Path, events: Path) -> None:
    assert (
        ecom("sessions", "--events", events, "--json", "--idle", "29m", home=home).json["sessions"]
        == 4
    )
    assert (
        ecom("sessions", "--events", events, "--json", "--idle", "31m", home=home).json["sessions"]
        == 2
    )


@pytest.mark.slow
@each("rule", ["ga4", "universal_analytics", "mixpanel", "amplitude", "snowplow", "source"])
def test_each_rule_answers(home: Path, events: Path, rule: str) -> None:
    result = ecom("sessions", "--events", events, "--json", "--rule", rule, home=home)
    assert result.exit_code == 0
    # Two rules trust the source's ids, of which there are two.
    assert result.json["sessions"] == (2 if rule in {"snowplow", "source"} else 3)
    assert (
        ecom("sessions", "--events", events, "--json", "--session-rule", rule, home=home).json
        == result.json
    )


@pytest.mark.slow
def test_sessions_are_written_as_parquet_or_csv_in_the_contract_s_columns(
    home: Path, events: Path
) -> None:
    parquet, csv = home.parent / "out.parquet", home.parent / "out.csv"
    result = ecom("sessions", "--events", events, "--out", parquet, home=home)
    assert result.exit_code == 0
    assert result.out.endswith(f"Written to {parquet}.\nRows: 4 read, all counted\n")
    assert (
        ecom("sessions", "--events", events, "--out", csv, "--json", home=home).json["sessions"]
        == 3
    )
    for table in (pyarrow.parquet.read_table(parquet), pyarrow.csv.read_csv(csv)):
        assert table.column_names == list(Sessions.columns)
        assert table["visitor_id"].to_pylist().count("bob") == 2
    assert sorted(path.name for path in home.parent.iterdir()) == [
        "out.csv",
        "out.parquet",
        "story.csv",
    ]


def test_paths_may_come_as_a_shell_spells_them_out(home: Path, events: Path) -> None:
    more = home.parent / "more.csv"
    more.write_text(
        f"{HEADER}\n"
        f"{STORY.replace(',ann', ',eva').replace(',bob', ',kim').replace(',s', ',t')}".replace(
            "\na", "\nc"
        ).replace("\nb", "\nd")
    )
    assert ecom("sessions", "--events", events, more, "--json", home=home).json["visitors"] == 4


@pytest.mark.slow
def test_rees46_has_the_visitors_of_its_readme(home: Path) -> None:
    path = real_file("rees46_2019_10_01.csv")
    result = ecom("sessions", "--events", path, "--mapping", "rees46", "--json", home=home).json
    assert (result["events"], result["visitors"]) == (17_429, 4_504)


@pytest.mark.slow
def test_otto_has_a_visitor_per_session_of_the_dataset(home: Path) -> None:
    result = ecom(
        "sessions",
        "--events",
        real_file("otto_sessions.jsonl"),
        "--mapping",
        "otto",
        "--json",
        home=home,
    ).json
    assert (result["events"], result["visitors"]) == (862, 20)


@pytest.mark.slow
def test_a_simulated_shop_is_made_whole_with_its_truth(home: Path) -> None:
    shop = home.parent / "shop"
    output = ecom(
        "sandbox", "data", "--days", "1", "--visitors", "20", "--out", shop, "--json", home=home
    )
    assert (output.exit_code, output.err) == (0, "")
    assert output.json["settings"] == {
        "seed": 7,
        "days": 1,
        "visitors": 20,
        "first_day": "2026-01-01",
        "late_days": 7,
    }
    result = ecom("sessions", "--events", shop / "events", "--json", home=home).json
    assert result["sessions"] == output.json["sessions"]["total"]
    assert result["events"] == output.json["events"]["clean"]
    again = ecom("sandbox", "data", "--days", "1", "--visitors", "20", "--out", shop, home=home)
    assert "Next: ecom run --events" in again.err


@pytest.mark.slow
def test_sessions_of_some_days_and_of_some_events(home: Path, events: Path) -> None:
    events.write_text(
        events.read_text()
        + "c1,cid,search,2026-01-02T23:55:00Z,,,s3,,,\nc2,cid,search,2026-01-03T00:05:00Z,,,s3,,,\n"
    )
    counts = {
        arguments: ecom("sessions", "--events", events, *arguments, "--json", home=home).json[
            "sessions"
        ]
        for arguments in (
            (),
            ("--to", "2026-01-01"),
            ("--from", "2026-01-03"),
            ("--last", "2d"),
            ("--where", "event_type = search"),
            ("--from", "2026-01-03", "--timezone", "Europe/Berlin"),
        )
    }
    assert list(counts.values()) == [4, 3, 0, 1, 1, 1]
    result = ecom(
        "sessions",
        "--events",
        events,
        "--rule",
        "source",
        "--to",
        "2026-01-01",
        "--json",
        home=home,
    ).json
    assert (result["visitors"], result["sessions"], result["definition"]["last_date"]) == (
        2,
        2,
        "2026-01-01",
    )
    later = ecom("sessions", "--events", events, "--from", "2027-01-01", home=home)
    assert later.err == (
        "ecom: warning: The data are of 2026-01-01 to 2026-01-03, so nothing is known of days "
        "from 2027-01-01 on.\n"
    )
    assert later.out.startswith("Nothing is known of these days.\n")
    unknown = ecom("sessions", "--events", events, "--from", "2027-01-01", "--json", home=home).json
    assert {
        unknown[name]
        for name in ("events", "visitors", "sessions", "engaged_sessions", "bounce_rate")
    } == {None}


# Ann's source session s1 is silent for an hour; s2 begins at the very second at which s3 of hers
# does, elsewhere. Bob's phone carries on Ann's s4. Cid has no session id, and an hour of silence.
RULES_STORY = """\
a1,ann,page_view,2026-01-01T08:00:00Z,,,s1,https://shop.example/?utm_source=x&utm_medium=email,,
a2,ann,purchase,2026-01-01T09:00:00Z,,,s1,https://shop.example/,,10
a3,ann,page_view,2026-01-02T10:00:00Z,,,s2,https://shop.example/,,
a4,ann,page_view,2026-01-02T10:00:00Z,,,s3,https://shop.example/,,
a5,ann,page_view,2026-01-03T10:00:00Z,,,s4,https://shop.example/,,
b1,bob,purchase,2026-01-03T10:01:00Z,,,s4,https://shop.example/,,20
c1,cid,page_view,2026-01-04T10:00:00Z,,,,https://shop.example/,,
c2,cid,purchase,2026-01-04T11:00:00Z,,,,https://shop.example/,,30
"""


def ask(home: Path, command: str, *arguments: str) -> Any:
    story = home.parent / "rules.csv"
    story.write_text(f"{HEADER}\n{RULES_STORY}")
    result = ecom(command, "--events", story, *arguments, "--json", home=home)
    assert result.exit_code == 0, result.err
    return result.json


@pytest.mark.slow
@each(
    "rule, sessions, funnel",
    [
        # Ann's two halves of s1, s2, s3, and s4; Bob's; Cid's two. Nobody views and buys in one.
        ("ga4", 8, [5, 0]),
        # s1 whole; s2, s3; s4 of Ann and s4 of Bob; Cid's two.
        ("snowplow", 7, [5, 1]),
        # s4 is one session, Ann's.
        ("source", 6, [5, 2]),
    ],
)
def test_each_rule_gives_its_sessions_in_each_question(
    home: Path, rule: str, sessions: int, funnel: list[int]
) -> None:
    arguments = ("--session-rule", rule)
    totals = ask(home, "sessions", *arguments)
    assert (totals["sessions"], totals["visitors"], totals["events"]) == (sessions, 3, 8)
    steps = ask(home, "funnel", "--steps", "page_view,purchase", "--per", "session", *arguments)[
        "steps"
    ]
    assert [step["count"] for step in steps] == funnel
    journeys = ask(home, "journeys", *arguments)
    assert (journeys["sessions"], journeys["definition"]["session_rule"]) == (sessions, rule)
    paths = {tuple(path["path"]): path["sessions"] for path in journeys["top_paths"]}
    assert paths.get(("page_view", "purchase"), 0) == funnel[1]


@pytest.mark.slow
def test_credit_goes_to_the_visit_that_the_rule_puts_the_purchase_in(home: Path) -> None:
    # By the silence, Ann bought in a visit of its own, from nowhere; by the source's id, in that of
    # the letter.
    assert ask(home, "attribution", "--model", "last")["channels"] == [
        {"channel": "Direct", "credit": 3.0, "revenue": 60.0, "removal_effect": None}
    ]
    actual = ask(home, "attribution", "--model", "last", "--session-rule", "source")
    assert actual["definition"]["session_rule"] == "source"
    assert actual["channels"] == [
        {"channel": "Direct", "credit": 2.0, "revenue": 50.0, "removal_effect": None},
        {"channel": "Email", "credit": 1.0, "revenue": 10.0, "removal_effect": None},
    ]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["segments", "value"])
def test_customers_of_purchase_events_say_by_which_rule(home: Path, command: str) -> None:
    actual = ask(home, command, "--session-rule", "source")
    assert (actual["definition"]["source"], actual["definition"]["session_rule"]) == (
        "purchase_events",
        "source",
    )
    assert actual["customers"] == 2  # the shared session is Ann's


@pytest.mark.slow
def test_a_real_shop_s_own_sessions_are_counted_as_the_shop_cut_them(home: Path) -> None:
    # Its README: 5,066 session ids, one of which two users share.
    arguments = ("--mapping", "rees46", "--session-rule", "source", "--json")
    path = real_file("rees46_2019_10_01.csv")
    steps = ("--steps", "view,cart,purchase", "--per", "session", "--within", "1d")
    result = ecom("funnel", "--events", path, *steps, *arguments, home=home).json
    assert [step["count"] for step in result["steps"]] == [5066, 118, 65]
    assert result["rows"] == {"read": 17_434, "counted": 17_429, "rejected": {"duplicate": 5}}
    sessions = ecom("sessions", "--events", path, *arguments, home=home).json
    assert (sessions["sessions"], sessions["visitors"]) == (5066, 4504)


@pytest.mark.slow
def test_a_file_for_spreadsheets_runs_nothing_that_a_visitor_sent(
    home: Path, tmp_path: Path
) -> None:
    events, out = tmp_path / "events.csv", tmp_path / "sessions.csv"
    events.write_text(HEADER + "\n" + STORY.replace(",ann,", ",=cmd|' /C calc'!A0,"))
    result = ecom("sessions", "--events", events, "--out", out, home=home)
    assert result.exit_code == 0, result.err
    visitors = {row["visitor_id"] for row in pyarrow.csv.read_csv(out).to_pylist()}
    assert visitors == {"'=cmd|' /C calc'!A0", "bob"}
