"""`POST /analytics/correlation`: what is refused, and to whom."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ecom_assets.api.app import build_app
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.served import Running, serving

FUNNEL: dict[str, Any] = {"steps": ["product_view", "purchase"]}
KEY = "a-key-with-the-scope-read"


@pytest.fixture(scope="module")
def keyed(settings: Settings) -> Iterator[Running]:
    """The API over the small shop, with a key that may not ask about single people."""
    keys = type(settings.api_keys)(f"read:{KEY}")
    given = settings.model_copy(update={"api_keys": keys, "rate_limit_key": "none"})
    with serving(given, build_app(given)) as actual:
        yield actual


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "body",
    [
        {"funnel": FUNNEL, "properties": ["user_agent"]},
        {"funnel": {**FUNNEL, "where": ["user_id = u01"]}},
        {"funnel": FUNNEL, "segment": {"latest": "visitor_id = u01"}},
    ],
)
def test_a_question_about_single_people_needs_the_scope(keyed: Running, body: dict[str, Any]) -> None:
    address, headers = f"{keyed.address}/analytics/correlation", {"X-API-Key": KEY}
    assert requests.post(address, json=body, headers=headers, timeout=60).status_code == 403
    assert requests.post(address, json={"funnel": FUNNEL}, headers=headers, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"funnel": {"steps": ["purchase"]}}, "two steps or more"),
        ({"funnel": {**FUNNEL, "by": "product_category"}}, "Nothing of this name can be given here"),
        ({"funnel": {**FUNNEL, "within": "7"}}, "The duration '7' is not understood"),
        ({"funnel": FUNNEL, "properties": ["brand"]}, "no column 'brand'"),
        ({"funnel": FUNNEL, "properties": ["a b"]}, "names the column 'a b'"),
    ],
)
def test_an_impossible_question_is_refused_with_the_reason(api: Asked, body: dict[str, Any], why: str) -> None:
    response = api.post("/analytics/correlation", body)
    assert (response.status_code, why in response.text) == (422, True), response.text


def test_rows_come_a_page_at_a_time(api: Asked) -> None:
    response = api.post("/analytics/correlation", {"funnel": FUNNEL}, limit=1, offset=1).json()
    assert (len(response["correlations"]), response["total_count"] > 2) == (1, True)
