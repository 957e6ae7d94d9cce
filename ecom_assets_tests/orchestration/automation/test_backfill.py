"""A backfill of some days in Dagster's UI: it runs these days of every table,
as one run over them would.
"""

import time
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.execution.asset_backfill import AssetBackfillData

from ecom_assets.behaviour.identity.contracts import ChangedVisitorDays
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.registry import BY_KEY
from ecom_assets_tests.command import small_shop

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
CHOSEN = '+key:"mart/engagement_daily" or +key:"mart/event_accounting_daily"'
SHOP_DAYS = 14


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two homes with the same shop."""
    homes = tuple(tmp_path_factory.mktemp(name) / "home" for name in ("backfill", "at_once"))
    for home in homes:
        small_shop(home, days=SHOP_DAYS, visitors=80)
    return homes[0], homes[1]


class Shop:
    """A home, and runs over it as Dagster starts them."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home, self.instance = home, instance
        self.definitions = build_definitions(Settings(home=home))
        self.graph = self.definitions.resolve_asset_graph()
        self.keys = dg.AssetSelection.from_string(CHOSEN).resolve(self.graph)

    def run(self, keys: Any, first: date, last: date) -> dg.ExecuteInProcessResult:
        """Run some assets over some days."""
        result = self.definitions.resolve_job_def("everything").execute_in_process(
            instance=self.instance,
            asset_selection=sorted(keys),
            tags={RANGE_START: str(first), RANGE_END: str(last)},
            run_config=QUIET,
            raise_on_error=False,
        )
        failing = {
            check.check_name for check in result.get_asset_check_evaluations() if not check.passed
        }
        assert failing <= {"ids_are_not_shared"}, "guests share an account"
        assert result.success
        return result

    def backfill(self, first: date, last: date) -> dict[dg.AssetKey, tuple[date, date]]:
        """Run what the daemon runs for a backfill of some days,
        and return the days of each asset.
        """
        names = [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]
        target = AssetBackfillData.from_asset_partitions(
            asset_graph=self.graph,
            partition_names=names,
            asset_selection=sorted(self.keys),
            dynamic_partitions_store=self.instance,
            all_partitions=False,
            backfill_start_timestamp=time.time(),
        ).target_subset
        in_order = [
            key
            for level in self.graph.toposorted_asset_keys_by_level
            for key in level
            if key in self.keys
        ]
        days = {}
        span = (first, last)
        for key in in_order:
            if self.graph.get(
                key
            ).is_partitioned:  # others are computed between those before and after them
                keys = sorted(target.get_asset_subset(key).subset_value.get_partition_keys())  # type: ignore[union-attr]  # each is in it
                span = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
            days[key] = span
        for span, together in groupby(in_order, key=days.__getitem__):
            self.run(together, *span)
        return days

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of the chosen tables, but those that remember what changed when."""
        tables = [BY_KEY[key.to_user_string()] for key in self.keys]
        tables = [table for table in tables if table is not ChangedVisitorDays]
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as con:
            return {
                table.qualified_name(): con.execute(
                    f"SELECT * FROM {table.qualified_name()} ORDER BY ALL"
                ).fetchall()
                for table in tables
            }

    def days(self) -> dict[str, set[date]]:
        """Return the days that have rows, by table."""
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as con:
            columns = {
                BY_KEY[key.to_user_string()].qualified_name(): BY_KEY[
                    key.to_user_string()
                ].day_column
                for key in self.keys
            }
            return {
                name: {
                    day
                    for (day,) in con.execute(f"SELECT DISTINCT {column} FROM {name}").fetchall()
                }
                for name, column in columns.items()
                if column
            }


# Dagster calls a method of its own that it has deprecated.
@pytest.mark.slow  # `warehouse/test_io_manager.py` leaves one day of a few tables
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")
def test_days_of_which_only_late_rows_were_loaded_stay_as_they_are(
    homes: tuple[Path, Path],
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        shop, at_once = (Shop(home, instance) for home in homes)
        opened = min(
            date.fromisoformat(path.name.partition("=")[2])
            for path in (shop.home / "sandbox" / "events").iterdir()
        )
        first, last, end = (
            opened + timedelta(days=8),
            opened + timedelta(days=10),
            opened + timedelta(days=SHOP_DAYS + 1),
        )

        days = shop.backfill(first, last)
        sessions = days[dg.AssetKey(["mart", "sessions"])]
        assert sessions == (first, last), "the run itself recomputes the other days that it changes"
        asked = {first + timedelta(days=n) for n in range(3)}
        assert {name: found - asked for name, found in shop.days().items() if found - asked} == {}
        at_once.run(at_once.keys, first, last)
        assert shop.rows() == at_once.rows(), "as one run over the three days"

        at_once.run(at_once.keys, opened, end)
        shop.run(shop.keys, last + timedelta(days=1), end)
        shop.run(shop.keys, opened, first - timedelta(days=1))
        shop.backfill(first, last)
        assert shop.rows() == at_once.rows(), "as one run over all days"
