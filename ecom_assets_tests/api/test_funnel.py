"""`POST /analytics/funnel`: conditions, and what is refused."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest

from ecom_assets.tables.days import Days, day_of
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.plain_paths import _streams
from ecom_assets_tests.api.plain_shop import PlainShop

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


@pytest.mark.parametrize("timezone", ["Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"])
def test_days_of_entry_are_those_of_the_zone(api: Asked, shop: PlainShop, timezone: str) -> None:
    """In each zone a visitor enters on each local day on which they view a page."""
    zone = ZoneInfo(timezone)
    days: dict[str, set[int]] = {}
    for number, events in enumerate(_streams(shop).values()):
        for event in events:
            if event["event_type"] == "page_view":
                days.setdefault(str(event["at"].astimezone(zone).date()), set()).add(number)
    response = api.post(
        "/analytics/funnel", {"steps": ["page_view"], "over": "day", "timezone": timezone}, limit=1000
    ).json()
    actual = {one["start"]: one["steps"][0]["count"] for one in response["cohorts"]}
    assert response["entries"]["timezone"] == timezone
    assert {day: count for day, count in actual.items() if count} == {day: len(who) for day, who in days.items()}


def test_a_zone_that_does_not_exist_is_refused(api: Asked) -> None:
    response = api.post("/analytics/funnel", {"steps": ["page_view"], "timezone": "Mars/Olympus"})
    assert (response.status_code, "not an IANA time zone" in response.json()["detail"]) == (422, True)


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_days_with_clock_changes_are_those_of_python(timezone: str) -> None:
    """Every half hour of the year 2026, in which the clocks change twice."""
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(365 * 48)]
    con = ibis.duckdb.connect()
    naive = pa.array([at.replace(tzinfo=None) for at in times], pa.timestamp("us"))
    rows = con.create_table("times", pa.table({"at": naive}))
    actual = rows.order_by("at").select(
        day=day_of(rows.at, Days.between(date(2025, 12, 30), date(2027, 1, 4)), timezone)
    )
    assert actual.to_pyarrow()["day"].to_pylist() == [at.astimezone(ZoneInfo(timezone)).date() for at in times]
