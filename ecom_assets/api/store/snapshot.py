"""The store that reads the snapshot, a DuckDB file, opened read-only.

The first request after a new publication opens the new snapshot; the old one is closed when its last reader has
finished. `serving/snapshot.py` writes snapshots.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from ibis.backends.sql import SQLBackend

from ecom_assets.api.store.store import (
    Cancellation,
    NothingPublishedError,
    PublishedState,
    StoreReading,
    Tables,
    published_days,
    stamp_of,
    statement_of,
)
from ecom_assets.errors import WarehouseError
from ecom_assets.events.contracts import CleanEvents
from ecom_assets.questions.source import QuestionTooLargeError
from ecom_assets.serving.places import serving_folder
from ecom_assets.serving.snapshot import POINTER, Snapshot
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import Table
from ecom_assets.tables.queries import KnownDays, Period, Row
from ecom_assets.warehouse.local import connect, keep_within

ATTEMPTS = 5
"""How often to try to open the current snapshot, because newer publications may remove its file in the meantime."""
NOTHING = "Nothing is published yet in the folder of ECOM_HOME; run `ecom run`, which ends with publishing."


def spill_folder(settings: Settings, process_id: int) -> Path:
    """Return where a process that reads the snapshot spills to: processes cannot share a folder."""
    return serving_folder(settings) / f"reading-{process_id}.tmp"


class SnapshotStore:
    """The store of the current snapshot in a folder."""

    def __init__(self, settings: Settings) -> None:
        """Set up the store; no file is opened yet."""
        self._settings = settings
        self._folder = serving_folder(settings)
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @contextlib.contextmanager
    def reading(self, cancellation: Cancellation | None = None) -> Iterator["SnapshotReading"]:
        """Open the current snapshot; see `PublishedStore`."""
        opened = self._current()
        try:
            yield SnapshotReading(opened, self._settings, cancellation or Cancellation())
        finally:
            self._leave(opened)

    def close(self) -> None:
        """Close the file when its last reader has finished."""
        with self._lock:
            self._retire()

    def _current(self) -> "_Opened":
        with self._lock:
            stamp = stamp_of(self._folder / POINTER)
            if stamp is None:
                raise NothingPublishedError(NOTHING)
            if self._opened is None or self._opened.stamp != stamp:
                fresh = _open(self._folder, self._settings)
                self._retire()
                self._opened = fresh
            self._opened.readers += 1
            return self._opened

    def _leave(self, opened: "_Opened") -> None:
        with self._lock:
            opened.readers -= 1
            if opened is not self._opened and not opened.readers:
                opened.con.disconnect()

    def _retire(self) -> None:
        if self._opened is not None and not self._opened.readers:
            self._opened.con.disconnect()
        self._opened = None


class _Opened:
    """An open snapshot, and the number of requests that read it."""

    def __init__(self, stamp: tuple[int, int], con: Backend, path: Path, published: PublishedState) -> None:
        self.stamp = stamp
        self.con = con
        self.path = path
        self.published = published
        self.readers = 0
        self.states: dict[str, list[Row]] = {}
        # Created now, because requests run in parallel and a connection runs one query at a time.
        self.tables = {name: con.table(name.split(".")[1], database=name.split(".")[0]) for name in published.tables}


class SnapshotReading(StoreReading):
    """One request's view of a snapshot."""

    has_kernel = True

    def __init__(self, opened: _Opened, settings: Settings, cancellation: Cancellation) -> None:
        """Set the open snapshot."""
        super().__init__(opened.published, settings, cancellation)
        self._opened = opened

    def _table(self, contract: type[Table]) -> ir.Table:
        name = contract.qualified_name()
        if name not in self._opened.tables:
            raise NothingPublishedError(f"{name} is not published yet; run `ecom run --select serving/marts`.")
        return self._opened.tables[name]

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result."""
        sql = statement_of(self._opened.con, question, period)
        return self._queried(sql, question.columns)

    def state(self, question: ir.Table) -> list[Row]:
        """Return the rows of a query without a period; it runs once per snapshot, not once per answer."""
        sql = statement_of(self._opened.con, question, None)
        if sql in self._opened.states:
            self.questions.append(sql)
        else:
            self._opened.states[sql] = self._queried(sql, question.columns)
        return self._opened.states[sql]

    def _queried(self, sql: str, names: Sequence[str]) -> list[Row]:
        self.questions.append(sql)
        with contextlib.closing(self._opened.con.con.cursor()) as cursor, self._cancellation.during(cursor.interrupt):
            cursor.execute(sql)
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def events(self) -> ir.Table:
        """Return clean events."""
        return self.table(CleanEvents)

    def events_in(self, con: SQLBackend) -> ir.Table:
        """Return the same events on another connection."""
        return con.table(CleanEvents.name, database=CleanEvents.layer)

    @contextlib.contextmanager
    def adhoc(self) -> Iterator[Backend]:
        """Open a separate connection; see `StoreReading`."""
        con = connect(self._opened.path, read_only=True)
        con.con = _Recorded(con.con, self.questions)
        try:
            yield con
        except duckdb.OutOfMemoryException as error:
            raise QuestionTooLargeError(
                f"The question takes more memory than {self._settings.memory_limit}; ask about fewer days, or use "
                "the `ecom` command."
            ) from error
        finally:
            con.disconnect()


class _Recorded:
    """A connection that records its statements."""

    def __init__(self, con: duckdb.DuckDBPyConnection, questions: list[str]) -> None:
        self._con = con
        self._questions = questions

    def execute(self, query: str, *args: Any, **kwargs: Any) -> duckdb.DuckDBPyConnection:  # noqa: ANN401 (as DuckDB's)
        """Record a statement, and execute it."""
        self._questions.append(query)
        return self._con.execute(query, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (any attribute of the connection)
        return getattr(self._con, name)


def _open(folder: Path, settings: Settings) -> _Opened:
    for _ in range(ATTEMPTS):
        stamp, snapshot = stamp_of(folder / POINTER), Snapshot.read(folder)
        if stamp is None or snapshot is None:
            break
        path = folder / snapshot.file
        try:
            con = connect(path, read_only=True)
        except (duckdb.IOException, duckdb.CatalogException) as error:
            if path.exists():
                raise WarehouseError(
                    f"{path} cannot be opened; remove it, and run `ecom run --select serving/marts`."
                ) from error
            continue
        keep_within(con, settings.memory_limit, spill_folder(settings, os.getpid()))
        return _Opened(stamp, con, path, _published(con, snapshot, settings.timezone))
    raise NothingPublishedError(NOTHING)


def _published(con: Backend, snapshot: Snapshot, timezone: str) -> PublishedState:
    tables: Tables = {
        name: {"row_count": one.row_count, "data_version": one.data_version, **vars(one.origin)}
        for name, one in snapshot.tables.items()
    }

    def days_of(contract: type[Table], day: str) -> KnownDays:
        (ends,) = con.con.execute(f"SELECT min({day}), max({day}) FROM {contract.qualified_name()}").fetchall()  # noqa: S608 (names come from contracts)
        return KnownDays(*ends)

    known = published_days(tables, days_of, snapshot.source_days, snapshot.held_days)
    return PublishedState.at(
        datetime.fromisoformat(snapshot.published_at), snapshot.data_version, tables, known, timezone
    )
