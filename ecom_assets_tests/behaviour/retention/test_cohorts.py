"""The platform's retention is that of the definition, though it is added up from days
without any visitor in them.

That it is the same in whatever order days are run is asked of every table by
`test_order_does_not_matter.py`.
"""

import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ecom_assets.behaviour.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.behaviour.retention.retention_reference import Cell, Deed, by_definition
from ecom_assets_tests.behaviour.retention.test_cells import STORY
from ecom_assets_tests.behaviour.retention.test_retention_references import stream
from ecom_assets_tests.builders import Row, received
from ecom_assets_tests.platform import Platform

ZONE = "America/Los_Angeles"
FIRST = date(2026, 10, 25)
DAYS = Days.between(FIRST - timedelta(days=1), FIRST + timedelta(days=47))
NEW = (
    "raw_events",
    "duplicate_events",
    "quarantined_events",
    "events",
    "session_events",
    "session_days",
)
TABLES = (*NEW, "returning_visitors_daily", "retention_cohorts")


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform(Settings(home=Path("never written"), timezone=ZONE, week_start="sunday"))
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: Platform) -> Platform:
    opened.clear()
    return opened


def rows_of(deeds: Iterable[Deed], timezone: str = ZONE) -> list[Row]:
    return [
        received(
            f"e{number}",
            deed.at,
            timezone=timezone,
            user_id=deed.who,
            event_type=deed.event_type,
            cart_amount=deed.amount,
        )
        for number, deed in enumerate(deeds)
    ]


def cohorts(shop: Platform, cohort_by: str, period: str, mode: str) -> list[Cell]:
    """Return the rows of one kind, as they are compared."""
    actual = [
        row
        for row in shop.rows(RetentionCohorts)
        if (row["cohort_by"], row["period"]) == (cohort_by, period)
    ]
    return [
        Cell(
            row["cohort_date"],
            row["period_number"],
            row["visitor_count"],
            row[f"returned_{mode}_count"],
            row["is_complete"],
            row["cumulative_revenue_amount"],
        )
        for row in actual
    ]


@pytest.mark.slow
def test_cohorts_of_random_streams_are_those_of_the_definition(shop: Platform) -> None:
    deeds = [deed for seed in range(6) for deed in stream(seed, ZONE, FIRST)]
    shop.receive(rows_of(deeds), DAYS)
    shop.run(DAYS, only=TABLES)
    for cohort_by, kind in (("first_activity", None), ("first_purchase", "purchase")):
        for period in ("day", "week", "month"):
            for mode in ("on", "on_or_after"):
                rule = RetentionQuestion(
                    start=kind,
                    returning=kind,
                    period=period,
                    mode=mode,
                    week_start="sunday",
                    last_period=30,
                )
                actual = cohorts(shop, cohort_by, period, mode)
                assert actual == by_definition(deeds, rule, ZONE), (cohort_by, period, mode)
                assert len(actual) > 1


@pytest.mark.slow
def test_a_day_counts_who_came_by_their_first_and_their_last_day(shop: Platform) -> None:
    shop.receive(rows_of(STORY, "UTC"), Days.between(date(2026, 3, 1), date(2026, 3, 6)))
    shop.run(Days.between(date(2026, 3, 1), date(2026, 3, 6)), only=TABLES)
    answer = [
        (
            row["event_date"].day,
            row["first_date"].day,
            row["previous_date"].day,
            row["visitor_count"],
        )
        for row in shop.rows(ReturningVisitorsDaily)
    ]
    # Anna and Ben begin on the 1st, Anna and Cara come on the 2nd, Ben again on the 4th, Anna on
    # the 5th.
    assert answer == [(1, 1, 1, 2), (2, 1, 1, 1), (2, 2, 2, 1), (4, 1, 1, 1), (5, 1, 2, 1)]


@pytest.mark.slow
def test_a_late_day_moves_visitors_to_an_earlier_cohort_at_once(shop: Platform) -> None:
    days = Days.between(date(2026, 3, 1), date(2026, 3, 6))
    late = [row for row in rows_of(STORY, "UTC") if row["event_date"] == days.first]
    rest = [row for row in rows_of(STORY, "UTC") if row["event_date"] != days.first]
    shop.receive(rest, days)
    shop.run(days, only=TABLES)
    sizes = {row.cohort.day: row.size for row in cohorts(shop, "first_activity", "day", "on")}
    assert sizes == {2: 2, 4: 1}
    shop.receive(late, Days((days.first,)))
    shop.run(Days((days.first,)), only=TABLES)
    sizes = {row.cohort.day: row.size for row in cohorts(shop, "first_activity", "day", "on")}
    assert sizes == {1: 2, 2: 1}


@pytest.mark.slow
def test_days_in_any_order_give_the_same_cohorts(shop: Platform) -> None:
    deeds = [deed for seed in range(3) for deed in stream(seed, ZONE, FIRST)]
    shop.receive(rows_of(deeds), DAYS)
    shop.run(DAYS, only=NEW)
    shop.run(DAYS, only=TABLES[-2:])
    at_once = shop.rows(RetentionCohorts)
    shop.engine.execute("DELETE FROM mart.returning_visitors_daily")
    parts = [Days(DAYS.dates[n : n + 12]) for n in range(0, len(DAYS.dates), 12)]
    random.Random(5).shuffle(parts)  # noqa: S311 (an order, not a secret)
    for part in parts:
        shop.run(part, only=TABLES[-2:])
    assert shop.rows(RetentionCohorts) == at_once


def test_without_events_there_are_no_cohorts(shop: Platform) -> None:
    shop.run(Days((FIRST,)), only=TABLES)
    assert shop.rows(RetentionCohorts) == []
