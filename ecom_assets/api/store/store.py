"""The interface of stores: the tables of one published state as a `Reading`, and the cancellation of queries.

The stores are `api/store/snapshot.py` and `api/store/postgres.py`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import EcomError
from ecom_assets.tables.contract import Table
from ecom_assets.tables.queries import KnownDays, Period, Row

IN_SCOPE: Final = "ecom_assets.interruption"
"""The key in the ASGI scope with the `Cancellation` of a request."""
AGAIN_AFTER_S: Final = 0.05


class Cancellation:
    """The running queries of one request, which another thread can cancel."""

    def __init__(self) -> None:
        """Start without queries."""
        self._lock = threading.Lock()
        self._under_way: list[Callable[[], object]] = []
        self.is_over = False

    @contextmanager
    def during(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Let `end` cancel the work inside the context, by calling `interrupt` from another thread.

        Raises:
            QuestionTooLargeError: The time is already over.
        """
        with self._lock:
            if self.is_over:
                raise QuestionTooLargeError("The response took too long; ask for fewer days or fewer steps.")
            self._under_way.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(interrupt)

    def end(self) -> None:
        """Cancel the running queries, and refuse new ones."""
        with self._lock:
            self.is_over = True
            for interrupt in self._under_way:
                # A query that has just ended, or whose connection is lost, cannot be cancelled.
                with suppress(Exception):
                    interrupt()


@contextmanager
def ended_after(seconds: float, interrupt: Callable[[], object]) -> Iterator[None]:
    """Interrupt the work inside the context after a time limit, repeatedly, because it may be several queries."""
    is_done = threading.Event()

    def watch() -> None:
        wait_s = seconds
        while not is_done.wait(wait_s):
            interrupt()
            wait_s = AGAIN_AFTER_S

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_done.set()
        watching.join()


Tables = dict[str, dict[str, str | int | None]]
EVENTS, ORDERS = "events", "orders"


class NothingPublishedError(EcomError):
    """The data are not published yet."""


class QuestionTooLargeError(EcomError):
    """The query needs more time or memory than is allowed."""


@dataclass(frozen=True)
class Published:
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
        cls, published_at: datetime, data_version: str, tables: Tables, known: Mapping[str, KnownDays], timezone: str
    ) -> "Published":
        """Return a state, with its newest day from the known days.

        Args:
            published_at: When it was published, in UTC.
            data_version: The version of the data.
            tables: What `explain` shows of each table.
            known: The known days of each source.
            timezone: The time zone of the days.
        """
        today = published_at.astimezone(ZoneInfo(timezone)).date()
        lasts = [known[source].last for source in (EVENTS, ORDERS) if source in known]
        newest = max((day for day in lasts if day), default=today)
        return cls(data_version, published_at, newest, known, tables)


class StoreReading(Protocol):
    """The tables of one published state, for one request; see `Reading` in `tables/queries.py`."""

    published: Published
    newest_date: date
    known: Mapping[str, KnownDays]
    timezone: str
    currency: str
    has_kernel: bool
    """Whether this store has the kernel, which counts funnels without a limit on their steps."""
    lacking: tuple[str, ...]
    """The columns of clean events that are always null here, because they are not published."""
    questions: list[str]
    """The SQL of the queries so far."""
    used: list[str]
    """The names of the tables that were read so far."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result, in order, as dicts by column name."""

    def state(self, question: ir.Table) -> list[Row]:
        """Return the rows of a query without a period; all answers from this state may share them."""

    def events(self) -> ir.Table:
        """Return clean events."""

    def events_in(self, con: SQLBackend) -> ir.Table:
        """Return the same events for a query on a connection of `adhoc`."""

    def adhoc(self) -> AbstractContextManager[SQLBackend]:
        """Open a separate connection for one long query, with limits on time and memory.

        Raises:
            QuestionTooLargeError: The query exceeded a limit, or too many others are running.
        """


class Store(Protocol):
    """The published data that the API reads."""

    def reading(self, cancellation: "Cancellation | None" = None) -> AbstractContextManager[StoreReading]:
        """Open the newest published state, for as long as the context is open.

        Args:
            cancellation: Lets another thread cancel the queries of the request.

        Raises:
            NothingPublishedError: Nothing is published yet.
        """

    def close(self) -> None:
        """Close open files and connections."""
