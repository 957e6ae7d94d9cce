"""The local history of runs: its files stay open, what others do to them is seen,
what is written together is what Dagster writes one by one, and a killed run has its last step.
"""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import serialize_value
from sqlalchemy import Engine, event

import ecom_assets
from ecom_assets.orchestration.automation.instance.sqlite import OPEN_FILES, BatchingEventLogStorage

RUN = "6ff3ea32-0000-4000-8000-000000000000"
DAYS = dg.DailyPartitionsDefinition("2026-01-01")
FOUR_DAYS = {
    "dagster/asset_partition_range_start": "2026-01-02",
    "dagster/asset_partition_range_end": "2026-01-05",
}
EVALUATED = {
    AssetCheckExecutionRecordStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED,
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


def checks(name: str) -> dg.AssetChecksDefinition:
    """Return two checks of a table in one step: one that passes, and one that fails."""
    specs = [dg.AssetCheckSpec(check, asset=name) for check in ("has_rows", "has_names")]

    @dg.multi_asset_check(name=f"{name}_checks", specs=specs)
    def evaluate(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        context.log.info(f"looking at {name}")
        yield dg.AssetCheckResult(passed=True, check_name="has_rows")
        yield dg.AssetCheckResult(
            passed=False, check_name="has_names", severity=dg.AssetCheckSeverity.WARN
        )

    return evaluate


def run_two_tables(instance: dg.DagsterInstance) -> str:
    """Run two tables and their checks over four days."""
    job = dg.Definitions(
        assets=[table("visits"), table("visitors", "visits")],
        asset_checks=[checks("visits"), checks("visitors")],
        jobs=[dg.define_asset_job("all", selection="*")],
        executor=dg.in_process_executor,
    ).resolve_job_def("all")
    return job.execute_in_process(
        instance=instance, tags=FOUR_DAYS, run_config=QUIET, run_id=RUN
    ).run_id


def stored(instance: dg.DagsterInstance) -> list[Any]:
    """Run over four days, and return what the history has of each table's days, by its number."""
    run_id = run_two_tables(instance)
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
        for check in ("has_rows", "has_names"):
            # Dagster also keeps a planned check for each day, which is never evaluated.
            (found,) = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, check), limit=10, status=EVALUATED
            )
            result: Any = found.event and found.event.get_dagster_event().event_specific_data
            answer.append((check, found.run_id, found.status, found.partition, result.passed))
            answer.append(result.target_materialization_data.storage_id)
    events = instance.all_logs(run_id)
    return answer + [
        (event.dagster_event_type, event.dagster_event and event.dagster_event.partition)
        for event in events
    ]


@contextmanager
def instance_in(
    home: Path, batch_size: int, storage: type[SqliteEventLogStorage] = BatchingEventLogStorage
) -> Iterator[dg.DagsterInstance]:
    """Open an instance as the shipped file makes it, which hands over events in
    batches of a size; 0 for none.
    """
    home.mkdir()
    shipped = (Path(ecom_assets.__file__).parent / "dagster.yaml").read_text()
    if storage is not BatchingEventLogStorage:
        shipped = "telemetry:\n  enabled: false\n"  # Dagster's own is what it takes by itself
    (home / "dagster.yaml").write_text(shipped)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", str(batch_size))
        with dg.DagsterInstance.get() as instance:
            assert type(instance.event_log_storage) is storage
            yield instance


def test_events_written_together_are_those_that_dagster_writes_one_by_one(tmp_path: Path) -> None:
    with instance_in(tmp_path / "dagster", 0, SqliteEventLogStorage) as instance:
        by_dagster = stored(instance)
    for batch_size in (1000, 0):
        with instance_in(tmp_path / f"by {batch_size}", batch_size) as instance:
            assert stored(instance) == by_dagster
    assert len(by_dagster) > 2 * (1 + 4 + 4 + 4)


def test_what_a_step_says_is_written_once_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy the machine is, no step takes so long that its log is written meanwhile.
    monkeypatch.setattr("ecom_assets.orchestration.automation.instance.sqlite.WAITS_AT_MOST_S", 600)
    written: list[list[str | None]] = []

    def note(_connection: Any, _cursor: Any, statement: str, rows: Any, *_: Any) -> None:
        if statement.startswith("INSERT INTO event_logs"):
            written.append([row[2] for row in (rows if isinstance(rows, list) else [rows])])

    with instance_in(tmp_path / "home", 1000) as instance:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            run_two_tables(instance)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    days, results = ["ASSET_MATERIALIZATION"] * 4, ["STEP_OUTPUT", "ASSET_CHECK_EVALUATION"] * 2
    planned = ["ASSET_MATERIALIZATION_PLANNED"] * 8 + ["ASSET_CHECK_EVALUATION_PLANNED"] * 4
    of_table = [days, ["STEP_OUTPUT", *days, "STEP_SUCCESS", "STEP_START"]]
    of_checks = [results[1::2], [None, *results, "STEP_SUCCESS", "STEP_START"]]
    last = [results[1::2], [None, *results, "STEP_SUCCESS", "ENGINE_EVENT"]]
    assert written[:4] == [planned, planned, ["PIPELINE_START"], ["PIPELINE_START"]]
    assert written[8:-2] == [["STEP_START"], *of_table, *of_table, *of_checks, *last]
    assert written[-2:] == [["PIPELINE_SUCCESS"], ["PIPELINE_SUCCESS"]]


def test_what_nobody_ran_is_noted_beside_what_was_noted_before(tmp_path: Path) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("visits"), "has_rows")
    with instance_in(tmp_path / "home", 1000) as instance:
        for passed in (True, False):
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(key.asset_key, key.name, passed, {})
            )
        noted = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [record.status.value for record in noted] == ["FAILED", "SUCCEEDED"]


def test_what_was_just_written_is_as_another_process_reads_it(tmp_path: Path) -> None:
    with instance_in(tmp_path / "home", 1000) as instance:
        run_two_tables(instance)
        storage = instance.event_log_storage
        assert isinstance(storage, BatchingEventLogStorage)
        other = BatchingEventLogStorage(str(tmp_path / "home" / "history" / "runs"))
        keys = [dg.AssetKey("visits"), dg.AssetKey("visitors")]
        assert storage.get_asset_records(keys) == other.get_asset_records(keys)
        storage.wipe_asset(keys[0])
        assert storage.get_latest_materialization_events(keys[:1]) == {}
        other.dispose()


KILLED = """
import sys, time
from pathlib import Path
import dagster as dg

home = Path(sys.argv[1])

@dg.asset
def orders() -> None: ...

@dg.asset(deps=[orders])
def sales(context) -> None:
    (home / "begun").touch()
    context.log.info("reading page 1")
    time.sleep(600)

job = dg.Definitions(
    [orders, sales], jobs=[dg.define_asset_job("all")], executor=dg.in_process_executor
).resolve_job_def("all")
with dg.DagsterInstance.get() as instance:
    job.execute_in_process(instance=instance, run_id=sys.argv[2])
"""


def test_a_killed_run_has_its_last_step_and_another_process_reads_its_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with instance_in(home, 1000) as instance:
        run = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(home), RUN], stderr=subprocess.DEVNULL
        )
        try:
            until((home / "begun").exists)
            # Sales has begun its work: that it has, and all of the step before, can be read.
            assert {("orders", "STEP_SUCCESS"), ("sales", "STEP_START")} <= steps_of(instance)
            until(lambda: any("reading page 1" in text for text in said(instance)))
        finally:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
        assert instance.get_latest_materialization_event(dg.AssetKey("orders"))
        assert not instance.get_latest_materialization_event(dg.AssetKey("sales"))
        assert ("sales", "STEP_SUCCESS") not in steps_of(instance)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, at most a minute."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def steps_of(instance: dg.DagsterInstance) -> set[tuple[str | None, str]]:
    """Return the steps of the run with what became of them."""
    events = [entry.dagster_event for entry in instance.all_logs(RUN)]
    return {(found.step_key, found.event_type_value) for found in events if found}


def said(instance: dg.DagsterInstance) -> list[str]:
    """Return the messages of the run."""
    return [entry.user_message for entry in instance.all_logs(RUN)]


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
