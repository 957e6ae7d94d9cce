"""Files and folders that may not be read, also by tests that run as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """Take a folder's or file's rights away, also from this process where it runs as root,
    whom no mode keeps out.
    """
    kept, is_root = path.stat().st_mode, os.geteuid() == 0
    for above in path.parents if is_root else ():
        if above.stat().st_mode & 0o055 != 0o055:
            above.chmod(above.stat().st_mode & 0o7777 | 0o055)
    path.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        path.chmod(kept & 0o7777)


def give_away(folder: Path) -> None:
    """Let that user write to a folder too, and to all that is in it."""
    for path in [folder, *folder.rglob("*")] if os.geteuid() == 0 else []:
        os.chown(path, NOBODY, -1)
