"""`--preset` of sessions, retention, journeys, attribution and trend: it sets what the tool would
do, and options win.

Over `docs/example_events.csv`. Not here: funnels (`funnels/test_presets.py`), what is printed
(`test_tool_pages.py`).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.tables.values import TOOLS
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import ROOT

EVENTS = str(ROOT / "docs" / "example_events.csv")


def answer(home: Path, command: str, *arguments: str) -> Any:
    result = ecom(command, "--events", EVENTS, *arguments, "--json", home=home)
    assert result.exit_code == 0, result.err
    return result.json


def credit(home: Path, *arguments: str) -> dict[str, float]:
    return {
        channel["channel"]: channel["credit"]
        for channel in answer(home, "attribution", *arguments)["channels"]
    }


@pytest.mark.slow
def test_sessions_end_where_the_tool_ends_them(home: Path) -> None:
    def sessions(*arguments: str) -> int:
        return int(answer(home, "sessions", *arguments)["sessions"])

    actual = {tool: sessions("--preset", tool) for tool in TOOLS if tool != "clickhouse"}
    # Mixpanel splits Hana's at midnight; PostHog's ids hold Anna's and Ivan's together over
    # silences.
    assert actual == {"ga4": 18, "amplitude": 18, "mixpanel": 19, "posthog": 16}
    assert sessions("--preset", "posthog", "--session-rule", "ga4") == 18
    assert answer(home, "sessions", "--preset", "posthog")["definition"]["session_rule"] == "source"


@pytest.mark.slow
def test_kim_and_cara_come_back_as_each_tool_counts(home: Path) -> None:
    def returned(day: str, *arguments: str) -> list[int]:
        actual = answer(home, "retention", *arguments, "--from", day, "--to", day)["cohorts"]
        return list(actual[0]["returned"][:3])

    # Kim is back after 23 hours and 40 minutes: on the next day, and within her first 24 hours.
    actual = {tool: returned("2026-03-10", "--preset", tool) for tool in TOOLS if tool != "ga4"}
    assert actual == {
        "posthog": [1, 1, 0],
        "clickhouse": [1, 1, 0],
        "amplitude": [1, 0, 0],
        "mixpanel": [1, 0, 0],
    }
    # Cara is back after ten days, which is on or after each day before.
    assert returned("2026-03-03", "--preset", "posthog") == [1, 0, 0]
    assert returned("2026-03-03", "--preset", "amplitude") == [1, 1, 1]
    assert returned("2026-03-03", "--preset", "amplitude", "--mode", "on") == [1, 0, 0]
    assert answer(home, "retention", "--preset", "ga4")["definition"]["period"] == "week"


@pytest.mark.slow
def test_weeks_begin_on_sunday_in_posthog_and_clickhouse(home: Path) -> None:
    for tool, first in (
        ("posthog", "2026-03-01"),
        ("clickhouse", "2026-03-01"),
        ("mixpanel", "2026-02-23"),
    ):
        arguments = ("--preset", tool, "--period", "week")
        assert answer(home, "retention", *arguments)["cohorts"][0]["cohort"] == first
        assert answer(home, "trend", "--series", "purchase", *arguments)["periods"][0] == first
        monday = answer(home, "trend", "--series", "purchase", *arguments, "--week-start", "monday")
        assert monday["periods"][0] == "2026-02-23"


@pytest.mark.slow
def test_a_trend_has_as_many_values_as_the_tool_shows(home: Path) -> None:
    def limit(*arguments: str) -> int:
        return int(answer(home, "trend", "--by", "event_type", *arguments)["definition"]["limit"])

    assert [
        limit(),
        limit("--preset", "posthog"),
        limit("--preset", "posthog", "--limit", "10"),
    ] == [10, 25, 10]


@pytest.mark.slow
def test_paths_are_those_of_the_tool_s_sessions(home: Path) -> None:
    kim = ("--from", "2026-03-10", "--to", "2026-03-10", "--preset")
    (path,) = answer(home, "journeys", *kim, "posthog")["top_paths"]
    assert (len(path["path"]), path["is_cut"]) == (5, True)
    (path,) = answer(home, "journeys", *kim, "mixpanel")["top_paths"]
    assert (len(path["path"]), path["is_cut"]) == (7, False)
    actual = {
        tool: answer(home, "journeys", "--preset", tool)["sessions"]
        for tool in ("posthog", "mixpanel", "ga4")
    }
    assert actual == {"posthog": 16, "mixpanel": 19, "ga4": 18}
    assert (
        answer(home, "journeys", "--preset", "posthog", "--session-rule", "ga4")["sessions"] == 18
    )
    assert len(answer(home, "journeys", "--preset", "posthog", "--top", "1")["top_paths"]) == 1


@pytest.mark.slow
def test_jane_s_letter_of_forty_days_ago_counts_in_ga4_only(home: Path) -> None:
    assert credit(home, "--preset", "ga4")["Email"] == 3  # Anna, Hana and Jane
    assert credit(home, "--preset", "ga4", "--lookback", "30d")["Email"] == 2
    assert credit(home, "--preset", "mixpanel") == {
        "Direct": 9
    }  # the last touch of all, with midnight in Hana's visit
    assert credit(home, "--preset", "mixpanel", "--session-rule", "ga4") == {
        "Direct": 8,
        "Email": 1,
    }
    assert credit(home, "--preset", "mixpanel", "--model", "last-non-direct")["Email"] == 2


@pytest.mark.slow
def test_a_j_of_two_touches_is_split_in_amplitude(home: Path) -> None:
    # Ben and Cara came by a search and bought on a direct visit: 30 and 70 percent, or 25 and 75.
    assert credit(home, "--preset", "amplitude", "--model", "j")["Organic Search"] == pytest.approx(
        0.6
    )
    assert credit(home, "--preset", "mixpanel", "--model", "j")["Organic Search"] == pytest.approx(
        0.5
    )


@pytest.mark.slow
@each("name", ["retention", "trend"])
def test_a_definition_file_names_a_preset_and_what_it_says_itself_wins(
    home: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "plain.json").write_text(
        json.dumps({"preset": "posthog", "period": "week"} | _series(name))
    )
    (tmp_path / "own.json").write_text(
        json.dumps({"preset": "posthog", "period": "week", "week_start": "friday"} | _series(name))
    )
    used = [
        answer(home, name, "--definition", str(tmp_path / f))["definition"]
        for f in ("plain.json", "own.json")
    ]
    assert [row["week_start"] for row in used] == ["sunday", "friday"]
    arguments = ("--definition", tmp_path / "plain.json", "--preset", "ga4")
    twice = ecom(name, "--events", EVENTS, *arguments, home=home)
    assert twice.sentence == "--definition says what --preset would; leave one of them out."


def _series(name: str) -> dict[str, list[str]]:
    return {"series": ["purchase"]} if name == "trend" else {}


@each(
    "command, tool, sentence",
    [
        (
            "sessions",
            "clickhouse",
            "ClickHouse has no sessions that a preset could follow; known are posthog, amplitude",
        ),
        (
            "journeys",
            "clickhouse",
            "ClickHouse has no journeys that a preset could follow; known are posthog, amplitude",
        ),
        (
            "attribution",
            "clickhouse",
            "ClickHouse has no attribution that a preset could follow; known are amplitude, ",
        ),
        (
            "attribution",
            "posthog",
            "PostHog has no attribution that a preset could follow; known are amplitude, mixpanel",
        ),
        (
            "sessions",
            "gaa4",
            "The preset 'gaa4' of sessions is unknown; did you mean 'ga4'? Known: posthog, ",
        ),
        (
            "trend",
            "heap",
            (
                "The preset 'heap' of trend is unknown; known: posthog, clickhouse, amplitude, "
                "mixpanel, ga4."
            ),
        ),
        ("retention", "heap", "The preset 'heap' of retention is unknown; known: n_day, "),
    ],
)
def test_a_tool_without_such_a_question_is_refused(
    home: Path, command: str, tool: str, sentence: str
) -> None:
    result = ecom(command, "--events", EVENTS, "--preset", tool, home=home)
    assert result.exit_code == 2
    assert result.sentence.startswith(sentence)
