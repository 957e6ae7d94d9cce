"""Ad-hoc questions by POST and by the command: both answer the same over the same events,
in any time zone.

The numbers themselves are compared with plain Python in `test_every_number.py` and beside each
subject.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.command import ecom
from ecom_assets_tests.interfaces.api.conftest import Api

ZONE = "Pacific/Auckland"
"""Eleven to thirteen hours ahead of the shop's UTC: most events are of another day there."""
DAYS = {"start_date": "2026-01-10", "end_date": "2026-01-24"}
OF_DAYS = ("--from", "2026-01-10", "--to", "2026-01-24")
QUESTIONS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "a funnel by day of entry": (
        "funnel",
        {"steps": ["page_view", "purchase"], "over": "day"},
        ("--steps", "page_view,purchase", "--over", "day"),
    ),
    "a funnel of days of entry": (
        "funnel",
        {"steps": ["page_view", "purchase"], "from": "2026-01-10", "to": "2026-01-24"},
        ("--steps", "page_view,purchase", *OF_DAYS),
    ),
    "retention by day": (
        "retention",
        {"period": "day", "start": "purchase"},
        ("--period", "day", "--start", "purchase"),
    ),
    "retention of starts": (
        "retention",
        {"period": "week", "range_of": "starts", **DAYS},
        ("--period", "week", *OF_DAYS),
    ),
    "retention by the hour": (
        "retention",
        {
            "period": "hour",
            "last_period": 5,
            "range_of": "starts",
            "start_date": "2026-01-10",
            "end_date": "2026-01-11",
        },
        ("--period", "hour", "--periods", "5", "--from", "2026-01-10", "--to", "2026-01-11"),
    ),
    "a trend by day": ("trend", {"series": ["*:visitors"]}, ("--series", "*:visitors")),
    "a funnel of new visitors by channel": (
        "funnel",
        {"steps": ["page_view", "purchase"], "by": "channel", "where": ["visitor_type = new"]},
        ("--steps", "page_view,purchase", "--by", "channel", "--where", "visitor_type = new"),
    ),
    "a trend by where visitors came from first": (
        "trend",
        {"series": ["*"], "by": ["first_channel", "source"], **DAYS},
        ("--series", "*", "--by", "first_channel", "--by", "source", *OF_DAYS),
    ),
    "a trend of a segment": (
        "trend",
        {"series": ["*"], "period": "week", "segment": "buyers", **DAYS},
        ("--series", "*", "--period", "week", "--segment", "buyers", *OF_DAYS),
    ),
    "a lifecycle": (
        "trend",
        {"series": ["*"], "kind": "lifecycle", **DAYS},
        ("--series", "*", "--kind", "lifecycle", *OF_DAYS),
    ),
    "journeys of some days": (
        "journeys",
        {"to_step": "purchase", **DAYS},
        ("--to-step", "purchase", *OF_DAYS),
    ),
    "what goes with conversion": (
        "correlation",
        {
            "funnel": {"steps": ["page_view", "purchase"]},
            "properties": ["product_category"],
            **DAYS,
        },
        ("--steps", "page_view,purchase", "--property", "product_category", *OF_DAYS),
    ),
    "an experiment": (
        "experiment",
        {
            "variant": "product_category",
            "control": "Shoes",
            "goal": "purchase",
            "within": "2d",
            **DAYS,
        },
        (
            "--variant",
            "product_category",
            "--control",
            "Shoes",
            "--goal",
            "purchase",
            "--within",
            "2d",
            *OF_DAYS,
        ),
    ),
    "sessions": ("sessions", {}, ()),
    "sessions of some days and events": (
        "sessions",
        {"idle": "5m", "where": ["product_category is set"], **DAYS},
        ("--idle", "5m", "--where", "product_category is set", *OF_DAYS),
    ),
    "sessions as the source has them": (
        "sessions",
        {"preset": "posthog", "segment": "buyers", **DAYS},
        ("--preset", "posthog", "--segment", "buyers", *OF_DAYS),
    ),
    "attribution": ("attribution", {}, ()),
    "attribution of some days": (
        "attribution",
        {"model": "time_decay", "lookback": "14d", "half_life": "2d", **DAYS},
        ("--model", "time_decay", "--lookback", "14d", "--half-life", "2d", *OF_DAYS),
    ),
    "removal effects": (
        "attribution",
        {"model": "markov", **DAYS},
        ("--model", "markov", *OF_DAYS),
    ),
    "attribution as a tool has it": (
        "attribution",
        {"preset": "mixpanel"},
        ("--preset", "mixpanel"),
    ),
}
"""The path of the route, its body, and the options of the command."""


@pytest.mark.slow
@pytest.mark.parametrize("name", QUESTIONS)
def test_route_and_command_are_equal(
    api: Api, settings: Settings, tmp_path: Path, name: str
) -> None:
    path, body, arguments = QUESTIONS[name]
    answer = api.post(f"/analytics/{path}", {**body, "timezone": ZONE}, limit=1000)
    assert answer.status_code == 200, answer.text
    events = settings.home.parent / "files" / "events.csv"
    segments = {"ECOM_VISITOR_SEGMENTS": str(settings.visitor_segments)}
    values: tuple[str | Path, ...] = (
        path,
        "--events",
        events,
        *arguments,
        "--timezone",
        ZONE,
        "--json",
    )
    result = ecom(*values, home=tmp_path / "home", env=segments)
    assert result.exit_code == 0, result.err
    assert compared(result.json) == compared(answer.json())
    assert answer.json()["range"]["timezone"] == ZONE


@pytest.mark.slow
@pytest.mark.parametrize("path", ["sessions", "attribution", "journeys"])
def test_a_definition_file_is_what_a_route_takes(
    api: Api, settings: Settings, tmp_path: Path, path: str
) -> None:
    body: dict[str, Any] = {
        "session_rule": "universal_analytics",
        "where": ["product_category is set"],
    }
    (tmp_path / "question.yaml").write_text(yaml.safe_dump(body))
    events = settings.home.parent / "files" / "events.csv"
    values = (path, "--events", events, "--definition", tmp_path / "question.yaml", "--json")
    result = ecom(*values, home=tmp_path / "home")
    assert result.exit_code == 0, result.err
    answer = api.post(f"/analytics/{path}", body, limit=1000).json()
    assert compared(result.json) == compared(answer)
    twice = ecom(*values, "--session-rule", "ga4", home=tmp_path / "home")
    assert (twice.exit_code, "--definition says what --session-rule would" in twice.sentence) == (
        2,
        True,
    )


def test_an_impossible_question_is_refused(api: Api) -> None:
    """One of them: what is impossible is the model's to say (`behaviour/questions`)."""
    assert api.post("/analytics/sessions", {"where": ["brand = x"]}).status_code == 422


OF_THE_SOURCE = {"rows", "data_version", "currency", "explain", "data_as_of"}
"""What an answer says of files, or of what is published; a run knows days of orders too."""
DAYS_OF_THE_SOURCE = re.compile("missing|known|held|data|sources")
"""Which days are known, and which of them have nothing: files know those of their events,
a run its deliveries.
"""


def compared(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what depends on where the events come from."""
    days = {
        key: value for key, value in answer["range"].items() if not DAYS_OF_THE_SOURCE.search(key)
    }
    return {key: value for key, value in answer.items() if key not in OF_THE_SOURCE} | {
        "range": days
    }


def test_the_zone_changes_the_answer(api: Api) -> None:
    """So a route that did not look at `timezone` would be found out."""
    days = [
        api.post("/analytics/trend", {"series": ["*"], "timezone": zone}).json()["series"][0][
            "values"
        ]
        for zone in ("UTC", ZONE)
    ]
    assert days[0] != days[1]
    assert sum(days[0]) == sum(days[1]) > 0
