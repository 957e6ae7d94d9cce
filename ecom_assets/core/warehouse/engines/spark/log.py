"""The log of a table in Parquet files: Delta Lake's, which any program that knows the format reads.

A slice is written into files of its own, and becomes the table's by one commit that adds them and
removes the old ones. Readers see the state before or after it. A change of several tables is
written down first, in one file, and counts from then on: the next process that comes to a table, to
read or to write, finishes it. See docs/adr/0022.
"""

import contextlib
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import Schema as DeltaSchema
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from ecom_assets.core.atomic_files import replacing_text, sync_file, sync_folder
from ecom_assets.core.errors import ConnectionLostError, WarehouseError, first_line
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.tables.portable import nullable_schema

LOG = "_delta_log"
INCOMING = "_incoming-"
"""How the folders begin in which slices are written before they are the table's;
nobody reads there.
"""
KEEP_HOURS = 24
"""How long replaced files stay, for readers that began before: longer than any query takes."""
PROPERTIES = {
    "delta.deletedFileRetentionDuration": f"interval {KEEP_HOURS} hours",
    "delta.logRetentionDuration": f"interval {KEEP_HOURS} hours",
    # a table of 300 commits opens in 14 ms; at the standard 100, in 60
    "delta.checkpointInterval": "20",
}
AT_ONCE = CommitProperties(max_commit_retries=0)
"""A commit that another one came before fails,
so that it is decided here whether its rows still hold.
"""
WHOLE = ""
"""The slice of a table that is not cut by day."""


@dataclass(frozen=True)
class DataFile:
    """A file of a table: its path in the table's folder, and the statistics of its footer."""

    path: str
    size: int
    row_count: int
    null_counts: Mapping[str, int] = field(default_factory=dict, compare=False)


Slices = Mapping[str, tuple[DataFile, ...]]
"""Files by day (YYYY-MM-DD)."""


@dataclass(frozen=True)
class TableSnapshot:
    """The files and columns of a table at one version of its log."""

    columns: ibis.Schema
    day_column: str | None
    slices: Slices
    version: int

    @property
    def files(self) -> dict[str, DataFile]:
        """Return every file of the table by its path."""
        return {file.path: file for files in self.slices.values() for file in files}

    @property
    def row_count(self) -> int:
        """Return the rows of the whole table."""
        return sum(map(rows_in, self.slices.values()))


def rows_in(files: tuple[DataFile, ...]) -> int:
    """Return how many rows some files have together."""
    return sum(file.row_count for file in files)


@dataclass(frozen=True)
class TableChange:
    """New slices of one table in the place of old ones;
    `seen` is the state that they were computed on.
    """

    log: "TableLog"
    seen: TableSnapshot
    days: tuple[str, ...] | None
    slices: Slices

    def require_untouched(self, newest: TableSnapshot) -> None:
        """Check that the replaced files are those that were seen.

        Raises:
            ConnectionLostError: Another writer has replaced one of these slices since; computed
                again it may succeed.
        """
        days = self.days if self.days is not None else {*self.seen.slices, *newest.slices}
        if any(newest.slices.get(day) != self.seen.slices.get(day) for day in days):
            raise ConnectionLostError(
                f"Another run replaced the same days of {self.log.folder} meanwhile, and its rows "
                "were kept; run again when that run has ended."
            )

    def onto(self, newest: TableSnapshot) -> TableSnapshot:
        """Return the snapshot that results from the change."""
        unchanged = (
            {}
            if self.days is None
            else {day: files for day, files in newest.slices.items() if day not in self.days}
        )
        return replace(newest, slices=dict(sorted({**unchanged, **self.slices}.items())))


class TableLog:
    """The Delta log of one table, in `_delta_log` of its folder."""

    def __init__(self, folder: Path) -> None:
        """Take the table's folder."""
        self.folder = folder
        self._open: tuple[int, DeltaTable] | None = None
        self._snapshot: TableSnapshot | None = None

    def current(self) -> TableSnapshot | None:
        """Return the newest state, or None where the table does not exist.

        Raises:
            WarehouseError: The log is damaged.
        """
        table = self._newest()
        if table is None:
            return None
        if self._snapshot is None or self._snapshot.version != table.version():
            with self._plain_errors():
                self._snapshot = self._read(table)
        return self._snapshot

    def existing(self) -> TableSnapshot:
        """Return the newest state of a table that is written to.

        Raises:
            WarehouseError: The table is gone.
        """
        newest = self.current()
        if newest is None:
            raise WarehouseError(f"{self.folder} was removed while it was written; run again.")
        return newest

    def create(self, columns: ibis.Schema, day_column: str | None) -> None:
        """Create the empty table unless it exists."""
        if self.current() is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            self._plain_errors(),
            contextlib.suppress(CommitFailedError),
        ):  # another process was faster
            DeltaTable.create(
                self.folder,
                _schema(columns),
                mode="ignore",
                partition_by=_cut(day_column),
                configuration=PROPERTIES,
            )

    def add_column(self, name: str, columns: ibis.Schema) -> None:
        """Add a column, which is null in existing rows; `columns` has its type."""
        table = self._newest()
        wanted = [field for field in _schema(columns).fields if field.name == name]
        if table is not None and name not in {field.name for field in table.schema().fields}:
            with self._plain_errors():
                table.alter.add_columns(wanted)

    def put(self, change: TableChange, *, is_decided: bool = False) -> None:
        """Make a change the table's; where another commit comes first, look again.

        A change that `is_decided` belongs to a transaction that counts, and is no longer checked.

        Raises:
            ConnectionLostError: Another writer has replaced the same slices.
            WarehouseError: The table is gone, or its log cannot be written.
        """
        refused_at = -1
        while True:
            newest = self.existing()
            if newest.version == refused_at:
                raise WarehouseError(
                    f"{self.folder / LOG} takes no commit; see that it can be written, and run "
                    "again."
                )
            if not is_decided:
                change.require_untouched(newest)
            if self._is_committed(newest, change.onto(newest)):
                return
            refused_at = newest.version

    def become(self, new: TableSnapshot) -> None:
        """Give the table other columns and files, in one commit."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._plain_errors():
            create_table_with_add_actions(
                str(self.folder),
                _schema(new.columns),
                list(_adds(new, {})),
                mode="overwrite",
                partition_by=_cut(new.day_column),
                configuration=PROPERTIES,
            )
        self._sync()

    def withdraw_old(self) -> None:
        """Delete files that were replaced long ago, and those that killed processes left."""
        table = self._newest()
        if table is None:
            return
        with self._plain_errors():
            old = table.vacuum(dry_run=True, full=True)
            if any(
                (self.folder / path).exists() for path in old
            ):  # it lists those that are gone, too
                table.vacuum(dry_run=False, full=True)
        oldest_s = time.time() - KEEP_HOURS * 3600
        for folder in self.folder.glob(f"{INCOMING}*"):  # what is hidden Delta leaves alone
            if max(path.stat().st_mtime for path in (folder, *folder.rglob("*"))) < oldest_s:
                shutil.rmtree(folder, ignore_errors=True)

    def purge(self) -> None:
        """Delete all files that the newest version does not have, however new they are."""
        table = self._newest()
        if table is not None:
            with self._plain_errors():
                table.vacuum(
                    retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True
                )

    def _newest(self) -> DeltaTable | None:
        """Return the table at its newest version; an open table is updated,
        unless it was created again.
        """
        try:
            identity = (self.folder / LOG).stat().st_ino
        except (FileNotFoundError, NotADirectoryError):
            self._open = self._snapshot = None
            return None
        with self._plain_errors():
            if self._open is not None and self._open[0] == identity:
                table = self._open[1]
                table.update_incremental()
                if (self.folder / LOG / f"{table.version():020}.json").exists():
                    return table
            if not DeltaTable.is_deltatable(self.folder):
                return None  # another process is about to create it
            self._open, self._snapshot = (identity, DeltaTable(self.folder)), None
            return self._open[1]

    def _read(self, table: DeltaTable) -> TableSnapshot:
        (day_column,) = table.metadata().partition_columns or (None,)
        result = pa.table(table.get_add_actions(flatten=True))
        names = [
            "path",
            "size_bytes",
            "num_records",
            *([f"partition.{day_column}"] if day_column else []),
        ]
        slices: dict[str, list[DataFile]] = defaultdict(list)
        for path, size, rows, *day in zip(
            *(result[name].to_pylist() for name in names), strict=True
        ):
            count = pq.read_metadata(self.folder / path).num_rows if rows is None else rows
            slices[str(day[0]) if day else WHOLE].append(DataFile(path, size, count))
        columns = ibis.Schema.from_pyarrow(pa.schema(table.schema().to_arrow()))
        sorted_files = {
            day: tuple(sorted(slices[day], key=lambda file: file.path)) for day in sorted(slices)
        }
        return TableSnapshot(columns, day_column, sorted_files, table.version())

    def _is_committed(self, newest: TableSnapshot, wanted: TableSnapshot) -> bool:
        """Commit the difference between two snapshots;
        return whether no other process was faster.
        """
        actions: list[AddAction | RemoveAction] = [
            *_adds(wanted, newest.files),
            *_removes(newest, wanted.files),
        ]
        if not actions or self._open is None:
            return True
        table = self._open[1]
        with self._plain_errors():
            try:
                table.create_write_transaction(
                    actions,
                    "append",
                    table.schema(),
                    _cut(newest.day_column),
                    commit_properties=AT_ONCE,
                )
            except CommitFailedError:
                return False
        self._sync()
        return True

    def _sync(self) -> None:
        """Flush the commit to disk, so that it survives a power failure."""
        sync_file(max((self.folder / LOG).glob("*.json")))
        sync_folder(self.folder / LOG)

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except CommitFailedError:
            raise
        except DeltaError as error:
            raise WarehouseError(
                f"{self.folder / LOG} is damaged or cannot be used ({first_line(error)}); nothing "
                f"was changed. Move the folder {self.folder} away and materialize its table "
                "again, it is rebuilt from raw."
            ) from error


def _schema(columns: ibis.Schema) -> DeltaSchema:
    """Return columns as Delta has them; each may be null, as in Parquet files that Spark writes."""
    return DeltaSchema.from_arrow(nullable_schema(columns).to_pyarrow())


def _cut(day_column: str | None) -> list[str]:
    return [day_column] if day_column else []


def _values(state: TableSnapshot, day: str) -> dict[str, str | None]:
    return {state.day_column: day} if state.day_column else {}


def _adds(state: TableSnapshot, earlier_files: Mapping[str, DataFile]) -> Iterator[AddAction]:
    """Return the actions that add the new files of a snapshot."""
    for day, files in state.slices.items():
        for file in files:
            if file.path not in earlier_files:
                stats = json.dumps(
                    {"numRecords": file.row_count, "nullCount": dict(file.null_counts)}
                )
                yield AddAction(
                    file.path,
                    file.size,
                    _values(state, day),
                    now_ms(),
                    data_change=True,
                    stats=stats,
                )


def _removes(state: TableSnapshot, kept: Mapping[str, DataFile]) -> Iterator[RemoveAction]:
    """Return the actions that remove the files of a snapshot that are not kept."""
    for day, files in state.slices.items():
        for file in files:
            if file.path not in kept:
                yield RemoveAction(file.path, True, now_ms(), file.size, _values(state, day))  # noqa: FBT003 (its rows go)


def now_ms() -> int:
    """Return the time as Delta counts it."""
    return int(time.time() * 1000)


TRANSACTIONS = "_transactions"
PENDING = "pending.json"
PATIENCE_S = 60.0
"""How long to wait for another commit, which takes milliseconds."""


class Commits:
    """The commits of one folder of tables."""

    def __init__(self, root: Path) -> None:
        """Take the folder of all tables."""
        self._root = root
        self._folder = root / TRANSACTIONS
        self._pending = self._folder / PENDING

    def commit(self, changes: list[TableChange]) -> None:
        """Make all changes the tables' own, or none.

        Raises:
            ConnectionLostError: Another writer has replaced the same slices; nothing was changed.
        """
        if not changes:
            return
        with self.exclusively():
            if len(changes) == 1:
                changes[0].log.put(changes[0])
                return
            for change in changes:
                change.require_untouched(change.log.existing())
            with replacing_text(self._pending) as file:
                json.dump([self._written_down(change) for change in changes], file)
            with self._decided():
                self._finish()

    def settle(self) -> None:
        """Finish the commits of a process that died, or wait for a process that is committing."""
        if self._pending.exists():
            with self.exclusively():
                pass

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Prevent other processes from committing; pending commits are finished first.

        Raises:
            WarehouseError: Another process does not end its commit.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._folder / "lock"
        refusal = WarehouseError(
            f"{self._root} is in use by another commit for {PATIENCE_S:.0f} s; end the process "
            f"that holds {lock}."
        )
        with file_lock(lock, PATIENCE_S, refusal):
            self._finish()
            yield

    def _finish(self) -> None:
        """Apply a decided commit to each table; this is idempotent."""
        if not self._pending.exists():
            return
        for change in json.loads(self._pending.read_text()):
            log = TableLog(self._root / change["table"])
            seen = log.current()
            if seen is not None:  # else it was dropped since
                days = None if change["days"] is None else tuple(change["days"])
                slices = {
                    day: tuple(DataFile(**file) for file in files)
                    for day, files in change["slices"].items()
                }
                log.put(TableChange(log, seen, days, slices), is_decided=True)
        self._pending.unlink()

    @contextlib.contextmanager
    def _decided(self) -> Iterator[None]:
        try:
            yield
        except (OSError, WarehouseError) as error:
            raise WarehouseError(
                f"A change of several tables of {self._root} counts, but could not be finished "
                f"({error}); the next command finishes it."
            ) from error

    def _written_down(self, change: TableChange) -> dict[str, Any]:
        slices = {day: [asdict(file) for file in files] for day, files in change.slices.items()}
        table = change.log.folder.relative_to(self._root).as_posix()
        return {"table": table, "days": change.days, "slices": slices}
