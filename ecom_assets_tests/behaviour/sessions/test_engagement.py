"""Engagement per day: sessions, rates and durations by hand; daily, weekly,
monthly visitors against sets.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta

import pytest

from ecom_assets.behaviour.events.recorded import PURCHASES, VIEWS
from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Row, Step, journeys
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import Platform


@pytest.fixture
def shop(opened: Platform) -> Platform:
    return opened


def engagement(
    shop: Platform, people: Mapping[str, Sequence[Step]], length: int = 2
) -> dict[date, Row]:
    """Return the rows of the days that begin with DAY_ONE, by day."""
    days = Days.between(DAY_ONE, DAY_ONE + timedelta(days=length))
    shop.clear()
    shop.receive(journeys(people), days)
    shop.run(days)
    return {row["event_date"]: row for row in shop.rows(EngagementDaily)}


def test_a_day_is_described_by_the_sessions_that_started_on_it(shop: Platform) -> None:
    day = engagement(
        shop,
        {
            "anna": [
                ("09:00", "page_view"),
                ("09:10", "page_view"),
                ("09:20", "page_view"),
            ],  # engaged, 1200 s
            "ben": [("10:00", "page_view")],  # bounces, 0 s
            "carl": [
                ("11:00", "page_view"),
                ("11:01", "purchase"),
            ],  # engaged though a single page, 60 s
        },
    )[DAY_ONE]
    assert (
        day["session_count"],
        day["engaged_session_count"],
        day["single_page_session_count"],
    ) == (3, 2, 2)
    assert day["engagement_rate"] == pytest.approx(2 / 3)
    assert day["bounce_rate"] == pytest.approx(1 / 3)
    assert day["single_page_rate"] == pytest.approx(2 / 3)
    assert day["pages_per_session"] == pytest.approx(5 / 3)
    assert (day["mean_duration_s"], day["median_duration_s"]) == (420, 60)


def test_the_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle(shop: Platform) -> None:
    lengths = {"anna": "09:00:00", "ben": "09:00:10", "carl": "09:00:30", "dora": "09:20:00"}
    day = engagement(
        shop, {who: [("09:00", "page_view"), (end, "search")] for who, end in lengths.items()}
    )[DAY_ONE]
    assert day["median_duration_s"] == 20


def test_a_day_on_which_a_session_only_goes_on_has_visitors_and_no_session(shop: Platform) -> None:
    days = engagement(shop, {"anna": [("23:50", "page_view"), ("+1 00:10", "page_view")]})
    next_day = days[DAY_ONE + timedelta(days=1)]
    assert (next_day["session_count"], next_day["daily_visitor_count"]) == (0, 1)
    assert next_day["bounce_rate"] is None
    assert days[DAY_ONE]["mean_duration_s"] == 1200


def test_without_views_among_the_events_no_session_is_a_bounce() -> None:
    with closing(Platform(not_recorded=frozenset({VIEWS, PURCHASES}))) as shop:
        day = engagement(
            shop,
            {
                "anna": [("09:00", "action_3"), ("09:05", "action_7")],
                "ben": [("10:00", "action_7")],
            },
        )[DAY_ONE]
    assert (day["session_count"], day["daily_visitor_count"], day["mean_duration_s"]) == (2, 2, 150)
    of_views = ("engaged_session_count", "single_page_session_count", "pages_per_session")
    rates = ("engagement_rate", "bounce_rate", "single_page_rate")
    bought = ("purchase_session_count", "session_conversion_rate")
    assert [day[name] for name in (*of_views, *rates, *bought)] == [None] * 8


def test_a_day_without_anybody_has_no_row(shop: Platform) -> None:
    assert set(engagement(shop, {"anna": [("09:00", "page_view")]})) == {DAY_ONE}


def test_a_visitor_counts_for_seven_and_for_thirty_days_that_day_included(shop: Platform) -> None:
    # Anna comes on day 0 only; Ben comes daily, so that every day has a row.
    people = {
        "anna": [("09:00", "page_view")],
        "ben": [(f"+{n} 09:00", "page_view") for n in range(32)],
    }
    days = engagement(shop, people, 32)
    weekly = [days[DAY_ONE + timedelta(days=n)]["weekly_visitor_count"] for n in range(8)]
    monthly = [days[DAY_ONE + timedelta(days=n)]["monthly_visitor_count"] for n in (28, 29, 30)]
    assert weekly == [2, 2, 2, 2, 2, 2, 2, 1]
    assert monthly == [2, 2, 1]
    assert days[DAY_ONE + timedelta(days=1)]["stickiness_rate"] == 0.5


@pytest.mark.slow
@each("seed", seeds(range(40)))
def test_daily_weekly_and_monthly_visitors_are_those_of_sets(shop: Platform, seed: int) -> None:
    shop.clear()
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    length = 75 if seed else 45  # longer than the widest window
    came = {n: {who for who in "abcdefgh" if dice.random() < 0.06} for n in range(length)}
    people = {
        who: [(f"+{n} 09:00", "page_view") for n in range(length) if who in came[n]]
        for who in "abcdefgh"
    }
    days = engagement(shop, people, length)

    def seen(last: int, window: int) -> int:
        return len(set().union(*(came[n] for n in range(max(0, last - window + 1), last + 1))))

    expected = {
        DAY_ONE + timedelta(days=n): (seen(n, 1), seen(n, 7), seen(n, 30))
        for n in range(length)
        if came[n]
    }
    names = ("daily_visitor_count", "weekly_visitor_count", "monthly_visitor_count")
    assert {day: tuple(row[name] for name in names) for day, row in days.items()} == expected
    # The same by runs of a few days each, in any order.
    slices = [
        Days.between(DAY_ONE + timedelta(days=n), DAY_ONE + timedelta(days=n + 15))
        for n in range(0, length, 15)
    ]
    shop.engine.execute("DELETE FROM mart.engagement_daily")
    for run_days in dice.sample(slices, len(slices)):
        shop.run(run_days, only=["engagement_daily"])
    assert {row["event_date"]: row for row in shop.rows(EngagementDaily)} == days


@pytest.mark.slow
def test_a_visitor_withdrawn_from_one_day_leaves_the_weeks_and_months_that_reach_back_to_it(
    shop: Platform,
) -> None:
    people = {
        "anna": [("09:00", "page_view")],
        "ben": [(f"+{n} 09:00", "page_view") for n in range(32)],
    }
    engagement(shop, people, 32)
    that_day = Days((DAY_ONE,))
    shop.receive(journeys({"ben": people["ben"]}), that_day)
    shop.run(that_day)
    weekly = [row["weekly_visitor_count"] for row in shop.rows(EngagementDaily)]
    monthly = [row["monthly_visitor_count"] for row in shop.rows(EngagementDaily)]
    assert (set(weekly), set(monthly)) == ({1}, {1})
