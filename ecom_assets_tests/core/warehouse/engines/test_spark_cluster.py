"""Real clusters of one worker and of two, each part a process of its own,
of which one is killed in the middle.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from ecom_assets_tests.command import ECOM, FEW_TABLES, ecom_process, environment, small_shop
from ecom_assets_tests.core.warehouse.engines.spark_cluster import Worker, running_cluster
from ecom_assets_tests.core.warehouse.engines.warehouses import FEW_ROWS_ON_SPARK
from ecom_assets_tests.patience import PATIENCE_S

SCRIPT = """
import os, signal, sys
from pathlib import Path
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.spark.files import SparkFiles
from ecom_assets_tests.core.warehouse.engines.spark_cluster import Worker
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE, TWO, Visits, from_outside, from_within, stored
)
address, worker = sys.argv[1], Worker(int(sys.argv[2]), sys.argv[3])
conf = "spark.executor.memory=500m,spark.driver.host=127.0.0.1"
engine = SparkFiles(Settings(home=Path("home"), warehouse=address, spark_conf=conf)).open()
engine.replace(Visits, from_outside((TWO, "kim")), None)
rows = from_within(engine, *((ONE, f"v{n}") for n in range(1000)))
killed = []
def kill(step):
    if step == "slice_begun":
        for executor in worker.executors():
            os.kill(executor, signal.SIGKILL)
            killed.append(executor)
engine.on_step = kill
assert engine.replace(Visits, rows, Days((ONE,))).row_count == 1000
assert len(stored(engine)) == 1001
assert len(killed) == 1, killed
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Worker]]:
    """Address of a cluster's master, and its one worker."""
    with running_cluster(tmp_path, 1) as (address, (worker,)):
        yield address, worker


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_lost_executor_is_replaced_and_the_slice_written(
    cluster: tuple[str, Worker], tmp_path: Path
) -> None:
    address, worker = cluster
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            SCRIPT,
            f"{address}{tmp_path / 'tables'}",
            str(worker.process),
            worker.page,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


OF_A_RUN = {"run_id", "published_at"}
"""Columns that differ between any two runs."""


def rows_of(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[object, ...]]:
    """Return the rows of a table or a registered one, sorted, its columns by name."""
    columns = sorted({row[0] for row in con.execute(f"DESCRIBE {name}").fetchall()} - OF_A_RUN)
    return con.execute(f"SELECT {', '.join(columns)} FROM {name} ORDER BY ALL").fetchall()


def tables_in(folder: Path) -> set[Path]:
    """Return the folders of the tables that there are."""
    return {log.parent for log in folder.glob("*/*/_delta_log")}


def killed_in_the_middle(
    run: "subprocess.Popen[bytes]", tables: Path, workers: list[Worker]
) -> set[Path]:
    """Kill a worker with its executor when a run has made some tables, and return these."""
    while run.poll() is None and len(list(tables.glob("staging/*/_delta_log"))) < 2:
        time.sleep(0.05)
    executors = [worker.executors() for worker in workers]
    assert [len(actual) for actual in executors] == [1, 1], "both workers are at it"
    for process in (workers[0].process, *executors[0]):
        os.kill(process, signal.SIGKILL)
    return tables_in(tables)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_worker_that_is_lost_in_the_middle_of_a_run_changes_no_table(tmp_path: Path) -> None:
    for home in ("by_duckdb", "by_spark"):
        small_shop(tmp_path / home)
    undisturbed = ecom_process("run", *FEW_TABLES, home=tmp_path / "by_duckdb")
    tables, log = tmp_path / "tables", tmp_path / "run.log"
    conf = {
        "ECOM_SPARK_CONF": "spark.executor.memory=500m,spark.driver.host=127.0.0.1,"
        + FEW_ROWS_ON_SPARK.get_secret_value()
    }
    with running_cluster(tmp_path, 2) as (address, workers), log.open("w") as file:
        env = environment(tmp_path / "by_spark", {**conf, "ECOM_WAREHOUSE": f"{address}{tables}"})
        run = subprocess.Popen(
            [*ECOM, "run", *FEW_TABLES], env=env, cwd=tmp_path, stdout=file, stderr=file
        )
        try:
            made = killed_in_the_middle(run, tables, workers)
            assert run.wait(timeout=900) == undisturbed.exit_code, log.read_text()
        finally:
            run.kill()
            run.wait()  # or it is still running when its object goes, in whichever test is next
    assert tables_in(tables) > made, "tables were made after the worker was gone"
    con = duckdb.connect(str(tmp_path / "by_duckdb" / "warehouse.duckdb"), read_only=True)
    for table in tables_in(tables) - {tables / "raw" / "warehouse_owner"}:  # it has its own time
        con.register("by_spark", DeltaTable(table).to_pyarrow_table())
        name = f"{table.parent.name}.{table.name}"
        assert rows_of(con, "by_spark") == rows_of(con, name), name
    assert len(rows_of(con, "mart.sessions")) > 100
