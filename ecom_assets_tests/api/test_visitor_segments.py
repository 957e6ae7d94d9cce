"""`segment` in custom questions: about which visitors they are, and who may ask."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ecom_assets.api.app import build_app
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.plain_shop import PlainShop
from ecom_assets_tests.api.served import Running, serving

TWICE: dict[str, Any] = {"did": "purchase", "at_least": 2}
QUESTIONS: dict[str, dict[str, Any]] = {
    "/analytics/trend": {"series": ["*:visitors"], "period": "month"},
    "/analytics/funnel": {"steps": ["page_view", "product_view"], "within": "60d"},
    "/analytics/retention": {"period": "month"},
    "/analytics/correlation": {"funnel": {"steps": ["page_view", "product_view"], "within": "60d"}},
    "/analytics/experiment": {"variant": "event_type", "control": "page_view", "multiple": "first", "goal": "purchase"},
}


@pytest.fixture(scope="module")
def declaring(settings: Settings) -> Iterator[Running]:
    """The API over the small shop, with a declared segment and keys of both kinds."""
    file = settings.home.parent / "segments.yaml"
    file.write_text("loyal: {did: purchase, at_least: 2}\nu01: {did: {where: [user_id = u01]}}\n")
    keys = type(settings.api_keys)("read:a-key-with-the-scopes-read")
    given = settings.model_copy(update={"visitor_segments": file, "api_keys": keys, "rate_limit_key": "none"})
    with serving(given, build_app(given)) as actual:
        yield actual


def visitors_of(path: str, answer: dict[str, Any]) -> int:
    """Return how many visitors an answer counts."""
    if path.endswith("trend"):
        return int(answer["series"][0]["total"])
    if path.endswith("funnel"):
        return int(answer["steps"][0]["count"])
    if path.endswith("correlation"):
        return int(answer["converted_count"] + answer["other_count"])
    name, count = ("cohorts", "size") if path.endswith("retention") else ("variants", "unit_count")
    return sum(one[count] for one in answer[name])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("path", QUESTIONS)
def test_every_question_is_about_the_visitors_of_the_segment(api: Asked, shop: PlainShop, path: str) -> None:
    """Everybody begins a visit with a page view, so all five count the same people."""
    bought = Counter(event["user_id"] for event in shop.events if event["event_type"] == "purchase")
    everybody = {event["user_id"] for event in shop.events}
    loyal = {who for who, count in bought.items() if count >= 2}
    response = api.post(path, {**QUESTIONS[path], "segment": TWICE})
    assert response.status_code == 200, response.text
    assert visitors_of(path, response.json()) == len(loyal) > 0
    assert visitors_of(path, api.post(path, QUESTIONS[path]).json()) == len(everybody) > len(loyal)
    assert response.json()["definition"]["segment"]["rule"] == {**TWICE, "did": {"event_type": "purchase"}}


def test_a_segment_looks_at_days_before_the_range_and_at_none_after_it(api: Asked, shop: PlainShop) -> None:
    days = {"start_date": "2026-01-20", "end_date": "2026-01-21"}
    bought = Counter(
        event["user_id"]
        for event in shop.events
        if event["event_type"] == "purchase" and str(event["at"].date()) <= "2026-01-21"
    )
    there = {event["user_id"] for event in shop.events if str(event["at"].date()) in days.values()}
    response = api.post("/analytics/trend", {**QUESTIONS["/analytics/trend"], **days, "segment": TWICE}).json()
    assert response["series"][0]["total"] == len({who for who in there if bought[who] >= 2}) > 0


def test_a_declared_segment_is_asked_for_by_its_name_and_people_only_with_the_scope(declaring: Running) -> None:
    def ask(segment: Any) -> requests.Response:
        body = {**QUESTIONS["/analytics/trend"], "segment": segment}
        headers = {"X-API-Key": "a-key-with-the-scopes-read"}
        return requests.post(f"{declaring.address}/analytics/trend", json=body, headers=headers, timeout=60)

    assert ask("loyal").json()["series"] == ask(TWICE).json()["series"]
    assert (ask("u01").status_code, ask({"latest": "visitor_id = u01"}).status_code) == (403, 403)
    assert "Known: loyal, u01" in ask("loyel").json()["detail"]


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ("loyal", "No visitor segment 'loyal' is declared; known: buyers, sleeping"),
        ({"done": "purchase"}, "a part is one of did"),
        ({"did": {"where": ["brand = x"]}}, "no column 'brand'"),
    ],
)
def test_what_is_no_segment_is_refused_with_the_reason(api: Asked, segment: Any, why: str) -> None:
    response = api.post("/analytics/trend", {"series": ["*"], "segment": segment})
    assert (response.status_code, why in response.json()["detail"]) == (422, True), response.text
