"""What the checks of files' rows counted, kept until the files change.

The counts are in a file of their own, in `ECOM_HOME` where there is one and else in the user's
cache folder. Only its owner can read it. It holds hashes, counts, and which placeholders stand for
nobody: no path, no statement, no id of anybody, and no value that a question names.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.sqlite_file import require_own_file

FILE: Final = "row_checks.sqlite"
MOST_BYTES: Final = 50_000_000
"""A larger file loses the older half of its checks."""
CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS row_check "
    "(key BLOB PRIMARY KEY, counts TEXT NOT NULL, seal BLOB NOT NULL)"
)


def user_file() -> Path | None:
    """Return the file of a user who has no home folder of the platform; None if nobody knows
    where this user's files are.
    """
    folder = user_cache_path("ecom_assets", appauthor=False)
    return folder / FILE if folder.is_absolute() else None


def forget_user_checks() -> list[Path]:
    """Remove the user's file, and return the paths of what was removed."""
    path = user_file()
    return KeptChecks(path).remove() if path else []


@dataclass(frozen=True)
class KeptChecks:
    """Counts by the key of the check that they come from; processes may share them.

    A file that cannot be used is not used: rows are then checked again.
    """

    path: Path
    most_bytes: int = MOST_BYTES

    @classmethod
    def from_settings(cls, settings: Settings) -> "KeptChecks | None":
        """Return the file that the settings choose; None if `ECOM_CACHE` is off."""
        if settings.cache == "off":
            return None
        path = settings.home / FILE if settings.home.is_dir() else user_file()
        return cls(path) if path else None

    def read(self, key: bytes) -> str | None:
        """Return the counts under a key; None if there are none, or they are damaged."""
        if not self.path.exists():
            return None
        with suppress(sqlite3.Error, OSError), self._opened() as file:
            query = "SELECT counts, seal FROM row_check WHERE key = ?"
            row = file.execute(query, [key]).fetchone()
            if row and row[1] == _seal(key, row[0]):
                return str(row[0])
        return None

    def keep_counts(self, key: bytes, counts: str) -> None:
        """Keep counts under a key; beyond `most_bytes` the older half goes."""
        with suppress(sqlite3.Error, OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with self._opened() as file:
                    self._write(file, key, counts)
            except sqlite3.OperationalError:  # such as a lock of another process
                return
            except sqlite3.DatabaseError:  # a damaged file, whose checks are made again
                self.remove()

    def remove(self) -> list[Path]:
        """Remove the file, with SQLite's journal, and return the paths of what was removed."""
        paths = sorted(self.path.parent.glob(f"{self.path.name}*"))
        for path in paths:
            path.unlink(missing_ok=True)
        return paths

    def _write(self, file: sqlite3.Connection, key: bytes, counts: str) -> None:
        file.execute(CREATE)
        row = [key, counts, _seal(key, counts)]
        # A check that replaces another one is the newest: its row has the highest number.
        file.execute("INSERT OR REPLACE INTO row_check VALUES (?, ?, ?)", row)
        if self.path.stat().st_size > self.most_bytes:
            file.execute(
                "DELETE FROM row_check WHERE rowid IN (SELECT rowid FROM row_check "
                "ORDER BY rowid LIMIT (SELECT count(*) / 2 FROM row_check))"
            )
            file.execute("VACUUM")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file for its owner only.

        Raises:
            OSError: It cannot be opened, or belongs to somebody else, whose counts are not taken.
        """
        require_own_file(self.path)
        with closing(sqlite3.connect(self.path, timeout=1, isolation_level=None)) as file:
            yield file


def _seal(key: bytes, counts: str) -> bytes:
    """Return what is kept beside counts, by which damaged ones, or those of another key, show."""
    return blake2b(counts.encode(), key=key, digest_size=16).digest()
