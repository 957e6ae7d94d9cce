"""What can name a person beside tables: caches, payloads, logs, files that were set aside, and what people keep.

What was refused is kept as it came, as dead letters beside landing folders, so a person can be named anywhere in it.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.atomic_files import replacing
from ecom_assets.boards.store import BoardStore
from ecom_assets.http.response_cache import FOLDER as HTTP_CACHE
from ecom_assets.privacy.landing_files import FileRecords
from ecom_assets.privacy.pending import FOLDER
from ecom_assets.privacy.person import IN_WORDS, Person
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import event_paths, is_table
from ecom_assets.sources.files.formats import LANDING_DAY
from ecom_assets.sources.landing import dead_letter_folder, stream_folders
from ecom_assets.sources.order_reports.api import FOLDER as ORDER_REPORTS
from ecom_assets.tables.contract import HIDDEN
from ecom_assets.warehouse.sql_text import ident

BLOCK_BYTES = 1 << 22
CACHES = (HTTP_CACHE, "dry_run", "reading.tmp", "realtime.tmp", "serving/reading*.tmp", "statements.sqlite*")
"""Caches and payloads of dry runs: nothing is lost that cannot be made again."""
LOGS = ("api.log*", "api_audit.jsonl*")
"""Logs: the lines that name the person are removed."""
ELSEWHERE = ("sandbox", ORDER_REPORTS, FOLDER, "erasure.key")
"""The simulated shop's files and order reports are handled as landing files, and receipts have no ids."""
KEPT_PREFIX: Final = "saved: "
"""Leads the names of these among files and addresses, as in `saved: questions/one-person`."""


@dataclass(frozen=True)
class NamingFiles:
    """The files in the home folder that contain an id of a person."""

    cleaned: list[str]
    """Files that an erasure removes or cleans, so none after it."""
    tables: list[str]
    """Files with tables, whose rows are looked at as tables; rows of others can contain the id."""
    others: list[str]
    """Files in which the id is somebody else's word, or that are not the platform's: they are listed, and kept."""


def naming(settings: Settings, person: Person) -> NamingFiles:
    """Return the files in the home folder that contain an id of the person."""
    pattern = pattern_of(person)
    paths = {path for path in _files(settings.home) if pattern is not None and _has(path, pattern)}
    logs, databases = _logs(settings), _databases(settings)
    items = _items_naming(settings, pattern, are_masked=False) if pattern else []
    cleaned = paths & {*_caches(settings), *logs, *databases, *map(_wal_of, databases), *_file_of_items(settings)}
    tables = {path for path in paths - cleaned if path.suffix == ".duckdb"}
    return NamingFiles(
        *(sorted(map(str, paths_of_kind)) for paths_of_kind in ({*cleaned, *items}, tables, paths - cleaned - tables))
    )


def clean(settings: Settings, person: Person) -> list[str]:
    """Remove caches and the lines of logs that name the person, and hide the ids in Dagster's history and on boards.

    Returns:
        The paths of the files that were changed, and what was kept that named the person.
    """
    pattern = pattern_of(person)
    changed = _caches(settings)
    for path in changed:
        path.unlink(missing_ok=True)
    if pattern is None:
        return sorted(map(str, changed))
    for clean_file, paths in ((_remove_lines, _logs(settings)), (_hide, _databases(settings))):
        for path in paths:
            if _has(path, pattern) or _has(_wal_of(path), pattern):
                clean_file(path, pattern)
                changed.append(path)
    return sorted([*map(str, changed), *_items_naming(settings, pattern, are_masked=True)])


def _caches(settings: Settings) -> list[Path]:
    return [path for glob in CACHES for cache in settings.home.glob(glob) for path in _files_under(cache)]


def _logs(settings: Settings) -> list[Path]:
    logs = [path for glob in LOGS for path in settings.home.glob(glob)]
    return logs + [path for path in settings.dagster_home.rglob("compute_logs/*") if path.is_file()]


def _databases(settings: Settings) -> list[Path]:
    return [*settings.dagster_home.rglob("*.db"), *settings.home.glob("operations.sqlite")]


def _wal_of(path: Path) -> Path:
    """Return the file in which SQLite has changes that are not in the database yet."""
    return Path(f"{path}-wal")


def _remove_lines(path: Path, pattern: re.Pattern[bytes]) -> None:
    with replacing(path) as fresh, path.open("rb") as lines, fresh.open("wb") as kept:
        kept.writelines(line for line in lines if not pattern.search(line))
        fresh.chmod(path.stat().st_mode & 0o7777)


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


def pattern_of(person: Person) -> re.Pattern[bytes] | None:
    """Return a pattern that finds an id as a whole word; None if all ids are too short to be sure."""
    alternatives = person.id_pattern()
    return re.compile(f"(?<![{IN_WORDS}])(?:{alternatives})(?![{IN_WORDS}])".encode()) if alternatives else None


def _files(home: Path) -> Iterator[Path]:
    """Yield the files in the home folder that a person's ids can be in."""
    for entry in sorted(home.iterdir()) if home.is_dir() else ():
        if entry.name not in ELSEWHERE:
            yield from _files_under(entry)


def _files_under(entry: Path) -> Iterator[Path]:
    if entry.is_file():
        yield entry
    else:
        yield from (path for path in sorted(entry.rglob("*")) if path.is_file())


def _has(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Return whether a file has a match; blocks overlap, so that no match is cut in two."""
    overlap = 4 * max(len(pattern.pattern), 64)
    end = b""
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                if pattern.search(end + block):
                    return True
                end = (end + block)[-overlap:]
    except FileNotFoundError:  # a file that another process has just removed
        return False
    return False


def _items_naming(settings: Settings, pattern: re.Pattern[bytes], *, are_masked: bool) -> list[str]:
    """Return what has an id of a person in any of its versions; mask these ids if `are_masked`."""
    in_text = re.compile(pattern.pattern.decode())
    names = BoardStore(settings).rewrite(lambda text: in_text.sub(HIDDEN, text), is_written=are_masked)
    return [f"{KEPT_PREFIX}{name}" for name in names]


def _file_of_items(settings: Settings) -> list[Path]:
    """Return the file of the store, and of its log of changes; none if it lies in Postgres."""
    location = BoardStore(settings).address
    return [location, _wal_of(location)] if isinstance(location, Path) else []


def find_letters(settings: Settings, person: Person) -> list[FileRecords]:
    """Return the files with letters that name the person, and how many these are."""
    return [FileRecords(str(path), sum(names)) for path, _, names in _letters_naming(settings, person)]


def remove_letters(settings: Settings, person: Person) -> None:
    """Take the letters that name the person out of their files."""
    for path, letters, names in _letters_naming(settings, person):
        rest = letters.filter(pc.invert(pa.array(names)))
        if not len(rest):
            path.unlink()
            continue
        with replacing(path) as fresh:
            pq.write_table(rest, fresh, compression="zstd")


def letter_files(settings: Settings) -> Iterator[tuple[Path, date]]:
    """Yield the files of dead letters, with their day of arrival."""
    paths = [] if is_table(settings) else [Path(address) for address in event_paths(settings) if "://" not in address]
    for folder in map(dead_letter_folder, dict.fromkeys([*paths, *stream_folders(settings)])):
        if not folder.is_dir():
            continue
        for day_folder in sorted(folder.iterdir()):
            if LANDING_DAY.fullmatch(day_folder.name):
                day = date.fromisoformat(day_folder.name.partition("=")[2])
                yield from ((path, day) for path in sorted(day_folder.glob("*.parquet")))


def _letters_naming(settings: Settings, person: Person) -> Iterator[tuple[Path, pa.Table, list[bool]]]:
    """Yield each file of dead letters that names the person, its letters, and which of them do."""
    pattern = pattern_of(person)
    if pattern is None:
        return
    for path, _ in letter_files(settings):
        letters = pq.read_table(path, partitioning=None)
        names = [bool(value and pattern.search(value)) for value in letters["value"].to_pylist()]
        if any(names):
            yield path, letters, names
