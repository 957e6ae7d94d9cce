"""Statements that are kept by a key, in memory and in a file, with places for the dates that they are filled with.

Nothing here imports Ibis: what is kept is found, filled and run without it.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Final

FIRST_STAND_IN: Final = date(9000, 1, 1)
"""The first of the days that stand for dates in a kept statement; no statement with a date after it is kept."""
STAND_IN: Final = re.compile(r"MAKE_DATE\((9\d{3}), (\d+), (\d+)\)")
"""A day that stands for a date, as DuckDB writes it."""
OTHERWISE: Final = re.compile(r"9\d{3}-\d\d-\d\d")
"""Such a day, written in another way."""
MOST: Final = 4096
"""Statements that are kept; a run of the whole platform writes about 300."""


class KeptStatements:
    """Statements by a key of everything that they depend on."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[bytes, str] = {}
        self._file: sqlite3.Connection | None = None
        self._path: Path | None = None
        self._lock = threading.Lock()

    def filled(self, about: object, dates: Sequence[date], write: Callable[[list[date]], str]) -> str | None:
        """Return the statement with its dates, written only if none is kept; None if it cannot stand for other dates.

        Args:
            about: What the statement depends on besides the dates; its `repr` is the key.
            dates: The different dates, in an order that `about` defines.
            write: Writes the statement with other days in place of the dates.
        """
        key = _key(about)
        template = self._kept.get(key) or self._read(key)
        if template is None:
            template = write([FIRST_STAND_IN + timedelta(days=n) for n in range(len(dates))])
            if not _has_all_places(template, len(dates)):
                return None
            self._keep(key, template)
        return _filled(template, dates) if dates else template

    def has(self, about: object) -> bool:
        """Return whether this was asked for before, and record it."""
        key = _key(about)
        is_known = key in self._kept or self._read(key) is not None
        if not is_known:
            self._keep(key, "asked")
        return is_known

    def keep_in(self, path: Path) -> None:
        """Keep statements in a file too, from now on; without it if the file cannot be used."""
        with self._lock, suppress(sqlite3.Error):
            if path == self._path and path.exists():
                return
            self._path, self._file = path, None
            file = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")
            file.execute("CREATE TABLE IF NOT EXISTS statement (key BLOB PRIMARY KEY, sql TEXT NOT NULL)")
            file.execute(f"DELETE FROM statement WHERE rowid <= (SELECT max(rowid) FROM statement) - {MOST}")  # noqa: S608 (a number)
            self._file = file

    def _read(self, key: bytes) -> str | None:
        with self._lock, suppress(sqlite3.Error):
            if self._file and (row := self._file.execute("SELECT sql FROM statement WHERE key = ?", [key]).fetchone()):
                sealed, _, template = str(row[0]).partition("\n")
                if sealed == _seal(key, template):
                    self._kept[key] = template
                    return template
        return None

    def _keep(self, key: bytes, template: str) -> None:
        with self._lock, suppress(sqlite3.Error):
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[key] = template
            if self._file:
                sealed = f"{_seal(key, template)}\n{template}"
                self._file.execute("INSERT OR REPLACE INTO statement VALUES (?, ?)", [key, sealed])


def _key(about: object) -> bytes:
    return blake2b(repr(about).encode(), digest_size=16).digest()


def _seal(key: bytes, template: str) -> str:
    """Return what is kept beside a statement, by which a damaged one, or one of another key, is not taken for it."""
    return blake2b(template.encode(), key=key, digest_size=16).hexdigest()


def _number(place: re.Match[str]) -> int:
    year, month, day = map(int, place.groups())
    return (date(year, month, day) - FIRST_STAND_IN).days


def _has_all_places(template: str, count: int) -> bool:
    """Return whether a statement has a place for each date, and no date that is written in another way."""
    return not count or (
        {_number(place) for place in STAND_IN.finditer(template)} == set(range(count))
        and not OTHERWISE.search(template)
    )


def _filled(template: str, dates: Sequence[date]) -> str:
    def literal(place: re.Match[str]) -> str:
        result = dates[_number(place)]
        return f"MAKE_DATE({result.year}, {result.month}, {result.day})"

    return STAND_IN.sub(literal, template)


STATEMENTS: Final = KeptStatements()
"""The statements of this process."""
