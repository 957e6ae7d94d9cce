"""A collector as tests use it: in this process, or in one of its own that can be killed;
and what has landed.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import requests
import uvicorn

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.collector import sealing
from ecom_assets.ingestion.collector import server as collector_server
from ecom_assets.ingestion.collector.app import Collector
from ecom_assets.ingestion.collector.segments import SUFFIX
from ecom_assets.ingestion.collector.server import listening, new_collect_config
from ecom_assets.ingestion.sources.landing import dead_letter_folder
from ecom_assets_tests.command import ECOM
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

Row = dict[str, Any]
SEAL_S = 0.05
"""Often, so that tests need not wait."""
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
)


@dataclass
class Landed:
    """The landing folder of a test."""

    folder: Path

    def events(self) -> list[Row]:
        """Return every landed row, in the order of arrival;
        a row that landed twice is there twice.
        """
        return self.rows("received_at, event_id")

    def rows(self, order: str) -> list[Row]:
        """Return every landed row of whatever kind, in the order of some columns."""
        return _rows(self.folder, order)

    def wait_for(self, count: int, within_s: float = 120.0) -> list[Row]:
        """Return the rows once there are so many."""
        return _once(self.events, count, within_s)

    def wait_for_letters(self, count: int) -> list[Row]:
        """Return the dead letters once there are so many."""
        return _once(self.letters, count, within_s=120.0)

    def wait_until_sealed(self, within_s: float = 120.0) -> None:
        """Wait until nothing that a collector has answered for is still to land."""
        end = time.monotonic() + within_s
        while waiting := list(self.folder.parent.rglob(f"*{SUFFIX}")):
            assert time.monotonic() < end, waiting
            time.sleep(0.01)

    def remove_landed(self) -> None:
        """Remove what has landed, with what is still to land."""
        self.wait_until_sealed()
        for folder in (self.folder, dead_letter_folder(self.folder)):
            for file in folder.glob("*/*.parquet"):
                file.unlink()

    def letters(self) -> list[Row]:
        """Return every dead letter."""
        return _rows(dead_letter_folder(self.folder), "received_at, reason")


def _once(read: Callable[[], list[Row]], count: int, within_s: float) -> list[Row]:
    end = time.monotonic() + within_s
    while len(rows := read()) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(rows) == count, rows
    return rows


def _rows(folder: Path, order: str) -> list[Row]:
    if not list(folder.glob("*/*.parquet")):
        return []
    with fresh_duckdb() as con:
        sql = (
            f"SELECT * REPLACE (received_at::VARCHAR AS received_at) FROM '{folder}/*/*.parquet' "
            f"ORDER BY {order}"
        )
        rows = con.execute(sql)
        names = [column[0] for column in rows.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


@dataclass
class CollectClient(Landed):
    """A running collector."""

    address: str

    def post(self, body: Any, path: str = "/collect", **headers: str) -> requests.Response:
        """Send a body: JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(self.address + path, data=data, headers=headers, timeout=PATIENCE_S)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for something."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.address + path, headers=headers, timeout=PATIENCE_S)


def collect_settings(folder: Path, **values: Any) -> Settings:
    """Return settings with a home and a landing folder below `folder`."""
    return Settings(**{"home": folder / "home", "events": str(folder / "events"), **values})


@contextmanager
def collecting(
    settings: Settings, port: int | None = None, seal_s: float = SEAL_S, **bounds: int
) -> Iterator[CollectClient]:
    """Run a collector in this process, with other bounds of its server if these are given."""
    collector = Collector(settings, Path(settings.events))
    with patch.dict(vars(collector_server), bounds):
        server = uvicorn.Server(new_collect_config(settings, collector))
    with patch.object(sealing, "SEAL_S", seal_s):
        yield from _served(server, settings, port)


def _served(
    server: uvicorn.Server, settings: Settings, port: int | None
) -> Iterator[CollectClient]:
    listener = listening("127.0.0.1", port or free_port())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield CollectClient(Path(settings.events), f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass
class CollectProcess(CollectClient):
    """A collector in a process of its own."""

    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, within_s: float = 120.0) -> None:
        """Ask it to end, and wait until what it has answered for has landed."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(within_s) == 0


def start_process(folder: Path, port: int, **values: str) -> CollectProcess:
    """Run `ecom collect` over a landing folder below `folder`, and return when it answers."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ECOM_")
    }
    environment |= {"ECOM_HOME": str(folder / "home"), **values}
    command = [*ECOM, "collect", "--events", str(folder / "events"), "--port", str(port)]
    with (folder / "collect.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    client = CollectProcess(folder / "events", f"http://127.0.0.1:{port}", process)
    for _ in range(600):
        assert process.poll() is None, (folder / "collect.log").read_text()
        try:
            client.get("/health/live")
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return client
    raise AssertionError((folder / "collect.log").read_text())
