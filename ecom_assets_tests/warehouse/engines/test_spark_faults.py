"""What can go wrong with Spark, said in one sentence, the old slice intact."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecom_assets.errors import WarehouseError
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import count
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engines.spark.engine import SparkEngine
from ecom_assets.warehouse.engines.spark.session import java_process
from ecom_assets_tests.command import ecom_process, small_shop
from ecom_assets_tests.warehouse.engines.spark_files_of import live_files
from ecom_assets_tests.warehouse.engines.visits_table import ONE, TWO, Visits, from_outside, from_within, grown, stored

DAY = Days((ONE,))


def test_a_failing_task_is_one_sentence_and_the_old_rows_stay(spark_engine: SparkEngine) -> None:
    numbered = grown(visitor_id=count("Which visitor"))
    spark_engine.replace(numbered, from_outside((ONE, "7")).mutate(visitor_id=7), DAY)
    with pytest.raises(WarehouseError, match=r"CAST_INVALID_INPUT.*nothing was changed") as answer:
        spark_engine.replace(numbered, from_within(spark_engine, (ONE, "8"), (ONE, "nine")), DAY)
    assert "\n" not in str(answer.value)
    assert stored(spark_engine, numbered) == [(ONE, 7)]
    spark_engine.replace(numbered, from_within(spark_engine, (ONE, "8")), DAY)
    assert stored(spark_engine, numbered) == [(ONE, 8)]


@pytest.mark.parametrize("damage", ["cut short", "removed"])
def test_a_damaged_file_is_named_and_its_day_can_be_written_again(spark_engine: SparkEngine, damage: str) -> None:
    spark_engine.replace(Visits, from_within(spark_engine, (ONE, "ann"), (TWO, "bob")), Days((ONE, TWO)))
    path = next(path for path in live_files(spark_engine) if "visit_date=2026-03-01" in path.parts)
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WarehouseError, match=r"2026-03-01.*parquet is damaged or missing.*again for that day"):
        stored(spark_engine)
    spark_engine.replace(Visits, from_outside((ONE, "eva")), DAY)
    assert stored(spark_engine) == [(ONE, "eva"), (TWO, "bob")]


def test_a_spark_that_dies_is_restarted_and_the_slice_written(spark_engine: SparkEngine) -> None:
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
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engines.spark.engine import SparkEngine
from ecom_assets_tests.warehouse.engines.visits_table import ONE, Visits, from_outside, from_within, stored
engine = SparkEngine(Settings(home=Path("home"), warehouse="spark://local[1]" + sys.argv[1])).open()
rows = from_within(engine, (ONE, "eva"))
"""
KILLED_WHEN_WRITTEN = """
import os, signal
engine.on_step = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == "slice_written" else None
engine.replace(Visits, rows, Days((ONE,)))
"""
QUIET = """
engine.replace(Visits, rows, Days((ONE,)))
assert stored(engine) == [(ONE, "eva")]
engine.close()
"""


def in_a_process(script: str, folder: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in an interpreter of its own, in which warnings are errors."""
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(folder)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_killed_process_leaves_the_old_slice_and_is_in_nobodys_way(spark_engine: SparkEngine, tmp_path: Path) -> None:
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
    result = ecom_process("run", home=home, env={"ECOM_WAREHOUSE": "spark://local", "JAVA_HOME": str(tmp_path)})
    assert result.exit_code == 1
    assert result.sentence == (
        f"spark://local{home}/spark needs Java and none was found; install Java 17 or 21, or set JAVA_HOME to one."
    )


def test_a_folder_that_cannot_be_written_is_named(spark_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = SparkEngine(
        spark_settings.model_copy(update={"warehouse": f"spark://local[2]{tmp_path}/file/spark"})
    ).open()
    with pytest.raises(WarehouseError, match=r"/file/spark.*: Not a directory; nothing was changed"):
        elsewhere.replace(Visits, from_outside((ONE, "ann")), DAY)
