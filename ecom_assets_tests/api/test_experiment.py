"""`POST /analytics/experiment`: what is refused, and to whom."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ecom_assets.api.app import build_app
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.served import Running, serving

KEYS = {scope: f"a-key-with-the-scopes-{scope}" for scope in ("read", "read+personal")}
QUESTION: dict[str, Any] = {"variant": "product_category", "goal": "purchase", "control": "Hats", "multiple": "first"}


@pytest.fixture(scope="module")
def keyed(settings: Settings) -> Iterator[Running]:
    """The API over the small shop, with a key of each kind."""
    keys = ",".join(f"{scope}:{key}" for scope, key in KEYS.items())
    given = settings.model_copy(update={"api_keys": type(settings.api_keys)(keys), "rate_limit_key": "none"})
    with serving(given, build_app(given)) as actual:
        yield actual


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "body",
    [
        {**QUESTION, "exposure": {"where": ["user_id != u01"]}},
        {**QUESTION, "goal": {"event_type": "purchase", "where": [{"any_of": [{"visitor_id": "u01"}]}]}},
        {**QUESTION, "where": ["user_agent contains Windows"]},
        {**QUESTION, "variant": "user_agent", "control": "x", "shares": {"x": 1, "y": 1}},
    ],
)
def test_a_question_about_single_people_needs_the_scope(keyed: Running, body: dict[str, Any]) -> None:
    result = {
        scope: requests.post(
            f"{keyed.address}/analytics/experiment", json=body, headers={"X-API-Key": key}, timeout=60
        ).status_code
        for scope, key in KEYS.items()
    }
    assert result == {"read": 403, "read+personal": 200}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"control": "Hat"}, "No unit was exposed to the control 'Hat'; did you mean 'Hats'?"),
        ({"within": "7"}, "The duration '7' is not understood"),
        ({"goal": ""}, "at least 1 character"),
        ({"goal": {"event_type": "purchase", "where": ["page_url matches (?=a)"]}}, "RE2's syntax"),
        ({"variant": "brand"}, "no column 'brand'"),
        ({"variant": "event_id"}, "has more than 20 values, so it is not a variant"),
        ({"shares": {"Hats": 1}}, "An experiment has 2 to 20 variants, not 1"),
        ({"amount": "page_url"}, "holds text, not numbers"),
    ],
)
def test_an_impossible_question_is_refused_with_the_reason(api: Asked, change: dict[str, Any], why: str) -> None:
    response = api.post("/analytics/experiment", {**QUESTION, **change})
    assert (response.status_code, why in response.text) == (422, True), response.text


def test_a_goal_after_the_range_counts_within_its_time_only(api: Asked) -> None:
    """Exposures are of the first week; who buys a month later counts with a time of 30 days, and not without."""
    days = {"start_date": "2026-01-01", "end_date": "2026-01-07"}
    alone, later = (
        api.post("/analytics/experiment", {**QUESTION, **days, **more}).json() for more in ({}, {"within": "30d"})
    )
    counts = [[one["unit_count"] for one in actual["variants"]] for actual in (alone, later)]
    converted = [sum(one["converted_count"] for one in actual["variants"]) for actual in (alone, later)]
    assert counts[0] == counts[1]
    assert converted[0] < converted[1]
