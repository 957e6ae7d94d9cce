"""Whether the files of Dagster's history can be read: what is wrong with one, and what to do about it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ecom_assets.errors import WorkError

FILES: Final = {
    "history/runs.db": "the list of earlier runs",
    "history/runs/index.db": "the list of earlier runs",
    "schedules/schedules.db": "which schedules and sensors are switched on",
}
"""The SQLite files that each of Dagster's processes opens, below `DAGSTER_HOME`, and what is lost without them."""
MOST_BYTES: Final = 500_000_000
"""A larger file is not read as a whole: that would take seconds."""
DAMAGED: Final = ("malformed", "not a database")
"""What SQLite says of a damaged file; its other errors are of locks, rights or the disk."""


def damage_of(home: Path, *, thorough: bool = False) -> str:
    """Return a sentence about the first damaged file of Dagster's history, with the remedy; empty if there is none.

    Args:
        home: The folder `DAGSTER_HOME`.
        thorough: Read every page of the files, instead of their beginning only.
    """
    for name, lost in FILES.items():
        path = home / name
        trouble = _trouble(path, thorough=thorough) if path.exists() else ""
        if trouble:
            folder = home / Path(name).parts[0]
            return (
                f"Dagster's history is damaged: {path}: {trouble}; move it away (mv {folder} {folder}.damaged), and "
                f"Dagster begins a new one. Only {lost} is lost: tables and deliveries are kept elsewhere."
            )
    return ""


def damage_in_use() -> str:
    """Return what `damage_of` says of the history that this process uses, after an error of SQLite."""
    home = os.environ.get("DAGSTER_HOME")
    return damage_of(Path(home), thorough=True) if home else ""


def require_history(home: Path, *, thorough: bool = False) -> None:
    """Refuse to begin with a damaged history; the arguments are those of `damage_of`.

    Raises:
        WorkError: A file of it is damaged.
    """
    if damage := damage_of(home, thorough=thorough):
        raise WorkError(damage)


def _trouble(path: Path, *, thorough: bool) -> str:
    """Return what SQLite says of a damaged file; empty if it finds nothing, or cannot look now."""
    size = path.stat().st_size
    try:
        with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as con:
            (pages,), (page,) = con.execute("PRAGMA page_count").fetchone(), con.execute("PRAGMA page_size").fetchone()
            con.execute("SELECT count(*) FROM sqlite_master").fetchone()
            # What the write-ahead log has is not yet in the file.
            if pages * page > size and not Path(f"{path}-wal").exists():
                return f"it has {size:,} of {pages * page:,} bytes"
            if not thorough or size > MOST_BYTES:
                return ""
            (result,) = con.execute("PRAGMA quick_check(1)").fetchone()
            return "" if result == "ok" else str(result).splitlines()[0]
    except sqlite3.DatabaseError as error:
        return str(error) if any(word in str(error) for word in DAMAGED) else ""
