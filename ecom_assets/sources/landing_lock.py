"""One lock over landing files for what changes or removes them: compaction, `ecom retain` and `ecom erase`."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecom_assets.errors import WorkError


@contextmanager
def changing_landing_files(home: Path, *, waits: bool = True) -> Iterator[None]:
    """Hold the lock; it is freed if the process dies. All of them must share one ECOM_HOME.

    Args:
        home: The folder of the platform.
        waits: Wait for another holder instead of raising.

    Raises:
        WorkError: Another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(home / "landing.lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise WorkError(
                "Landing files are being compacted, erased from or removed by another process; try again later."
            ) from error
        yield
    finally:
        os.close(handle)
