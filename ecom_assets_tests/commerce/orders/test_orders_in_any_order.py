"""Whatever the order and grouping in which days are run, sales and held days end as one
run over everything says.

Lines come late, twice, corrected to another day, or are withdrawn; a correction may come weeks
later. Lines of days that no run has loaded wait, where the source says on which days lines arrived.
Then only the days whose inputs changed are run, by single days and pairs.
"""

import random
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.orders.checks import ACCOUNTED
from ecom_assets.commerce.orders.contracts import (
    ChangedOrderDays,
    DayReleases,
    HeldOrderDays,
    UserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.held_days import OrderGate
from ecom_assets.commerce.orders.orders import order_accounting
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.plans import Arrive, Plan, Run
from ecom_assets_tests.platform import OrderPlatform
from ecom_assets_tests.test_order_does_not_matter import Ledger

FIRST = date(2026, 3, 6)
ARRIVAL_DAYS = Days.between(FIRST, FIRST + timedelta(days=9))
LATE_DAYS = 1
LATER = FIRST + timedelta(days=24)
"""A day on which old lines are corrected; what came then is not withdrawn."""
ALL_DAYS = Days.from_dates([*ARRIVAL_DAYS.dates, LATER]).widened(
    before=LATE_DAYS, after=LATE_DAYS + 2
)
State = dict[str, list[tuple[Any, ...]]]
TABLES = (
    "duplicate_orders",
    "quarantined_orders",
    "user_order_log",
    "sales",
    "customer",
    "customer_retention",
)


@cache
def platform() -> OrderPlatform:
    """One warehouse, emptied between plans, so that it compiles a slice once."""
    return OrderPlatform(Settings(home=Path("never written"), late_days=LATE_DAYS))


def random_plan(dice: random.Random) -> Plan:
    """Lines arrive and are run as they come, or at once; then some days change,
    and old lines are corrected.
    """
    rows = [_line(dice, f"o{n:02}") for n in range(dice.randint(3, 14))]
    rows += [_copy(dice, dice.choice(rows)) for _ in range(dice.choice((0, 3, 8)))]
    rows += [_correction(dice, row) for row in dice.sample(rows, dice.randint(0, 3))]
    steps: list[Arrive | Run] = [
        Arrive(day, _due(day, rows)) for day in (*ARRIVAL_DAYS.dates, LATER)
    ]
    if dice.random() < 0.5:
        steps.append(Run(ALL_DAYS))
        steps += [_change(dice, rows) for _ in range(dice.randint(1, 3))]
    else:
        dice.shuffle(steps)
        steps = steps[: dice.randint(2, len(steps))]
    for _ in range(dice.randint(0, 4)):
        steps.insert(
            dice.randint(len(steps) // 2, len(steps)),
            dice.choice((_change(dice, rows), _run(dice))),
        )
    return Plan(tuple(rows), tuple(steps))


def _line(dice: random.Random, uniq_id: str) -> Row:
    arrived = dice.choice(ARRIVAL_DAYS.dates)
    row = order_line(
        uniq_id,
        arrived - timedelta(days=dice.choice((0, 0, LATE_DAYS))),
        dice.choice(("anna", "anna", "ben", "carl")),
        city_id=dice.choice(("1", "2", None)),
        item_category=dice.choice(("hats", "shoes")),
        item_name=dice.choice(("Hat", "Cap")),
        payment_amount=Decimal(dice.randint(0, 5000)) / 100,
        status=dice.choice((None, "shipped", "refunded")),
        received_date=arrived,
    )
    return row | dice.choice(({}, {}, {}, {}, {"customer_id": None}, {"quantity": 0}))


def _copy(dice: random.Random, original: Row) -> Row:
    """The line again, on the same day or the day after: as it was, or of another day,
    customer or amount.
    """
    last = ARRIVAL_DAYS.dates[-1]
    copy = original | {
        "received_date": min(original["received_date"] + timedelta(days=dice.choice((0, 1))), last)
    }
    copy |= {"id": "2", "id_number": 2, "source_file": dice.choice(("orders.csv", "more.csv"))}
    changed = order_line(
        str(original["uniq_id"]), copy["received_date"], dice.choice(("anna", "ben"))
    )
    return copy | dice.choice(
        ({}, {name: changed[name] for name in ("order_date", "ordered_at", "customer_id")})
    )


def _correction(dice: random.Random, original: Row) -> Row:
    day = dice.choice((original["order_date"], LATER, FIRST))
    changed = order_line(str(original["uniq_id"]), day, payment_amount=Decimal("1.25"))
    named = {name: changed[name] for name in ("order_date", "ordered_at", "payment_amount")}
    return original | named | {"received_date": LATER}


def _due(day: date, rows: list[Row]) -> tuple[int, ...]:
    return tuple(number for number, row in enumerate(rows) if row["received_date"] == day)


def _change(dice: random.Random, rows: list[Row]) -> Arrive:
    """Some of a day's lines come, all, or none; those that had come before are withdrawn,
    but of a late correction.
    """
    day = dice.choice(sorted({row["received_date"] for row in rows}))
    due = _due(day, rows)
    some = tuple(number for number in due if dice.random() < 0.6)
    return Arrive(day, due if day == LATER else dice.choice((due, (), some)))


def _run(dice: random.Random) -> Run:
    days = ALL_DAYS.dates
    length = dice.choice((1, 1, 2, len(days)))
    start = dice.randint(0, len(days) - length)
    return Run(Days(days[start : start + length]), dice.choice((None, None, *TABLES)))


def list_arrivals(shop: OrderPlatform, plan: Plan, dice: random.Random) -> None:
    """Let the source say, in two of three plans, on which days lines arrived."""
    if dice.random() < 2 / 3:
        shop.rules["order_source"].dates = frozenset(row["received_date"] for row in plan.rows)


def both_states(shop: OrderPlatform) -> tuple[State, State]:
    """Return all tables after a plan and after one run over everything,
    without what each remembers of earlier runs.
    """
    after_the_plan = shop.state()
    for table in after_the_plan:
        shop.engine.execute(f"DELETE FROM {table}")
    shop.run(ALL_DAYS)
    at_once = shop.state()
    changed, waiting = (table.qualified_name() for table in (ChangedOrderDays, WaitingOrderDays))
    assert set(at_once.pop(changed)) <= set(after_the_plan.pop(changed))
    for state in (after_the_plan, at_once):
        state[waiting] = [row for row in state[waiting] if row[-1]]
    return after_the_plan, at_once


def check(seed: int) -> None:
    """Play the plan of a seed, then compare with one run."""
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    plan = random_plan(dice)
    shop = platform()
    shop.clear()
    list_arrivals(shop, plan, dice)
    ledger = Ledger(shop)
    for step in plan.steps:
        ledger.apply(plan, step)
    ledger.settle(dice)
    after_the_plan, at_once = both_states(shop)
    # The calendar holds the days that were run, which need not be all.
    described, ordered = (
        after_the_plan.pop("mart.calendar"),
        {row[3] for row in at_once["mart.sales"]},
    )
    assert set(described) <= set(at_once.pop("mart.calendar"))
    assert ordered <= {row[0] for row in described}
    for table, rows in at_once.items():
        assert after_the_plan[table] == rows, f"{table} of plan {seed}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_any_order_of_runs_ends_as_one_run_over_everything() -> None:
    for seed in seeds(range(30)):
        check(seed)


GATE = OrderGate(
    1, lambda days: Days(tuple(day for day in days.dates if day in ARRIVAL_DAYS.dates))
)


@cache
def held_platform() -> OrderPlatform:
    """One warehouse, emptied between plans, so that it compiles a slice once."""
    return OrderPlatform(Settings(home=Path("never written"), late_days=LATE_DAYS), order_gate=GATE)


def let_in(ledger: Ledger, day: date) -> None:
    """Release a day, whether or not it is held yet; only what decides on
    that day is to be run again.
    """
    row = f"DATE '{day}', 'orders', 'too_few_customers', 1, 1, 'ann', TIMESTAMP '2026-04-01'"
    ledger.shop.engine.execute(f"INSERT INTO staging.day_releases BY POSITION SELECT {row}")
    ledger.stale["held_order_days"].add(day)


def play(dice: random.Random, plan: Plan, releases: list[date]) -> Ledger:
    """Apply the plan's steps with a release now and then, and run what is stale."""
    ledger = Ledger(held_platform())
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


def check_held(seed: int) -> int:
    """Play the plan of a seed, compare with one run,
    and return how many days are held in the end.
    """
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    shop = held_platform()
    shop.clear()
    shop.engine.ensure(DayReleases)
    shop.engine.execute("DELETE FROM staging.day_releases")
    plan = random_plan(dice)
    list_arrivals(shop, plan, dice)
    play(dice, plan, dice.sample(ARRIVAL_DAYS.dates, dice.randint(0, 4)))
    after_the_plan, at_once = both_states(shop)
    for table, rows in at_once.items():
        if table == "staging.held_order_days":  # days that were never run are not asked for
            assert set(after_the_plan[table]) <= set(rows), f"{table} of plan {seed}"
            assert {row for row in rows if row[1] == "too_few_customers"} <= set(
                after_the_plan[table]
            )
        elif table != "mart.calendar":  # holds the days that were run, which need not be all
            assert after_the_plan[table] == rows, f"{table} of plan {seed}"
    per_day = order_accounting(None, *(shop.table(table) for table in ACCOUNTED))
    assert per_day.filter(per_day.residue != 0).count().to_pyarrow().as_py() == 0
    held = {row["held_date"] for row in shop.rows(HeldOrderDays)}
    assert not held & {row["received_date"] for row in shop.rows(UserOrderLog)}
    return len([row for row in shop.rows(HeldOrderDays) if row["held_row_count"]])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_any_order_of_runs_releases_and_better_data_ends_as_one_run_over_everything() -> None:
    assert sum(check_held(seed) for seed in seeds(range(20))) > 0
