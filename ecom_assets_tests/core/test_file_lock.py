"""One process at a time holds the lock of a file, and who waits gets it when that process ends."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecom_assets.core.file_lock import file_lock

HOLDS = """
import sys, time
from pathlib import Path
from ecom_assets.core.file_lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_waited_for_in_vain_while_another_process_lives_and_free_once_it_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        with (
            pytest.raises(RuntimeError, match="come back later"),
            file_lock(path, 0.2, RuntimeError("come back later")),
        ):
            pytest.fail("two processes hold it")
        assert time.monotonic() - began >= 0.2
        holder.kill()
    with file_lock(path, 0.0):
        assert path.exists()
    with file_lock(path):
        pass
