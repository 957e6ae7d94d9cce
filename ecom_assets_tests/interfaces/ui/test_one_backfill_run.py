"""A backfill as Dagster's pages start it, and as its daemon goes on with it:
one run over the days that were chosen.
"""

import json
import logging
from pathlib import Path
from typing import Final

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.backfill import execute_backfill_iteration

from ecom_assets.core.settings.dagster_instance import RETRY_BACKFILLS, SHIPPED
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets_tests.command import small_shop
from ecom_assets_tests.interfaces.ui.served_ui import DAGSTER_S_OWN, SELECTOR, CodeLocation, loaded

QUEUED: Final = {
    "run_coordinator": {"module": "dagster._core.test_utils", "class": "MockedRunCoordinator"}
}
"""Runs are recorded and not started, since a test executes them in its own process."""
LAUNCH = """
mutation {{ launchPartitionBackfill(backfillParams: {{ {target}, partitionNames: {days} }}) {{
    __typename
    ... on PythonError {{ message }} }} }}"""
FIRST_DAY: Final = {"ECOM_FIRST_DAY": "2026-01-01"}
SHOP_DAYS = 14
EACH_KIND: Final = ("mart/engagement_daily", "mart/retention_cohorts")
"""A table that is cut by day, and one that is not."""
# Dagster calls a method of its own that it has deprecated.
SOURCES = pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")


def launch(location: CodeLocation, target: str, days: list[str]) -> None:
    """Start a backfill as a page does, and let the daemon look at it once."""
    ask_for(location, target, days)
    iterate(location)


def ask_for(location: CodeLocation, target: str, days: list[str]) -> None:
    """Start a backfill as a page does."""
    launched = location.ask(LAUNCH.format(target=target, days=json.dumps(days)))
    assert launched["launchPartitionBackfill"] == {"__typename": "LaunchBackfillSuccess"}


def iterate(location: CodeLocation) -> None:
    """Let the daemon look at all backfills once, as it does every few seconds."""
    logger = logging.getLogger("backfills")
    assert [error for error in execute_backfill_iteration(location.process, logger) if error] == []


def downstream_of_events(location: CodeLocation) -> list[dg.AssetKey]:
    """Return `raw/events` and all that is built on it."""
    graph = location.process.create_request_context().asset_graph
    return sorted(dg.AssetSelection.assets("raw/events").downstream().resolve(graph))


def of_assets(keys: list[dg.AssetKey]) -> str:
    """Return the target of a backfill from the asset graph."""
    return f"assetSelection: [{', '.join(f'{{path: {json.dumps([*key.path])}}}' for key in keys)}]"


@pytest.mark.slow
@DAGSTER_S_OWN
@SOURCES
def test_a_backfill_of_three_days_from_the_asset_graph_is_one_run(tmp_path: Path) -> None:
    days = ["2026-01-09", "2026-01-10", "2026-01-11"]
    with loaded(tmp_path, FIRST_DAY, QUEUED) as location:
        keys = downstream_of_events(location)
        assert len(keys) > 60
        launch(location, of_assets(keys), days)
        (run,) = location.instance.get_runs()
        assert run.asset_selection == set(keys)
        assert (run.tags[RANGE_START], run.tags[RANGE_END]) == (days[0], days[-1])


@pytest.mark.slow
@DAGSTER_S_OWN
@SOURCES
def test_a_backfill_waits_while_the_code_location_is_away_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RETRY_BACKFILLS, raising=False)
    storage = yaml.safe_load(SHIPPED.read_text())["event_log_storage"]
    storage["config"] = {"base_dir": str(tmp_path)}
    with loaded(tmp_path, FIRST_DAY, QUEUED | {"event_log_storage": storage}) as location:
        assert location.instance.event_log_storage, "which is opened by who needs it first"
        keys = [dg.AssetKey(["mart", "sessions"])]
        ask_for(location, of_assets(keys), ["2026-01-09"])
        gone = GrpcServerTarget("localhost", None, str(tmp_path / "gone.sock"), "ecom_assets")
        with (
            pytest.warns(UserWarning, match="Error loading repository location"),
            WorkspaceProcessContext(location.instance, gone) as away,
        ):
            list(execute_backfill_iteration(away, logging.getLogger("backfills")))
        (backfill,) = location.instance.get_backfills()
        assert backfill.status == BulkActionStatus.REQUESTED, "it was not given up"
        iterate(location)
        (run,) = location.instance.get_runs()
        assert run.asset_selection == set(keys)


@pytest.mark.slow
@DAGSTER_S_OWN
@SOURCES
def test_a_backfill_of_three_days_from_the_page_of_a_job_is_one_run(tmp_path: Path) -> None:
    days = ["2026-01-09", "2026-01-10", "2026-01-11"]
    with loaded(tmp_path, FIRST_DAY, QUEUED) as location:
        for job in ("events", "everything"):
            partitions = f'partitionSetName: "{job}_partition_set"'
            launch(location, f"selector: {{{partitions}, repositorySelector: {SELECTOR}}}", days)
            (run,) = [run for run in location.instance.get_runs() if run.job_name == job]
            assert (run.tags[RANGE_START], run.tags[RANGE_END]) == (days[0], days[-1]), job
        assert len(location.instance.get_runs()) == 2


@pytest.mark.slow
@DAGSTER_S_OWN
@SOURCES
def test_the_backfill_ends_with_its_run(tmp_path: Path) -> None:
    small_shop(tmp_path / "home", days=SHOP_DAYS, visitors=60)
    arrivals = sorted(path.name for path in (tmp_path / "home" / "sandbox" / "events").iterdir())
    days = [name.partition("=")[2] for name in arrivals[8:11]]
    with loaded(tmp_path, FIRST_DAY, QUEUED) as location:
        graph = location.process.create_request_context().asset_graph
        keys = sorted(dg.AssetSelection.assets(*EACH_KIND).upstream().resolve(graph))
        launch(location, of_assets(keys), days)
        (run,) = location.instance.get_runs()
        repository = ReconstructableRepository.for_module(
            "ecom_assets.definitions", "code_location"
        )
        job = repository.get_reconstructable_job(run.job_name).get_subset(
            asset_selection=run.asset_selection, asset_check_selection=run.asset_check_selection
        )
        assert execute_run(job, run, location.instance).success
        iterate(location)
        iterate(location)
        (backfill,) = location.instance.get_backfills()
        assert backfill.status == BulkActionStatus.COMPLETED_SUCCESS
        assert len(location.instance.get_runs()) == 1, "nothing is left for another run"
        for key in keys:
            assert location.instance.get_materialized_partitions(key) == set(days), key
