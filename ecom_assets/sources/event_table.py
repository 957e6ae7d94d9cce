"""Events in a table of Snowflake: `ECOM_EVENTS=snowflake://…/DATABASE/SCHEMA/TABLE` or `…/DATABASE/TABLE`.

Where the warehouse is Snowflake too, in the same account, nothing leaves it; any other warehouse fetches the rows a day
at a time. Not here: the SELECT (`event_table_sql.py`), how days are fetched (`warehouse/day_by_day.py`).
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.clock import Clock, now_utc, today_in
from ecom_assets.contracts.events import RawEvents
from ecom_assets.errors import SettingError, SourceError, WarehouseError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_table_sql import TableColumn, TableSql
from ecom_assets.sources.record_files import FileRows
from ecom_assets.sources.sql_text import ident
from ecom_assets.transforms.days import ONE_DAY, Days
from ecom_assets.warehouse.day_by_day import DayByDay
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.schema import schema_of
from ecom_assets.warehouse.snowflake import PlainBackend, SnowflakeEngine
from ecom_assets.warehouse.snowflake_connection import SnowflakeAddress

SETTING = "ECOM_EVENTS"
FORM = "snowflake://USER@ACCOUNT/DATABASE/SCHEMA/TABLE?warehouse=WAREHOUSE"


@dataclass(frozen=True)
class DayState:
    """What a day's rows come to at the source; `version` changes whenever a row does."""

    row_count: int
    newest_at: datetime | None
    version: str


class EventTable:
    """The table, over a connection of its own or the warehouse's."""

    def __init__(self, settings: Settings, *, warehouse: Engine | None = None, now: Clock = now_utc) -> None:
        """Read the address; a warehouse in the same account lends its connection.

        Raises:
            SettingError: The address is incomplete, or a mapping is set.
        """
        self.place = SnowflakeAddress.parse(settings.events, settings, SETTING)
        if len(self.place.path) not in {2, 3}:
            raise SettingError(f"{SETTING}={self.place.shown!r} names no table; write {FORM}.")
        if settings.events_mapping != "ecommerce":
            raise SettingError(
                f"ECOM_EVENTS_MAPPING={settings.events_mapping!r} is for files; unset it, and give the table the "
                "columns of deploy/snowflake/ecommerce_events.sql, by a view where it has others."
            )
        self._settings = settings
        self._now = now
        self._connection = contextlib.ExitStack()
        same = isinstance(warehouse, SnowflakeEngine) and warehouse.place.server == self.place.server
        self._lender = warehouse if same else None

    @cached_property
    def con(self) -> PlainBackend:
        """The connection to the account."""
        if isinstance(self._lender, SnowflakeEngine):
            return self._lender.con
        return PlainBackend.of(self._connection.enter_context(self.place.connected()), self.place)

    @property
    def is_in_warehouse(self) -> bool:
        """Tell whether the warehouse can read the table itself."""
        return self._lender is not None

    @property
    def name(self) -> str:
        """Return the address, without secrets."""
        return self.place.shown

    @property
    def failure(self) -> WarehouseError | None:
        """Return why the last stream of rows broke off, if it did."""
        return self.con.failure

    @cached_property
    def sql(self) -> TableSql:
        """The statements over the table, once its columns have been looked at.

        Raises:
            SourceError: There is no such table, or it lacks a column.
        """
        database, *schema, table = self.place.path
        path = [database, *(schema or ["PUBLIC"]), table]
        sql = TableSql(
            table=".".join(map(ident, path)),
            shown=".".join(path),
            columns=self._columns(path),
            zone=self._settings.timezone,
            origin=self.name,
            today=self.today,
        )
        sql.require_columns()
        return sql

    @cached_property
    def fallback(self) -> date:
        """The arrival day of rows that do not say theirs."""
        if not self.sql.may_be_silent:
            return self.today
        [row] = self._query(self.sql.fallback())
        day: date = row["fallback"]
        return day

    @property
    def today(self) -> date:
        """Return the last day that has begun."""
        return today_in(self._settings.timezone, self._now)

    @property
    def newest_days(self) -> Days:
        """Return today and the `late_days` days before it."""
        return Days.between(self.today - timedelta(days=self._settings.late_days), self.today + ONE_DAY)

    def rows(self, days: Days) -> ir.Table:
        """Return the rows of `RawEvents` that arrived on `days`, as a table of the account."""
        runs = [self.sql.received(first, end, self.fallback) for first, end in days.runs()]
        return self.con.sql(" UNION ALL ".join(runs), schema=ibis.schema(schema_of(RawEvents)))

    def states(self, days: Days) -> dict[date, DayState]:
        """Return what the rows of each day come to, for days that have any."""
        found: dict[date, DayState] = {}
        for first, end in days.runs():
            for row in self._query(self.sql.versions(first, end, self.fallback)):
                version = f"{row['row_count']}-{row['fingerprint']}"
                found[row["received_date"]] = DayState(int(row["row_count"]), row["newest_at"], version)
        return found

    def versions(self, days: Days) -> Mapping[date, str]:
        """Return, for each day that has rows, what changes whenever they do."""
        return {a_day: state.version for a_day, state in self.states(days).items()}

    def reconnect(self) -> None:
        """Open a lost connection anew."""
        self._connection.close()
        self.con.con = PlainBackend.of(self._connection.enter_context(self.place.connected()), self.place).con

    def close(self) -> None:
        """Give the connection back, unless it is the warehouse's."""
        with contextlib.suppress(Exception):  # a lost connection cannot be closed, and need not be
            self._connection.close()

    def _columns(self, path: list[str]) -> dict[str, TableColumn]:
        database, schema, table = (part.replace("'", "''") for part in path)
        found = self._query(
            f"SELECT column_name, data_type, is_nullable FROM {ident(database)}.information_schema.columns "  # noqa: S608 (quoted here)
            f"WHERE table_schema = '{schema}' AND table_name = '{table}'"
        )
        if not found:
            raise SourceError(
                f"{self.name}: there is no table {'.'.join(path)} that this user may see; correct ECOM_EVENTS, or "
                "grant SELECT on it to the user's role."
            )
        return {row["column_name"].lower(): TableColumn(row["data_type"], row["is_nullable"] == "YES") for row in found}

    def _query(self, sql: str) -> list[dict[str, Any]]:
        with contextlib.closing(self.con.raw_sql(sql)) as cursor:
            names = [column.name.lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class TableEvents:
    """Events by arrival day, from the table."""

    def __init__(self, table: EventTable) -> None:
        self._table = table

    def received(self, days: Days) -> ir.Table | DayByDay:
        """Rows of `RawEvents` that arrived on `days`; to be fetched by day where the warehouse is elsewhere."""
        return self._table.rows(days) if self._table.is_in_warehouse else DayByDay(self._table, days)

    @staticmethod
    def file_rows(_days: Days | None) -> list[FileRows] | None:
        """Return None: there are no files."""
        return None


@contextlib.contextmanager
def opened_table(settings: Settings, **more: Any) -> Iterator[EventTable]:  # noqa: ANN401 (as EventTable takes it)
    """Give an `EventTable` for the length of the block."""
    table = EventTable(settings, **more)
    try:
        yield table
    finally:
        table.close()
