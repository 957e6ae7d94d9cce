"""Dagster's empty files, written from shipped SQL where a home has none yet.

Dagster makes each of them by creating tables and indexes one by one and reading its ninety
migrations. What it makes is the same every time, so `empty_history.sql` has it, as `make
renew-history` wrote it. With any other version of Dagster, Dagster makes its files itself.
"""

import os
import sqlite3
from contextlib import closing, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

SHIPPED: Final = Path(__file__).with_suffix(".sql")
FIRST_LINE: Final = "-- Dagster "
BEGINS_FILE: Final = "-- file: "
RUN: Final = "history/runs/run.db"
"""The name that the file of a run has in the shipped SQL."""
FOLDERS: Final = ("history", "schedules")


@cache
def shipped_files() -> dict[str, str]:
    """Return the SQL of each file by its path below `DAGSTER_HOME`; nothing if it is that of
    another version of Dagster than the installed one.
    """
    first, *files = SHIPPED.read_text(encoding="utf-8").split(BEGINS_FILE)
    if first.splitlines()[0] != f"{FIRST_LINE}{version('dagster')}":
        return {}
    return {name: sql for name, _, sql in (file.partition("\n") for file in files)}


def begin_history(home: Path) -> None:
    """Write the files of an instance into a `DAGSTER_HOME` that has none of them."""
    if not shipped_files() or any((home / name).exists() for name in FOLDERS):
        return
    folder = Path(mkdtemp(prefix=".history-", dir=home))
    try:
        for name, sql in shipped_files().items():
            if name != RUN:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, sql)
        for name in FOLDERS:
            with suppress(OSError):  # another process was first
                (folder / name).rename(home / name)
    finally:
        rmtree(folder, ignore_errors=True)


def begin_run(path: Path) -> bool:
    """Write the file of a run where there is none; return whether there is one that has its tables.

    Where it returns False, Dagster looks at the file, and makes it.
    """
    if RUN not in shipped_files():
        return False
    if path.exists():
        return _has_revision(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write(fresh, shipped_files()[RUN])
        os.link(fresh, path)
    except OSError:  # another process was first, or the disk knows no links
        return False
    finally:
        fresh.unlink(missing_ok=True)
    return True


def _write(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA synchronous = OFF")  # nobody knows of the file yet
        file.executescript(sql)
        file.execute("PRAGMA journal_mode = WAL")


def _has_revision(path: Path) -> bool:
    """Return whether Dagster noted in a file how new its tables are; it then leaves them alone."""
    try:
        with closing(sqlite3.connect(path)) as file:
            return file.execute("SELECT 1 FROM alembic_version LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return False
