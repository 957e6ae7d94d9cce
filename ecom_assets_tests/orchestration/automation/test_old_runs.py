"""What Dagster's history keeps of old runs; `deploy/test_instance.py` tells it in Postgres."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import create_engine

import ecom_assets
from ecom_assets.core.clock import now_utc
from ecom_assets.orchestration.automation.instance.old_runs import (
    ALL_SENT,
    LINEAGE_TAG,
    shorten_old_runs,
)
from ecom_assets.orchestration.automation.instance.sqlite import BatchingEventLogStorage

DAYS = dg.DailyPartitionsDefinition("2026-03-01")
FIRST, SECOND = "2026-03-01", "2026-03-02"
KEY, OWN = dg.AssetKey("visits"), dg.AssetKey("own")
CHECK = dg.AssetCheckKey(KEY, "has_rows")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
BREAKS = "breaks"
"""The tag of a run in which the table fails."""
STAYS = {"ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", "PIPELINE_START", "PIPELINE_SUCCESS"}


@dg.asset(name="visits", partitions_def=DAYS)
def visits(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """A table of the platform, as its metadata say."""
    context.log.info("counting")
    if BREAKS in context.run.tags:
        raise ValueError("the disk is full")
    return dg.MaterializeResult(
        metadata={
            "dagster/table_name": "mart.visits",
            "dagster/row_count": 7,
            "sql": dg.MetadataValue.md("SELECT 1 " * 20_000),
        }
    )


@dg.asset(name="own", partitions_def=DAYS)
def own() -> dg.MaterializeResult[None]:
    """An asset of somebody's own, whose metadata are theirs."""
    return dg.MaterializeResult(metadata={"sql": "SELECT 2"})


@dg.asset_check(asset=visits)
def has_rows() -> dg.AssetCheckResult:
    """Pass."""
    return dg.AssetCheckResult(passed=True, metadata={"observed": 7})


DEFINITIONS = dg.Definitions(
    assets=[visits, own],
    asset_checks=[has_rows],
    jobs=[dg.define_asset_job("nightly"), dg.define_asset_job("other")],
    executor=dg.in_process_executor,
)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance that the shipped file makes."""
    home = tmp_path / "dagster"
    home.mkdir()
    shipped = Path(ecom_assets.__file__).parent / "dagster.yaml"
    (home / "dagster.yaml").write_text(shipped.read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as made:
        assert isinstance(made.event_log_storage, BatchingEventLogStorage)
        yield made


def run(
    instance: dg.DagsterInstance, day: str = FIRST, job: str = "nightly", **tags: str
) -> dg.DagsterRun:
    """Run a job over a day."""
    result = DEFINITIONS.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=day,
        tags=tags,
        run_config=QUIET,
        raise_on_error=False,
    )
    return result.dagster_run


def kinds(instance: dg.DagsterInstance, of: dg.DagsterRun) -> set[str]:
    """Return the kinds of the events that a run's page shows; "message" for those of its log."""
    return {
        entry.get_dagster_event().event_type_value if entry.is_dagster_event else "message"
        for entry in instance.all_logs(of.run_id)
    }


def materialized(instance: dg.DagsterInstance, key: dg.AssetKey = KEY) -> list[Any]:
    """Return the days of a table as written, with the names of their metadata."""
    records = instance.fetch_materializations(key, limit=100, ascending=True).records
    return [
        (record.run_id, record.partition_key, sorted(record.asset_materialization.metadata))
        for record in records
        if record.asset_materialization
    ]


def checked(instance: dg.DagsterInstance) -> list[Any]:
    """Return the results of the check, the newest first."""
    history = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=100)
    return [
        (one.run_id, one.status.value, one.event.asset_check_evaluation.metadata["observed"].value)
        for one in history
        if one.event and one.event.asset_check_evaluation
    ]


def shorten(instance: dg.DagsterInstance, newest: dg.DagsterRun) -> None:
    """Shorten the runs before the newest, as it does when it ends."""
    shorten_old_runs(instance, newest, reports_lineage=False)


def story(instance: dg.DagsterInstance) -> None:
    """Tell what stays of an old run, of one that failed, and of the newest ones."""
    first, broken = run(instance), run(instance, SECOND, **{BREAKS: "yes"})
    second = run(instance)
    whole, results = kinds(instance, second), checked(instance)
    shorten(instance, second)

    assert kinds(instance, first) == STAYS
    assert instance.get_run_stats(first.run_id).materializations == 2
    assert kinds(instance, second) == whole >= {"STEP_START", "message", *STAYS}
    assert {"STEP_FAILURE", "STEP_START", "message"} <= kinds(instance, broken)
    names = ["dagster/row_count", "dagster/table_name"]
    assert materialized(instance) == [
        (first.run_id, FIRST, names),
        (second.run_id, FIRST, [*names, "sql"]),
    ]
    assert [names for _, _, names in materialized(instance, OWN)] == [["sql"]] * 3
    assert checked(instance) == results
    assert [(status, value) for _, status, value in results] == [("SUCCEEDED", 7)] * 2

    again = run(instance, SECOND, **{BREAKS: "yes"})
    shorten(instance, again)  # the newest that failed is whole, and the one before it is not
    third = run(instance)
    shorten(instance, third)
    assert kinds(instance, broken) == {
        "STEP_FAILURE",
        "PIPELINE_START",
        "PIPELINE_FAILURE",
        "ASSET_MATERIALIZATION",  # that of the own asset
    }
    errors = [
        entry.get_dagster_event().step_failure_data.error
        for entry in instance.all_logs(broken.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    ]
    assert ["the disk is full" in str(error and error.cause) for error in errors] == [True]
    planned = kinds(instance, again) & {"ASSET_MATERIALIZATION_PLANNED"}
    assert planned, "nothing newer is known of the day that failed"


def test_an_old_run_keeps_what_became_of_tables_and_checks(instance: dg.DagsterInstance) -> None:
    story(instance)


def test_the_newest_run_of_each_job_stays_whole(instance: dg.DagsterInstance) -> None:
    other, newest = run(instance, job="other"), run(instance)
    shorten(instance, newest)
    assert "STEP_START" in kinds(instance, other)


def test_files_of_old_runs_go_and_the_index_shrinks(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    folder = tmp_path / "dagster" / "history" / "runs"

    def size() -> int:
        return sum(path.stat().st_size for path in folder.glob("index.db*"))

    runs = [run(instance) for _ in range(6)]
    before = size()
    shorten(instance, runs[-1])
    assert sorted(path.stem for path in folder.glob("*-*.db")) == [runs[-1].run_id]
    assert size() < before / 2
    logs = Path(instance.storage_directory()) / runs[0].run_id / "compute_logs"
    assert not logs.exists()


def test_an_event_that_comes_late_is_kept_once_and_a_deleted_run_leaves_nothing(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second = run(instance), run(instance)
    shorten(instance, second)
    late = "it was canceled after all"
    instance.report_run_canceled(first, late)
    shown = [entry.message for entry in instance.all_logs(first.run_id)]
    assert [late in message for message in shown].count(True) == 1
    instance.delete_run(first.run_id)
    assert instance.all_logs(first.run_id) == []
    path = tmp_path / "dagster" / "history" / "runs" / "index.db"
    with create_engine(f"sqlite:///{path}").connect() as connection:
        count = connection.exec_driver_sql(
            "SELECT count(*) FROM event_logs WHERE run_id = ?", (first.run_id,)
        )
        assert count.scalar() == 0


def test_a_run_that_somebody_deleted_leaves_no_file(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second = run(instance), run(instance)
    instance.delete_run(first.run_id)
    shorten(instance, second)
    folder = tmp_path / "dagster" / "history" / "runs"
    assert [path.stem for path in folder.glob("*-*.db")] == [second.run_id]


def test_an_event_that_this_release_cannot_read_stays_as_it_is(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second = run(instance), run(instance)
    path = tmp_path / "dagster" / "history" / "runs" / "index.db"
    select = (
        "SELECT event FROM event_logs WHERE run_id = ? AND "
        "dagster_event_type = 'ASSET_MATERIALIZATION'"
    )
    with sqlite3.connect(path) as con:
        con.execute(
            "UPDATE event_logs SET event = replace(event, '\"AssetMaterialization\"', '\"Other\"') "
            "WHERE run_id = ?",
            (first.run_id,),
        )
        before = con.execute(select, (first.run_id,)).fetchall()
    assert "Other" in before[0][0]
    shorten(instance, second)
    with sqlite3.connect(path) as con:
        assert con.execute(select, (first.run_id,)).fetchall() == before
    assert not path.with_name(f"{first.run_id}.db").exists()


def test_runs_wait_a_week_for_a_receiver_of_lineage(
    instance: dg.DagsterInstance,
) -> None:
    unsent, sent, newest = run(instance), run(instance), run(instance)
    instance.add_run_tags(sent.run_id, {LINEAGE_TAG: f"{ALL_SENT}: {sent.run_id}"})
    shorten_old_runs(instance, newest, reports_lineage=True)
    assert "STEP_START" in kinds(instance, unsent)
    assert "STEP_START" not in kinds(instance, sent)

    shorten_old_runs(
        instance,
        newest,
        reports_lineage=True,
        now=lambda: now_utc() + timedelta(days=7, minutes=1),
    )
    assert "STEP_START" not in kinds(instance, unsent)


def test_what_takes_too_long_is_left_to_the_next_run(instance: dg.DagsterInstance) -> None:
    runs = [run(instance) for _ in range(3)]
    shorten_old_runs(instance, runs[-1], reports_lineage=False, patience_s=-1.0)
    assert "STEP_START" in kinds(instance, runs[0])
