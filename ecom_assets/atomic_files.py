"""Atomic files: whole or not there, even after a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; the file that is written there takes its place if nothing is raised.

    Readers see the file of before or the new one. The name ends in `.part`, which no source reads.
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
def replacing_text(path: Path, mode: int = 0o666) -> Iterator[IO[str]]:
    """Open a new text file that takes the place of `path` if nothing is raised; `mode` is its mode, less the umask."""
    with replacing(path) as fresh, _opened(fresh, mode) as file:
        yield file


def replace_bytes(path: Path, body: bytes, mode: int = 0o666) -> None:
    """Put a file with these bytes in the place of `path`."""
    with replacing(path) as fresh, os.fdopen(_handle(fresh, mode), "wb") as file:
        file.write(body)


def create_once(path: Path, text: str) -> bool:
    """Create a file whole, unless it exists, and return whether it was created: of two who try at once, one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        fresh.write_text(text)
        sync_file(fresh)
        path.hardlink_to(fresh)
    except FileExistsError:
        return False
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def sync_file(path: Path) -> None:
    """Have the disk take what was written into a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the disk remember the names of the files in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _handle(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)


def _opened(path: Path, mode: int) -> IO[str]:
    return os.fdopen(_handle(path, mode), "w", encoding="utf-8")
