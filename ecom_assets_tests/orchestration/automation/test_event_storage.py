"""The local history of runs: its files stay open, what others do to them is seen,
and batches are as single events.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._serdes import serialize_value

import ecom_assets
from ecom_assets.orchestration.automation.instance.sqlite import OPEN_FILES, BatchingEventLogStorage

RUN = "6ff3ea32-0000-4000-8000-000000000000"
DAYS = dg.DailyPartitionsDefinition("2026-01-01")
FOUR_DAYS = {
    "dagster/asset_partition_range_start": "2026-01-02",
    "dagster/asset_partition_range_end": "2026-01-05",
}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[BatchingEventLogStorage]:
    """An empty history."""
    made = BatchingEventLogStorage(str(tmp_path))
    yield made
    made.dispose()


def result(run: str, message: str = "hello") -> EventLogEntry:
    """Return an event of a run, of none of the kinds that Dagster stores twice."""
    return EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster has not typed it
        error_info=None,
        level=20,
        user_message=message,
        run_id=run,
        timestamp=1.0,
        step_key=None,
        job_name="job",
    )


def heard(storage: BatchingEventLogStorage, run: str) -> list[str]:
    """Return what was stored of a run."""
    return [entry.user_message for entry in storage.get_logs_for_run(run)]


def open_files(folder: Path) -> set[str]:
    """Return the names of the databases in a folder that this process has open."""
    opened = (Path("/proc/self/fd") / name for name in Path("/proc/self/fd").iterdir())
    paths = [link.readlink() for link in opened if link.is_symlink()]
    return {path.name for path in paths if path.parent == folder and path.suffix == ".db"}


@pytest.mark.slow
def test_each_run_is_read_back_however_many_there_are(storage: BatchingEventLogStorage) -> None:
    runs = [f"run-{number}" for number in range(3 * OPEN_FILES)]
    for run in runs:
        storage.store_event(result(run, f"of {run}"))
    assert {run: heard(storage, run) for run in runs} == {run: [f"of {run}"] for run in runs}


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="the system does not list open files"
)
def test_a_few_files_stay_open_until_history_is_given_back(
    storage: BatchingEventLogStorage, tmp_path: Path
) -> None:
    for number in range(3 * OPEN_FILES):
        storage.store_event(result(f"run-{number}"))
        assert f"run-{number}.db" in open_files(tmp_path)
        assert len(open_files(tmp_path)) <= OPEN_FILES
    storage.dispose()
    assert open_files(tmp_path) == set()
    assert heard(storage, "run-0") == ["hello"]


def test_what_another_process_adds_to_an_open_file_is_seen(
    storage: BatchingEventLogStorage, tmp_path: Path
) -> None:
    storage.store_event(result("run", "first"))
    other = BatchingEventLogStorage(str(tmp_path))
    other.store_event(result("run", "second"))
    assert heard(storage, "run") == heard(other, "run") == ["first", "second"]
    other.dispose()


def test_a_wiped_history_is_empty_and_takes_new_runs(storage: BatchingEventLogStorage) -> None:
    storage.register_instance(dg.DagsterInstance.ephemeral())
    storage.store_event(result("run", "before"))
    storage.wipe()
    storage.store_event(result("run", "after"))
    assert heard(storage, "run") == ["after"]


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
        def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
            return dg.MaterializeResult(metadata={"rows": 7}, tags={"run": context.run.run_id[:1]})

    return made


def stored(instance: dg.DagsterInstance) -> list[Any]:
    """Run over four days, and return what the history has of each table's days, by its number."""
    job = dg.Definitions(
        assets=[table("visits"), table("visitors", "visits")],
        jobs=[dg.define_asset_job("all", selection="*")],
        executor=dg.in_process_executor,
    ).resolve_job_def("all")
    run_id = job.execute_in_process(
        instance=instance, tags=FOUR_DAYS, run_config=QUIET, run_id=RUN
    ).run_id
    answer: list[Any] = []
    for key in (dg.AssetKey("visits"), dg.AssetKey("visitors")):
        (record,) = instance.get_asset_records([key])
        newest = record.asset_entry.last_materialization_record
        assert newest is not None
        answer.append(
            (key, record.asset_entry.last_run_id, newest.storage_id, newest.partition_key)
        )
        actual = instance.fetch_materializations(key, limit=100, ascending=True).records
        answer += [(row.storage_id, row.partition_key, row.asset_materialization) for row in actual]
        answer += instance.event_log_storage.get_event_tags_for_asset(key)
    events = instance.all_logs(run_id)
    return answer + [
        (event.dagster_event_type, event.dagster_event and event.dagster_event.partition)
        for event in events
    ]


@contextmanager
def instance_in(home: Path, batch_size: int) -> Iterator[dg.DagsterInstance]:
    """Open an instance as the shipped file makes it, which hands over events in
    batches of a size; 0 for none.
    """
    home.mkdir()
    (home / "dagster.yaml").write_text(
        (Path(ecom_assets.__file__).parent / "dagster.yaml").read_text()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(batch_size))
        with dg.DagsterInstance.get() as instance:
            assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
            yield instance


def test_events_written_together_are_those_written_one_by_one(tmp_path: Path) -> None:
    with instance_in(tmp_path / "together", 1000) as instance:
        together = stored(instance)
    with instance_in(tmp_path / "apart", 0) as instance:
        assert stored(instance) == together
    assert len(together) > 2 * (1 + 4 + 4)


def test_an_event_of_a_batch_is_written_once_for_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def remember(value: Any) -> str:
        written.append(value)
        return serialize_value(value)

    monkeypatch.setattr("dagster._core.storage.event_log.sql_event_log.serialize_value", remember)
    with instance_in(tmp_path / "home", 1000) as instance:
        stored(instance)
    of_days = [
        entry
        for entry in written
        if isinstance(entry, EventLogEntry)
        and entry.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    assert len(of_days) == 2 * 4


def test_the_check_of_a_run_over_several_days_has_one_record_which_its_result_completes(
    tmp_path: Path,
) -> None:
    visits = table("visits")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitioned checks are marked so

        @dg.asset_check(asset=visits, partitions_def=DAYS)
        def has_rows() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

    definitions = dg.Definitions(
        assets=[visits],
        asset_checks=[has_rows],
        jobs=[dg.define_asset_job("all", selection="*")],
        executor=dg.in_process_executor,
    )
    with instance_in(tmp_path / "home", 1000) as instance:
        job = definitions.resolve_job_def("all")
        job.execute_in_process(instance=instance, tags=FOUR_DAYS, run_config=QUIET)
        key = dg.AssetCheckKey(visits.key, "has_rows")
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [(record.status.value, record.partition) for record in records] == [("SUCCEEDED", None)]
