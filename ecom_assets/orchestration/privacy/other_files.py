"""What can name a person beside tables: caches, payloads, logs, files that were set aside,
and what people keep.

What was refused is kept as it came, as dead letters beside landing folders, so a person can be
named anywhere in it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.core.atomic_files import replacing
from ecom_assets.core.http.response_cache import FOLDER as HTTP_CACHE
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import FOLDER as UPLOADS
from ecom_assets.core.settings.uploaded import LIST as UPLOAD_LIST
from ecom_assets.core.warehouse.sql_text import ident
from ecom_assets.core.warehouse.table_statements import forget_user_statements
from ecom_assets.ingestion.sources.events import event_paths, is_table
from ecom_assets.ingestion.sources.files.formats import LANDING_DAY
from ecom_assets.ingestion.sources.files.kept_checks import forget_user_checks
from ecom_assets.ingestion.sources.landing import dead_letter_folder, stream_folders
from ecom_assets.ingestion.sources.report_paths import FOLDER as ORDER_REPORTS
from ecom_assets.orchestration.privacy import sample_files
from ecom_assets.orchestration.privacy.file_search import overlapping
from ecom_assets.orchestration.privacy.landing_files import FileRecords
from ecom_assets.orchestration.privacy.pending import FOLDER
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.orchestration.privacy.person_pattern import PersonPattern
from ecom_assets.orchestration.privacy.sample_files import FOLDER as SAMPLES
from ecom_assets.orchestration.privacy.sample_files import Say, samples_naming

BLOCK_BYTES = 1 << 22
CACHES = (
    HTTP_CACHE,
    "dry_run",
    "reading.tmp",
    "realtime.tmp",
    "row_checks.sqlite*",
    "serving/reading*.tmp",
    "statements.sqlite*",
)
"""Caches and payloads of dry runs: nothing is lost that cannot be made again."""
LOGS = ("api.log*", "api_audit.jsonl*", "collector.log*", "dagster.log*", "sandbox.log*")
"""Logs: the lines that name the person are removed."""
ELSEWHERE = ("sandbox", ORDER_REPORTS, FOLDER, SAMPLES, UPLOADS, "erasure.key")
"""The simulated shop's files, order reports and rows of uploads are handled as landing files,
samples and originals of uploads are unpacked, and receipts have no ids."""
OF_UPLOADS: Final = tuple(
    f"{UPLOADS}/{pattern}" for pattern in ("*.sqlite*", "*.json", "mappings/*", "lists/*/*")
)
"""What there is of uploads beside files of others and rows."""
KEPT_PREFIX: Final = "saved: "
"""Leads the names of these among files and addresses, as in `saved: questions/one-person`."""


class KeptItems(Protocol):
    """What people keep, such as saved questions, in which a person can be named."""

    address: Path | str
    """The file of its database, or the address of the Postgres database that has it."""

    def rewrite(self, change: Callable[[str], str], *, is_written: bool) -> list[str]:
        """Return the names of the items of which a function changes a text;
        save them so if `is_written`.
        """


@dataclass(frozen=True)
class NamingFiles:
    """The files in the home folder that contain an id of a person."""

    cleaned: list[str]
    """Files that an erasure removes or cleans, so none after it; those that could not be searched
    are behind `UNREADABLE_PREFIX`.
    """
    tables: list[str]
    """Files with tables, whose rows are looked at as tables; rows of others can contain the id."""
    others: list[str]
    """Files in which the id is somebody else's word, or that are not the platform's:
    they are listed, and kept.
    """


def naming(
    settings: Settings, person: Person, kept: KeptItems, say: Say = lambda _sentence: None
) -> NamingFiles:
    """Return the files in the home folder that contain an id of the person,
    and which kept items do; `say` reports how far the search of large files is.
    """
    pattern = PersonPattern.of_person(person)
    if pattern is None:
        return NamingFiles([], [], [])
    paths = {path for path in _files(settings.home) if _has(path, pattern)}
    logs, databases = _logs(settings), _databases(settings)
    items = _items_naming(kept, pattern, are_masked=False)
    samples = {folder.address for folder in samples_naming(settings.home, pattern, say)}
    # The file of the store, and of its log of changes; none if it lies in Postgres.
    file_of_items = [kept.address, _wal_of(kept.address)] if isinstance(kept.address, Path) else []
    cleaned = paths & {
        *_caches(settings.home),
        *logs,
        *databases,
        *map(_wal_of, databases),
        *file_of_items,
    }
    tables = {path for path in paths - cleaned if path.suffix == ".duckdb"}
    kinds = ({*cleaned, *items, *samples}, tables, paths - cleaned - tables)
    return NamingFiles(*(sorted(map(str, paths_of_kind)) for paths_of_kind in kinds))


def clean(
    settings: Settings, person: Person, kept: KeptItems, say: Say = lambda _sentence: None
) -> list[str]:
    """Remove caches and the lines of logs that name the person,
    and hide the ids in Dagster's history and on boards.

    Returns:
        The paths of the files that were changed, those of samples and uploads that could not be
        searched behind `UNREADABLE_PREFIX`, and what was kept that named the person.
    """
    pattern = PersonPattern.of_person(person)
    changed = _caches(settings.home)
    for path in changed:
        path.unlink(missing_ok=True)
    changed += forget_user_checks()
    changed += forget_user_statements()
    if pattern is None:
        return sorted(map(str, changed))
    samples = samples_naming(settings.home, pattern, say)
    for folder in samples:
        sample_files.remove(settings.home, folder.path)
    for clean_file, paths in ((_remove_lines, _logs(settings)), (_hide, _databases(settings))):
        for path in paths:
            if _has(path, pattern) or _has(_wal_of(path), pattern):
                clean_file(path, pattern)
                changed.append(path)
    removed = [folder.address for folder in samples]
    return sorted([*map(str, changed), *removed, *_items_naming(kept, pattern, are_masked=True)])


def _caches(home: Path) -> list[Path]:
    return [path for glob in CACHES for cache in home.glob(glob) for path in _files_under(cache)]


def _logs(settings: Settings) -> list[Path]:
    logs = [path for glob in LOGS for path in settings.home.glob(glob)]
    return logs + [path for path in settings.dagster_home.rglob("compute_logs/*") if path.is_file()]


def _databases(settings: Settings) -> list[Path]:
    of_home = ("operations.sqlite", f"{UPLOADS}/{UPLOAD_LIST}")
    return [
        *settings.dagster_home.rglob("*.db"),
        *(path for name in of_home for path in settings.home.glob(name)),
    ]


def _wal_of(path: Path) -> Path:
    """Return the file in which SQLite has changes that are not in the database yet."""
    return Path(f"{path}-wal")


def _remove_lines(path: Path, pattern: PersonPattern) -> None:
    with replacing(path) as fresh, path.open("rb") as lines, fresh.open("wb") as kept:
        kept.writelines(line for line in lines if not pattern.data.is_in(line))
        fresh.chmod(path.stat().st_mode & 0o7777)


def _hide(path: Path, pattern: PersonPattern) -> None:
    """Hide ids in the texts of a SQLite database, and rewrite it, so that no free page has them."""
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as con:
        con.create_function("hidden", 1, pattern.hidden, deterministic=True)
        con.create_function(
            "names", 1, lambda text: bool(pattern.text.search(text)), deterministic=True
        )
        for (table,) in con.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            for _, column, *_ in con.execute(f"PRAGMA table_info({ident(table)})").fetchall():
                name = ident(column)
                con.execute(
                    f"UPDATE {ident(table)} SET {name} = hidden({name}) "  # noqa: S608 (quoted by `ident`)
                    f"WHERE typeof({name}) = 'text' AND names({name})"
                )
        con.execute("VACUUM")
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _files(home: Path) -> Iterator[Path]:
    """Yield the files in the home folder that a person's ids can be in."""
    for entry in sorted(home.iterdir()) if home.is_dir() else ():
        if entry.name not in ELSEWHERE:
            yield from _files_under(entry)
    for pattern in OF_UPLOADS:
        yield from sorted(home.glob(pattern))


def _files_under(entry: Path) -> Iterator[Path]:
    if entry.is_file():
        yield entry
    else:
        yield from (path for path in sorted(entry.rglob("*")) if path.is_file())


def _has(path: Path, pattern: PersonPattern) -> bool:
    """Return whether a file has a match; blocks overlap, so that no match is cut in two."""
    try:
        with path.open("rb") as file:
            blocks = iter(partial(file.read, BLOCK_BYTES), b"")
            return any(pattern.data.is_in(block) for block in overlapping(blocks, pattern.longest))
    except FileNotFoundError:  # a file that another process has just removed
        return False


def _items_naming(kept: KeptItems, pattern: PersonPattern, *, are_masked: bool) -> list[str]:
    """Return what has an id of a person in any of its versions; mask these ids if `are_masked`."""
    names = kept.rewrite(pattern.hidden, is_written=are_masked)
    return [f"{KEPT_PREFIX}{name}" for name in names]


def find_letters(settings: Settings, person: Person) -> list[FileRecords]:
    """Return the files with letters that name the person, and how many these are."""
    return [
        FileRecords(str(path), sum(names)) for path, _, names in _letters_naming(settings, person)
    ]


def remove_letters(settings: Settings, person: Person) -> None:
    """Take the letters that name the person out of their files."""
    for path, letters, names in _letters_naming(settings, person):
        remaining = letters.filter(pc.invert(pa.array(names)))
        if not len(remaining):
            path.unlink()
            continue
        with replacing(path) as fresh:
            pq.write_table(remaining, fresh, compression="zstd")


def letter_files(settings: Settings) -> Iterator[tuple[Path, date]]:
    """Yield the files of dead letters, with their day of arrival."""
    paths = (
        []
        if is_table(settings)
        else [Path(address) for address in event_paths(settings) if "://" not in address]
    )
    for folder in map(dead_letter_folder, dict.fromkeys([*paths, *stream_folders(settings)])):
        if not folder.is_dir():
            continue
        for day_folder in sorted(folder.iterdir()):
            if LANDING_DAY.fullmatch(day_folder.name):
                day = date.fromisoformat(day_folder.name.partition("=")[2])
                yield from ((path, day) for path in sorted(day_folder.glob("*.parquet")))


def _letters_naming(
    settings: Settings, person: Person
) -> Iterator[tuple[Path, pa.Table, list[bool]]]:
    """Yield each file of dead letters that names the person, its letters, and which of them do."""
    pattern = PersonPattern.of_person(person)
    if pattern is None:
        return
    for path, _ in letter_files(settings):
        letters = pq.read_table(path, partitioning=None)
        names = [bool(value) and pattern.is_in(value) for value in letters["value"].to_pylist()]
        if any(names):
            yield path, letters, names
