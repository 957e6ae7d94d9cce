"""`POST /analytics/funnel`: conditions, and what is refused. Not here: all its numbers (`test_every_number.py`)."""

from typing import Any

import pytest

from ecom_assets_tests.api.conftest import Asked

pytestmark = pytest.mark.xdist_group("api")
VIEW, CART = "product_view", "add_to_cart"


def counts(api: Asked, **body: Any) -> list[int]:
    said = api.post("/analytics/funnel", body)
    assert said.status_code == 200, said.text
    return [step["count"] for step in said.json()["steps"]]


def test_a_condition_on_everything_is_one_on_each_step(api: Asked) -> None:
    asked = "product_category is set"
    of_all = counts(api, steps=[VIEW, CART], where=[asked])
    assert of_all == counts(api, steps=[{"event_type": VIEW, "where": asked}, {"event_type": CART, "where": [asked]}])
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


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"where": ["brand = x"]}, "no column 'brand'"),
        ({"where": ["page_url matches (?=a)"]}, "RE2's syntax"),
        ({"where": [{"any_of": ["cart_amount > 1"] * 300}]}, "more than 200 conditions"),
        ({"steps": [{"event_type": VIEW, "where": "cart_amount > ten"}]}, "holds number, with the text 'ten'"),
        ({"steps": [{"event_type": VIEW, "where": {"column": "page_url", "operator": "like"}}]}, "operator 'like'"),
        ({"steps": [VIEW], "exclude": ["search"]}, "a funnel of one step"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(api: Asked, body: dict[str, Any], why: str) -> None:
    said = api.post("/analytics/funnel", {"steps": [VIEW, CART]} | body)
    assert (said.status_code, why in said.json()["detail"]) == (422, True), said.text
