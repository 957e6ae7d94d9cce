"""Statements that are written once: Ibis takes several times longer to write a statement than DuckDB to run it.

A statement is kept under the shape of its expression: every operation and value in it, but for its dates, which are
numbered by where they stand, as are the parameters that dates are given for. One statement so serves all days. Nothing
that a user changes can make a kept statement wrong, because whatever Ibis reads to write it is in the shape, or in
`MADE_WITH`.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.graph import Node
from ibis.expr.operations.relations import Namespace
from ibis.expr.operations.udf import InputType

FIRST_STAND_IN: Final = date(9000, 1, 1)
"""The first of the days that stand for dates in a kept statement; no statement with a date after it is kept."""
STAND_IN: Final = re.compile(r"MAKE_DATE\((9\d{3}), (\d+), (\d+)\)")
"""A day that stands for a date, as DuckDB and Postgres write it."""
OTHERWISE: Final = re.compile(r"9\d{3}-\d\d-\d\d")
"""Such a day, written in another way."""
MOST: Final = 4096
"""Statements that are kept; a run of the whole platform writes about 300."""
ADAPTED: Final = blake2b(
    b"".join(Path(__file__).with_name(f"{one}.py").read_bytes() for one in ("local", "statements")),
    digest_size=8,
).hexdigest()
"""The modules in which Ibis' compiler is adapted, by their source: any edit makes all kept statements unknown."""
MADE_WITH: Final = (ADAPTED, ibis.__version__, version("sqlglot"), duckdb.__version__)
"""What may write another statement for the same expression."""
PLAIN: Final = (bool, int, float, Decimal, bytes, dt.DataType, Enum, Namespace)
"""Values whose `repr` holds everything about them."""
NEVER: Final = (ops.Impure, ops.InMemoryTable, ops.ScalarParameter)
"""Operations that have something in them that their shape does not show: functions, rows, what is not given."""

Write = Callable[[ir.Table], str]


class _NotKept(Exception):  # noqa: N818 (no error: the caller writes the statement)
    """An expression has something in it that its shape does not show, such as rows in memory."""


class _Shape:
    """The shape of an expression: its operations, each with the numbers of those it is made of, and its dates."""

    def __init__(self, root: Node, given: Mapping[Node, date]) -> None:
        self._given = given
        self._numbers: dict[Node, int] = {}
        self._lines: list[str] = []
        self._dates: dict[date, int] = {}
        self.places: dict[Node, int] = {}
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
        if node in self._given:
            return f"Literal {node.dtype} {self._date(node, self._given[node])}"
        if isinstance(node, ops.ScalarUDF) and node.__input_type__ is InputType.BUILTIN:
            given = [self._key(one, missing) for one in node.__args__]
            return f"Builtin {node.__udf_namespace__!r} {node.__func_name__} {node.dtype} {' '.join(given)}"
        if isinstance(node, NEVER):
            raise _NotKept
        # The number of a reference only distinguishes it from others, as its line does, and differs in each process.
        given = node.__args__[:1] if isinstance(node, ops.Reference) else node.__args__
        return f"{kind.__name__} {' '.join([self._key(one, missing) for one in given])}"

    def _date(self, node: Node, value: date) -> int:
        if value >= FIRST_STAND_IN:
            raise _NotKept
        number = self._dates.setdefault(value, len(self._dates))
        self.places[node] = number
        return number

    def _key(self, value: object, missing: list[Node]) -> str:
        if isinstance(value, Node):
            return self._node_key(value, missing)
        if isinstance(value, tuple):
            return f"({','.join([self._key(one, missing) for one in value])})"
        if isinstance(value, frozenset):
            return f"{{{','.join(sorted(self._key(one, missing) for one in value))}}}"
        if isinstance(value, Mapping) and not isinstance(value, ibis.Schema):
            return f"{{{','.join([f'{name!r}:{self._key(one, missing)}' for name, one in value.items()])}}}"
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
    if type(value).__module__ in {"datetime", "uuid"} and getattr(value, "year", 0) < FIRST_STAND_IN.year:
        return repr(value)
    raise _NotKept


@lru_cache(maxsize=1024)
def _schema_text(schema: ibis.Schema) -> str:
    return repr(dict(schema.items()))


class Statements:
    """Statements by the shape of their expression, in memory and in a file; threads may share them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[bytes, str] = {}
        self._file: sqlite3.Connection | None = None
        self._path: Path | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of statements in memory."""
        return len(self._kept)

    def sql(self, rows: ir.Table, kind: str, write: Write, params: Mapping[ir.Scalar, date] | None = None) -> str:
        """Return the statement that computes rows, written only if none is kept.

        Args:
            rows: The expression.
            kind: How `write` writes it, such as the engine that it is for.
            write: Writes a statement.
            params: The dates of the parameters in the expression.
        """
        given: dict[Node, date] = {param.op(): day for param, day in (params or {}).items()}
        try:
            shape = _Shape(rows.op(), given)
        except _NotKept:
            return write(_with_dates(rows, given))
        key = blake2b(repr((MADE_WITH, kind, shape.text)).encode(), digest_size=16).digest()
        template = self._kept.get(key) or self._read(key)
        if template is None:
            stand_ins = {node: FIRST_STAND_IN + timedelta(days=number) for node, number in shape.places.items()}
            template = write(_with_dates(rows, stand_ins))
            if not _has_all_places(template, len(shape.dates)):
                return write(_with_dates(rows, given))
            self._keep(key, template)
        return _filled(template, shape.dates)

    def keep_in(self, path: Path) -> None:
        """Keep statements in a file too, from now on; without it if the file cannot be used."""
        with self._lock, suppress(sqlite3.Error):
            if path == self._path and path.exists():
                return
            self._path, self._file = path, None
            file = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")
            file.execute("CREATE TABLE IF NOT EXISTS statement (key BLOB PRIMARY KEY, sql TEXT NOT NULL)")
            file.execute(f"DELETE FROM statement WHERE rowid <= (SELECT max(rowid) FROM statement) - {MOST}")  # noqa: S608 (a number)
            self._file = file

    def _read(self, key: bytes) -> str | None:
        with self._lock, suppress(sqlite3.Error):
            if self._file and (row := self._file.execute("SELECT sql FROM statement WHERE key = ?", [key]).fetchone()):
                sealed, _, template = str(row[0]).partition("\n")
                if sealed == _seal(key, template):
                    self._kept[key] = template
                    return template
        return None

    def _keep(self, key: bytes, template: str) -> None:
        with self._lock, suppress(sqlite3.Error):
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[key] = template
            if self._file:
                sealed = f"{_seal(key, template)}\n{template}"
                self._file.execute("INSERT OR REPLACE INTO statement VALUES (?, ?)", [key, sealed])


def _with_dates(rows: ir.Table, dates: Mapping[Node, date]) -> ir.Table:
    """Return the expression with dates in place of some of its literals and parameters."""
    literals = {node: ops.Literal(day, node.dtype) for node, day in dates.items()}
    return rows.op().replace(literals).to_expr() if literals else rows


def _seal(key: bytes, template: str) -> str:
    """Return what is kept beside a statement, by which a damaged one, or one of another key, is not taken for it."""
    return blake2b(template.encode(), key=key, digest_size=16).hexdigest()


def _number(place: re.Match[str]) -> int:
    year, month, day = map(int, place.groups())
    return (date(year, month, day) - FIRST_STAND_IN).days


def _has_all_places(template: str, count: int) -> bool:
    """Return whether a statement has a place for each date, and no date that is written in another way."""
    return not count or (
        {_number(place) for place in STAND_IN.finditer(template)} == set(range(count))
        and not OTHERWISE.search(template)
    )


def _filled(template: str, dates: Sequence[date]) -> str:
    def literal(place: re.Match[str]) -> str:
        result = dates[_number(place)]
        return f"MAKE_DATE({result.year}, {result.month}, {result.day})"

    return STAND_IN.sub(literal, template)


STATEMENTS: Final = Statements()
"""The statements of this process."""
