"""A real cluster of one worker: the driver in one process, the executor in another, which is killed in the middle.

Not here: local Spark (`test_spark.py`).
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest

SPARK = Path(pyspark.__file__).parent
PATIENCE_S = 60.0
SCRIPT = """
import os, signal, sys
from pathlib import Path
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engines.spark.engine import SparkEngine
from ecom_assets_tests.warehouse.engines.visits_table import ONE, TWO, Visits, from_outside, from_within, stored
address, worker = sys.argv[1], int(sys.argv[2])
conf = "spark.executor.memory=500m,spark.driver.host=127.0.0.1"
engine = SparkEngine(Settings(home=Path("home"), warehouse=address, spark_conf=conf)).open()
engine.replace(Visits, from_outside((TWO, "kim")), None)
rows = from_within(engine, *((ONE, f"v{n}") for n in range(1000)))
killed = []
def kill(step):
    if step == "slice_begun":
        tasks = Path(f"/proc/{worker}/task").iterdir()
        every = [int(one) for task in tasks for one in (task / "children").read_text().split()]
        for executor in every:
            os.kill(executor, signal.SIGKILL)
            killed.append(executor)
engine.on_step = kill
assert engine.replace(Visits, rows, Days((ONE,))).row_count == 1000
assert len(stored(engine)) == 1001
assert len(killed) == 1, killed
"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def started(role: str, *words: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a part of Spark's own cluster."""
    with (folder / f"{role}.log").open("w") as log:
        return subprocess.Popen(
            [SPARK / "bin" / "spark-class", f"org.apache.spark.deploy.{role.lower()}.{role}", *words],
            stdout=log,
            stderr=log,
            env={**os.environ, "SPARK_HOME": str(SPARK), "SPARK_DAEMON_MEMORY": "200m", "PYTHONPATH": ""},
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Address of a cluster's master, and the process of its one worker."""
    port = free_port()
    master = started("Master", "--host", "127.0.0.1", "--port", f"{port}", "--webui-port", "0", folder=tmp_path)
    address = f"spark://127.0.0.1:{port}"
    size = ("--cores", "1", "--memory", "1g", "--work-dir", f"{tmp_path / 'work'}", "--webui-port", "0")
    worker = started("Worker", "--host", "127.0.0.1", *size, address, folder=tmp_path)
    deadline = time.monotonic() + PATIENCE_S
    while "Registering worker" not in (tmp_path / "Master.log").read_text():
        assert time.monotonic() < deadline, (tmp_path / "Worker.log").read_text()
        time.sleep(0.2)
    yield address, worker.pid
    for process in (worker, master):
        process.terminate()
        process.wait(timeout=PATIENCE_S)


@pytest.mark.slow
def test_a_lost_executor_is_replaced_and_the_slice_written(cluster: tuple[str, int], tmp_path: Path) -> None:
    address, worker = cluster
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, f"{address}{tmp_path / 'tables'}", str(worker)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
