"""Whatever the order of runs, releases and better data, days are held and let in as one run over everything says.

A day is held that has lines of one customer only, and comes in when somebody releases it, early or late, or when more
lines come.
"""

import random
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from ecom_assets.orders.contracts import (
    DayReleases,
    DuplicateOrders,
    HeldOrderDays,
    QuarantinedOrders,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.orders.held_days import OrderGate
from ecom_assets.orders.orders import order_accounting
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets_tests.orders.test_orders_in_any_order import ALL_DAYS, ARRIVAL_DAYS, LATE_DAYS, random_plan
from ecom_assets_tests.plans import Arrive, Plan, Run
from ecom_assets_tests.platform import OrderPlatform
from ecom_assets_tests.test_order_does_not_matter import Ledger

TERMS = (RawUserOrderLog, UserOrderLog, QuarantinedOrders, DuplicateOrders, HeldOrderDays)
GATE = OrderGate(1, lambda days: Days(tuple(day for day in days.dates if day in ARRIVAL_DAYS.dates)))


@cache
def platform() -> OrderPlatform:
    """One warehouse, emptied between plans, so that it compiles a slice once."""
    return OrderPlatform(Settings(home=Path("never written"), late_days=LATE_DAYS), order_gate=GATE)


def let_in(ledger: Ledger, day: date) -> None:
    """Release a day, whether or not it is held yet; only what decides on that day is to be run again."""
    row = f"DATE '{day}', 'orders', 'too_few_customers', 1, 1, 'ann', TIMESTAMP '2026-04-01'"
    ledger.shop.engine.execute(f"INSERT INTO staging.day_releases BY POSITION SELECT {row}")
    ledger.stale["held_order_days"].add(day)


def play(dice: random.Random, plan: Plan, releases: list[date]) -> Ledger:
    """Apply the plan's steps with a release now and then, and run what is stale."""
    ledger = Ledger(platform())
    steps: list[Arrive | Run | date] = list(plan.steps)
    for day in releases:
        steps.insert(dice.randint(0, len(steps)), day)
    for step in steps:
        if isinstance(step, date):
            let_in(ledger, step)
        else:
            ledger.apply(plan, step)
    ledger.settle(dice)
    return ledger


def check(seed: int) -> int:
    """Play the plan of a seed, compare with one run, and return how many days are held in the end."""
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    shop = platform()
    shop.clear()
    shop.engine.ensure(DayReleases)
    shop.engine.execute("DELETE FROM staging.day_releases")
    play(dice, random_plan(dice), dice.sample(ARRIVAL_DAYS.dates, dice.randint(0, 4)))
    after_the_plan = shop.state()
    for table in after_the_plan:
        shop.engine.execute(f"DELETE FROM {table}")
    shop.run(ALL_DAYS)
    at_once = shop.state()
    for table, rows in at_once.items():
        if table == "staging.held_order_days":  # days that were never run are not asked for
            assert set(after_the_plan[table]) <= set(rows), f"{table} of plan {seed}"
            assert {row for row in rows if row[1] == "too_few_customers"} <= set(after_the_plan[table])
        elif table != "mart.calendar":  # holds the days that were run, which need not be all
            assert after_the_plan[table] == rows, f"{table} of plan {seed}"
    per_day = order_accounting(None, *(shop.table(one) for one in TERMS))
    assert per_day.filter(per_day.residue != 0).count().to_pyarrow().as_py() == 0
    held = {row["held_date"] for row in shop.rows(HeldOrderDays)}
    assert not held & {row["received_date"] for row in shop.rows(UserOrderLog)}
    return len([row for row in shop.rows(HeldOrderDays) if row["held_row_count"]])


@pytest.mark.slow
def test_any_order_of_runs_releases_and_better_data_ends_as_one_run_over_everything() -> None:
    assert sum(check(seed) for seed in range(2)) > 0


@pytest.mark.slow
def test_more_orders_of_runs_releases_and_better_data_end_as_one_run_over_everything() -> None:
    assert sum(check(seed) for seed in range(2, 12)) > 0
