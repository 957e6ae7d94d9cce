"""Questions about sessions that the warehouse keeps: the answer is that of cutting all events into sessions again."""

from typing import Any

import pytest

from ecom_assets_tests.api.conftest import Asked

OF_ALL = ["event_type is set"]
"""A condition that every event meets: with conditions, events are cut into sessions again."""
ABOUT_THE_QUESTION = ("definition", "sql", "tables", "data_as_of")
DAYS = {"time_range": "custom", "start_date": "2026-01-03", "end_date": "2026-01-05"}


def numbers(api: Asked, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of an answer."""
    answer = api.post(path, body).json()
    assert "detail" not in answer, answer
    return {name: value for name, value in answer.items() if name not in ABOUT_THE_QUESTION}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("days", [{}, DAYS], ids=["all days", "some days"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/analytics/sessions", {}),
        ("/analytics/attribution", {"model": "time_decay"}),
        ("/analytics/attribution", {"model": "markov", "lookback": "3d"}),
    ],
    ids=["sessions", "time_decay", "markov"],
)
def test_stored_sessions_answer_as_events_do(api: Asked, path: str, body: dict[str, Any], days: dict[str, str]) -> None:
    stored = numbers(api, path, body | days)
    assert stored == numbers(api, path, body | days | {"where": OF_ALL})
    assert stored.get("sessions", 1) > 0
    assert stored.get("conversions", 1) > 0


def test_sessions_by_another_rule_or_in_another_zone_are_cut_from_events(api: Asked) -> None:
    stored = numbers(api, "/analytics/sessions", {})
    assert numbers(api, "/analytics/sessions", {"idle": "1s"})["sessions"] > stored["sessions"]
    first = DAYS | {"end_date": DAYS["start_date"]}
    elsewhere = numbers(api, "/analytics/sessions", first | {"timezone": "Pacific/Auckland"})
    again = numbers(api, "/analytics/sessions", first | {"timezone": "Pacific/Auckland", "where": OF_ALL})
    assert elsewhere == again != numbers(api, "/analytics/sessions", first)
