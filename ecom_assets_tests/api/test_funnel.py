"""`POST /analytics/funnel`: conditions, and what is refused. Not here: all its numbers (`test_every_number.py`)."""

from typing import Any

import pytest

from ecom_assets_tests.api.conftest import Asked

VIEW, CART = "product_view", "add_to_cart"


def counts(api: Asked, **body: Any) -> list[int]:
    response = api.post("/analytics/funnel", body)
    assert response.status_code == 200, response.text
    return [step["count"] for step in response.json()["steps"]]


def test_a_condition_on_everything_is_one_on_each_step(api: Asked) -> None:
    text = "product_category is set"
    of_all = counts(api, steps=[VIEW, CART], where=[text])
    assert of_all == counts(api, steps=[{"event_type": VIEW, "where": text}, {"event_type": CART, "where": [text]}])
    assert of_all == counts(api, steps=[VIEW, CART], where=[{"column": "product_category", "operator": "is_set"}])
    assert of_all[1] > 0


def test_parts_add_up_to_one_step(api: Asked) -> None:
    whole = api.post("/analytics/funnel", {"steps": [VIEW], "by": "product_category"}).json()
    for part in whole["breakdown"]:
        where = {"product_category": part["value"]} if part["value"] != "(none)" else "product_category is not set"
        of_value = counts(api, steps=[{"event_type": VIEW, "where": where}])
        # Visitors count for the first category that they viewed; there may be more who viewed this one later.
        assert of_value[0] >= part["steps"][0]["count"]
    assert sum(part["steps"][0]["count"] for part in whole["breakdown"]) == whole["steps"][0]["count"]


def test_a_day_s_cohort_is_the_funnel_of_its_entries(api: Asked) -> None:
    response = api.post(
        "/analytics/funnel", {"steps": [VIEW, CART], "over": "day", "time_to_convert": {"from": 1, "to": 2}}
    )
    answer = response.json()
    assert sum(one["count"] for one in answer["time_to_convert"]["bins"]) == answer["steps"][1]["count"] > 0
    assert [one["complete"] for one in answer["cohorts"]] == sorted(
        (one["complete"] for one in answer["cohorts"]), reverse=True
    )
    for cohort in answer["cohorts"][:3]:
        day = {"from": cohort["start"], "to": cohort["start"]}
        alone = api.post("/analytics/funnel", {"steps": [VIEW, CART], **day}).json()
        assert alone["steps"] == cohort["steps"]
        assert (alone["entries"]["first_date"], alone["entries"]["complete"]) == (cohort["start"], cohort["complete"])
    last = api.post("/analytics/funnel", {"steps": [VIEW], "last": "1d"}).json()
    assert last["entries"]["first_date"] == last["entries"]["last_date"] == answer["entries"]["last_date"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"where": ["brand = x"]}, "no column 'brand'"),
        ({"where": ["page_url matches (?=a)"]}, "RE2's syntax"),
        ({"where": [{"any_of": ["cart_amount > 1"] * 300}]}, "more than 200 conditions"),
        ({"steps": [{"event_type": VIEW, "where": "cart_amount > ten"}]}, "holds number, with the text 'ten'"),
        ({"steps": [{"event_type": VIEW, "where": {"column": "page_url", "operator": "like"}}]}, "operator 'like'"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from=2026-02-02 is after to=2026-02-01; swap them"),
        ({"from": "2026-02-02", "last": "30d"}, "both say where the days begin"),
        ({"last": "36h"}, "whole days; write d (days) or w (weeks)"),
        ({"last": "30d", "time_range": "week"}, "leave all events of other days out; give only one kind"),
        ({"time_to_convert": {"from": 1, "to": 3}}, "name two of the 2 steps by their numbers"),
        ({"steps": [VIEW], "exclude": ["search"]}, "a funnel of one step"),
    ],
)
def test_an_impossible_question_is_refused_with_the_reason(api: Asked, body: dict[str, Any], why: str) -> None:
    response = api.post("/analytics/funnel", {"steps": [VIEW, CART]} | body)
    assert (response.status_code, why in response.json()["detail"]) == (422, True), response.text


def test_a_preset_is_what_the_tool_would_do_and_the_body_wins(api: Asked) -> None:
    steps = [VIEW, CART]
    answer = api.post("/analytics/funnel", {"steps": steps, "preset": "amplitude", "by": "product_category"}).json()
    question = answer["definition"]
    assert (question["within"], question["by_attribution"]) == ("86400s", "step_1")
    assert [one["count"] for one in answer["steps"]] == counts(api, steps=steps, within="1d")
    usual = api.post("/analytics/funnel", {"steps": steps, "preset": "amplitude", "within": "7d"}).json()
    assert usual["definition"]["within"] == "604800s"
    assert counts(api, steps=steps, preset="mixpanel", per="session")[0] >= counts(api, steps=steps, per="session")[0]
    assert api.post("/analytics/funnel", {"steps": steps, "preset": "heap"}).status_code == 422
