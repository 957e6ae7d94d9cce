"""What Spark does by itself: one start per process, files for others, writers side by side;
and its faults.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import ibis
import polars as pl
import pytest
from deltalake import DeltaTable

from ecom_assets.core.errors import ContractError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import count, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.spark.files import SparkFiles
from ecom_assets.core.warehouse.engines.spark.session import java_process
from ecom_assets_tests.command import ecom_process, small_shop
from ecom_assets_tests.core.warehouse.engines.spark_files_of import live_files
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    TWO,
    SessionSources,
    Visits,
    from_outside,
    from_within,
    grown,
    stored,
)
from ecom_assets_tests.patience import PATIENCE_S

DAY = Days((ONE,))


def java_pid() -> int:
    process = java_process()
    assert process is not None
    return process.pid


def test_spark_starts_once_however_often_it_is_opened(
    spark_settings: Settings, spark_engine: SparkFiles
) -> None:
    first = java_pid()
    spark_engine.close()
    again = SparkFiles(spark_settings).open()
    again.replace(Visits, from_outside((ONE, "ann")), DAY)
    assert java_pid() == first
    assert stored(spark_engine) == [(ONE, "ann")], (
        "a session that was there sees what another one committed"
    )


def test_readers_of_delta_read_what_spark_wrote_and_what_it_replaced(
    spark_engine: SparkFiles,
) -> None:
    spark_engine.replace(
        Visits, from_within(spark_engine, (ONE, "ann"), (TWO, "bob")), Days((ONE, TWO))
    )
    spark_engine.replace(Visits, from_within(spark_engine, (TWO, "eva")), Days((TWO,)))
    files = [str(path) for path in live_files(spark_engine)]
    assert len(files) == 2, "one file a day"
    wanted = [(ONE, "ann"), (TWO, "eva")]
    by_duckdb = duckdb.connect().execute(
        "SELECT visit_date, visitor_id FROM read_parquet($files, hive_partitioning = true) ORDER "
        "BY ALL",
        {"files": files},
    )
    assert by_duckdb.fetchall() == wanted
    folder = str(spark_engine.where_spark_is.folder / "mart" / "visits")
    assert pl.scan_delta(folder).sort("visit_date").collect().rows() == wanted
    table = DeltaTable(folder)
    assert sorted(table.to_pyarrow_table().to_pylist(), key=str) == [
        {"visit_date": day, "visitor_id": who} for day, who in wanted
    ]
    before = DeltaTable(folder, version=table.version() - 1)
    assert sorted(before.to_pyarrow_table()["visitor_id"].to_pylist()) == ["ann", "bob"], (
        "for those who began before"
    )


def test_columns_stay_in_the_order_of_the_contract_and_a_day_reads_its_own_files(
    spark_engine: SparkFiles,
) -> None:
    wider = grown(city=text("Where from", nullable=True))
    rows = from_within(spark_engine, (ONE, "ann"), (TWO, "bob")).mutate(city=ibis.literal("Riga"))
    spark_engine.replace(wider, rows, Days((ONE, TWO)))
    table = spark_engine.table(wider)
    assert spark_engine.query(f"SELECT * FROM {spark_engine.name_of(wider)} ORDER BY 1")[0] == {
        "visit_date": ONE,
        "visitor_id": "ann",
        "city": "Riga",
    }
    plan = spark_engine.query(
        f"EXPLAIN {spark_engine.compile(table.filter(DAY.contain(table.visit_date)))}"
    )[0]["plan"]
    assert "PartitionFilters: [isnotnull(visit_date" in plan


def test_a_whole_table_is_read_from_its_files_without_spark(
    spark_engine: SparkFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark_engine.replace(
        Visits, from_within(spark_engine, (ONE, "ann"), (TWO, "bob")), Days((ONE, TWO))
    )
    spark_engine.replace(Visits, from_within(spark_engine, (TWO, "eva")), Days((TWO,)))
    wider = grown(city=text("Where from", nullable=True))
    spark_engine.ensure(wider)
    monkeypatch.setattr(spark_engine.con, "raw_sql", lambda _sql: pytest.fail("Spark was asked"))
    rows = spark_engine.readable(wider)
    assert rows.order_by("visit_date").to_pyarrow().to_pylist() == [
        {"visit_date": ONE, "visitor_id": "ann", "city": None},
        {"visit_date": TWO, "visitor_id": "eva", "city": None},
    ]
    assert rows.filter(DAY.contain(rows.visit_date)).visitor_id.to_pyarrow().to_pylist() == ["ann"]
    spark_engine.clear([wider])
    assert spark_engine.readable(wider).to_pyarrow().num_rows == 0


def test_rows_of_another_day_are_refused_and_the_old_rows_stay(spark_engine: SparkFiles) -> None:
    spark_engine.replace(Visits, from_outside((ONE, "ann"), (TWO, "bob")), Days((ONE, TWO)))
    with pytest.raises(
        ContractError, match="some are of 2026-03-02, which is none of the days to replace"
    ):
        spark_engine.replace(Visits, from_within(spark_engine, (ONE, "eva"), (TWO, "eva")), DAY)
    assert stored(spark_engine) == [(ONE, "ann"), (TWO, "bob")]


def test_large_results_come_in_batches_and_leave_no_file(spark_engine: SparkFiles) -> None:
    spark_engine.replace(Visits, from_outside(*((ONE, f"v{n:03}") for n in range(500))), None)
    ordered = spark_engine.table(Visits).order_by("visitor_id")
    batches = list(ordered.to_pyarrow_batches(chunk_size=200))
    assert [len(batch) for batch in batches] == [200, 200, 100]
    assert [batch["visitor_id"][0].as_py() for batch in batches] == ["v000", "v200", "v400"]
    assert list(spark_engine.where_spark_is.scratch.glob("result-*")) == []


def test_a_part_that_a_result_reads_twice_is_computed_once(
    spark_engine: SparkFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark_engine.replace(Visits, from_outside((ONE, "ann"), (ONE, "bob"), (TWO, "ann")), None)
    visits, removed, remove = spark_engine.table(Visits), list[list[str]](), shutil.rmtree

    def noted(folder: Path, *, ignore_errors: bool) -> None:
        removed.append([part.name for part in folder.glob("*")])
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr("ecom_assets.core.warehouse.engines.spark.sql.shutil.rmtree", noted)
    days = visits.group_by("visit_date").agg(visit_count=visits.count())
    most = days.agg(most=days.visit_count.max())
    busiest = days.join(most, days.visit_count == most.most)
    assert busiest.select("visit_date", "visit_count").to_pyarrow().to_pylist() == [
        {"visit_date": ONE, "visit_count": 2}
    ]
    assert [len(parts) for parts in removed] == [1]


def test_tables_are_emptied_together(spark_engine: SparkFiles) -> None:
    for contract in (Visits, SessionSources):
        spark_engine.replace(contract, from_outside((ONE, "ann")), None)
    spark_engine.clear([Visits, SessionSources])
    assert [spark_engine.row_count(contract) for contract in (Visits, SessionSources)] == [0, 0]
    assert stored(spark_engine) == []


def test_an_overtaken_writer_computes_its_slice_again(
    spark_settings: Settings, spark_engine: SparkFiles
) -> None:
    rows = from_within(spark_engine, (ONE, "ann"))
    spark_engine.replace(Visits, rows, DAY)
    other = SparkFiles(spark_settings).open()
    steps: list[str] = []

    def overtake(step: str) -> None:
        steps.append(step)
        if steps == ["slice_begun", "slice_written"]:
            other.replace(SessionSources, from_outside((ONE, "eva"), (ONE, "kim")), None)
            other.replace(Visits, from_outside((ONE, "stale")), DAY)

    spark_engine.on_step = overtake
    assert spark_engine.replace(Visits, rows, DAY).row_count == 2
    assert steps == ["slice_begun", "slice_written", "slice_begun", "slice_written", "committed"]
    assert stored(spark_engine) == [(ONE, "eva"), (ONE, "kim")], "from the rows that there are now"


def test_a_failing_task_is_one_sentence_and_the_old_rows_stay(spark_engine: SparkFiles) -> None:
    numbered = grown(visitor_id=count("Which visitor"))
    spark_engine.replace(numbered, from_outside((ONE, "7")).mutate(visitor_id=7), DAY)
    with pytest.raises(WarehouseError, match=r"CAST_INVALID_INPUT.*nothing was changed") as answer:
        spark_engine.replace(numbered, from_within(spark_engine, (ONE, "8"), (ONE, "nine")), DAY)
    assert "\n" not in str(answer.value)
    assert stored(spark_engine, numbered) == [(ONE, 7)]
    spark_engine.replace(numbered, from_within(spark_engine, (ONE, "8")), DAY)
    assert stored(spark_engine, numbered) == [(ONE, 8)]


@pytest.mark.parametrize("damage", ["cut short", "removed"])
def test_a_damaged_file_is_named_and_its_day_can_be_written_again(
    spark_engine: SparkFiles, damage: str
) -> None:
    spark_engine.replace(
        Visits, from_within(spark_engine, (ONE, "ann"), (TWO, "bob")), Days((ONE, TWO))
    )
    path = next(path for path in live_files(spark_engine) if "visit_date=2026-03-01" in path.parts)
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        WarehouseError, match=r"2026-03-01.*parquet is damaged or missing.*again for that day"
    ):
        stored(spark_engine)
    spark_engine.replace(Visits, from_outside((ONE, "eva")), DAY)
    assert stored(spark_engine) == [(ONE, "eva"), (TWO, "bob")]


def test_a_spark_that_dies_is_restarted_and_the_slice_written(spark_engine: SparkFiles) -> None:
    rows = from_within(spark_engine, (ONE, "ann"))
    spark_engine.replace(Visits, from_outside((TWO, "kim")), None)
    handed_out = spark_engine.table(Visits)
    steps: list[str] = []

    def kill(step: str) -> None:
        steps.append(step)
        if steps == ["slice_begun"]:
            java = java_process()
            assert java is not None
            java.kill()
            java.wait()

    spark_engine.on_step = kill
    assert spark_engine.replace(Visits, rows, DAY).row_count == 1
    assert handed_out.count().to_pyarrow().as_py() == 2
    assert stored(spark_engine) == [(ONE, "ann"), (TWO, "kim")]


SCRIPT = """
import sys
from pathlib import Path
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.spark.files import SparkFiles
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE, Visits, from_outside, from_within, stored
)
engine = SparkFiles(Settings(home=Path("home"), warehouse="spark://local[1]" + sys.argv[1])).open()
rows = from_within(engine, (ONE, "eva"))
"""
KILLED_WHEN_WRITTEN = """
import os, signal
def kill(step):
    if step == "slice_written":
        os.kill(os.getpid(), signal.SIGKILL)
engine.on_step = kill
engine.replace(Visits, rows, Days((ONE,)))
"""
QUIET = """
engine.replace(Visits, rows, Days((ONE,)))
assert stored(engine) == [(ONE, "eva")]
engine.close()
"""


def in_a_process(script: str, folder: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in an interpreter of its own, in which warnings are errors."""
    root = Path(__file__).parents[4]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(folder)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_a_killed_process_leaves_the_old_slice_and_is_in_nobodys_way(
    spark_engine: SparkFiles, tmp_path: Path
) -> None:
    spark_engine.replace(Visits, from_outside((ONE, "ann")), DAY)
    done = in_a_process(SCRIPT + KILLED_WHEN_WRITTEN, spark_engine.where_spark_is.folder, tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    written = list(spark_engine.where_spark_is.folder.rglob("mart/visits/_incoming-*/*/*.parquet"))
    assert len(written) == 1, "the new file is there, and counts for nothing"
    assert stored(spark_engine) == [(ONE, "ann")]
    spark_engine.replace(Visits, from_outside((ONE, "kim")), DAY)
    assert stored(spark_engine) == [(ONE, "kim")]


@pytest.mark.slow
def test_spark_says_nothing_and_leaves_nothing_in_the_working_folder(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = in_a_process(SCRIPT + QUIET, tmp_path / "spark", work)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(work.iterdir()) == []


@pytest.mark.slow
def test_a_command_without_java_says_what_to_install(tmp_path: Path) -> None:
    home = tmp_path / "home"
    small_shop(home)
    result = ecom_process(
        "run", home=home, env={"ECOM_WAREHOUSE": "spark://local", "JAVA_HOME": str(tmp_path)}
    )
    assert result.exit_code == 1
    assert result.sentence == (
        f"spark://local{home}/spark needs Java and none was found; install Java 17 or 21, or set "
        "JAVA_HOME to one."
    )


def test_a_folder_that_cannot_be_written_is_named(spark_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = SparkFiles(
        spark_settings.model_copy(update={"warehouse": f"spark://local[2]{tmp_path}/file/spark"})
    ).open()
    with pytest.raises(
        WarehouseError, match=r"/file/spark.*: Not a directory; nothing was changed"
    ):
        elsewhere.replace(Visits, from_outside((ONE, "ann")), DAY)
