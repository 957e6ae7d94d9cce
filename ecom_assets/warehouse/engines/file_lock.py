"""Waiting for the DuckDB file while another process has it open, and who that is."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from ecom_assets.errors import WarehouseError
from ecom_assets.redact_url import scrubbed

_PID = re.compile(r"\(PID (\d+)\)")
_SHOWN = 80
"""Characters of a command that are shown."""
UNKNOWN = "another process"
LOOK_S = 0.2
"""Between two looks whether the other has let go."""
REPORTED_AFTER_S = 1.0
"""Waiting that a person notices, and that is reported."""


class Turn:
    """A process's turn at a file, which it waits for."""

    def __init__(self, path: Path, patience_s: float) -> None:
        """Start to wait, at most for `patience_s` seconds."""
        self._path, self._patience_s = path, patience_s
        self._began, self._is_reported = time.monotonic(), False

    def wait(self, refusal: duckdb.Error) -> None:
        """Wait a little for the process that has the file open; report it once.

        Raises:
            WarehouseError: The patience is over.
        """
        waited_s = time.monotonic() - self._began
        if waited_s > self._patience_s:
            holder = holder_in(str(refusal))
            raise WarehouseError(
                f"{self._path} is in use by {holder}; wait for its run to end, or stop it."
            ) from refusal
        if waited_s > REPORTED_AFTER_S and not self._is_reported:
            self._is_reported = True
            # To standard error, so that a run of the daemon has it in its log too.
            sys.stderr.write(
                f"ecom: waiting for {self._path}, which is in use by {holder_in(str(refusal))}; for "
                f"{self._patience_s:g} s at most (ECOM_WAREHOUSE_PATIENCE_S).\n"
            )
            sys.stderr.flush()
        time.sleep(LOOK_S)


def holder_in(refusal: str) -> str:
    """Return the process that has the file open, from DuckDB's error message: its id, command and start."""
    match = _PID.search(refusal)
    return _described(match[1]) if match else UNKNOWN


def _described(pid: str) -> str:
    ps = shutil.which("ps")
    if ps is None:
        return f"process {pid}"
    arguments = [ps, "-o", "lstart=", "-o", "args=", "-p", pid]
    try:
        listing = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 (ours)
    except (OSError, subprocess.TimeoutExpired):
        return f"process {pid}"
    words = listing.stdout.split()
    if len(words) <= 5:  # noqa: PLR2004 (the date is five words: Sat Nov 21 02:19:04 2026)
        return f"process {pid}"
    since, command = " ".join(words[:5]), scrubbed(" ".join(words[5:]))
    return f"process {pid} ({_short(command)}), which began {since}"


def _short(command: str) -> str:
    """Return the command as a person typed it: without the interpreter, and shortened."""
    _, result, typed = command.partition("/bin/ecom ")
    shown = f"ecom {typed}" if result else command
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
