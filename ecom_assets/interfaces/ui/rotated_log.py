"""A log that several processes write, by their pipes to this one, and that does not grow on: it is
cut into files, of which the oldest goes.
"""

import os
from pathlib import Path
from threading import Lock
from typing import Final

LARGEST_BYTES: Final = 10_000_000
KEPT_FILES: Final = 5
"""Older files that are kept, `.1` the newest: a log takes at most 60 MB on disk."""


class RotatedLog:
    """A log in a file for its owner only, with the older ones beside it.

    The file is opened again where another process has replaced it: an erasure takes lines out.
    """

    def __init__(
        self, path: Path, largest_bytes: int = LARGEST_BYTES, kept_files: int = KEPT_FILES
    ) -> None:
        """Set the file; the first write creates it, and goes on with what is there."""
        self.path = path
        self._largest_bytes = largest_bytes
        self._kept_files = kept_files
        self._handle = -1
        self._lock = Lock()

    def write(self, data: bytes) -> None:
        """Append what a process has printed; what cannot be written, as on a full disk, is lost."""
        with self._lock:
            try:
                self._open()
                if os.fstat(self._handle).st_size + len(data) > self._largest_bytes:
                    self._rotate()
                    self._open()
                os.write(self._handle, data)
            except OSError:
                self._close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _open(self) -> None:
        """Open the file, unless the one that is open lies there."""
        if self._handle >= 0:
            try:
                if os.path.samestat(os.fstat(self._handle), self.path.stat()):
                    return
            except FileNotFoundError:
                pass
            self._close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _rotate(self) -> None:
        if os.fstat(self._handle).st_size:
            for number in range(self._kept_files, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        self._close()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
