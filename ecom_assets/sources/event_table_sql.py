"""SQL that gives the rows of a Snowflake table the columns of `raw/events`, with the file reader's rules.

Here: texts, instants and arrival days, from whatever types the table's columns have. Not here: the connection
(`event_table.py`), the rules themselves (`event_sql.py`, `sql_text.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from ecom_assets.errors import SourceError, did_you_mean
from ecom_assets.sources.event_mapping import EVENT_FIELDS, OPTIONAL_FIELDS
from ecom_assets.sources.sql_text import amount, ident, text
from ecom_assets.transforms.days import day_starts_at

WALL = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9:.]*)?"
OFFSET = "[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?"
MICROSECONDS = "TIMESTAMP_NTZ(6)"


@dataclass(frozen=True)
class TableColumn:
    """A column of the source table: `kind` is Snowflake's name of its type, without digits."""

    kind: str
    nullable: bool

    @property
    def is_zoned(self) -> bool:
        """Tell whether values carry their zone."""
        return self.kind in {"TIMESTAMP_TZ", "TIMESTAMP_LTZ"}

    @property
    def is_wall(self) -> bool:
        """Tell whether values are UTC clocks, or days, without saying so."""
        return self.kind in {"TIMESTAMP_NTZ", "DATE"}


@dataclass(frozen=True)
class TableSql:
    """The statements over one table.

    `table` is its name for SQL, `shown` its name for people; `today` is the last day that has begun in `zone`.
    """

    table: str
    shown: str
    columns: Mapping[str, TableColumn]
    zone: str
    origin: str
    today: date

    def require_columns(self) -> None:
        """Refuse a table that lacks a column.

        Raises:
            SourceError: It does.
        """
        for name in EVENT_FIELDS:
            if name not in self.columns and name not in OPTIONAL_FIELDS:
                raise SourceError(
                    f"{self.shown} has no column {name!r}: add it, or make a view that has it; "
                    f"{did_you_mean(name, self.columns)}."
                )

    @property
    def may_be_silent(self) -> bool:
        """Tell whether rows may not say when they arrived."""
        return "received_at" not in self.columns or self.columns["received_at"].nullable

    def received(self, first: date, end: date, fallback: date) -> str:
        """Return the rows of `raw/events` that arrived in [first, end)."""
        return f"SELECT * FROM ({self.events(fallback)}) WHERE {self._within(first, end)}"  # noqa: S608 (quoted here)

    def events(self, fallback: date) -> str:
        """Return all rows, in the columns of `raw/events`."""
        columns = [f"{self._text(name)} AS {ident(name)}" for name in EVENT_FIELDS]
        money = amount(f"TRIM({self._text('cart_value')})", "NUMBER(18, 2)", "FLOAT")
        columns += [f"{self.event_at} AS {ident('event_at')}", f"{self.event_day} AS {ident('event_date')}"]
        columns += [f"{money} AS {ident('cart_amount')}", f"{self.received_at} AS {ident('received_at')}"]
        columns += [f"COALESCE({self.said_day}, {_day(fallback)}) AS {ident('received_date')}"]
        columns += [f"{text(self.origin)} AS {ident('source')}", f"{text(self.shown)} AS {ident('source_file')}"]
        columns += [f"CAST(NULL AS VARCHAR) AS {ident('malformed_row')}"]
        return f"SELECT {', '.join(columns)} FROM {self.table}"  # noqa: S608 (quoted here)

    def fallback(self) -> str:
        """Return the day for rows that do not say when they arrived: the last usable one, as for a file."""
        return f"SELECT COALESCE(MAX({self._usable_day}), {_day(self.today)}) AS fallback FROM {self.table}"  # noqa: S608 (quoted here)

    def versions(self, first: date, end: date, fallback: date) -> str:
        """Return, per arrival day, the count of rows, the newest event, and what changes whenever a row does."""
        # A sum of hashes does not depend on the order of rows; as text it keeps all of its digits.
        hashed = ", ".join(ident(name) for name in (*EVENT_FIELDS, "received_at"))
        columns = (
            f"{ident('received_date')} AS received_date, COUNT(*) AS row_count, MAX({ident('event_at')}) AS newest_at"
        )
        return (
            f"SELECT {columns}, TO_VARCHAR(SUM(HASH({hashed}))) AS fingerprint "  # noqa: S608 (quoted here)
            f"FROM ({self.received(first, end, fallback)}) GROUP BY 1"
        )

    @cached_property
    def event_at(self) -> str:
        """Return the instant of the event."""
        return self._instant("event_timestamp")

    @cached_property
    def received_at(self) -> str:
        """Return the instant of arrival."""
        return self._instant("received_at")

    @property
    def event_day(self) -> str:
        """Return the day of the event."""
        return self._day_of(self.event_at)

    @property
    def said_day(self) -> str:
        """Return the day of arrival that the row tells: when it was received, else its own day if that has begun."""
        return f"COALESCE({self._day_of(self.received_at)}, {self._usable_day})"

    @property
    def _usable_day(self) -> str:
        return f"CASE WHEN {self.event_day} <= {_day(self.today)} THEN {self.event_day} END"

    def _within(self, first: date, end: date) -> str:
        days = f"{ident('received_date')} >= {_day(first)} AND {ident('received_date')} < {_day(end)}"
        if self.may_be_silent or self.columns["received_at"].kind != "TIMESTAMP_NTZ":
            return days
        # Said of the stored column too, so that Snowflake reads the days' partitions only.
        bounds = [
            f"CAST('{day_starts_at(one, self.zone).isoformat(sep=' ')}' AS TIMESTAMP_NTZ)" for one in (first, end)
        ]
        return f"{days} AND {ident('received_at')} >= {bounds[0]} AND {ident('received_at')} < {bounds[1]}"

    def _day_of(self, instant: str) -> str:
        local = instant if self.zone == "UTC" else f"CONVERT_TIMEZONE('UTC', {text(self.zone)}, {instant})"
        return f"CAST({local} AS DATE)"

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
        if column.is_wall:
            return f"CAST({stored} AS {MICROSECONDS})"
        return _parsed(self._text(name))


def _clock(instant: str) -> str:
    """Return a clock as text, as the file reader shows it: with as many digits as it needs."""
    return f"REGEXP_REPLACE(TO_VARCHAR({instant}, 'YYYY-MM-DD HH24:MI:SS.FF6'), '[.]?0*$', '')"


def _parsed(value: str) -> str:
    """Return the UTC instant that a text means: ISO 8601 with or without an offset; null where it is none."""
    wall = f"TRY_CAST({value} AS TIMESTAMP_NTZ)"
    zulu = f"TRY_CAST(REGEXP_REPLACE({value}, '( ?[Zz]| UTC)$', '') AS TIMESTAMP_NTZ)"
    local = f"TRY_CAST(REGEXP_REPLACE({value}, ' ?{OFFSET}$', '') AS TIMESTAMP_NTZ)"
    offset = f"REPLACE(REGEXP_SUBSTR({value}, '{OFFSET}$'), ':', '')"
    hours, minutes = (
        f"CAST(SUBSTR({offset}, 2, 2) AS INT)",
        f"CAST(COALESCE(NULLIF(SUBSTR({offset}, 4, 2), ''), '0') AS INT)",
    )
    ahead = f"(CASE WHEN LEFT({offset}, 1) = '-' THEN -1 ELSE 1 END) * ({hours} * 60 + {minutes})"
    read = (
        f"CASE WHEN REGEXP_LIKE({value}, '{WALL}') THEN {wall}"
        f" WHEN REGEXP_LIKE({value}, '{WALL}( ?[Zz]| UTC)') THEN {zulu}"
        f" WHEN REGEXP_LIKE({value}, '{WALL} ?{OFFSET}') THEN DATEADD(MINUTE, -({ahead}), {local}) END"
    )
    return f"CAST({read} AS {MICROSECONDS})"


def _day(value: date) -> str:
    return f"DATE '{value.isoformat()}'"
