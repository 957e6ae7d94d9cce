"""Locks between the processes of one machine, each freed when its process ends, however it ends;
and who has ended.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_AGAIN_S = 0.01
"""How long to wait between two tries: commits and landing files take milliseconds."""


@contextmanager
def file_lock(
    path: Path, patience_s: float | None = None, refusal: Exception | None = None
) -> Iterator[None]:
    """Hold the lock of a file, which is created if it is not there, and stays.

    Args:
        path: The file.
        patience_s: How long to wait for another process that holds it; None for as long as that
            takes.
        refusal: What is raised where it still holds it then.
    """
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        if patience_s is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            until = time.monotonic() + patience_s
            while not try_lock(handle):
                if time.monotonic() >= until:
                    raise refusal or TimeoutError(f"{path} is locked by another process")
                time.sleep(LOOK_AGAIN_S)
        yield
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Take the lock of an open file unless another process holds it;
    return whether it was taken.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def has_ended(process_id: str) -> bool:
    """Return whether a process of this machine has ended;
    what is no process id names none that has.
    """
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return True
    except (ValueError, PermissionError):
        pass
    return False
