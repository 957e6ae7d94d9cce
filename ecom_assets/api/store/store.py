"""The interface of stores: the tables of one published state as a `Reading`, and how a question is cancelled.

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
"""Where a request carries its interruption, so that its routes find it."""
AGAIN_AFTER_S: Final = 0.05


class Interruption:
    """What one request has under way in an engine, and whether it is to end."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._lock = threading.Lock()
        self._under_way: list[Callable[[], object]] = []
        self.is_over = False

    @contextmanager
    def during(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Let what happens inside be ended by calling `interrupt` from another thread.

        Raises:
            QuestionTooLargeError: The time is over before it begins.
        """
        with self._lock:
            if self.is_over:
                raise QuestionTooLargeError("The time of the answer is over; ask for fewer days or fewer steps.")
            self._under_way.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(interrupt)

    def end(self) -> None:
        """Interrupt what is under way, and let nothing begin."""
        with self._lock:
            self.is_over = True
            for interrupt in self._under_way:
                # An engine that has just ended, or lost its connection, has nothing to interrupt.
                with suppress(Exception):
                    interrupt()


@contextmanager
def ended_after(seconds: float, interrupt: Callable[[], object]) -> Iterator[None]:
    """Interrupt what happens inside once it takes longer, however many questions it consists of."""
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
    """There is nothing to answer from yet."""


class QuestionTooLargeError(EcomError):
    """The question would take more time or memory than is allowed."""


@dataclass(frozen=True)
class Published:
    """What is known of a published state.

    Attributes:
        data_version: Equal versions are equal tables.
        published_at: When, in UTC.
        newest_date: The newest day in the data; where there are none, the day of publication.
        known: The days that the data of each source hold, see `warehouse.source_days`.
        tables: What `explain` tells of each table, by its qualified name.
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
        """Return a state of which these days are known.

        Args:
            published_at: When, in UTC.
            data_version: As above.
            tables: As above.
            known: As above.
            timezone: Of the days.
        """
        today = published_at.astimezone(ZoneInfo(timezone)).date()
        lasts = [known[source].last for source in (EVENTS, ORDERS) if source in known]
        newest = max((day for day in lasts if day), default=today)
        return cls(data_version, published_at, newest, known, tables)


class StoreReading(Protocol):
    """Tables of one published state, for one request; see `answers.reading.Reading`."""

    published: Published
    newest_date: date
    known: Mapping[str, KnownDays]
    timezone: str
    currency: str
    has_kernel: bool
    """Whether funnels are counted by the kernel here, which has no bound on their steps."""
    lacking: tuple[str, ...]
    """Columns of clean events that are always null here, as they are not published."""
    questions: list[str]
    """The SQL of what was asked so far."""
    used: list[str]
    """The tables that were read so far."""

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result by column name, in its order; see `answers.reading.Reading`."""

    def state(self, question: ir.Table) -> list[Row]:
        """Return the same of a question that is about no days: all answers from this state share its rows."""

    def events(self) -> ir.Table:
        """Return clean events."""

    def events_in(self, con: SQLBackend) -> ir.Table:
        """Return the same for a question on a connection of `adhoc`."""

    def adhoc(self) -> AbstractContextManager[SQLBackend]:
        """Return a connection of its own for one long question, with bounds on time and memory.

        Raises:
            QuestionTooLargeError: The question took more than it may.
        """


class Store(Protocol):
    """What the API holds open."""

    def reading(self, interruption: "Interruption | None" = None) -> AbstractContextManager[StoreReading]:
        """Return the newest published state, for as long as the context is open.

        Args:
            interruption: By which what is asked of it can be ended from outside.

        Raises:
            NothingPublishedError: There is none.
        """

    def close(self) -> None:
        """Let go of what is open."""
