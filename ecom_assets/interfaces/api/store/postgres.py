"""The store that reads the schema published in Postgres, in one transaction per request.

So a request sees only the publication that was current when it began. `serving/postgres.py` writes
the schema.
"""

import contextlib
import json
import queue
from collections.abc import Iterator
from datetime import UTC

import ibis
import ibis.expr.types as ir
import psycopg
from ibis.backends.postgres import Backend
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.core.errors import ConnectionLostError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.queries import KnownDays, Period
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.interfaces.api.store.store import (
    Cancellation,
    NothingPublishedError,
    PublishedState,
    StoreReading,
    Tables,
    published_days,
    statement_of,
    with_columns_of_today,
)
from ecom_assets.outputs.serving.places import newest_publication, publication_target

MOST_IDLE = 4
"""The maximum number of connections that stay open between requests."""
NOTHING = (
    "Nothing is published yet in the Postgres of ECOM_POSTGRES_URL; run `ecom run`, which ends "
    "with publishing (ECOM_WAREHOUSE and ECOM_POSTGRES_URL must not be one database by two names)."
)
LOOK_EVERY_MS = 1_000
"""Milliseconds between looks of the server, during a query,
whether the process that asked is still there.
"""
BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
SHARED = tuple(name for name in CleanEvents.columns if name in SessionEvents.columns)
"""The columns of clean events that are published."""
MARTS = "mart"
"""The layer of the tables that are published to Postgres."""
NOT_SHARED = dict.fromkeys(
    ("source_session_id", "user_id", "device_id", "joined_by", "referrer_url", "properties"),
    "string",
)


class PublishedPostgresStore:
    """The store of the newest publication."""

    def __init__(self, settings: Settings) -> None:
        """Set up the store; no connection is opened yet."""
        self.settings = settings
        self._idle: queue.LifoQueue[PostgresEngine] = queue.LifoQueue(MOST_IDLE)
        self.tables: dict[tuple[str, str], ir.Table] = {}
        """The tables of the newest publication, by its version and their name."""

    @contextlib.contextmanager
    def reading(self, cancellation: Cancellation | None = None) -> Iterator["PostgresReading"]:
        """Open the newest publication; see `PublishedStore`."""
        cancellation = cancellation or Cancellation()
        engine, published = self._begun()
        for key in [key for key in self.tables if key[0] != published.data_version]:
            self.tables.pop(key, None)
        try:
            yield PostgresReading(engine, published, self, cancellation)
        finally:
            if cancellation.is_over:
                engine.close()  # a late cancellation would hit a query of the next request
            else:
                try:
                    engine.con.con.rollback()
                    self._idle.put_nowait(engine)
                except (psycopg.Error, queue.Full):
                    engine.close()

    def close(self) -> None:
        """Close the connections."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _begun(self) -> tuple[PostgresEngine, PublishedState]:
        """Return a connection with an open transaction, and its publication;
        lost idle connections are replaced.
        """
        with contextlib.suppress(queue.Empty, ConnectionLostError):
            while True:
                engine = self._idle.get_nowait()
                with contextlib.suppress(ConnectionLostError):
                    return engine, self._published(engine)
        engine = publication_target(self.settings).open()
        return engine, self._published(engine)

    def _published(self, engine: PostgresEngine) -> PublishedState:
        engine.execute(BEGIN)
        newest = newest_publication(engine)
        if newest is None:
            engine.close()
            raise NothingPublishedError(NOTHING)
        at = newest["published_at"].replace(tzinfo=UTC)
        publication = {"data_version": newest["data_version"], "run_id": newest["run_id"]}
        tables: Tables = {
            name: {
                "row_count": count,
                "materialized_at": None,
                "asset_version": None,
                **publication,
            }
            for name, count in json.loads(newest["table_row_counts"]).items()
        }

        def days_of(contract: Contract, day: str) -> KnownDays:
            name = engine.name_of(contract)
            (row,) = engine.query(
                f"SELECT min({day}) AS first_day, max({day}) AS last_day FROM {name}"  # noqa: S608 (names come from contracts)
            )
            return KnownDays(row["first_day"], row["last_day"])

        noted, held = (
            json.loads(newest.get(name) or "{}") for name in ("source_days", "held_days")
        )
        days_by_source = published_days(tables, days_of, noted, held)
        return PublishedState.at(
            at, newest["data_version"], tables, days_by_source, self.settings.timezone
        )


class PostgresReading(StoreReading):
    """One request's view of a publication."""

    has_kernel = False
    lacking = tuple(NOT_SHARED)

    def __init__(
        self,
        engine: PostgresEngine,
        published: PublishedState,
        store: PublishedPostgresStore,
        cancellation: Cancellation,
    ) -> None:
        """Set the connection, which has an open transaction."""
        super().__init__(published, store.settings, cancellation)
        self._engine = engine
        self._tables = store.tables

    def _table(self, contract: Contract) -> ir.Table:
        name = contract.qualified_name()
        if name not in self.published.tables:
            if contract.layer != MARTS:
                raise NothingPublishedError(
                    f"{name} is not published to Postgres, which gets the marts; `ecom status` "
                    "shows it where runs are."
                )
            raise NothingPublishedError(
                f"{name} is not published yet; run `ecom run --select serving/postgres_marts`."
            )
        key = (self.published.data_version, name)
        if key not in self._tables:
            self._tables[key] = with_columns_of_today(self._engine.stored_table(contract), contract)
        return self._tables[key]

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result."""
        sql = statement_of(self._engine.con, question, period)
        self.questions.append(sql)
        with self._cancellation.during(self._engine.con.con.cancel_safe):
            return self._engine.query(sql)

    def events(self) -> ir.Table:
        """Return clean events; the columns that are not published are null."""
        return _as_clean(self.table(SessionEvents))

    def events_in(self, con: SQLBackend) -> ir.Table:
        """Return the same events on another connection."""
        events = con.table(SessionEvents.name, database=SessionEvents.layer)
        return _as_clean(with_columns_of_today(events, SessionEvents))

    @contextlib.contextmanager
    def adhoc(self) -> Iterator[Backend]:
        """Open a separate connection,
        whose queries the server ends when the time or this process is over.
        """
        engine, timeout_s = publication_target(self._settings), self._settings.adhoc_timeout_s
        try:
            engine.open()
            engine.execute(f"SET statement_timeout = {int(timeout_s * 1000)}")
            engine.execute(f"SET client_connection_check_interval = {LOOK_EVERY_MS}")
            yield engine.con
        except psycopg.errors.QueryCanceled as error:
            raise QuestionTooLargeError(
                f"The question takes more than {timeout_s:g} s; ask about fewer days, or use the "
                "`ecom` command."
            ) from error
        finally:
            engine.close()


def _as_clean(events: ir.Table) -> ir.Table:
    nothing = {name: ibis.null(kind) for name, kind in NOT_SHARED.items()}
    return events.select(*SHARED, **nothing)
