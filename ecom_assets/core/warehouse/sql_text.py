"""SQL text: what quotes names and values, rules for timestamps,
and statements that Ibis writes once for all days.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.graph import Node
from ibis.expr.operations.relations import Namespace
from ibis.expr.operations.udf import InputType

# Outside this range Python has no dates, and time zone arithmetic in the engine may overflow.
_LOWEST, _HIGHEST = "TIMESTAMP '0001-01-02'", "TIMESTAMP '9999-12-30'"
_OFFSET = (
    "[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?"  # stricter than the engine, which also accepts +99:00
)
BLANKS: Final = r"[\s\pZ]+"
HALF_OF_DAY: Final = r" ?([AaPp])\.? ?[Mm]\b\.?"
HALF_AS_READ: Final = r" \1m"
"""AM and PM in any spelling, and as all readers of strptime formats know them."""
_EPOCH_DIGITS = {"epoch_s": 6, "epoch_ms": 3, "epoch_us": 0}


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
        return _in_range(f"timezone('UTC', try_strptime({value}, {text(form)})::TIMESTAMPTZ)")
    return from_wall(_from_form(value, form), zone)


def _from_form(value: str, form: str) -> str:
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
    micros = f"TRY_CAST(TRY_CAST({value} AS DECIMAL(38, 6)) * {10**digits} AS BIGINT)"
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
    large, largest = (
        "BETWEEN 1e14 AND 1e300",
        "99999999999999.9999",
    )  # the bounds leave out infinity and NaN
    cut = f"CASE WHEN {double} {large} THEN {largest} WHEN -{double} {large} THEN -{largest} END"
    return f"COALESCE(TRY_CAST({column} AS {kind}), CAST({cut} AS {kind}))"


FIRST_STAND_IN: Final = date(9000, 1, 1)
"""The first of the days that stand for dates in a kept statement;
no statement with a date after it is kept.
"""
STAND_IN: Final = re.compile(r"MAKE_DATE\((9\d{3}), (\d+), (\d+)\)")
"""A day that stands for a date, as DuckDB and Postgres write it."""
OTHERWISE: Final = re.compile(r"9\d{3}-\d\d-\d\d")
"""Such a day, written in another way."""
MOST: Final = 4096
"""Statements that are kept; a run of the whole platform writes about 300."""
ADAPTED: Final = blake2b(
    b"".join(
        Path(__file__).with_name(f"{module}.py").read_bytes() for module in ("local", "sql_text")
    ),
    digest_size=8,
).hexdigest()
"""The modules in which Ibis' compiler is adapted, by their source:
any edit makes all kept statements unknown.
"""
MADE_WITH: Final = (ADAPTED, ibis.__version__, version("sqlglot"), duckdb.__version__)
"""What may write another statement for the same expression."""
PLAIN: Final = (bool, int, float, Decimal, bytes, dt.DataType, Enum, Namespace)
"""Values whose `repr` holds everything about them."""
NEVER: Final = (ops.Impure, ops.InMemoryTable, ops.ScalarParameter)
"""Operations that have something in them that their shape does not show: functions, rows,
what is not given.
"""

Write = Callable[[ir.Table], str]


class _NotKept(Exception):  # noqa: N818 (no error: the caller writes the statement)
    """An expression has something in it that its shape does not show, such as rows in memory."""


class _Shape:
    """The shape of an expression: its operations,
    each with the numbers of those it is made of, and its dates.
    """

    def __init__(self, root: Node, dates: Mapping[Node, date]) -> None:
        self._date_literals = dates
        self._numbers: dict[Node, int] = {}
        self._lines: list[str] = []
        self._dates: dict[date, int] = {}
        self.positions: dict[Node, int] = {}
        self._visit(root)

    @property
    def text(self) -> str:
        """Return the shape as text."""
        return "\n".join(self._lines)

    @property
    def dates(self) -> list[date]:
        """Return the different dates, in the order of their numbers."""
        return list(self._dates)

    def _visit(self, root: Node) -> None:
        waiting = [root]
        while waiting:
            node = waiting[-1]
            if node in self._numbers:
                waiting.pop()
                continue
            missing: list[Node] = []
            line = self._line(node, missing)
            if missing:
                waiting += missing
            else:
                waiting.pop()
                self._numbers[node] = len(self._lines)
                self._lines.append(line)

    def _line(self, node: Node, missing: list[Node]) -> str:
        kind = type(node)
        if isinstance(node, ops.Literal) and type(node.value) is date:
            return f"Literal {node.dtype} {self._date(node, node.value)}"
        if node in self._date_literals:
            return f"Literal {node.dtype} {self._date(node, self._date_literals[node])}"
        if isinstance(node, ops.ScalarUDF) and node.__input_type__ is InputType.BUILTIN:
            arguments = [self._key(argument, missing) for argument in node.__args__]
            return (
                f"Builtin {node.__udf_namespace__!r} {node.__func_name__} {node.dtype} "
                f"{' '.join(arguments)}"
            )
        if isinstance(node, NEVER):
            raise _NotKept
        # The number of a reference only distinguishes it from others, as its line does, and differs
        # in each process.
        arguments = node.__args__[:1] if isinstance(node, ops.Reference) else node.__args__
        return (
            f"{kind.__name__} {' '.join([self._key(argument, missing) for argument in arguments])}"
        )

    def _date(self, node: Node, value: date) -> int:
        if value >= FIRST_STAND_IN:
            raise _NotKept
        number = self._dates.setdefault(value, len(self._dates))
        self.positions[node] = number
        return number

    def _key(self, value: object, missing: list[Node]) -> str:
        if isinstance(value, Node):
            return self._node_key(value, missing)
        if isinstance(value, tuple):
            return f"({','.join([self._key(item, missing) for item in value])})"
        if isinstance(value, frozenset):
            return f"{{{','.join(sorted(self._key(item, missing) for item in value))}}}"
        if isinstance(value, Mapping) and not isinstance(value, ibis.Schema):
            pairs = [f"{name!r}:{self._key(item, missing)}" for name, item in value.items()]
            return f"{{{','.join(pairs)}}}"
        return _value_key(value)

    def _node_key(self, node: Node, missing: list[Node]) -> str:
        number = self._numbers.get(node)
        if number is None:
            missing.append(node)
        return f"#{number}"


def _value_key(value: object) -> str:
    if isinstance(value, str):
        if "MAKE_DATE(9" in value:
            raise _NotKept
        return repr(value)
    if value is None or isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, ibis.Schema):
        return _schema_text(value)
    if isinstance(value, ibis.BaseBackend):
        return "here"  # which warehouse a table is in is not in its statement
    if (
        type(value).__module__ in {"datetime", "uuid"}
        and getattr(value, "year", 0) < FIRST_STAND_IN.year
    ):
        return repr(value)
    raise _NotKept


@lru_cache(maxsize=1024)
def _schema_text(schema: ibis.Schema) -> str:
    return repr(dict(schema.items()))


class Statements:
    """Statements by the shape of their expression, in memory and in a file; threads may share them.

    Ibis takes several times longer to write a statement than DuckDB to run it. The shape has every
    operation and value of the expression, but for its dates, which are numbered by where they
    stand, as are the parameters that dates are given for: one statement serves all days. Nothing
    that a user changes can make a kept statement wrong, because whatever Ibis reads to write it is
    in the shape, or in `MADE_WITH`.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._statements: dict[bytes, str] = {}
        self._file: sqlite3.Connection | None = None
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._has_files = True

    def __len__(self) -> int:
        """Return the number of statements in memory."""
        return len(self._statements)

    def sql(
        self,
        rows: ir.Table,
        kind: str,
        write: Write,
        params: Mapping[ir.Scalar, date] | None = None,
    ) -> str:
        """Return the statement that computes rows, written only if none is kept.

        Args:
            rows: The expression.
            kind: How `write` writes it, such as the engine that it is for.
            write: Writes a statement.
            params: The dates of the parameters in the expression.
        """
        dates: dict[Node, date] = {param.op(): day for param, day in (params or {}).items()}
        try:
            shape = _Shape(rows.op(), dates)
        except _NotKept:
            return write(_with_dates(rows, dates))
        key = key_of(kind, shape.text)
        template = self.read(key)
        if template is None:
            stand_ins = {
                node: FIRST_STAND_IN + timedelta(days=number)
                for node, number in shape.positions.items()
            }
            template = write(_with_dates(rows, stand_ins))
            if not _has_all_places(template, len(shape.dates)):
                return write(_with_dates(rows, dates))
            self.keep(key, template)
        return _filled(template, shape.dates)

    def keep_in(self, path: Path) -> None:
        """Keep statements in a file too, from now on; without it if the file cannot be used."""
        with self._lock, suppress(sqlite3.Error):
            if not self._has_files or (path == self._path and path.exists()):
                return
            self._path, self._file = path, None
            file = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")
            file.execute(
                "CREATE TABLE IF NOT EXISTS statement (key BLOB PRIMARY KEY, sql TEXT NOT NULL)"
            )
            file.execute(
                f"DELETE FROM statement WHERE rowid <= (SELECT max(rowid) FROM statement) - {MOST}"  # noqa: S608 (a number)
            )
            self._file = file

    @contextmanager
    def in_memory_only(self) -> Iterator[None]:
        """Keep nothing in a file for a while,
        such as statements that search for a person who is being erased.
        """
        with self._lock:
            before = (self._has_files, self._path, self._file)
            self._has_files, self._path, self._file = False, None, None
        try:
            yield
        finally:
            with self._lock:
                self._has_files, self._path, self._file = before

    def read(self, key: bytes) -> str | None:
        """Return the text that is kept under a key of `key_of`; None if there is none."""
        if text := self._statements.get(key):
            return text
        with self._lock, suppress(sqlite3.Error):
            if self._file and (
                row := self._file.execute(
                    "SELECT sql FROM statement WHERE key = ?", [key]
                ).fetchone()
            ):
                sealed, _, text = str(row[0]).partition("\n")
                if sealed == _seal(key, text):
                    self._statements[key] = text
                    return text
        return None

    def keep(self, key: bytes, text: str) -> None:
        """Keep a text under a key of `key_of`; what it is made from must be in the key."""
        with self._lock, suppress(sqlite3.Error):
            if len(self._statements) >= MOST:
                self._statements.clear()
            self._statements[key] = text
            if self._file:
                self._file.execute(
                    "INSERT OR REPLACE INTO statement VALUES (?, ?)",
                    [key, f"{_seal(key, text)}\n{text}"],
                )


def key_of(*parts: object) -> bytes:
    """Return the key of what follows from these parts, of which `repr` says everything."""
    return blake2b(repr((MADE_WITH, *parts)).encode(), digest_size=16).digest()


def _with_dates(rows: ir.Table, dates: Mapping[Node, date]) -> ir.Table:
    """Return the expression with dates in place of some of its literals and parameters."""
    literals = {node: ops.Literal(day, node.dtype) for node, day in dates.items()}
    return rows.op().replace(literals).to_expr() if literals else rows


def _seal(key: bytes, template: str) -> str:
    """Return what is kept beside a statement, by which a damaged one, or one of another key,
    is not taken for it.
    """
    return blake2b(template.encode(), key=key, digest_size=16).hexdigest()


def _number(match: re.Match[str]) -> int:
    year, month, day = map(int, match.groups())
    return (date(year, month, day) - FIRST_STAND_IN).days


def _has_all_places(template: str, count: int) -> bool:
    """Return whether a statement has a place for each date,
    and no date that is written in another way.
    """
    return not count or (
        {_number(match) for match in STAND_IN.finditer(template)} == set(range(count))
        and not OTHERWISE.search(template)
    )


def _filled(template: str, dates: Sequence[date]) -> str:
    def literal(match: re.Match[str]) -> str:
        result = dates[_number(match)]
        return f"MAKE_DATE({result.year}, {result.month}, {result.day})"

    return STAND_IN.sub(literal, template)


STATEMENTS: Final = Statements()
"""The statements of this process."""


@cache  # the tables of a new warehouse have a thousand columns of a dozen types
def type_name(mapper: Any, kind: dt.DataType) -> str:  # noqa: ANN401 (a class of Ibis, which has no public name)
    """Return the name of an Ibis type in the DDL of an engine,
    as the engine's mapper of types has it.
    """
    return str(mapper.to_string(kind))
