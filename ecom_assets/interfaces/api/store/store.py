"""The stores: the tables of one published state as a `Reading`, and the cancellation of queries.

The store of a snapshot, a DuckDB file opened read-only, is here: the first request after a new
publication opens the new one, and the old one is closed when its last reader has finished.
`serving/snapshot.py` writes snapshots. The store of the schema in Postgres is
`api/store/postgres.py`.
"""

import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol
from zoneinfo import ZoneInfo

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.questions.answer import ORDERS
from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.core.errors import EcomError, WarehouseError
from ecom_assets.core.rows import NamedValues, Row, named_rows
from ecom_assets.core.settings.memory import limit_of_answer
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import missing_columns, rows_of, with_newer_columns
from ecom_assets.core.tables.queries import (
    EVENTS,
    KnownDays,
    NotPublishedError,
    Period,
    StateRow,
    read_only,
)
from ecom_assets.core.warehouse.local import connect, keep_within, stored_tables
from ecom_assets.core.warehouse.statements import STATEMENTS
from ecom_assets.ingestion.sources.activities import not_recorded
from ecom_assets.interfaces.explain.notes import Notes, stored_notes
from ecom_assets.outputs.serving.places import serving_folder
from ecom_assets.outputs.serving.reading import PUBLISHED_DAYS_OF
from ecom_assets.outputs.serving.snapshot import POINTER, OlderPublicationError, Snapshot

IN_SCOPE: Final = "ecom_assets.interruption"
"""The key in the ASGI scope with the `Cancellation` of a request."""
AGAIN_AFTER_S: Final = 0.05


class Cancellation:
    """The running queries of one request, which another thread can cancel."""

    def __init__(self) -> None:
        """Start without queries."""
        self._lock = threading.Lock()
        self._in_progress: list[Callable[[], object]] = []
        self.is_over = False

    @contextmanager
    def during(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Let `end` cancel the work inside the context, by calling `interrupt` from another thread.

        Raises:
            QuestionTooLargeError: The time is already over.
        """
        with self._lock:
            if self.is_over:
                raise QuestionTooLargeError(
                    "The response took too long; ask for fewer days or fewer steps."
                )
            self._in_progress.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._in_progress.remove(interrupt)

    def end(self) -> None:
        """Cancel the running queries, and refuse new ones."""
        with self._lock:
            self.is_over = True
            for interrupt in self._in_progress:
                # A query that has just ended, or whose connection is lost, cannot be cancelled.
                with suppress(Exception):
                    interrupt()


Tables = dict[str, dict[str, str | int | None]]


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever a file is replaced; None if it is not there."""
    try:
        result = path.stat()
    except FileNotFoundError:
        return None
    return result.st_ino, result.st_mtime_ns


class NothingPublishedError(NotPublishedError):
    """The data are not published yet."""


class UnreadableError(EcomError):
    """The source of an answer cannot be read; the message is for callers,
    and the log has the cause.
    """


def public_sentence(error: EcomError) -> str:
    """Return the message for callers about an error on the server;
    only the log may contain paths of files.
    """
    if isinstance(error, UnreadableError | OlderPublicationError):
        return str(error)
    if isinstance(error, NothingPublishedError):
        return "Nothing is published yet; run `ecom run`, which ends with publishing."
    return "What the answer is read from cannot be read now; the log of the API says why."


@dataclass(frozen=True)
class PublishedState:
    """The facts about a published state.

    Attributes:
        data_version: The version of the data; equal versions have equal tables.
        published_at: When it was published, in UTC.
        newest_date: The newest day of events or orders; without data, the day of publication.
        known: The known days of each source; see `serving/reading.py`.
        tables: What `explain` shows of each table, by its qualified name.
    """

    data_version: str
    published_at: datetime
    newest_date: date
    known: Mapping[str, KnownDays] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)

    @classmethod
    def at(
        cls,
        published_at: datetime,
        data_version: str,
        tables: Tables,
        days_by_source: Mapping[str, KnownDays],
        timezone: str,
    ) -> "PublishedState":
        """Return a state, with its newest day from the known days,
        which are days of a time zone.
        """
        today = published_at.astimezone(ZoneInfo(timezone)).date()
        lasts = [
            days_by_source[source].last for source in (EVENTS, ORDERS) if source in days_by_source
        ]
        newest = max((day for day in lasts if day), default=today)
        return cls(data_version, published_at, newest, days_by_source, tables)


def with_columns_of_today(table: ir.Table, contract: Contract) -> ir.Table:
    """Return a published table with all columns of its contract:
    what is newer than the publication is null until the next one.

    Raises:
        OlderPublicationError: The table lacks a column that is never null, such as one of its key.
    """
    table = with_newer_columns(table, contract)
    if missing := missing_columns(table, contract):
        raise lacks_columns(contract, missing)
    return table


def lacks_columns(contract: Contract, missing: Sequence[str]) -> OlderPublicationError:
    """Return the error that a published table lacks columns of its contract."""
    return OlderPublicationError(
        f"{contract.qualified_name()} lacks {', '.join(missing)}, since it was"
    )


def published_days(
    tables: Tables,
    days_of: Callable[[Contract, str], KnownDays],
    noted: NamedValues,
    held: NamedValues,
) -> dict[str, KnownDays]:
    """Return the known days of each source: of its table, or as the publication notes them,
    with its held days.

    Args:
        tables: The published tables.
        days_of: Returns the first and the last day in a column of a table.
        noted: The first and the last known day of sources.
        held: The days of sources that are held back.
    """
    days = {
        source: column
        for source, column in PUBLISHED_DAYS_OF.items()
        if column[0].qualified_name() in tables
    }
    days_by_source = {source: days_of(*column) for source, column in days.items()}
    days_by_source |= {
        source: KnownDays.from_texts(*ends) for source, ends in noted.items() if ends[0]
    }
    return days_by_source | {
        source: days_by_source.get(source, KnownDays()).with_held(held_days)
        for source, held_days in held.items()
    }


class StoreReading(ABC):
    """The tables of one published state, for one request; see `Reading` in `tables/queries.py`.

    `questions` has the SQL of the queries so far, and `used` the names of the tables that were
    read.
    """

    has_kernel: ClassVar[bool]
    """Whether this store has the kernel, which counts funnels without a limit on their steps."""
    lacking: ClassVar[tuple[str, ...]] = ()
    """The columns of clean events that are always null here, because they are not published."""

    def __init__(
        self, published: PublishedState, settings: Settings, cancellation: Cancellation
    ) -> None:
        """Set the published state, and what can cancel its queries."""
        self.published = published
        self.newest_date, self.known = published.newest_date, published.known
        self.timezone, self.currency = settings.timezone, settings.known_currency
        self.not_recorded = not_recorded(settings)
        self.questions: list[str] = []
        self.used: list[str] = []
        self._settings = settings
        self._cancellation = cancellation

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""
        table = self._table(contract)
        if (name := contract.qualified_name()) not in self.used:
            self.used.append(name)
        return table

    @abstractmethod
    def _table(self, contract: Contract) -> ir.Table:
        """Return a published table, or raise `NothingPublishedError`."""

    @abstractmethod
    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result, in order, as dicts by column name."""

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a query without a period;
        all answers from this state may share them.
        """
        return read_only(self.rows(question))

    def events(self) -> ir.Table:
        """Return clean events."""
        return self.table(CleanEvents)

    def events_in(self, con: SQLBackend) -> ir.Table:
        """Return the same events for a query on a connection of `adhoc`."""
        events = con.table(CleanEvents.name, database=CleanEvents.layer)
        return with_columns_of_today(events, CleanEvents)

    @abstractmethod
    def adhoc(self) -> AbstractContextManager[SQLBackend]:
        """Open a separate connection for one long question; `api/adhoc/` limits its time.

        Raises:
            QuestionTooLargeError: It needs more memory than is allowed, or more time of a database
                server.
        """


def statement_of(con: SQLBackend, question: ir.Table, period: Period | None) -> str:
    """Return the SQL of a query, with the days of a period if it uses them;
    one statement serves all periods.
    """
    params = None if period is None else period.parameters
    return STATEMENTS.sql(question, con.name, lambda rows: str(con.compile(rows)), params)


class PublishedStore(Protocol):
    """The published data that the API reads."""

    def reading(
        self, cancellation: "Cancellation | None" = None
    ) -> AbstractContextManager[StoreReading]:
        """Open the newest published state, for as long as the context is open.

        Another thread can cancel the queries of the request by `cancellation`.

        Raises:
            NothingPublishedError: Nothing is published yet.
        """

    def close(self) -> None:
        """Close open files and connections."""


@dataclass(frozen=True)
class PublishedTables:
    """The published tables on a connection of their own."""

    reading: StoreReading
    con: SQLBackend

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""
        table = self.con.table(contract.name, database=contract.layer)
        return with_columns_of_today(table, contract)

    def rows(self, question: ir.Table) -> list[Row]:
        """Return the rows of a small result."""
        rows: list[Row] = rows_of(question)
        return rows

    @property
    def notes(self) -> Notes:
        """Return the notes of writers."""
        return stored_notes(self.query, self.is_stored, self.name_of)

    def has(self, contract: Contract) -> bool:
        """Return whether a table is published."""
        return contract.qualified_name() in self.reading.published.tables

    def is_stored(self, contract: Contract) -> bool:
        """Return whether a table of notes is stored with the published tables."""
        return (
            contract.layer in self.con.list_databases()
            and contract.name in self.con.list_tables(database=contract.layer)
        )

    def query(self, sql: str) -> list[Row]:
        """Run a small query."""
        rows: list[Row] = rows_of(self.con.sql(sql))
        return rows

    @staticmethod
    def name_of(contract: Contract) -> str:
        """Return the name of a table for SQL."""
        return f'"{contract.layer}"."{contract.name}"'


ATTEMPTS = 5
"""How often to try to open the current snapshot,
because newer publications may remove its file in the meantime.
"""
NOTHING = (
    "Nothing is published yet in the folder of ECOM_HOME; run `ecom run`, which ends with "
    "publishing."
)


def spill_folder(settings: Settings, process_id: int) -> Path:
    """Return where a process that reads the snapshot spills to: processes cannot share a folder."""
    return serving_folder(settings.home) / f"reading-{process_id}.tmp"


class SnapshotStore:
    """The store of the current snapshot in a folder."""

    def __init__(self, settings: Settings) -> None:
        """Set up the store; no file is opened yet."""
        self._settings = settings
        self._folder = serving_folder(settings.home)
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @contextlib.contextmanager
    def reading(self, cancellation: Cancellation | None = None) -> Iterator["SnapshotReading"]:
        """Open the current snapshot; see `PublishedStore`."""
        opened = self._current()
        try:
            yield SnapshotReading(opened, self._settings, cancellation or Cancellation())
        finally:
            with self._lock:
                opened.readers -= 1
                if opened is not self._opened and not opened.readers:
                    opened.con.disconnect()

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

    def _retire(self) -> None:
        if self._opened is not None and not self._opened.readers:
            self._opened.con.disconnect()
        self._opened = None


@dataclass(eq=False)
class _Opened:
    """An open snapshot, and the number of requests that read it."""

    stamp: tuple[int, int]
    con: Backend
    path: Path
    published: PublishedState
    readers: int = 0
    states: dict[str, tuple[StateRow, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Created now, because requests run in parallel and a connection runs one query at a time.
        tables = stored_tables(self.con)
        self.tables = {name: tables[name] for name in self.published.tables}


class SnapshotReading(StoreReading):
    """One request's view of a snapshot."""

    has_kernel = True

    def __init__(self, opened: _Opened, settings: Settings, cancellation: Cancellation) -> None:
        """Set the open snapshot."""
        super().__init__(opened.published, settings, cancellation)
        self._opened = opened

    def _table(self, contract: Contract) -> ir.Table:
        name = contract.qualified_name()
        if name not in self._opened.tables:
            raise NothingPublishedError(
                f"{name} is not published yet; run `ecom run --select serving/marts`."
            )
        return with_columns_of_today(self._opened.tables[name], contract)

    def missing_columns(self, contract: Contract) -> list[str]:
        """Return the columns that a table lacks, as they are newer than the snapshot;
        none of a table that is not published.
        """
        table = self._opened.tables.get(contract.qualified_name())
        return [] if table is None else missing_columns(table, contract)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result."""
        sql = statement_of(self._opened.con, question, period)
        return self._queried(sql, question.columns)

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a query without a period; it runs once per snapshot,
        not once per answer.
        """
        sql = statement_of(self._opened.con, question, None)
        if sql in self._opened.states:
            self.questions.append(sql)
        else:
            self._opened.states[sql] = read_only(self._queried(sql, question.columns))
        return self._opened.states[sql]

    def _queried(self, sql: str, names: Sequence[str]) -> list[Row]:
        self.questions.append(sql)
        with (
            contextlib.closing(self._opened.con.con.cursor()) as cursor,
            self._cancellation.during(cursor.interrupt),
        ):
            cursor.execute(sql)
            return named_rows(names, cursor.fetchall())

    @contextlib.contextmanager
    def adhoc(self) -> Iterator[Backend]:
        """Open a separate connection; see `StoreReading`."""
        con = connect(self._opened.path, read_only=True)
        con.con = _Recorded(con.con, self.questions)
        try:
            yield con
        except duckdb.OutOfMemoryException as error:
            raise QuestionTooLargeError(
                f"The question takes more memory than {limit_of_answer(self._settings)}; ask about "
                "fewer days, or use the `ecom` command."
            ) from error
        finally:
            con.disconnect()


@dataclass
class _Recorded:
    """A connection that records its statements."""

    _con: duckdb.DuckDBPyConnection
    _questions: list[str]

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
                    f"{path} cannot be opened; remove it, and run `ecom run --select "
                    "serving/marts`."
                ) from error
            continue
        keep_within(con, limit_of_answer(settings), spill_folder(settings, os.getpid()))
        return _Opened(stamp, con, path, _published(con, snapshot, settings.timezone))
    raise NothingPublishedError(NOTHING)


def _published(con: Backend, snapshot: Snapshot, timezone: str) -> PublishedState:
    tables: Tables = {
        name: {
            "row_count": table.row_count,
            "data_version": table.data_version,
            **vars(table.origin),
        }
        for name, table in snapshot.tables.items()
    }

    def days_of(contract: Contract, day: str) -> KnownDays:
        (ends,) = con.con.execute(
            f"SELECT min({day}), max({day}) FROM {contract.qualified_name()}"  # noqa: S608 (names come from contracts)
        ).fetchall()
        return KnownDays(*ends)

    days_by_source = published_days(tables, days_of, snapshot.source_days, snapshot.held_days)
    return PublishedState.at(
        datetime.fromisoformat(snapshot.published_at),
        snapshot.data_version,
        tables,
        days_by_source,
        timezone,
    )
