"""Compaction: small landing files of the stream and the collector become few,
and no reader misses or doubles a row.

A merged file is written under a name that does not count; one atomic step, the folder's manifest,
makes it count and its sources not (`files/manifest.py`); they are removed after a grace time.
`ecom retain` and `ecom erase` hold the same lock, and remove what was replaced before they look at
anything, so that what they take out does not come back.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from ecom_assets.core.atomic_files import replacing, sync_folder
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.core.warehouse.sql_text import select, text
from ecom_assets.ingestion.sources.events import event_paths, is_table
from ecom_assets.ingestion.sources.files.formats import LANDING_DAY, current_entries
from ecom_assets.ingestion.sources.files.manifest import (
    is_generated,
    is_merged,
    new_merged_name,
    read_manifest,
    write_manifest,
)
from ecom_assets.ingestion.sources.landing import changing_landing_files, stream_folders
from ecom_assets.ingestion.sources.order_reports.source import has_events
from ecom_assets.ingestion.sources.stream_ledger import is_settled, ledgers, settle_ledgers

HOUR_S: Final = 3600.0
COMPACT_AFTER_HOURS: Final = 2.0
"""Age in hours at which small landing files of the stream and the collector are merged."""
NUMBER: Final = "record_number"
"""The column with a record's place in its file, where records have versions."""
FEWEST: Final = 2
"""A single file is left as it is."""
MOST_AT_ONCE: Final = 2000
"""Files of one merge; each is open while it is read."""
BYTES_OF_MB: Final = 1_000_000


Seconds = Callable[[], float]


@dataclass(frozen=True)
class Compacted:
    """What a compaction did, and what of it can be checked."""

    folder_count: int = 0
    merged_count: int = 0
    made_count: int = 0
    row_count: int = 0
    removed_count: int = 0

    def __add__(self, other: "Compacted") -> "Compacted":
        """Return both together."""
        names = self.__dataclass_fields__
        return Compacted(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def as_json(self) -> dict[str, Any]:
        """Return the numbers."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def compact(settings: Settings, *, now: Seconds = time.time, waits: bool = True) -> Compacted:
    """Merge the generated files of every landing folder that are old enough,
    and remove those whose grace is over.

    Raises:
        SourceError: A file or a manifest cannot be read; what was merged before stays merged.
        WorkError: Another process changes landing files, and this one does not wait.
    """
    result = Compacted()
    with changing_landing_files(settings.home, waits=waits):
        _settle(settings)
        for folder in landing_folders(settings):
            work = FolderCompaction(folder, settings, now)
            result += Compacted(folder_count=1, removed_count=work.sweep()) + work.merge()
    return result


def remove_replaced(settings: Settings) -> int:
    """Remove every replaced or unfinished file at once; the caller holds the lock.

    Returns:
        How many files were removed.
    """
    _settle(settings)
    return sum(
        FolderCompaction(folder, settings).sweep(grace_s=0) for folder in landing_folders(settings)
    )


def _settle(settings: Settings) -> None:
    """Note how far streams are published, since what frees the names of their files follows."""
    for landing in {folder.parent for folder in landing_folders(settings)}:
        settle_ledgers(landing)


def landing_folders(settings: Settings) -> Iterator[Path]:
    """Yield the folders `received_date=…` in which the platform's own files can be,
    links left out.
    """
    for top in landings(settings):
        own = [top] if LANDING_DAY.fullmatch(top.name) else []
        yield from sorted(
            own
            + [path for path in top.iterdir() if LANDING_DAY.fullmatch(path.name) and path.is_dir()]
        )


def landings(settings: Settings) -> list[Path]:
    """Return the folders in which the platform's own files can be: that of events,
    and those of streams.
    """
    names = event_paths(settings) if has_events(settings) and not is_table(settings) else []
    tops = [Path(name) for name in names if "://" not in name]
    return [top for top in dict.fromkeys([*tops, *stream_folders(settings)]) if top.is_dir()]


@dataclass(frozen=True)
class FolderCompaction:
    """One landing folder; its user holds the lock."""

    folder: Path
    settings: Settings
    now: Seconds = time.time

    def sweep(self, grace_s: float | None = None) -> int:
        """Remove replaced files whose grace is over, and what a killed compaction left;
        return how many.
        """
        grace_s = self.settings.compact_grace_s if grace_s is None else grace_s
        manifest = read_manifest(self.folder)
        over = [
            entry for entry in manifest.merged.values() if entry.replaced_at + grace_s <= self.now()
        ]
        gone = {name for entry in over for name in entry.sources}
        unfinished = [
            path.name
            for path in self.folder.iterdir()
            if _is_unfinished(path.name, manifest.merged)
        ]
        removed = 0
        for name in (*gone, *unfinished):
            with suppress(FileNotFoundError):
                (self.folder / name).unlink()
                removed += 1
        if gone:
            sync_folder(
                self.folder
            )  # a name must not come back after a power cut once the manifest forgets it
            write_manifest(self.folder, manifest.without_sources(gone))
        return removed

    def merge(self) -> Compacted:
        """Merge the files that are old enough, into as few as the target size allows."""
        result = Compacted()
        for group in self._groups():
            rows = self._merge_group(group)
            result += Compacted(merged_count=len(group), made_count=1, row_count=rows)
        return result

    def _groups(self) -> list[list[Path]]:
        """Return files to be merged with each other: neighbours in time, up to the target size."""
        oldest_kept = self.now() - COMPACT_AFTER_HOURS * HOUR_S
        target = self.settings.compact_target_mb * BYTES_OF_MB
        files = [
            (entry.stat(), entry)
            for entry in current_entries(self.folder)
            if is_generated(entry.name)
        ]
        landing = self.folder.parent
        entries = ledgers(landing)  # after the listing: a file that came since is in neither
        files = [
            (state, entry) for state, entry in files if is_settled(entry.name, entries, landing)
        ]
        small = [
            (s.st_mtime_ns, e.name, s.st_size)
            for s, e in files
            if s.st_mtime <= oldest_kept and s.st_size
        ]
        small = [
            file
            for file in small
            if 2 * file[2] < target and (self._is_over or not is_merged(file[1]))
        ]
        groups: list[list[Path]] = [[]]
        size = 0
        for _, name, file_size in sorted(small):
            if groups[-1] and (size + file_size > target or len(groups[-1]) == MOST_AT_ONCE):
                groups.append([])
                size = 0
            groups[-1].append(self.folder / name)
            size += file_size
        return [group for group in groups if len(group) >= FEWEST]

    @property
    def _is_over(self) -> bool:
        """Return whether the folder's day is over everywhere,
        so that what was merged within it is merged again.
        """
        day = date.fromisoformat(self.folder.name.partition("=")[2])
        return datetime.fromtimestamp(self.now(), UTC).date() > day + timedelta(days=1)

    def _merge_group(self, group: Sequence[Path]) -> int:
        """Write one file from several, let it count in their place, and return its rows."""
        merged = self.folder / new_merged_name()
        with plain_connection(limit_of_run(self.settings)) as con, replacing(merged) as fresh:
            rows = _copy(con, group, fresh)
            newest = max(path.stat().st_mtime_ns for path in group)
            os.utime(fresh, ns=(newest, newest))  # no reader may take a merge for an arrival
        manifest = read_manifest(self.folder)
        write_manifest(
            self.folder,
            manifest.with_merged(merged.name, [path.name for path in group], self.now()),
        )
        return rows


def _copy(con: duckdb.DuckDBPyConnection, group: Sequence[Path], fresh: Path) -> int:
    """Copy the rows of Parquet files, and return how many; each must have arrived.

    Raises:
        SourceError: They cannot be read, or not all rows were copied.
    """
    names = "[" + ", ".join(text(str(path)) for path in group) + "]"
    options = "hive_partitioning = false, union_by_name = true"
    try:
        rows = select("*", f"read_parquet({names}, {options})")
        if NUMBER in {row[0] for row in con.execute(f"DESCRIBE {rows}").fetchall()}:
            # Of one file the later record counts, as the later file does before: the order of both
            # stays.
            order = f"ORDER BY received_at, filename, {NUMBER}"
            numbered = f"* EXCLUDE (filename) REPLACE (dense_rank() OVER ({order}) AS {NUMBER})"
            rows = select(numbered, f"read_parquet({names}, {options}, filename = true)")
        con.execute(f"COPY ({rows}) TO {text(str(fresh))} (FORMAT parquet, COMPRESSION snappy)")
        ((before,),) = con.execute(
            select("sum(num_rows)", f"parquet_file_metadata({names})")
        ).fetchall()
        ((after,),) = con.execute(
            select("num_rows", f"parquet_file_metadata({text(str(fresh))})")
        ).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"{len(group)} files of {group[0].parent}, from {group[0].name} on, cannot be merged: "
            f"{error}; remove or deliver again the one that is damaged"
        ) from error
    if before != after:
        raise SourceError(
            f"{before:,} rows of {group[0].parent} became {after:,} as they were merged; nothing "
            "was replaced"
        )
    return int(after)


def _is_unfinished(name: str, merged: Collection[str]) -> bool:
    """Return whether a file is a merged one that no manifest names, or a part of one."""
    if name.endswith(".part"):
        return is_merged(name.removeprefix(".").rsplit(".", 2)[0])
    return is_merged(name) and name not in merged
