"""Whatever the order and grouping in which days are run, differences end as one run
over everything leaves them.

Events and orders come late, change their day or are withdrawn; then only days whose events or
orders changed are run. Not here: which differences there should be
(`reconciliation/test_differences.py`).
"""

import random
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.assets import order_visits
from ecom_assets.commerce.attribution.order_sums import SumsOfData
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.assets import RECONCILIATION_ASSETS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, as_table, clean_events
from ecom_assets_tests.commerce.reconciliation.test_differences import random_shop
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import Platform

FIRST = date(2026, 3, 9)
DAYS = Days.between(FIRST, FIRST + timedelta(days=8))


class ReconciledPlatform(Platform):
    """One warehouse with clean events and order lines, and what compares them."""

    def assets_of(self, settings: Settings) -> list[TableAsset]:  # noqa: ARG002 (these depend on none)
        """Return the assets that compare."""
        return [order_visits, *RECONCILIATION_ASSETS]

    def hold(self, contract: type[Table], rows: Iterable[Row], days: Days) -> None:
        """Let these be the rows of some days of a clean table."""
        actual = clean_events(rows) if contract is CleanEvents else as_table(rows, UserOrderLog)
        self.engine.con.con.register(f"held_{contract.name}", actual)
        self.engine.replace(contract, self.engine.con.table(f"held_{contract.name}"), days)

    def run_in_pieces(self, days: Iterable[date], dice: random.Random) -> None:
        """Run days by ones and twos, in any order."""
        runs = [Days.between(*run) for run in Days.from_dates(days).runs()]
        pieces = [Days(run.dates[n : n + 2]) for run in runs for n in range(0, len(run.dates), 2)]
        for piece in dice.sample(pieces, len(pieces)):
            self.run(piece)


@cache
def platform() -> ReconciledPlatform:
    """One warehouse, emptied between shops, so that it compiles a slice once; in its shops of a few
    orders two pairs say what a sender sends, so that each run may find another sum.
    """
    result = ReconciledPlatform(Settings(home=Path("never written")))
    result.rules["sent_sums"] = SumsOfData(least_pairs=2, least_share=0.5)
    return result


def of_day(rows: Iterable[Row], column: str, day: date) -> list[Row]:
    return [row for row in rows if row[column] == day]


def check(seed: int) -> None:
    """Run some days of one shop, let it become another, run what changed;
    compare with one run over everything.
    """
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    shop = platform()
    for table in shop.state():
        shop.engine.execute(f"DELETE FROM {table}")
    before, after = random_shop(dice, DAYS), random_shop(dice, DAYS)
    after = (before[0][::2] + after[0][1::2], before[1][::2] + after[1][1::2])
    changed = set()
    for step, (events, lines) in enumerate((before, after)):
        for day in DAYS.dates:
            if step == 0 or dice.random() < 0.5:
                shop.hold(CleanEvents, of_day(events, "event_date", day), Days((day,)))
                shop.hold(UserOrderLog, of_day(lines, "order_date", day), Days((day,)))
                changed.add(day)
        if step == 0:
            shop.run_in_pieces(changed, dice)
            changed.clear()
    shop.run_in_pieces(changed, dice)
    in_pieces = shop.state()
    shop.run(DAYS)
    assert shop.state() == in_pieces, f"shop {seed}"
    assert any(in_pieces.values()), "nothing to compare proves nothing"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_any_order_of_runs_ends_as_one_run_over_everything() -> None:
    for seed in seeds((0, 1, *range(1000, 1030))):
        check(seed)
