"""One lock over landing files for what changes or removes them: compaction, `ecom retain` and `ecom erase`."""

from contextlib import AbstractContextManager
from pathlib import Path

from ecom_assets.errors import WorkError
from ecom_assets.file_lock import file_lock


def changing_landing_files(home: Path, *, waits: bool = True) -> AbstractContextManager[None]:
    """Hold the lock. All of them must share one ECOM_HOME.

    Args:
        home: The folder of the platform.
        waits: Wait for another holder instead of raising.

    Raises:
        WorkError: Another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    busy = WorkError("Landing files are being compacted, erased from or removed by another process; try again later.")
    return file_lock(home / "landing.lock", None if waits else 0.0, busy)
