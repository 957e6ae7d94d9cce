"""Files in ECOM_HOME that can name a person beside tables: caches, payloads, logs, files that were set aside."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ecom_assets.atomic_files import replacing
from ecom_assets.http.response_cache import FOLDER as HTTP_CACHE
from ecom_assets.privacy.pending import FOLDER
from ecom_assets.privacy.person import Person
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import HIDDEN
from ecom_assets.warehouse.sql_text import ident

LEAST_CHARACTERS = 4
"""Shorter ids are in most files by chance, so only tables and records are looked through for them."""
BLOCK_BYTES = 1 << 22
REMOVED = (HTTP_CACHE, "dry_run", "reading.tmp", "realtime.tmp", "statements.sqlite*", "warehouse.duckdb.damaged-*")
"""Caches, payloads of dry runs, and damaged warehouses: nothing is lost that cannot be made again."""
LOGS = ("api.log*", "api_audit.jsonl*")
"""Logs: the lines that name the person are removed."""
ELSEWHERE = ("sandbox", FOLDER, "erasure.key")
"""The simulated shop's files are handled as landing files, and receipts have no ids."""


def naming(settings: Settings, person: Person) -> list[str]:
    """Return the files in the home folder that contain an id of the person."""
    pattern = _pattern(person)
    if pattern is None:
        return []
    return sorted(str(path) for path in _files(settings.home) if _has(path, pattern))


def clean(settings: Settings, person: Person) -> list[str]:
    """Remove caches, set-aside files and lines of logs that name the person, and hide ids in Dagster's history.

    Returns:
        The paths of the files that were changed.
    """
    pattern = _pattern(person)
    changed: list[str] = []
    for path in (one for glob in REMOVED for one in sorted(settings.home.glob(glob))):
        if pattern is None or any(_has(one, pattern) for one in _below(path)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            changed.append(str(path))
    for path in (one for glob in LOGS for one in sorted(settings.home.glob(glob))):
        if pattern is not None and _has(path, pattern):
            with replacing(path) as fresh, path.open("rb") as lines, fresh.open("wb") as kept:
                kept.writelines(line for line in lines if not pattern.search(line))
                fresh.chmod(path.stat().st_mode & 0o7777)
            changed.append(str(path))
    for path in sorted(settings.dagster_home.rglob("*.db")):
        if pattern is not None and _has(path, pattern):
            _hide(path, pattern)
            changed.append(str(path))
    return changed


def _hide(path: Path, pattern: re.Pattern[bytes]) -> None:
    """Hide ids in the texts of a SQLite database, and rewrite it, so that no free page has them."""
    text_pattern = re.compile(pattern.pattern.decode())
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as con:
        con.create_function("hidden", 1, lambda text: text_pattern.sub(HIDDEN, text), deterministic=True)
        con.create_function("names", 1, lambda text: bool(text_pattern.search(text)), deterministic=True)
        for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, *_ in con.execute(f"PRAGMA table_info({ident(table)})").fetchall():
                name = ident(column)
                con.execute(
                    f"UPDATE {ident(table)} SET {name} = hidden({name}) WHERE typeof({name}) = 'text' AND names({name})"  # noqa: S608 (quoted by `ident`)
                )
        con.execute("VACUUM")
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _pattern(person: Person) -> re.Pattern[bytes] | None:
    """Return a pattern that finds an id as a whole word; None if all ids are too short to be sure."""
    ids = {*person.users, *person.visitors, *person.sessions, *person.devices}
    long = sorted(one for one in ids if len(one) >= LEAST_CHARACTERS)
    if not long:
        return None
    words = b"|".join(re.escape(one.encode()) for one in long)
    return re.compile(rb"(?<![0-9A-Za-z_-])(?:%s)(?![0-9A-Za-z_-])" % words)


def _files(home: Path) -> Iterator[Path]:
    """Yield the files in the home folder that a person's ids can be in, but tables, which are read as tables."""
    for place in sorted(home.iterdir()) if home.is_dir() else ():
        if place.name not in ELSEWHERE:
            yield from _below(place)


def _below(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    else:
        yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def _has(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Return whether a file has a match; blocks overlap, so that no match is cut in two."""
    kept = 4 * max(len(pattern.pattern), 64)
    end = b""
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                if pattern.search(end + block):
                    return True
                end = (end + block)[-kept:]
    except FileNotFoundError:  # a file that another process has just removed
        return False
    return False
