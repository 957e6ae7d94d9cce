"""What `compare` adds to an answer is what the same question answers about the other days."""

from typing import Any

import pytest

from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api

NOW = {"start_date": "2026-01-21", "end_date": "2026-01-30"}
BEFORE = {"start_date": "2026-01-11", "end_date": "2026-01-20"}
QUESTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "/analytics/funnel": (
        {"steps": ["page_view", "add_to_cart", "purchase"], "within": "1h"},
        "steps",
    ),
    "/analytics/sessions": ({}, "sessions"),
    "/analytics/attribution": ({"model": "last"}, "channels"),
}


@pytest.mark.slow
@each("path", QUESTIONS)
def test_the_days_before_are_those_of_the_same_question_about_them(api: Api, path: str) -> None:
    question, field = QUESTIONS[path]
    compared = api.post(path, {**question, **NOW, "compare": "before"}).json()
    plain = api.post(path, {**question, **NOW}).json()
    earlier = api.post(path, {**question, **BEFORE}).json()
    assert compared["before"][field] == earlier[field] != plain[field]
    assert compared[field] == plain[field]
    assert plain["before"] is None
