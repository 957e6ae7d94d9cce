"""Nobody chose the steps of the default funnel: it has those of which there are events,
whatever runs came first.
"""

import random
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.funnels.contracts import ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.funnels.daily import with_steps_of
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.orchestration.rules import daily_funnels, rules
from ecom_assets_tests.builders import DAY_ONE, Row, journeys
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import Platform

SETTINGS = Settings(home=Path("never written"))
DAYS = [DAY_ONE + timedelta(days=number) for number in range(3)]
TABLES = (FunnelEntries, ConversionFunnel, ConversionByDimension)


@pytest.fixture(scope="module")
def shop() -> Platform:
    return Platform(SETTINGS)


def run(shop: Platform, days: Days) -> None:
    """Compute the tables of funnels, and those that they are made from."""
    needed = set(TABLES)
    for asset in reversed(shop.assets):
        if asset.contract in needed:
            needed |= {reads.contract for reads in asset.reads.values()}
            for also in filter(None, (asset.invalidated_by, asset.widened_by)):
                needed |= set(also.reads.values())
    shop.run(days, only={table.name for table in needed})


def visits(day: date, kinds: tuple[str, ...], people: int) -> list[Row]:
    """Return one visit a person; person `n` does only the first `n` kinds."""
    done = {
        f"p{number}": [(f"10:0{position}", kind) for position, kind in enumerate(kinds[:number])]
        for number in range(1, people + 1)
    }
    rows = journeys(done, day=day)
    return [{**row, "event_id": f"{day}-{row['event_id']}"} for row in rows]


def sessions_by_step(shop: Platform) -> dict[tuple[date, int, str], int]:
    return {
        (row["cohort_date"], row["step"], row["event_type"]): row["unit_count"]
        for row in shop.rows(ConversionFunnel)
        if row["unit"] == "session" and row["product_category"] == "(all)"
    }


def test_the_steps_without_events_are_left_out(shop: Platform) -> None:
    """Three people view, put into the cart and buy; none of them has a page
    view or begins a checkout.
    """
    shop.clear()
    rows = visits(DAY_ONE, ("product_view", "add_to_cart", "purchase"), 3)
    shop.receive(rows, Days((DAY_ONE,)))
    run(shop, Days((DAY_ONE,)))
    expected = {1: ("product_view", 3), 2: ("add_to_cart", 2), 3: ("purchase", 1)}
    assert sessions_by_step(shop) == {
        (DAY_ONE, step, kind): count for step, (kind, count) in expected.items()
    }


def test_a_single_step_is_no_funnel() -> None:
    """With one of the steps the funnel keeps those after it: nobody is known to have gone on."""
    (daily,) = daily_funnels(SETTINGS)
    kept = {
        there: tuple(step.event_type for step in with_steps_of(daily, {there}).funnel.steps)
        for there in ("add_to_cart", "page_view", "wishlist")
    }
    assert kept == {
        "add_to_cart": ("add_to_cart", "checkout_start", "purchase"),
        "page_view": FIVE_STEPS,
        "wishlist": FIVE_STEPS,
    }


@pytest.mark.parametrize("steps", [("purchase", "page_view"), FIVE_STEPS])
def test_steps_that_somebody_chose_stay(steps: tuple[str, ...]) -> None:
    (daily,) = rules(Settings(home=Path("never written"), funnel_steps=steps))["funnels"]
    assert tuple(step.event_type for step in daily.funnel.steps) == steps


def state(shop: Platform) -> dict[str, Any]:
    return {table.name: sorted(map(repr, shop.rows(table))) for table in TABLES}


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(range(40)))
def test_any_order_of_days_ends_as_one_run(shop: Platform, seed: int) -> None:
    """Days bring steps that no day had before; each order of runs ends with
    the same funnel on all days.
    """
    dice = random.Random(seed)  # noqa: S311 (a story, not a secret)
    kinds = {
        day: tuple(kind for kind in FIVE_STEPS if dice.random() < 0.5) or ("search",)
        for day in DAYS
    }
    rows = [row for day in DAYS for row in visits(day, kinds[day], dice.randint(1, 5))]
    shop.clear()
    for day in dice.sample(DAYS, len(DAYS)):
        shop.receive(rows, Days((day,)))
        run(shop, Days((day,)))
    in_turns, counted = state(shop), sessions_by_step(shop)
    shop.clear()
    every_day = Days.between(DAYS[0], DAYS[-1] + ONE_DAY)
    shop.receive(rows, every_day)
    run(shop, every_day)
    assert state(shop) == in_turns
    assert counted == reference(rows)


def reference(rows: list[Row]) -> dict[tuple[date, int, str], int]:
    """Count by hand: a person's visit of a day takes the steps that exist,
    one after the other in time.
    """
    types = {row["event_type"] for row in rows}
    steps = [kind for kind in FIVE_STEPS if kind in types]
    if len(steps) < 2:
        steps = list(FIVE_STEPS[FIVE_STEPS.index(steps[0]) :]) if steps else list(FIVE_STEPS)
    visit_kinds = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["event_at"]):
        visit_kinds[row["event_date"], row["user_id"]].append(row["event_type"])
    reached: dict[tuple[date, int, str], int] = defaultdict(int)
    for (day, _), done in visit_kinds.items():
        remaining = list(steps)
        for kind in done:
            if remaining and kind == remaining[0]:
                remaining.pop(0)
        taken = len(steps) - len(remaining)
        for number, kind in enumerate(steps, start=1):
            if taken:
                reached[day, number, kind] += number <= taken
    return dict(reached)
