"""Every number of funnels, carts and retention, recounted from the files. Not here: sales (`test_sales_numbers.py`)."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.plain_shop import STEPS, PlainShop, Session, change, level_of

pytestmark = pytest.mark.xdist_group("api")
WEEK = timedelta(days=7)
DEFINITION = {"steps": [{"event_type": step} for step in STEPS], "within": "7d"}


def counts(steps: list[dict[str, Any]]) -> list[int]:
    return [step["unit_count"] for step in steps]


def rate(reached: list[int]) -> float | None:
    return round(reached[-1] / reached[0], 6) if reached[0] else None


def test_the_funnel_of_sessions_and_the_carts_that_were_left(api: Asked, shop: PlainShop) -> None:
    span = shop.span(20)
    told = api.json("/analytics/conversion", start_date=span.first, end_date=span.last)
    for days, part in ((span, told), (span.before, told["previous"])):
        reached = shop.reached(days)
        assert counts(part["steps"]) == reached
        assert [step["event_type"] for step in part["steps"]] == list(STEPS)
        assert [step["conversion_from_start_rate"] for step in part["steps"]] == [
            round(count / reached[0], 6) for count in reached
        ]
        assert part["conversion_rate"] == rate(reached)
        carts = shop.carts(days)
        assert {name: part["abandonment"][name] for name in carts} == carts
    now, before = shop.carts(span), shop.carts(span.before)
    assert told["change"]["cart_abandonment_rate"] == change(
        now["cart_abandonment_rate"], before["cart_abandonment_rate"]
    )
    assert told["change"]["conversion_rate"] == change(told["conversion_rate"], told["previous"]["conversion_rate"])


@pytest.mark.parametrize("by", ["device", "channel", "category"])
def test_the_funnel_and_the_carts_by_what_sessions_came_with(api: Asked, shop: PlainShop, by: str) -> None:
    span = shop.span(30)
    parts: dict[str, list[Session]] = defaultdict(list)
    for session in shop.sessions:
        parts[getattr(session, by)].append(session)
    told = api.json("/analytics/conversion", by=by)
    found = {part["value"]: part for part in told["breakdown"]}
    assert set(found) == set(parts)
    for value, sessions in parts.items():
        part, reached = found[value], shop.reached(span, sessions)
        assert counts(part["steps"]) == reached
        assert part["conversion_rate"] == rate(reached)
        carts = shop.carts(span, sessions)
        assert {name: part[name] for name in carts} == carts, value
    assert [sum(column) for column in zip(*(counts(part["steps"]) for part in found.values()), strict=True)] == counts(
        told["steps"]
    )


def test_the_funnel_of_visitors_has_a_week_for_it(api: Asked, shop: PlainShop) -> None:
    span = shop.span(30)
    reached = [0] * len(STEPS)
    for events in by_visitor(shop).values():
        for day in {event["at"].date() for event in events if event["event_type"] == STEPS[0]}:
            if span.has(day):
                for place in range(best_try(events, day)):
                    reached[place] += 1
    told = api.json("/analytics/conversion", unit="visitor")
    assert counts(told["steps"]) == reached


def test_a_funnel_of_one_s_own_is_that_of_the_files(api: Asked, shop: PlainShop) -> None:
    said = api.post("/analytics/funnel", DEFINITION)
    assert said.status_code == 200, said.text
    reached = [0] * len(STEPS)
    for events in by_visitor(shop).values():
        for place in range(best_try(events)):
            reached[place] += 1
    told = said.json()
    assert [step["count"] for step in told["steps"]] == reached
    assert told["event_count"] == len(shop.events)
    assert told["definition"]["within"] == "604800s"
    assert told["range"]["end_date"] == str(shop.newest)


def test_a_funnel_of_one_s_own_by_a_column_adds_up(api: Asked) -> None:
    body = {"steps": ["product_view", "add_to_cart"], "by": "product_category", "time_range": "month"}
    told = api.post("/v1/analytics/funnel", body).json()
    for place in (0, 1):
        assert sum(part["steps"][place]["count"] for part in told["breakdown"]) == told["steps"][place]["count"]
    assert {part["value"] for part in told["breakdown"]} == {"Bags", "Hats", "Shoes"}
    assert told["range"]["day_count"] == 30


def test_retention_of_one_s_own_is_that_of_the_files(api: Asked, shop: PlainShop) -> None:
    told = api.post("/analytics/retention", {"period": "week"}).json()
    weeks: dict[str, set[Any]] = defaultdict(set)
    for event in shop.events:
        day = event["at"].date()
        weeks[event["user_id"]].add(day - timedelta(days=day.weekday()))
    for cohort in told["cohorts"]:
        mine = [seen for seen in weeks.values() if str(min(seen)) == cohort["cohort"]]
        assert cohort["size"] == len(mine)
        for place, count in enumerate(cohort["returned"]):
            assert count == sum(min(seen) + place * WEEK in seen for seen in mine)
    assert sum(cohort["size"] for cohort in told["cohorts"]) == len(weeks)


def by_visitor(shop: PlainShop) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in shop.events:
        found[event["user_id"]].append(event)
    return found


def best_try(events: list[dict[str, Any]], day: Any = None) -> int:
    """How far the best try gets that begins with a page view (of a day, if one is given) and has a week."""
    starts = [
        place
        for place, event in enumerate(events)
        if event["event_type"] == STEPS[0] and (day is None or event["at"].date() == day)
    ]
    return max(
        (
            level_of([event for event in events[start:] if event["at"] - events[start]["at"] <= WEEK])
            for start in starts
        ),
        default=0,
    )
