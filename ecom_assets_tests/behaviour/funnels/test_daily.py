"""The daily funnel by sessions and visitors: stories by hand, and random
rows against a count by hand.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.funnels.daily import DailyFunnel, window_days
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of
from ecom_assets_tests.behaviour.sessions.session_reference import reference_sessions
from ecom_assets_tests.builders import DAY_ONE, Row, Step, journeys
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.plans import LATE_DAYS, World, random_plan
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.test_order_does_not_matter import STEPS, WORLDS

DAYS = Days.between(DAY_ONE - timedelta(days=1), DAY_ONE + timedelta(days=12))
HATS, SHOES = {"product_category": "hats"}, {"product_category": "shoes"}
Counts = dict[tuple[Any, ...], int]


@pytest.fixture(scope="module")
def shop() -> Iterator[Platform]:
    platform = Platform(funnels=[DailyFunnel("default", funnel_of(STEPS, within_s=7 * 86_400))])
    yield platform
    platform.close()


def counts(shop: Platform) -> Counts:
    """Return the units at each step, by (day, unit, category, step), without zeros."""
    rows = shop.rows(ConversionFunnel)
    keys = ("cohort_date", "unit", "product_category", "step")
    return {
        tuple(row[name] for name in keys): row["unit_count"] for row in rows if row["unit_count"]
    }


def reached(
    shop: Platform, people: dict[str, list[Step]], unit: str, category: str = "(all)"
) -> list[list[int]]:
    """Return, for each day with anybody, how many were at page_view, add_to_cart and purchase."""
    shop.clear()
    shop.receive(journeys(people), DAYS)
    shop.run(DAYS)
    return at_steps(shop, unit, category)


def at_steps(shop: Platform, unit: str, category: str = "(all)") -> list[list[int]]:
    """Return the same of what was run already."""
    actual = counts(shop)
    days = sorted({key[0] for key in actual if key[1] == unit})
    return [[actual.get((day, unit, category, step), 0) for step in (1, 2, 3)] for day in days]


@pytest.mark.slow
def test_a_session_over_midnight_is_one_try_of_the_day_it_started(shop: Platform) -> None:
    steps: list[Step] = [("23:40", "page_view"), ("23:55", "add_to_cart"), ("+1 00:20", "purchase")]
    assert reached(shop, {"anna": steps}, "session") == [[1, 1, 1]]


@pytest.mark.slow
def test_a_purchase_in_another_session_counts_for_the_visitor_only(shop: Platform) -> None:
    steps: list[Step] = [("09:00", "page_view"), ("09:01", "add_to_cart"), ("+3 15:00", "purchase")]
    assert reached(shop, {"anna": steps}, "session") == [[1, 1, 0]]
    assert at_steps(shop, "visitor") == [[1, 1, 1]]


@pytest.mark.slow
@pytest.mark.parametrize(("clock", "bought"), [("+7 09:00", 1), ("+7 09:00:00.000001", 0)])
def test_seven_days_to_the_microsecond_are_within_the_window(
    shop: Platform, clock: str, bought: int
) -> None:
    steps: list[Step] = [("09:00", "page_view"), ("09:00", "add_to_cart"), (clock, "purchase")]
    assert reached(shop, {"anna": steps}, "visitor") == [[1, 1, bought]]


def test_each_day_on_which_a_visitor_starts_is_a_try_of_its_own(shop: Platform) -> None:
    # Day 0 and day 1 each start; the cart of day 1 serves both, the window of both is open.
    steps: list[Step] = [
        ("09:00", "page_view"),
        ("+1 09:00", "page_view"),
        ("+1 09:05", "add_to_cart"),
    ]
    assert reached(shop, {"anna": steps}, "visitor") == [[1, 1, 0], [1, 1, 0]]


def test_a_row_of_each_entry_says_how_far_it_got(shop: Platform) -> None:
    steps: list[Step] = [
        ("09:00", "page_view"),
        ("09:01", "add_to_cart", SHOES),
        ("+3 15:00", "purchase"),
    ]
    reached(shop, {"anna": steps, "ben": [("09:00", "add_to_cart")]}, "visitor")
    entries = [
        (
            row["unit"],
            row["visitor_id"],
            row["cohort_date"],
            row["product_category"],
            row["last_step"],
        )
        for row in shop.rows(FunnelEntries)
    ]
    assert sorted(entries) == [
        ("session", "anna", DAY_ONE, "shoes", 2),
        ("visitor", "anna", DAY_ONE, "shoes", 3),
    ]


@pytest.mark.slow
def test_units_count_for_the_first_category_they_saw(shop: Platform) -> None:
    people: dict[str, list[Step]] = {
        "anna": [
            ("09:00", "page_view"),
            ("09:01", "product_view", HATS),
            ("09:02", "add_to_cart", SHOES),
        ],
        "ben": [("09:00", "page_view"), ("09:01", "product_view", SHOES)],
        "carl": [("09:00", "page_view")],
    }
    reached(shop, people, "session")
    for unit in ("session", "visitor"):
        assert at_steps(shop, unit, "hats") == [[1, 1, 0]]
        assert at_steps(shop, unit, "shoes") == [[1, 0, 0]]
        assert at_steps(shop, unit, "(none)") == [[1, 0, 0]]
        assert at_steps(shop, unit) == [[3, 1, 0]]


@pytest.mark.slow
@pytest.mark.parametrize(("laptop", "phone"), [("d1", "d2"), ("d2", "d1")])
def test_of_two_devices_at_a_time_the_session_that_began_first_says_the_category(
    shop: Platform, laptop: str, phone: str
) -> None:
    on_laptop, on_phone = {"anonymous_id": laptop}, {"anonymous_id": phone}
    steps: list[Step] = [
        ("09:00", "page_view", on_laptop),
        ("09:05", "product_view", SHOES | on_phone),
        ("09:10", "product_view", HATS | on_laptop),
    ]
    assert reached(shop, {"anna": steps}, "visitor", "hats") == [[1, 0, 0]]
    at_once: list[Step] = [
        ("09:00", "page_view", HATS | on_laptop),
        ("09:00", "page_view", SHOES | on_phone),
    ]
    assert reached(shop, {"anna": at_once}, "visitor", "hats" if laptop < phone else "shoes") == [
        [1, 0, 0]
    ]


def test_a_category_called_like_the_total_does_not_double_it(shop: Platform) -> None:
    steps: list[Step] = [("09:00", "page_view", {"product_category": "(all)"})]
    assert reached(shop, {"anna": steps}, "session") == [[1, 0, 0]]


def test_rates_are_shares_of_the_start_and_of_the_step_before(shop: Platform) -> None:
    cart: list[Step] = [("09:00", "page_view"), ("09:01", "add_to_cart")]
    reached(
        shop,
        {"a": [*cart, ("09:02", "purchase")], "b": cart, "c": cart[:1], "d": cart[:1]},
        "session",
    )
    rows = [
        r
        for r in shop.rows(ConversionFunnel)
        if (r["unit"], r["product_category"]) == ("session", "(all)")
    ]
    assert [row["conversion_from_start_rate"] for row in rows] == [1, 0.5, 0.25]
    assert [row["conversion_from_previous_rate"] for row in rows] == [1, 0.5, 0.5]


@pytest.mark.slow
def test_a_window_of_seven_days_can_end_eight_days_later_where_a_day_has_twenty_three_hours() -> (
    None
):
    # Berlin, 2026-03-25 22:30 UTC is 23:30; 168 hours later it is 00:30 on April 2nd, eight days on
    # by the calendar.
    funnels = [DailyFunnel("default", funnel_of(STEPS, within_s=7 * 86_400))]
    assert window_days(funnels) == 8
    berlin = Platform(Settings(timezone="Europe/Berlin"), funnels=funnels)
    day = datetime(2026, 3, 25).date()  # noqa: DTZ001
    steps: list[Step] = [("22:30", "page_view"), ("22:31", "add_to_cart"), ("+7 22:30", "purchase")]
    days = Days.between(day, day + timedelta(days=10))
    berlin.receive(journeys({"anna": steps}, day=day, timezone="Europe/Berlin"), days)
    berlin.run(days)
    assert counts(berlin)[(day, "visitor", "(all)", 3)] == 1
    berlin.close()


@pytest.mark.slow
def test_a_purchase_restates_the_cohorts_whose_window_it_falls_in(shop: Platform) -> None:
    # The purchase of day 7 arrives after everything was run; running its day alone corrects day 0,
    # seven days before.
    steps: list[Step] = [("09:00", "page_view"), ("09:01", "add_to_cart")]
    assert reached(shop, {"anna": steps}, "visitor") == [[1, 1, 0]]
    purchase: list[Step] = [("+7 09:00", "purchase", {"event_id": "late"})]
    that_day = Days((DAY_ONE + timedelta(days=7),))
    shop.receive(journeys({"anna": purchase}), that_day)
    shop.run(that_day)
    assert counts(shop)[(DAY_ONE, "visitor", "(all)", 3)] == 1


# Against a count in plain Python


def level(events: Sequence[Row], starts: Sequence[Row], within: timedelta) -> int:
    """Return the longest chain: from each start, every step as early as it can be."""
    best = 0
    for start in starts:
        now, reached_steps = start["event_at"], 1
        for step in STEPS[1:]:
            later = [
                e["event_at"]
                for e in events
                if e["event_type"] == step.event_type and e["event_at"] >= now
            ]
            if not later or min(later) - start["event_at"] > within:
                break
            now, reached_steps = min(later), reached_steps + 1
        best = max(best, reached_steps)
    return best


def count_by_hand(events: list[Row], within: timedelta) -> Counts:
    """Return what `counts` should: sessions and visitors at each step,
    by first category and in total.
    """
    by_id = {(e["event_id"], e["event_date"]): e for e in events}
    assert len(by_id) == len(events)
    actual: Counter[tuple[Any, ...]] = Counter()
    for unit, day, own, starts, pool in [*_session_tries(events), *_visitor_tries(events, within)]:
        category = next((e["product_category"] for e in own if e["product_category"]), "(none)")
        for step in range(
            1, level(pool, starts, within if unit == "visitor" else timedelta.max) + 1
        ):
            actual[day, unit, category, step] += 1
            actual[day, unit, "(all)", step] += 1
    return dict(actual)


def _is_start(event: Row) -> bool:
    return bool(event["event_type"] == STEPS[0].event_type)


def _session_tries(events: list[Row]) -> Iterator[tuple[Any, ...]]:
    for session in reference_sessions(events):
        # Another device's events may lie between.
        inside = [
            e
            for e in _in_order(events, session.visitor_id)
            if session.started_at <= e["event_at"] <= session.ended_at
            and e["event_id"] in session.event_ids
        ]
        yield (
            "session",
            inside[0]["event_date"],
            inside,
            [e for e in inside if _is_start(e)],
            inside,
        )


def _visitor_tries(events: list[Row], within: timedelta) -> Iterator[tuple[Any, ...]]:
    for who in sorted({e["visitor_id"] for e in events}):
        theirs = _in_order(events, who)
        for day in sorted({e["event_date"] for e in theirs if _is_start(e)}):
            starts = [e for e in theirs if _is_start(e) and e["event_date"] == day]
            closes_at = starts[-1]["event_at"] + within
            # The visits, cut at midnight, that began on the day of the try or later, and before it
            # closed.
            visits = [
                v
                for v in _visits(theirs)
                if v[0]["event_date"] >= day and v[0]["event_at"] <= closes_at
            ]
            yield "visitor", day, [e for visit in visits for e in visit], starts, theirs


def _in_order(events: list[Row], who: str) -> list[Row]:
    return sorted(
        (e for e in events if e["visitor_id"] == who), key=lambda e: (e["event_at"], e["event_id"])
    )


def _visits(theirs: list[Row]) -> list[list[Row]]:
    """Return the visits on each device, cut at midnight, in the order of their starts."""
    visits: list[list[Row]] = []
    newest: dict[str, list[Row]] = {}
    for event in theirs:
        device = event["session_device_id"]
        last = newest[device][-1] if device in newest else None
        if (
            last
            and last["event_date"] == event["event_date"]
            and event["event_at"] - last["event_at"] <= timedelta(minutes=30)
        ):
            newest[device].append(event)
        else:
            newest[device] = [event]
            visits.append(newest[device])
    return sorted(visits, key=lambda visit: (visit[0]["event_at"], visit[0]["session_device_id"]))


def check(world: World, stories: Iterable[int]) -> None:
    """Compare the platform's funnel of random rows with the count by hand."""
    within = timedelta(days=1)
    funnel = DailyFunnel("default", funnel_of(STEPS, within_s=86_400))
    settings = Settings(home=Path("never written"), timezone=world.timezone, late_days=LATE_DAYS)
    platform = Platform(settings, funnels=[funnel])
    for seed in stories:
        plan = random_plan(world, random.Random(seed))  # noqa: S311 (stories, not secrets)
        platform.clear()
        platform.receive(plan.rows, world.arrival_days)
        platform.run(world.all_days)
        assert counts(platform) == count_by_hand(platform.rows(CleanEvents), within), (
            f"plan {seed} in {world}"
        )
    platform.close()


@pytest.mark.slow
def test_funnels_of_each_world_are_what_a_count_by_hand_gives() -> None:
    check(WORLDS["Auckland, a day of 23 hours"], [0])
    worlds = list(WORLDS.values())
    for seed in seeds(range(1, 41)):
        check(worlds[seed % len(worlds)], [seed])


@pytest.mark.slow
def test_a_step_that_comes_back_later_in_the_funnel_counts_on_later_days_too() -> None:
    steps = tuple(step_of(kind) for kind in ("page_view", "add_to_cart", "page_view"))
    platform = Platform(funnels=[DailyFunnel("default", funnel_of(steps, within_s=7 * 86_400))])
    journey: list[Step] = [
        ("09:00", "page_view"),
        ("09:01", "add_to_cart"),
        ("+1 09:00", "page_view"),
    ]
    assert reached(platform, {"anna": journey}, "visitor") == [[1, 1, 1], [1, 0, 0]]
    platform.close()
