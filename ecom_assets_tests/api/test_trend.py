"""`POST /analytics/trend`: what is refused, and to whom."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ecom_assets.api.app import build_app
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.served import Running, serving

KEYS = {scope: f"a-key-with-the-scopes-{scope}" for scope in ("read", "read+personal")}


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
        {"series": ["*"], "by": "visitor_id"},
        {"series": ["*"], "where": ["user_agent contains Firefox"]},
        {"series": [{"event_type": "purchase", "where": [{"any_of": [{"user_id": "u01"}]}]}]},
    ],
)
def test_a_question_about_single_people_needs_the_scope(keyed: Running, body: dict[str, Any]) -> None:
    result = {
        scope: requests.post(
            f"{keyed.address}/analytics/trend", json=body, headers={"X-API-Key": key}, timeout=60
        ).status_code
        for scope, key in KEYS.items()
    }
    assert result == {"read": 403, "read+personal": 200}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "body", [{"by": "user_agent"}, {"start_where": ["visitor_id = u01"]}, {"returning_where": [{"user_id": "u01"}]}]
)
def test_retention_of_single_people_needs_it_too(keyed: Running, body: dict[str, Any]) -> None:
    result = {
        scope: requests.post(
            f"{keyed.address}/analytics/retention", json=body, headers={"X-API-Key": key}, timeout=60
        ).status_code
        for scope, key in KEYS.items()
    }
    assert result == {"read": 403, "read+personal": 200}


def nested(levels: int) -> dict[str, Any]:
    """Return a condition so many levels deep."""
    return {"any_of": [nested(levels - 1)]} if levels else {"cart_amount": 1}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"series": ["purchase:summ(cart_amount)"]}, "did you mean 'sum'"),
        ({"series": ["purchase"], "formula": "A / C"}, "names the series C"),
        ({"series": ["*"], "where": [nested(30)]}, "more than 10 deep"),
        ({"series": ["*"], "where": [{"any_of": ["cart_amount > 1"] * 300}]}, "more than 200 conditions"),
        ({"series": ["*"], "where": ["page_url matches (?=a)"]}, "RE2's syntax"),
        ({"series": ["*"], "where": ["brand = x"]}, "no column 'brand'"),
        ({"series": ["*"], "where": [{"column": {}, "value": 1}]}, "names the column '{}'; write a column"),
    ],
)
def test_an_impossible_question_is_refused_with_the_reason(api: Asked, body: dict[str, Any], why: str) -> None:
    response = api.post("/analytics/trend", body)
    assert (response.status_code, why in response.json()["detail"]) == (422, True), response.text


def test_a_condition_on_everything_is_one_on_each_series(api: Asked) -> None:
    text = "product_category is set"
    of_all = api.post("/analytics/trend", {"series": ["*"], "where": [text]}).json()["series"]
    of_one = api.post("/analytics/trend", {"series": [{"where": [text]}]}).json()["series"]
    assert of_all[0]["values"] == of_one[0]["values"]
    assert of_all[0]["total"] > 0


def test_lines_come_a_page_at_a_time(api: Asked) -> None:
    response = api.post("/analytics/trend", {"series": ["*", "purchase"], "by": "product_category"}, limit=1, offset=1)
    assert (len(response.json()["series"]), response.json()["total_count"] > 2) == (1, True)


def test_a_preset_is_what_the_tool_would_do_and_the_body_wins(api: Asked) -> None:
    body = {"series": ["purchase"], "period": "week", "preset": "posthog"}
    answer = api.post("/analytics/trend", body).json()
    assert (answer["definition"]["week_start"], answer["definition"]["limit"]) == ("sunday", 25)
    own = api.post("/analytics/trend", {**body, "week_start": "monday"}).json()
    assert (own["definition"]["week_start"], own["definition"]["limit"]) == ("monday", 25)
    plain = api.post("/analytics/trend", {"series": ["purchase"], "period": "week", "week_start": "sunday"}).json()
    assert plain["series"] == answer["series"]
    assert api.post("/analytics/trend", {**body, "preset": "heap"}).status_code == 422


@pytest.mark.slow
def test_a_preset_of_retention_is_what_the_tool_would_do_and_the_body_wins(api: Asked) -> None:
    def definition(**body: Any) -> dict[str, Any]:
        response = api.post("/analytics/retention", body)
        assert response.status_code == 200, response.text
        actual: dict[str, Any] = response.json()["definition"]
        return actual

    used = definition(preset="amplitude")
    assert (used["period"], used["mode"], used["clock"]) == ("day", "on_or_after", "rolling")
    used = definition(preset="amplitude", period="week", mode="on")
    assert (used["period"], used["mode"], used["clock"]) == ("week", "on", "rolling")
    assert definition()["period"] == "week"
