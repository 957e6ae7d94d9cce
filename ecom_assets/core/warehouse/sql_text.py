"""SQL text: what quotes names and values, and rules for timestamps."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from typing import Any, Final

import ibis.expr.datatypes as dt

from ecom_assets.core.warehouse.zone_names import SHIFTS, TIME_AND_ZONE

# Outside this range Python has no dates, and time zone arithmetic in the engine may overflow.
_LOWEST, _HIGHEST = "TIMESTAMP '0001-01-02'", "TIMESTAMP '9999-12-30'"
_OFFSET = (
    "[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?"  # stricter than the engine, which also accepts +99:00
)
LARGEST_AMOUNT: Final = "99999999999999.9999"
"""The largest amount of a row; see `AMOUNT` in `tables/contract.py`."""
BLANKS: Final = r"[\s\pZ]+"
HALF_OF_DAY: Final = r" ?([AaPp])\.? ?[Mm]\b\.?"
HALF_AS_READ: Final = r" \1m"
"""AM and PM in any spelling, and as all readers of strptime formats know them."""
_EPOCH_DIGITS = {"epoch_s": 6, "epoch_ms": 3, "epoch_us": 0, "epoch_ns": -3}


def ident(name: str) -> str:
    """Return a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str | None) -> str:
    """Return a string literal, or NULL."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def date_literal(value: date | None) -> str:
    """Return a date literal, or NULL."""
    return "NULL::DATE" if value is None else f"DATE '{value.isoformat()}'"


POSTGRES_KEEPS = (
    "{address}: archived WAL, WAL files until the server reuses them, and backups of this "
    "Postgres have the rows; a superuser removes what statistics and WAL files have by VACUUM "
    "FULL pg_catalog.pg_statistic; CHECKPOINT."
)
"""What is left of deleted rows in a Postgres after `purging_postgres`."""


def purging_postgres(tables: Iterable[str]) -> list[str]:
    """Return the statements that write tables into new files,
    without deleted rows and their old statistics.

    Each table is locked while its statement runs. Dead rows of the catalogue of statistics hold
    common values of the tables; Postgres skips it, with a warning, for a user who may not maintain
    it.
    """
    return [f"VACUUM (FULL, ANALYZE) {table}" for table in tables] + [
        "VACUUM FULL pg_catalog.pg_statistic"
    ]


def texts(values: Iterable[str]) -> str:
    """Return a list of string literals."""
    return "[" + ", ".join(text(value) for value in values) + "]"


def select(columns: str | Iterable[str], source: str, where: str = "", group_by: str = "") -> str:
    """Return a SELECT from a table, from the call of a reader function, or from another SELECT."""
    listed = columns if isinstance(columns, str) else ", ".join(columns)
    origin = f"({source})" if source.startswith("SELECT ") else source
    tail = (f" WHERE {where}" if where else "") + (f" GROUP BY {group_by}" if group_by else "")
    return f"SELECT {listed} FROM {origin}{tail}"  # noqa: S608 names and values were quoted here, by the functions above


def text_columns(names: Iterable[str]) -> str:
    """Return the `columns` argument of `read_csv` that reads every column as text."""
    return "{" + ", ".join(f"{text(name)}: 'VARCHAR'" for name in names) + "}"


def pattern_of(path: str) -> str:
    """Return a path with its glob characters escaped, because the engine's readers expand globs."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def day_in_zone(instant: str, zone: str) -> str:
    """Return the SQL of the day of a UTC timestamp in a time zone."""
    if zone == "UTC":
        return f"({instant})::DATE"
    return f"timezone({text(zone)}, timezone('UTC', {instant}))::DATE"


def instant(value: str, formats: Sequence[str], zone: str) -> str:
    """Return the SQL that parses text as a UTC timestamp, in the first format that matches;
    NULL if none matches.

    The result does not depend on the session's TimeZone setting, and no text raises an error.
    """
    readings = [_reading(value, form, zone) for form in formats]
    return readings[0] if len(readings) == 1 else f"coalesce({', '.join(readings)})"


def _reading(value: str, form: str, zone: str) -> str:
    if form in _EPOCH_DIGITS:
        moment = _from_epoch(value, _EPOCH_DIGITS[form])
        return moment if zone == "UTC" else from_wall(moment, zone)
    if form == "iso":
        return _from_iso(value, zone)
    if "%z" in form or "%Z" in form:
        # If the format has a zone, try_strptime returns the local time in UTC.
        read = wall_time(value, form)
        if form.endswith(" %z"):
            read = f"coalesce({read}, {wall_time(_with_shift(value), form)})"
        return _in_range(f"timezone('UTC', ({read})::TIMESTAMPTZ)")
    return from_wall(wall_time(value, form), zone)


def _with_shift(value: str) -> str:
    """Return the SQL of a time with its shift from UTC behind it, in place of how its zone is
    written: `10:00 -08:00` of `10:00 PST(UTC-8)`.
    """
    local, name, sign, hours, minutes = (
        f"regexp_extract({value}, {text(TIME_AND_ZONE)}, {group})" for group in range(1, 6)
    )
    shifts = f"map({texts(SHIFTS)}, {texts(SHIFTS.values())})[upper({name})]"
    written = (
        f"replace({sign}, '\u2212', '-') || lpad({hours}, 2, '0') || ':' || "
        f"coalesce(nullif({minutes}, ''), '00')"
    )
    return f"({local} || ' ' || CASE WHEN {hours} = '' THEN {shifts} ELSE {written} END)"


def wall_time(value: str, form: str) -> str:
    """Return the SQL of the wall time in a text of a strptime format.

    A text that the format does not read is tried again with plain blanks, as programs write others
    before AM and PM, and with AM and PM in place of their other spellings, such as `a. m.`.
    """
    read = f"try_strptime({value}, {text(form)})"
    if " " not in form and "%p" not in form:
        return read
    tidy = f"regexp_replace({value}, {text(BLANKS)}, ' ', 'g')"
    if "%p" in form:
        form = re.sub(r"\s*%p", " %p", form)
        tidy = f"regexp_replace({tidy}, {text(HALF_OF_DAY)}, {text(HALF_AS_READ)})"
    return f"coalesce({read}, try_strptime({tidy}, {text(form)}))"


def _from_epoch(value: str, digits: int) -> str:
    number = f"TRY_CAST({value} AS DECIMAL(38, 6))"
    # What is less than a microsecond is cut, as of texts. A division of decimals would round.
    is_finer = digits < 0
    scaled = (
        f"floor({number})::HUGEINT // {10**-digits}" if is_finer else f"{number} * {10**digits}"
    )
    micros = f"TRY_CAST({scaled} AS BIGINT)"
    low, high = -62135510400000000, 253402128000000000  # the two limits above, in microseconds
    return f"CASE WHEN {micros} BETWEEN {low} AND {high} THEN make_timestamp({micros}) END"


def _from_iso(value: str, zone: str) -> str:
    # A cast to TIMESTAMP keeps the local time and silently drops an offset. A cast to TIMESTAMPTZ
    # applies the offset, but reads text without one in the session's zone. So each cast is used for
    # its own formats only.
    wall = f"TRY_CAST({value} AS TIMESTAMP)"
    # Some sources write 'T12:00:00.5 +02:00' or a lower-case z. The engine parses neither.
    tidy = f"regexp_replace(regexp_replace({value}, '[zZ]$', '+00'), ' +([+-][0-9:]+)$', '\\1')"
    zoned = _in_range(f"timezone('UTC', TRY_CAST({tidy} AS TIMESTAMPTZ))")
    has_zone = f"regexp_matches({value}, '^[0-9][^:]*:[0-9:.]* ?({_OFFSET}|[A-Za-z][A-Za-z/_]*)$')"
    # Most timestamps end in Z; checking for two characters avoids the slow patterns for them.
    return (
        f"CASE WHEN suffix({value}, 'Z') AND contains({value}, ':') THEN {_in_range(wall)}"
        f" WHEN regexp_matches({value}, '^[0-9][^:]*(:[0-9:.]*)?$') THEN {from_wall(wall, zone)}"
        f" WHEN regexp_matches({value}, '^[0-9][^:]*:[0-9:.]*( ?Z| UTC)$') THEN {_in_range(wall)}"
        f" WHEN {has_zone} THEN {zoned} END"
    )


def from_wall(wall: str, zone: str) -> str:
    """Return the SQL that converts local time in a zone to UTC;
    NULL outside the years 1 to 9999.
    """
    safe = _in_range(wall)
    return safe if zone == "UTC" else f"timezone('UTC', timezone({text(zone)}, {safe}))"


def _in_range(moment: str) -> str:
    return f"CASE WHEN {moment} BETWEEN {_LOWEST} AND {_HIGHEST} THEN {moment} END"


def amount(column: str, kind: str = "DECIMAL(18, 4)", double: str = "DOUBLE") -> str:
    """Return the SQL that parses text as money; NULL for text that is not a number.

    A number that is too large is reduced to the largest one that fits, so that an amount of 20
    digits differs from text that is not an amount.
    """
    double = f"TRY_CAST({column} AS {double})"
    large, largest = "BETWEEN 1e14 AND 1e300", LARGEST_AMOUNT  # without infinity and NaN
    cut = f"CASE WHEN {double} {large} THEN {largest} WHEN -{double} {large} THEN -{largest} END"
    return f"COALESCE(TRY_CAST({column} AS {kind}), CAST({cut} AS {kind}))"


@cache  # the tables of a new warehouse have a thousand columns of a dozen types
def type_name(mapper: Any, kind: dt.DataType) -> str:  # noqa: ANN401 (a class of Ibis, which has no public name)
    """Return the name of an Ibis type in the DDL of an engine,
    as the engine's mapper of types has it.
    """
    return str(mapper.to_string(kind))
