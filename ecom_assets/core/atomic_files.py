"""Atomic file writes: a file is complete or missing, even after a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`,
    and move the file written there to `path` if the block succeeds.

    Readers see either the old file or the new one. The temporary name ends in `.part`, which no
    source reads.
    """
    fresh = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield fresh
        sync_file(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def rewriting(path: Path) -> Iterator[Path]:
    """Yield a temporary path as `replacing`,
    for a file that gets the mode and the times of the one that is there.
    """
    before = path.stat()
    with replacing(path) as fresh:
        yield fresh
        fresh.chmod(before.st_mode & 0o7777)
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextmanager
def replacing_text(path: Path, mode: int = 0o666) -> Iterator[IO[str]]:
    """Open a new text file that replaces `path` if the block succeeds;
    the umask applies to `mode`.
    """
    with replacing(path) as fresh, os.fdopen(_handle(fresh, mode), "w", encoding="utf-8") as file:
        yield file


def replace_bytes(path: Path, body: bytes, mode: int = 0o666) -> None:
    """Replace `path` with a file that holds these bytes."""
    with replacing(path) as fresh, os.fdopen(_handle(fresh, mode), "wb") as file:
        file.write(body)


def sync_file(path: Path) -> None:
    """Flush the contents of a file to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the directory entries of a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _handle(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
