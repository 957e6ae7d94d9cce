"""The production `dagster.yaml` as a real instance on a real Postgres,
and the two classes of ours that it names.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events.log import EventLogEntry
from dagster._core.launcher import WorkerStatus
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import serialize_value
from dagster_postgres.event_log import PostgresEventLogStorage

from ecom_assets.orchestration.automation.instance.launcher import WatchedRunLauncher
from ecom_assets.orchestration.automation.instance.postgres import BatchingPostgresEventLogStorage
from ecom_assets_tests.deploy.shipped import DEPLOY
from ecom_assets_tests.orchestration.automation.test_old_runs import story

DAYS = dg.DailyPartitionsDefinition("2026-01-01")


@pytest.fixture
def instance(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The instance that the production file makes."""
    monkeypatch.setenv("DAGSTER_PG_HOST", "127.0.0.1")
    monkeypatch.setenv("DAGSTER_PG_PORT", variables["DAGSTER_PG_PORT"])
    monkeypatch.setenv("DAGSTER_PG_USERNAME", "dagster")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", variables["DAGSTER_PG_PASSWORD"])
    monkeypatch.setenv("DAGSTER_PG_DB", "dagster")
    monkeypatch.setenv("DAGSTER_COMPUTE_LOGS", str(tmp_path / "logs"))
    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@pytest.mark.slow
def test_every_setting_of_the_file_is_taken(instance: dg.DagsterInstance) -> None:
    written = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert instance.run_monitoring_settings == written["run_monitoring"]
    assert instance.run_retries_max_retries == 1
    assert instance.run_retries_enabled
    assert not instance.run_retries_retry_on_asset_or_op_failure
    assert not instance.telemetry_enabled
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 4
    assert queue.tag_concurrency_limits == [{"key": "dagster/backfill", "limit": 2}]
    assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
    assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
    assert isinstance(instance.run_launcher, WatchedRunLauncher)
    assert isinstance(instance.event_log_storage, BatchingPostgresEventLogStorage)


def test_the_instance_shows_the_password_nowhere(
    instance: dg.DagsterInstance, variables: dict[str, str]
) -> None:
    assert variables["DAGSTER_PG_PASSWORD"] not in instance.info_str()


def table(name: str, *deps: str) -> dg.AssetsDefinition:
    """Return an asset of days that takes a range in one run, as the platform's do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # single-run backfills are marked so

        @dg.asset(
            name=name,
            deps=list(deps),
            partitions_def=DAYS,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def made() -> None:
            """Compute nothing."""

    return made


@dg.asset_check(asset="visitors")
def visitors_exist() -> dg.AssetCheckResult:
    """Look at nothing, and pass."""
    return dg.AssetCheckResult(passed=True)


def stored(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> list[tuple[str, ...]]:
    """Run over four days and return the stored events of the run that concern tables,
    with what the tables show.
    """
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(batch_size))
    job = dg.Definitions(
        assets=[table("visits"), table("visitors", "visits")],
        asset_checks=[visitors_exist],
        jobs=[dg.define_asset_job("all", selection="*")],
        executor=dg.in_process_executor,
    ).resolve_job_def("all")
    tags = {
        "dagster/asset_partition_range_start": "2026-01-02",
        "dagster/asset_partition_range_end": "2026-01-05",
    }
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    run_id = job.execute_in_process(instance=instance, tags=tags, run_config=quiet).run_id
    shown = []
    for name in ("visits", "visitors"):
        (record,) = instance.get_asset_records([dg.AssetKey(name)])
        newest = record.asset_entry.last_materialization
        assert record.asset_entry.last_run_id == run_id
        assert newest is not None
        shown.append((name, str(newest.get_dagster_event().partition)))
    events = [
        entry.get_dagster_event() for entry in instance.all_logs(run_id) if entry.is_dagster_event
    ]
    kinds = (
        "ASSET_MATERIALIZATION",
        "ASSET_MATERIALIZATION_PLANNED",
        "ASSET_CHECK_EVALUATION_PLANNED",
    )
    return shown + sorted(
        (event.event_type_value, str(event.asset_key), str(event.partition))
        for event in events
        if event.event_type_value in kinds
    )


@pytest.mark.slow
def test_events_written_together_are_those_written_one_by_one(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = stored(instance, monkeypatch, 1000)
    assert together == stored(instance, monkeypatch, 0)
    assert (
        len([event for event in together if event[0] == "ASSET_MATERIALIZATION_PLANNED"]) == 2 * 4
    )


@pytest.mark.slow
def test_planned_days_take_one_statement(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    single: list[str] = []
    one_by_one = PostgresEventLogStorage.store_event

    def noted(storage: PostgresEventLogStorage, event: EventLogEntry) -> None:
        single.append(str(event.dagster_event_type))
        one_by_one(storage, event)

    monkeypatch.setattr(PostgresEventLogStorage, "store_event", noted)
    stored(instance, monkeypatch, 1000)
    assert single, "other events are stored one by one"
    assert str(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED) not in single
    assert str(dg.DagsterEventType.ASSET_MATERIALIZATION) not in single


@pytest.mark.slow
def test_an_old_run_keeps_what_became_of_tables_and_checks(instance: dg.DagsterInstance) -> None:
    story(instance)


class CodeLocation:
    """A code location that has some runs, or (with None) does not answer."""

    def __init__(self, runs: list[str] | None) -> None:
        self.runs = runs

    def get_current_runs(self) -> str:
        """Answer as Dagster's gRPC client does."""
        if self.runs is None:
            raise DagsterUserCodeUnreachableError("no answer")
        return serialize_value(
            GetCurrentRunsResult(current_runs=self.runs, serializable_error_info=None)
        )


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        (["mine", "other"], WorkerStatus.RUNNING),
        (["other"], WorkerStatus.NOT_FOUND),
        (None, WorkerStatus.RUNNING),
    ],
)
def test_a_run_is_lost_when_its_code_location_answers_without_it(
    monkeypatch: pytest.MonkeyPatch, runs: list[str] | None, status: WorkerStatus
) -> None:
    monkeypatch.setattr(f"{WatchedRunLauncher.__module__}.KNOWN_AGAIN_S", 0.0)
    launcher = WatchedRunLauncher()
    monkeypatch.setattr(launcher, "_get_grpc_client_for_termination", lambda _: CodeLocation(runs))
    run = dg.DagsterRun(job_name="everything", run_id="mine")
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status == status
