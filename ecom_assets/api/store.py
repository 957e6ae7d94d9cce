"""Where the API reads: the tables of one published state, and the next one once it is published.

Not here: the stores themselves (`snapshot_store.py`, `postgres_store.py`), what is asked of them (`answers/`).
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.answers.period import KnownDays, Period
from ecom_assets.answers.reading import Row
from ecom_assets.contracts.table import Table
from ecom_assets.errors import EcomError
from ecom_assets.settings import Settings
from ecom_assets.warehouse.opening import serves_postgres

if TYPE_CHECKING:
    from ecom_assets.api.interruption import Interruption

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
    engine_name: str
    """As Ibis calls it."""
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


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name: the published schema in Postgres where it is set, else the snapshot."""
    if serves_postgres(settings):
        from ecom_assets.api.postgres_store import PostgresStore  # noqa: PLC0415 (needs the extra `postgres`)

        return PostgresStore(settings)
    from ecom_assets.api.snapshot_store import SnapshotStore  # noqa: PLC0415 (not needed with Postgres)

    return SnapshotStore(settings)
