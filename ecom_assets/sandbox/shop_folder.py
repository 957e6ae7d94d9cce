"""A folder that appears whole or not at all: written beside its place under another name, then moved there.

Not here: what is written into it.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecom_assets.errors import UsageError


@contextmanager
def replaced_folder(out: Path, *, made_by: str) -> Iterator[Path]:
    """Give a temporary folder to write into; it takes the place of `out` if the block ends well.

    A killed run leaves `out` as it was, and a hidden `.<name>.partial` beside it that the next run clears.
    Only an empty folder, or one whose truth.json names `made_by`, is replaced.
    """
    out = out.absolute()
    _refuse_foreign(out, made_by)
    partial = out.with_name(f".{out.name}.partial")
    lock = _claim(partial, out)
    try:
        folder = partial / "new"
        folder.mkdir()
        yield folder
        _refuse_foreign(out, made_by)
        if out.exists():
            out.rename(partial / "old")
        folder.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(lock)


def _refuse_foreign(out: Path, made_by: str) -> None:
    """Refuse to replace what somebody else put there."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise UsageError(f"{out} is not a folder; give the path of a new or empty folder.")
    if any(out.iterdir()) and _maker(out / "truth.json") != made_by:
        raise UsageError(f"{out} holds files that are not a simulated shop; give a new or empty folder.")


def _maker(truth: Path) -> object:
    try:
        content = json.loads(truth.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("generator") if isinstance(content, dict) else None


def _claim(partial: Path, out: Path) -> int:
    """Lock and clear the temporary folder; the system frees the lock of a process that was killed."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = os.open(partial, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"Cannot write beside {out} ({error.strerror}); give a folder in a writable place.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise UsageError(f"Another run is writing {out}; wait for it, or give another folder.") from error
    if (old := partial / "old").is_dir() and not out.exists():
        old.rename(out)  # killed between the two moves: the earlier shop goes back to its place
    for left in partial.iterdir():
        shutil.rmtree(left)
    return lock
