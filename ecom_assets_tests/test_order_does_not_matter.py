"""Whatever the order and grouping in which days are run, tables end as one run
over everything leaves them.

Each random plan lets rows arrive late, twice, broken, changed or not at all, and runs ranges of
days in between, all tables or one. Then only the days whose inputs changed are run, in a random
order, by single days and pairs.
"""

import random
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.daily import DailyFunnel
from ecom_assets.behaviour.identity.contracts import ChangedVisitorDays
from ecom_assets.behaviour.sessions.contracts import SessionEvents, Sessions
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset, asset_key
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of
from ecom_assets_tests.behaviour.sessions.session_reference import (
    reference_sessions,
    stored_sessions,
)
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.plans import LATE_DAYS, Arrive, Plan, Run, World, random_plan
from ecom_assets_tests.platform import Platform

STEPS = tuple(step_of(kind) for kind in ("page_view", "add_to_cart", "purchase"))
WORLDS = {
    "UTC": World("UTC", date(2026, 3, 10)),
    "Berlin, a day of 23 hours": World("Europe/Berlin", date(2026, 3, 28)),
    "Berlin, a day of 25 hours": World("Europe/Berlin", date(2026, 10, 24)),
    "Los Angeles, a day of 25 hours": World("America/Los_Angeles", date(2026, 10, 31)),
    "Los Angeles, a day of 23 hours": World("America/Los_Angeles", date(2026, 3, 7)),
    "Auckland, a day of 23 hours": World("Pacific/Auckland", date(2026, 9, 26)),
    "Auckland, a day of 25 hours": World("Pacific/Auckland", date(2026, 4, 4)),
}


@cache
def platform(timezone: str) -> Platform:
    """One warehouse per zone, emptied between plans, so that it compiles a slice once."""
    funnel = DailyFunnel("default", funnel_of(STEPS, within_s=86_400))
    bounds = {
        "identity_days_back": 2,
        "identity_days_ahead": 1,
        "identity_one_user_days": 3,
        "identity_device_users": 3,
    }
    settings = Settings(
        home=Path("never written"), timezone=timezone, late_days=LATE_DAYS
    ).model_copy(update=bounds)
    recent = VisitorSegment.from_definition("recent", {"did": "page_view", "within": "2d"})
    return Platform(settings, funnels=[funnel], declared_segments=(recent,))


class Ledger:
    """Which days of which table still differ from their inputs:
    those to run again, and no others.
    """

    def __init__(self, shop: Platform) -> None:
        self.shop = shop
        self.stale: dict[str, set[date]] = {asset.contract.name: set() for asset in shop.assets}

    def apply(self, plan: Plan, step: Arrive | Run) -> None:
        """Do a step of a plan, and note what it makes stale."""
        if isinstance(step, Run):
            self.run(step)
            return
        self.shop.receive([plan.rows[n] for n in step.rows], Days((step.day,)))
        touched = set(self.shop.touched([step.day]).dates)
        for asset in self.shop.assets:
            if self.shop.raw in {reads.contract for reads in asset.reads.values()}:
                self.stale[asset.contract.name] |= touched

    def run(self, step: Run) -> None:
        """Run a range; what is built on a table is stale for those of the days
        on which the table changed.
        """
        done = [asset for asset in self.shop.assets if step.table in {None, asset.contract.name}]
        before = {asset.contract: self.shop.by_day(asset.contract) for asset in done}
        self.shop.run(step.days, only=[asset.contract.name for asset in done])
        for asset in done:
            self.stale[asset.contract.name] -= set(step.days.dates)
        for asset in done:
            after = self.shop.by_day(asset.contract)
            old = before[asset.contract]
            changed = {day for day in old.keys() | after.keys() if old.get(day) != after.get(day)}
            self._mark(asset, changed, set(step.days.dates), done)

    def _mark(
        self, asset: TableAsset, changed: set[date], own: set[date], done: list[TableAsset]
    ) -> None:
        # Other days that a table restated are for its followers to find: a run of the same days
        # must do.
        stale = own & changed if changed <= own else own
        for follower in self.shop.assets:
            built_on = {asset_key(reads.contract) for reads in follower.reads.values()} | {
                *follower.deps
            }
            if follower not in done and asset.key in built_on:
                self.stale[follower.contract.name] |= stale

    def settle(self, dice: random.Random) -> None:
        """Run every stale day of every table, upstream first,
        otherwise in any order and grouping.
        """
        for asset in self.shop.assets:
            groups = [
                Days.between(*run)
                for run in Days.from_dates(self.stale[asset.contract.name]).runs()
            ]
            pieces = [
                piece
                for group in groups
                for piece in _cut(group, dice.choice((1, 2, len(group.dates))))
            ]
            for days in dice.sample(pieces, len(pieces)):
                self.run(Run(days, asset.contract.name))


def _cut(days: Days, length: int) -> list[Days]:
    return [Days(days.dates[n : n + length]) for n in range(0, len(days.dates), length)]


def check(world: World, seed: int) -> None:
    """Play the plan of a seed, then compare with one run, and with sessions by the definition."""
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    plan = random_plan(world, dice)
    shop = platform(world.timezone)
    shop.clear()
    ledger = Ledger(shop)
    for step in plan.steps:
        ledger.apply(plan, step)
    ledger.settle(dice)
    after_the_plan = shop.state()
    events, numbered, sessions = (
        shop.rows(table) for table in (CleanEvents, SessionEvents, Sessions)
    )
    for table in after_the_plan:
        shop.engine.execute(f"DELETE FROM {table}")
    shop.run(world.all_days)
    at_once = shop.state()
    del at_once[ChangedVisitorDays.qualified_name()]  # the memory of what changed when
    for table, rows in at_once.items():
        assert after_the_plan[table] == rows, f"{table} of plan {seed} in {world}"
    assert stored_sessions(sessions, numbered) == reference_sessions(events), (
        f"plan {seed} in {world}"
    )


@pytest.mark.slow
def test_any_order_of_runs_ends_the_same_where_clocks_change() -> None:
    check(WORLDS["Auckland, a day of 23 hours"], 1000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_any_order_of_runs_ends_as_one_run_over_everything_in_each_world() -> None:
    worlds = list(WORLDS.values())
    for seed in seeds(range(40)):
        check(worlds[seed % len(worlds)], seed)
