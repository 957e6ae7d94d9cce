"""Events in a Snowflake table: the asset that observes it,
and the SQL that returns its rows as `raw/events`.

Texts, instants and arrival days follow the rules of the file reader, for any types of the table's
columns.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import dagster as dg
import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.assets import EVENT_TABLE
from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import SettingError, SourceError, WarehouseError, did_you_mean
from ecom_assets.core.rows import Row, named_rows
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.stated_currency import note_currencies
from ecom_assets.core.tables.asset import subject_of
from ecom_assets.core.tables.days import ONE_DAY, Days, day_starts_at
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.received import FileRows
from ecom_assets.core.tables.spellings import APOSTROPHE, BLANKS, KEYS, TRIMMED, WHOLE, KeyKind
from ecom_assets.core.tables.values import PUBLIC_SENDER
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.snowflake.connection import SnowflakeAddress
from ecom_assets.core.warehouse.engines.snowflake.engine import PlainBackend, SnowflakeEngine
from ecom_assets.core.warehouse.raw_slices import DayByDay
from ecom_assets.core.warehouse.sql_text import amount, date_literal, ident, text
from ecom_assets.ingestion.sources.files.mapping import EVENT_FIELDS, OPTIONAL_FIELDS


def event_table(settings: Settings, daily: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the observable source asset: a data version per arrival day,
    with row count and newest event.
    """
    spec = dg.AssetSpec(
        EVENT_TABLE,
        partitions_def=daily,
        **subject_of(event_table),
        kinds={"snowflake"},
        description="The table that events come from: what arrived on each of the last days.",
    )

    @dg.multi_observable_source_asset(specs=[spec])  # type: ignore[untyped-decorator]  # Dagster leaves its type out
    def ecommerce_events(context: dg.AssetExecutionContext) -> None:
        with contextlib.closing(EventTable(settings)) as table:
            for observation in observations(table.states(table.newest_days)):
                context.log_event(observation)

    observed: dg.AssetsDefinition = ecommerce_events
    return observed


@dataclass(frozen=True)
class DayState:
    """The state of a day's rows at the source; `version` changes whenever a row changes."""

    row_count: int
    newest_at: datetime | None
    version: str


def observations(states: Mapping[date, DayState]) -> Iterator[dg.AssetObservation]:
    """Yield an observation for each day."""
    for day, state in sorted(states.items()):
        yield dg.AssetObservation(
            asset_key=EVENT_TABLE,
            partition=day.isoformat(),
            tags={"dagster/data_version": state.version},
            metadata={
                "dagster/row_count": state.row_count,
                "newest_event_at": str(state.newest_at),
            },
        )


SETTING = "ECOM_EVENTS"
FORM = "snowflake://USER@ACCOUNT/DATABASE/SCHEMA/TABLE?warehouse=WAREHOUSE"


@dataclass(frozen=True)
class SourceColumn:
    """A column of the source table: `kind` is Snowflake's type name,
    without length or precision.
    """

    kind: str
    nullable: bool

    @property
    def is_zoned(self) -> bool:
        """Return whether values have a time zone."""
        return self.kind in {"TIMESTAMP_TZ", "TIMESTAMP_LTZ"}


@dataclass(frozen=True)
class TableSql:
    """The SQL statements over one table.

    `table` is the quoted name for SQL, `shown` the name for messages; `today` is the current day in
    `zone`.
    """

    table: str
    shown: str
    columns: Mapping[str, SourceColumn]
    zone: str
    origin: str
    today: date

    def require_columns(self) -> None:
        """Check that the table has every required column.

        Raises:
            SourceError: A column is missing.
        """
        for name in EVENT_FIELDS:
            if name not in self.columns and name not in OPTIONAL_FIELDS:
                raise SourceError(
                    f"{self.shown} has no column {name!r}: add it, or make a view that has it; "
                    f"{did_you_mean(name, self.columns)}."
                )

    @property
    def may_be_silent(self) -> bool:
        """Return whether rows can lack an arrival time."""
        return "received_at" not in self.columns or self.columns["received_at"].nullable

    def received(self, first: date, end: date, fallback: date, home: str = "") -> str:
        """Return the SELECT of the `raw/events` rows that arrived in [first, end).

        Amounts in another currency than `home`, if it is not empty, are not known.
        """
        return (
            f"SELECT * FROM ({self.events(fallback, home)}) "  # noqa: S608 (quoted here)
            f"WHERE {self._days_condition(first, end)}"
        )

    def home(self, fallback: date) -> str:
        """Return the SELECT of the shop's currency:
        that of the first amount that no public key sent.
        """
        is_public = f"{ident('sent_by')} LIKE {text(PUBLIC_SENDER + '%')}"
        ranked = (
            f"MIN(CASE WHEN {is_public} THEN 1 ELSE 0 END), MIN({ident('received_date')}), "
            "COUNT(*) DESC, currency"
        )
        is_amount = f"{ident('cart_amount')} IS NOT NULL AND currency IS NOT NULL"
        rows = f"SELECT * FROM ({self.events(fallback, with_currency=True)}) WHERE {is_amount}"  # noqa: S608 (quoted here)
        return f"SELECT currency FROM ({rows}) GROUP BY currency ORDER BY {ranked} LIMIT 1"  # noqa: S608 (as above)

    def events(self, fallback: date, home: str = "", *, with_currency: bool = False) -> str:
        """Return the SELECT of all rows, with the columns of `raw/events`,
        and perhaps with their currency.
        """
        money = amount(f"TRIM({self._text('cart_value')})", "NUMBER(18, 4)", "FLOAT")
        currency, unrated = (
            f"NULLIF(UPPER(TRIM({self._text('currency')})), '')",
            "CAST(NULL AS VARCHAR)",
        )
        if home:
            is_foreign = f"{currency} <> {text(home)}"
            unrated = f"CASE WHEN {is_foreign} AND {money} IS NOT NULL THEN {currency} END"
            money = f"CASE WHEN {is_foreign} THEN NULL ELSE {money} END"
        # The day it was received, else the event's day if not later.
        arrival = f"{self._day_of(self.received_at)}, {self._usable_day}, {date_literal(fallback)}"
        sql = {
            **{name: self._field(name) for name in EVENT_FIELDS},
            "event_at": self.event_at,
            "event_date": self.event_day,
            "cart_amount": money,
            "unrated_currency": unrated,
            "received_at": self.received_at,
            "received_date": f"COALESCE({arrival})",
            "source": text(self.origin),
            "source_file": text(self.shown),
            "malformed_row": "CAST(NULL AS VARCHAR)",
        }
        # `rows` gives them their types by their places.
        columns = [f"{sql[name]} AS {ident(name)}" for name in RawEvents.columns]
        columns += [f"{currency} AS currency"] if with_currency else []
        return f"SELECT {', '.join(columns)} FROM {self.table}"  # noqa: S608 (quoted here)

    def fallback(self) -> str:
        """Return the SELECT of the arrival day for rows without one:
        the last usable event day, as for a file.
        """
        return (
            f"SELECT COALESCE(MAX({self._usable_day}), {date_literal(self.today)}) AS fallback "  # noqa: S608 (quoted here)
            f"FROM {self.table}"
        )

    def earlier(self, first: date, fallback: date) -> str:
        """Return the SELECT of how many rows arrived before a day, and from when to when."""
        day = ident("received_date")
        return (
            f"SELECT COUNT(*) AS row_count, MIN({day}) AS first_day, MAX({day}) AS last_day "  # noqa: S608 (quoted here)
            f"FROM ({self.events(fallback)}) WHERE {day} < {date_literal(first)}"
        )

    def versions(self, first: date, end: date, fallback: date) -> str:
        """Return the SELECT of row count, newest event and fingerprint per arrival day."""
        # A sum of hashes does not depend on row order; as text it keeps all of its digits.
        hashed = ", ".join(ident(name) for name in (*EVENT_FIELDS, "received_at"))
        columns = (
            f"{ident('received_date')} AS received_date, COUNT(*) AS row_count, "
            f"MAX({ident('event_at')}) AS newest_at"
        )
        return (
            f"SELECT {columns}, TO_VARCHAR(SUM(HASH({hashed}))) AS fingerprint "  # noqa: S608 (quoted here)
            f"FROM ({self.received(first, end, fallback)}) GROUP BY 1"
        )

    @cached_property
    def event_at(self) -> str:
        """Return the SQL of the event's instant."""
        return self._instant("event_timestamp")

    @cached_property
    def received_at(self) -> str:
        """Return the SQL of the arrival instant."""
        return self._instant("received_at")

    @property
    def event_day(self) -> str:
        """Return the SQL of the event's day."""
        return self._day_of(self.event_at)

    @property
    def _usable_day(self) -> str:
        return f"CASE WHEN {self.event_day} <= {date_literal(self.today)} THEN {self.event_day} END"

    def _days_condition(self, first: date, end: date) -> str:
        days = (
            f"{ident('received_date')} >= {date_literal(first)} AND {ident('received_date')} < "
            f"{date_literal(end)}"
        )
        if self.may_be_silent or self.columns["received_at"].kind != "TIMESTAMP_NTZ":
            return days
        # The stored column is filtered too, so that Snowflake prunes the partitions of other days.
        bounds = [
            f"CAST('{day_starts_at(bound, self.zone).isoformat(sep=' ')}' AS TIMESTAMP_NTZ)"
            for bound in (first, end)
        ]
        return (
            f"{days} AND {ident('received_at')} >= {bounds[0]} AND {ident('received_at')} < "
            f"{bounds[1]}"
        )

    def _day_of(self, instant: str) -> str:
        local = (
            instant
            if self.zone == "UTC"
            else f"CONVERT_TIMEZONE('UTC', {text(self.zone)}, {instant})"
        )
        return f"CAST({local} AS DATE)"

    def _field(self, name: str) -> str:
        """Return the SQL of a field as the file reader gives it: ids have one spelling."""
        value = self._text(name)
        if name in TRIMMED:
            return f"NULLIF(TRIM({value}, {text(BLANKS)}), '')"
        return _spelled(value, KEYS[name]) if name in KEYS and name in self.columns else value

    def _text(self, name: str) -> str:
        column = self.columns.get(name)
        stored = ident(name.upper())
        if column is None:
            return "CAST(NULL AS VARCHAR)"
        if column.kind in {"VARIANT", "OBJECT", "ARRAY"}:
            return f"TO_JSON({stored})"
        if column.is_zoned:
            return f"{_clock(self._instant(name))} || '+00'"
        if column.kind == "TIMESTAMP_NTZ":
            return _clock(stored)
        return f"NULLIF(CAST({stored} AS VARCHAR), '')"

    def _instant(self, name: str) -> str:
        column = self.columns.get(name)
        stored = ident(name.upper())
        if column is None:
            return f"CAST(NULL AS {MICROSECONDS})"
        if column.is_zoned:
            return f"CAST(CONVERT_TIMEZONE('UTC', {stored}) AS {MICROSECONDS})"
        if column.kind in {"TIMESTAMP_NTZ", "DATE"}:  # without a zone: taken as UTC
            return f"CAST({stored} AS {MICROSECONDS})"
        return _parsed(self._text(name))


class EventTable:
    """The table, read over its own connection or the warehouse's."""

    def __init__(
        self, settings: Settings, *, warehouse: Engine | None = None, now: Clock = now_utc
    ) -> None:
        """Parse the URL; if the warehouse is in the same account, use its connection.

        Raises:
            SettingError: The URL is incomplete, or a mapping is set.
        """
        self.location = SnowflakeAddress.parse(settings.events, settings, SETTING)
        if len(self.location.path) not in {2, 3}:
            raise SettingError(f"{SETTING}={self.location.shown!r} names no table; write {FORM}.")
        if settings.events_mapping != "ecommerce":
            raise SettingError(
                f"ECOM_EVENTS_MAPPING={settings.events_mapping!r} is for files; unset it, and "
                "give the table the columns of deploy/snowflake/ecommerce_events.sql, by a view "
                "where it has others."
            )
        self._settings = settings
        self._now = now
        self._connection = contextlib.ExitStack()
        same = (
            isinstance(warehouse, SnowflakeEngine)
            and warehouse.location.server == self.location.server
        )
        self._lender = warehouse if same else None

    @cached_property
    def con(self) -> PlainBackend:
        """Return the connection to the account."""
        if isinstance(self._lender, SnowflakeEngine):
            return self._lender.con
        return self._connected()

    def _connected(self) -> PlainBackend:
        return PlainBackend.on_connection(
            self._connection.enter_context(self.location.connected()), self.location
        )

    @property
    def is_in_warehouse(self) -> bool:
        """Return whether the warehouse can read the table itself."""
        return self._lender is not None

    @property
    def name(self) -> str:
        """Return the URL, without secrets."""
        return self.location.shown

    @property
    def failure(self) -> WarehouseError | None:
        """Return the error that ended the last stream of rows early, if any."""
        return self.con.failure

    @cached_property
    def sql(self) -> TableSql:
        """Return the SQL statements over the table, after reading its columns.

        Raises:
            SourceError: There is no such table, or a column is missing.
        """
        database, *schema, table = self.location.path
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
        """Return the arrival day of rows that do not have one."""
        if not self.sql.may_be_silent:
            return self.today
        [row] = self._query(self.sql.fallback())
        day: date = row["fallback"]
        return day

    @cached_property
    def _home(self) -> str:
        """The shop's currency; empty if no amount has one."""
        if self._settings.currency:
            return self._settings.currency
        rows = self._query(self.sql.home(self.fallback))
        return str(rows[0]["currency"]) if rows else ""

    @property
    def today(self) -> date:
        """Return the current day."""
        return today_in(self._settings.timezone, self._now)

    @property
    def newest_days(self) -> Days:
        """Return today and the `late_days` days before it."""
        return Days.between(
            self.today - timedelta(days=self._settings.late_days), self.today + ONE_DAY
        )

    def rows(self, days: Days) -> ir.Table:
        """Return the rows of `RawEvents` that arrived on `days`, as a lazy table in the account.

        If the table has a column `currency`, amounts in another one than the shop's are not known:
        it is the set one, else that of the first amount of the whole table that no public key sent.
        """
        home = self._home if "currency" in self.sql.columns else ""
        note_currencies(self._settings.home, "events", days.dates, {home} - {""})
        runs = [self.sql.received(first, end, self.fallback, home) for first, end in days.runs()]
        return self.con.sql(" UNION ALL ".join(runs), schema=ibis.schema(schema_of(RawEvents)))

    def received(self, days: Days) -> ir.Table | DayByDay:
        """Return the rows of `RawEvents` that arrived on `days`,
        to fetch day by day if the warehouse is elsewhere.
        """
        return self.rows(days) if self.is_in_warehouse else DayByDay(self, days)

    @staticmethod
    def file_rows(_days: Days | None) -> list[FileRows] | None:
        """Return None: there are no files."""
        return None

    def earlier(self, first: date) -> tuple[int, Days]:
        """Return how many rows arrived before a day, and the days from first to last."""
        [row] = self._query(self.sql.earlier(first, self.fallback))
        if not row["row_count"]:
            return 0, Days(())
        return int(row["row_count"]), Days.between(row["first_day"], row["last_day"] + ONE_DAY)

    def states(self, days: Days) -> dict[date, DayState]:
        """Return the state of each day that has rows."""
        values: dict[date, DayState] = {}
        for first, end in days.runs():
            for row in self._query(self.sql.versions(first, end, self.fallback)):
                version = f"{row['row_count']}-{row['fingerprint']}"
                values[row["received_date"]] = DayState(
                    int(row["row_count"]), row["newest_at"], version
                )
        return values

    def versions(self, days: Days) -> Mapping[date, str]:
        """Return the version of each day that has rows."""
        return {day: state.version for day, state in self.states(days).items()}

    def reconnect(self) -> None:
        """Reopen a lost connection."""
        self._connection.close()
        self.con.con = self._connected().con

    def close(self) -> None:
        """Close the connection, unless it is the warehouse's."""
        with contextlib.suppress(Exception):  # a lost connection cannot be closed, and need not be
            self._connection.close()

    def _columns(self, path: list[str]) -> dict[str, SourceColumn]:
        database, schema, table = path
        result = self._query(
            "SELECT column_name, data_type, is_nullable "  # noqa: S608 (quoted here)
            f"FROM {ident(database)}.information_schema.columns "
            f"WHERE table_schema = {text(schema)} AND table_name = {text(table)}"
        )
        if not result:
            raise SourceError(
                f"{self.name}: there is no table {'.'.join(path)} that this user may see; correct "
                "ECOM_EVENTS, or grant SELECT on it to the user's role."
            )
        return {
            row["column_name"].lower(): SourceColumn(row["data_type"], row["is_nullable"] == "YES")
            for row in result
        }

    def _query(self, sql: str) -> list[Row]:
        with contextlib.closing(self.con.raw_sql(sql)) as cursor:
            names = [column.name.lower() for column in cursor.description]
            return named_rows(names, cursor.fetchall())


def _spelled(value: str, key: KeyKind | None) -> str:
    """Return the SQL of `spelled`; null for an id of blanks only."""
    # A backslash is an escape in Snowflake's texts.
    blanks, group = text(BLANKS), r"'\\1'"
    bare = f"TRIM(REGEXP_REPLACE(TRIM({value}, {blanks}), {text(APOSTROPHE)}, {group}), {blanks})"
    bare = f"NULLIF(REGEXP_REPLACE({bare}, {text(WHOLE)}, {group}), '')"
    return (
        f"CASE WHEN CONTAINS({bare}, '@') THEN LOWER({bare}) ELSE {bare} END"
        if key == "address"
        else bare
    )


WALL = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9:.]*)?"
OFFSET = "[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?"
MICROSECONDS = "TIMESTAMP_NTZ(6)"


def _clock(instant: str) -> str:
    """Return the SQL of a timestamp as text, as the file reader writes it:
    without trailing zeros.
    """
    return f"REGEXP_REPLACE(TO_VARCHAR({instant}, 'YYYY-MM-DD HH24:MI:SS.FF6'), '[.]?0*$', '')"


def _parsed(value: str) -> str:
    """Return the SQL that parses ISO 8601 text, with or without an offset, as a UTC instant;
    null if it fails.
    """
    wall = f"TRY_CAST({value} AS TIMESTAMP_NTZ)"
    zulu = f"TRY_CAST(REGEXP_REPLACE({value}, '( ?[Zz]| UTC)$', '') AS TIMESTAMP_NTZ)"
    local = f"TRY_CAST(REGEXP_REPLACE({value}, ' ?{OFFSET}$', '') AS TIMESTAMP_NTZ)"
    offset = f"REPLACE(REGEXP_SUBSTR({value}, '{OFFSET}$'), ':', '')"
    hours = f"CAST(SUBSTR({offset}, 2, 2) AS INT)"
    minutes = f"CAST(COALESCE(NULLIF(SUBSTR({offset}, 4, 2), ''), '0') AS INT)"
    ahead = f"(CASE WHEN LEFT({offset}, 1) = '-' THEN -1 ELSE 1 END) * ({hours} * 60 + {minutes})"
    read = (
        f"CASE WHEN REGEXP_LIKE({value}, '{WALL}') THEN {wall} WHEN REGEXP_LIKE({value}, '{WALL}( "
        f"?[Zz]| UTC)') THEN {zulu} WHEN REGEXP_LIKE({value}, '{WALL} ?{OFFSET}') THEN "
        f"DATEADD(MINUTE, -({ahead}), {local}) END"
    )
    return f"CAST({read} AS {MICROSECONDS})"
