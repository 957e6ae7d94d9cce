"""The weekly mart follows sales by itself, on every day computed without it,
and publishing follows the marts.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache

import dagster as dg
import pytest
from pydantic import SecretStr

from ecom_assets.commerce.orders.assets import raw_user_order_log
from ecom_assets.commerce.sales.assets import customer, customer_retention, sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import (
    AUTOMATED,
    PUBLICATION,
    RETENTION,
    SALES,
    SNAPSHOT,
    follows_sales,
)
from ecom_assets.definitions import build_definitions

pytestmark = pytest.mark.xdist_group("automation_conditions")
POSTGRES = SecretStr("postgres://ann@localhost/shop")
LONG_AGO, YESTERDAY = "2026-01-05", "2026-03-09"


@cache
def definitions_of(postgres_url: SecretStr) -> dg.Definitions:
    """Return the definitions of a shop that publishes there, built once."""
    return build_definitions(Settings(first_day=date(2026, 1, 1), postgres_url=postgres_url))


class Daemon:
    """What Dagster's daemon does with the condition, without runs."""

    def __init__(self, instance: dg.DagsterInstance, postgres_url: SecretStr = POSTGRES) -> None:
        self._instance = instance
        self._definitions = definitions_of(postgres_url)
        self._automated = AUTOMATED - {SNAPSHOT if postgres_url.get_secret_value() else PUBLICATION}
        self._cursor: dg.AssetDaemonCursor | None = None

    def computed(self, asset: dg.AssetKey, *days: str) -> None:
        """Let an asset be computed for some days, and nothing else."""
        for day in days:
            self._instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=day))

    def requested(self) -> set[str]:
        """Return the days of the weekly mart that one look asks for, with `publish`
        before those of a publication.
        """
        looked = dg.evaluate_automation_conditions(
            self._definitions,
            self._instance,
            asset_selection=dg.AssetSelection.assets(*self._automated),
            cursor=self._cursor,
        )
        self._cursor = looked.cursor
        return {
            str(day) if key == RETENTION else f"publish {day}"
            for key in self._automated
            for day in looked.get_requested_partitions(key)
        }


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(instance)
        assert daemon.requested() == set()
        yield daemon


@pytest.mark.slow
def test_it_follows_the_newest_day_and_one_of_long_ago_alike(daemon: Daemon) -> None:
    daemon.computed(sales.key, LONG_AGO, YESTERDAY)
    assert daemon.requested() == {LONG_AGO, YESTERDAY}
    assert not {LONG_AGO, YESTERDAY} & daemon.requested()


@pytest.mark.slow
def test_a_day_that_is_run_again_is_followed_again(daemon: Daemon) -> None:
    for _ in range(2):
        daemon.computed(sales.key, LONG_AGO)
        assert daemon.requested() == {LONG_AGO}
        daemon.computed(customer_retention.key, LONG_AGO)
        assert daemon.requested() == {f"publish {LONG_AGO}"}


def test_other_tables_alone_start_nothing(daemon: Daemon) -> None:
    daemon.computed(customer.key, LONG_AGO)
    assert daemon.requested() == {f"publish {LONG_AGO}"}, (
        "of the two, only the publication reads it"
    )
    daemon.computed(raw_user_order_log.key, YESTERDAY)
    assert daemon.requested() == set()


@pytest.mark.parametrize(("url", "absent"), [(POSTGRES, SNAPSHOT), (SecretStr(""), PUBLICATION)])
def test_assets_with_conditions_are_in_no_job_of_a_single_source(
    url: SecretStr, absent: dg.AssetKey
) -> None:
    definitions = definitions_of(url)
    automated = AUTOMATED - {absent}
    specs = definitions.resolve_all_asset_specs()
    assert {spec.key for spec in specs if spec.automation_condition} == automated
    for job in ("events", "orders", "customers"):
        assert not AUTOMATED & set(
            definitions.resolve_job_def(job).asset_layer.executable_asset_keys
        )
    assert automated <= set(
        definitions.resolve_job_def("everything").asset_layer.executable_asset_keys
    )


def test_the_snapshot_follows_what_the_api_reads() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(instance, SecretStr(""))
        daemon.requested()
        daemon.computed(customer.key, YESTERDAY)
        assert daemon.requested() == {f"publish {YESTERDAY}"}
        assert daemon.requested() == set()
        daemon.computed(customer_retention.key, YESTERDAY)
        assert daemon.requested() == {f"publish {YESTERDAY}"}, "the API reads the weekly mart too"


@pytest.mark.slow
def test_marts_are_published_once_all_of_them_have_settled(daemon: Daemon) -> None:
    daemon.computed(sales.key, YESTERDAY)
    assert daemon.requested() == {YESTERDAY}, "the weekly mart first"
    daemon.computed(customer_retention.key, YESTERDAY)
    assert daemon.requested() == {f"publish {YESTERDAY}"}
    assert daemon.requested() == set()


def test_a_day_whose_run_fails_is_asked_for_again_within_six_hours() -> None:
    is_broken, days = True, dg.DailyPartitionsDefinition("2026-11-01")

    @dg.asset(key=SALES, partitions_def=days)
    def of_sales() -> None:
        """Sell."""

    @dg.asset(
        key=RETENTION, partitions_def=days, deps=[SALES], automation_condition=follows_sales()
    )
    def of_customers() -> None:
        assert not is_broken

    assets, day = [of_sales, of_customers], "2026-11-10"
    noon = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        cursor: dg.AssetDaemonCursor | None = None

        def requested(**later: float) -> set[str]:
            nonlocal cursor
            looked = dg.evaluate_automation_conditions(
                dg.Definitions(assets),
                instance,
                asset_selection=dg.AssetSelection.assets(RETENTION),
                cursor=cursor,
                evaluation_time=noon + timedelta(**later),
            )
            cursor = looked.cursor
            return set(map(str, looked.get_requested_partitions(RETENTION)))

        def run(asset: dg.AssetsDefinition) -> None:
            dg.materialize(
                assets,
                selection=[asset],
                partition_key=day,
                instance=instance,
                raise_on_error=False,
            )

        assert requested() == set()
        run(of_sales)
        assert requested(minutes=1) == {day}
        run(of_customers)
        assert requested(minutes=2) == set()
        assert requested(hours=5) == set()
        assert requested(hours=6) == {day}
        run(of_customers)
        is_broken = False
        assert requested(hours=12) == {day}
        run(of_customers)
        assert requested(hours=18) == set()
