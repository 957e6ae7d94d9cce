"""Spark's own cluster, each part a process of its own, and the processes of its executors."""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from ecom_assets_tests.ports import free_port

SPARK = Path(pyspark.__file__).parent
PATIENCE_S = 60.0
_PAGE = re.compile(r"WorkerWebUI\b.* started at (http://[\w.:]+)")


@dataclass(frozen=True)
class Worker:
    """A worker: its process, and the address of its page, on which Spark lists its executors."""

    process: int
    page: str

    def executors(self) -> list[int]:
        """Return the processes of the executors that Spark lists;
        a worker has other children, too.
        """
        with urllib.request.urlopen(f"{self.page}/json/", timeout=PATIENCE_S) as answer:  # noqa: S310 (our own worker)
            ids = {str(executor["id"]) for executor in json.load(answer)["executors"]}
        commands = {child: _command_line(child) for child in _children(self.process)}
        return [
            child for child, command in commands.items() if _after("--executor-id", command) in ids
        ]


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(part) for task in tasks for part in (task / "children").read_text().split()]


def _command_line(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has just ended
        return []


def _after(option: str, command: list[str]) -> str | None:
    return command[command.index(option) + 1] if option in command else None


def _started(role: str, *options: str, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as file:
        return subprocess.Popen(
            [
                SPARK / "bin" / "spark-class",
                f"org.apache.spark.deploy.{role.lower()}.{role}",
                *options,
            ],
            stdout=file,
            stderr=file,
            env={
                **os.environ,
                "SPARK_HOME": str(SPARK),
                "SPARK_DAEMON_MEMORY": "200m",
                "PYTHONPATH": "",
            },
        )


@contextmanager
def running_cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[Worker]]]:
    """Give the address of a cluster's master, and its workers."""
    port = free_port()
    address = f"spark://127.0.0.1:{port}"
    host = ("--host", "127.0.0.1", "--webui-port", "0")
    parts = [_started("Master", *host, "--port", f"{port}", log=folder / "Master.log")]
    logs = [folder / f"Worker{number}.log" for number in range(workers)]
    try:
        for number, log in enumerate(logs):
            size = ("--cores", "1", "--memory", "1g", "--work-dir", f"{folder / f'work{number}'}")
            parts.append(_started("Worker", *host, *size, address, log=log))
        deadline = time.monotonic() + PATIENCE_S
        while (folder / "Master.log").read_text().count("Registering worker") < workers:
            assert time.monotonic() < deadline, logs[0].read_text()
            time.sleep(0.2)
        pages = [_PAGE.search(log.read_text()) for log in logs]
        yield (
            address,
            [
                Worker(part.pid, page[1])
                for part, page in zip(parts[1:], pages, strict=True)
                if page
            ],
        )
    finally:
        for part in reversed(parts):
            part.terminate()
            part.wait(timeout=PATIENCE_S)
