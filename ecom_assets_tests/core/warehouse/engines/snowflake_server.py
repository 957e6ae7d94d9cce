"""A stand-in for Snowflake, for the length of a test session.

`make test` sets up its environment, `.venv-snowflake`.
"""

import itertools
import json
import os
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engine import Engine

ROOT = Path(__file__).parents[4]
PYTHON = ROOT / ".venv-snowflake" / "bin" / "python"
PROGRAM = Path(__file__).with_name("snowflake_stand_in.py")
LIVE = "ECOM_LIVE_SNOWFLAKE"
START_PATIENCE_S = 60.0
BUSY_S, HASTY_S = 60, 3
"""What an answer may take on a busy machine, and where none is to come."""
NUMBERS = itertools.count()


@contextmanager
def running_snowflake() -> Iterator[int]:
    """Start the stand-in on a free port, and yield the port.

    Raises:
        AssertionError: Its environment is missing, or it does not start.
    """
    assert PYTHON.exists(), f"{PYTHON} is missing: run `make snowflake-stand-in`, which makes it."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with subprocess.Popen(
        [PYTHON, PROGRAM, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()


def fresh_database(port: int, timeout_s: int = BUSY_S) -> str:
    """Return the address of a database of its own; the stand-in makes it at the first login.

    An answer may take `timeout_s`: little where a test has none come.
    """
    name = f"TEST_{os.getpid()}_{next(NUMBERS)}"
    return f"snowflake://shop:hunter2@standin/{name}?{options(port, timeout_s)}"


@contextmanager
def live_database() -> Iterator[str]:
    """Make a database in a real account for the length of the block, and yield its address.

    Raises:
        AssertionError: No account is named.
    """
    url = os.environ.get(LIVE, "")
    assert url, (
        f"{LIVE} is not set: give it snowflake://USER:PASSWORD@ACCOUNT/DATABASE?warehouse=… to "
        "run live tests."
    )
    name = f"ECOM_TEST_{uuid.uuid4().hex[:12].upper()}"
    engine = engine_at(url).open()
    engine.execute(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        engine.execute(f"DROP DATABASE {name}")
        engine.close()


def engine_at(url: str) -> "Engine":
    """Return an engine for an address."""
    from ecom_assets.core.settings.settings import Settings  # noqa: PLC0415 (every process of the tests loads this module)
    from ecom_assets.core.warehouse.factory import new_engine  # noqa: PLC0415 (as above)

    return new_engine(Settings(warehouse=url))


def options(port: int, timeout_s: int = HASTY_S) -> str:
    """Return what an address says of where the stand-in is."""
    return (
        f"host=127.0.0.1&port={port}&protocol=http&warehouse=SMALL&network_timeout={timeout_s}"
        f"&login_timeout={timeout_s}"
    )


def plan_fault(port: int, match: str, **fault: Any) -> None:
    """Make the next statement that matches fail; see `snowflake_stand_in.py`."""
    body = json.dumps({"match": match, **fault}).encode()
    url = f"http://127.0.0.1:{port}/stand-in/faults"
    urllib.request.urlopen(urllib.request.Request(url, body), timeout=10).close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the stand-in for Snowflake did not start (exit code {process.poll()})")
