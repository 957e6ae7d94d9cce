"""`POST /analytics/trend`, `retention`, `experiment` and `correlation`: what is refused, and what choices do.

Not here: the numbers (`api/test_every_number.py`).
"""

from typing import Any

import pytest

from ecom_assets_tests.api.conftest import Asked

EXPERIMENT: dict[str, Any] = {"variant": "product_category", "goal": "purchase", "control": "Hats", "multiple": "first"}
BOUGHT: dict[str, Any] = {"steps": ["product_view", "purchase"]}


def nested(levels: int) -> dict[str, Any]:
    """Return a condition so many levels deep."""
    return {"any_of": [nested(levels - 1)]} if levels else {"cart_amount": 1}


@pytest.mark.parametrize(
    ("question", "body", "why"),
    [
        ("trend", {"series": ["purchase:summ(cart_amount)"]}, "did you mean 'sum'"),
        ("trend", {"series": ["purchase"], "formula": "A / C"}, "names the series C"),
        ("trend", {"series": ["*"], "where": [nested(30)]}, "more than 10 deep"),
        ("trend", {"series": ["*"], "where": [{"any_of": ["cart_amount > 1"] * 300}]}, "more than 200 conditions"),
        ("trend", {"series": ["*"], "where": ["page_url matches (?=a)"]}, "RE2's syntax"),
        ("trend", {"series": ["*"], "where": ["brand = x"]}, "no column 'brand'"),
        ("trend", {"series": ["*"], "where": [{"column": {}, "value": 1}]}, "names the column '{}'; write a column"),
        ("correlation", {"funnel": {"steps": ["purchase"]}}, "two steps or more"),
        (
            "correlation",
            {"funnel": {**BOUGHT, "by": "product_category"}},
            "Nothing of this name can be given here",
        ),
        ("correlation", {"funnel": {**BOUGHT, "within": "7"}}, "The duration '7' is not understood"),
        ("correlation", {"funnel": BOUGHT, "properties": ["brand"]}, "no column 'brand'"),
        ("correlation", {"funnel": BOUGHT, "properties": ["a b"]}, "names the column 'a b'"),
        (
            "experiment",
            {**EXPERIMENT, "control": "Hat"},
            "No unit was exposed to the control 'Hat'; did you mean 'Hats'?",
        ),
        ("experiment", {**EXPERIMENT, "within": "7"}, "The duration '7' is not understood"),
        ("experiment", {**EXPERIMENT, "goal": ""}, "at least 1 character"),
        (
            "experiment",
            {**EXPERIMENT, "goal": {"event_type": "buy", "where": ["page_url matches (?=a)"]}},
            "RE2's syntax",
        ),
        ("experiment", {**EXPERIMENT, "variant": "brand"}, "no column 'brand'"),
        ("experiment", {**EXPERIMENT, "variant": "event_id"}, "has more than 20 values, so it is not a variant"),
        ("experiment", {**EXPERIMENT, "shares": {"Hats": 1}}, "An experiment has 2 to 20 variants, not 1"),
        ("experiment", {**EXPERIMENT, "amount": "page_url"}, "holds text, not numbers"),
    ],
)
def test_impossible_questions_are_refused(api: Asked, question: str, body: dict[str, Any], why: str) -> None:
    response = api.post(f"/analytics/{question}", body)
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


def test_a_goal_after_the_range_counts_within_its_time_only(api: Asked) -> None:
    """Exposures are of the first week; who buys a month later counts with a time of 30 days, and not without."""
    days = {"start_date": "2026-01-01", "end_date": "2026-01-07"}
    alone, later = (
        api.post("/analytics/experiment", {**EXPERIMENT, **days, **more}).json() for more in ({}, {"within": "30d"})
    )
    counts = [[one["unit_count"] for one in actual["variants"]] for actual in (alone, later)]
    converted = [sum(one["converted_count"] for one in actual["variants"]) for actual in (alone, later)]
    assert counts[0] == counts[1]
    assert converted[0] < converted[1]


def test_rows_come_a_page_at_a_time(api: Asked) -> None:
    response = api.post("/analytics/correlation", {"funnel": BOUGHT}, limit=1, offset=1).json()
    assert (len(response["correlations"]), response["total_count"] > 2) == (1, True)
