"""Statements that Ibis writes once for all days.

Ibis takes several times longer to write a statement than DuckDB to run it, and the statements of
two days differ in their dates only. So a statement is kept as a template in which slots stand for
the dates: `day >= {date_0} AND day < {date_1}`. To find the template of an expression:

1. `Shape` writes the expression down as text, with numbers in place of its dates.
2. If a template is kept under that text, its slots are filled with the dates.
3. If not, `DateSlot`s replace the dates in the expression, and the compiler writes the template.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final

import duckdb
import ibis
import ibis.expr.datashape as ds
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import sqlglot.expressions as sge
from ibis.common.graph import Node
from ibis.expr.operations.relations import Namespace
from ibis.expr.operations.udf import InputType

from ecom_assets.core.sqlite_file import require_own_file
from ecom_assets.core.tables.open_days import DateSlot

SLOT: Final = re.compile(r"\{date_(\d+) *\}")
"""What stands for a date in a template."""
SLOT_WIDTH: Final = len("MAKE_DATE(2026, 3, 2)")
"""A slot is as wide as a date, because lines are broken by width."""
MOST: Final = 4096
"""Statements that are kept; a run of the whole platform writes about 300."""
ADAPTED: Final = blake2b(
    b"".join(
        Path(__file__).with_name(f"{module}.py").read_bytes()
        for module in ("kept_rows", "local", "statements")
    ),
    digest_size=8,
).hexdigest()
"""The modules in which Ibis' compiler is adapted, by their source:
any edit makes all kept statements unknown.
"""
MADE_WITH: Final = (ADAPTED, ibis.__version__, version("sqlglot"), duckdb.__version__)
"""What may write another statement for the same expression."""
PLAIN: Final = (str, bool, int, float, Decimal, bytes, dt.DataType, Enum, Namespace)
"""Values whose `repr` holds everything about them."""
NEVER: Final = (ops.Impure, ops.InMemoryTable, ops.ScalarParameter)
"""Operations that have something in them that their shape does not show: functions, rows,
what is not given.
"""

Write = Callable[[ir.Table], str]


class WritesDateSlots:
    """A method of a compiler of Ibis', which finds it by its name: writes a `DateSlot`."""

    __slots__ = ()

    def visit_DateSlot(self, _op: DateSlot, *, value: int, **_: object) -> sge.Var:  # noqa: N802 (as Ibis has it)
        """Return what `SLOT` finds."""
        return sge.Var(this=f"{{date_{value}".ljust(SLOT_WIDTH - 1) + "}")


class NoShapeError(Exception):
    """An expression has something in it that its shape does not show, such as rows in memory."""


class Shape:
    """The shape of an expression: its operations,
    each with the numbers of those it is made of, and its dates.

    `has_values` says whether there are other values in it than dates, such as what a question
    names.
    """

    def __init__(self, root: Node, dates: Mapping[Node, date], *, has_slots: bool = False) -> None:
        """Write an expression down; `dates` are those of its parameters.

        Raises:
            NoShapeError: It has something in it that its shape does not show, such as slots of
                dates, unless it `has_slots`.
        """
        self._date_literals = dates
        self._has_slots = has_slots
        self.has_values = False
        self._numbers: dict[Node, int] = {}
        self._lines: list[str] = []
        self._dates: dict[date, int] = {}
        self._date_numbers: dict[Node, int] = {}
        self._visit(root)
        self.text = "\n".join(self._lines)
        if SLOT.search(self.text):  # a value or a name that would be taken for a date
            raise NoShapeError

    @property
    def dates(self) -> list[date]:
        """Return the different dates, in the order of their numbers."""
        return list(self._dates)

    @property
    def slots(self) -> dict[Node, DateSlot]:
        """Return the slots of the dates, by the literals and parameters whose place they take."""
        return {node: DateSlot(number, node.dtype) for node, number in self._date_numbers.items()}

    def slots_of(self, numbers: Mapping[date, int]) -> dict[Node, DateSlot]:
        """Return slots with other numbers, by the literals whose place they take."""
        dates = self.dates
        return {
            node: DateSlot(numbers[dates[number]], node.dtype)
            for node, number in self._date_numbers.items()
        }

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
        self.has_values |= isinstance(node, ops.Literal) and not isinstance(node.value, bool)
        if self._has_slots and isinstance(node, DateSlot):
            return f"Slot {node.dtype} {node.value}"
        # The template of an expression with open dates is kept by the caller who left them open.
        if isinstance(node, (*NEVER, DateSlot)):
            raise NoShapeError
        # The number of a reference only distinguishes it from others, as its line does, and differs
        # in each process.
        arguments = node.__args__[:1] if isinstance(node, ops.Reference) else node.__args__
        return (
            f"{kind.__name__} {' '.join([self._key(argument, missing) for argument in arguments])}"
        )

    def _date(self, node: Node, value: date) -> int:
        number = self._dates.setdefault(value, len(self._dates))
        self._date_numbers[node] = number
        return number

    def _key(self, value: object, missing: list[Node]) -> str:
        if isinstance(value, Node):
            number = self._numbers.get(value)
            if number is None:
                missing.append(value)
            return f"#{number}"
        if isinstance(value, tuple):
            return f"({','.join([self._key(item, missing) for item in value])})"
        if isinstance(value, frozenset):
            return f"{{{','.join(sorted(self._key(item, missing) for item in value))}}}"
        if isinstance(value, Mapping) and not isinstance(value, ibis.Schema):
            pairs = [f"{name!r}:{self._key(item, missing)}" for name, item in value.items()]
            return f"{{{','.join(pairs)}}}"
        return _value_key(value)


def _value_key(value: object) -> str:
    if value is None or isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, ds.DataShape):  # of the arguments of functions over lists
        return type(value).__name__
    if isinstance(value, ibis.Schema):
        return _schema_text(value)
    if isinstance(value, ibis.BaseBackend):
        return "here"  # which warehouse a table is in is not in its statement
    if type(value).__module__ in {"datetime", "uuid"}:
        return repr(value)
    raise NoShapeError


@lru_cache(maxsize=1024)
def _schema_text(schema: ibis.Schema) -> str:
    return repr(dict(schema.items()))


class Statements:
    """Statements by the shape of their expression, in memory and in a file; threads may share them.

    The shape has every operation and value of the expression, but for its dates, which are numbered
    by where they stand, as are the parameters that dates are given for. Nothing that a user changes
    can make a kept statement wrong, because whatever Ibis reads to write it is in the shape, or in
    `MADE_WITH`.
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
            shape = Shape(rows.op(), dates)
        except NoShapeError:
            return write(
                with_literals(
                    rows, {node: ops.Literal(day, node.dtype) for node, day in dates.items()}
                )
            )
        key = key_of(kind, shape.text)
        template = self.read(key)
        if template is None:
            template = write(with_literals(rows, shape.slots))
            self.keep_text(key, template)
        return filled(template, shape.dates)

    def keep_in(self, path: Path) -> None:
        """Keep statements in a file too, from now on; without it if the file cannot be used."""
        with self._lock, suppress(sqlite3.Error, OSError):
            if not self._has_files or (path == self._path and path.exists()):
                return
            self._path, self._file = path, None
            require_own_file(path)
            try:
                self._file = _opened(path)
            except sqlite3.OperationalError:  # such as a lock of another process
                return
            except sqlite3.DatabaseError:  # a damaged file, whose statements are written again
                for damaged in path.parent.glob(f"{path.name}*"):
                    damaged.unlink()
                require_own_file(path)
                self._file = _opened(path)

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

    def keep_text(self, key: bytes, text: str) -> None:
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


def _opened(path: Path) -> sqlite3.Connection:
    """Open a file of statements, without the oldest of too many."""
    file = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    file.execute("CREATE TABLE IF NOT EXISTS statement (key BLOB PRIMARY KEY, sql TEXT NOT NULL)")
    file.execute(
        f"DELETE FROM statement WHERE rowid <= (SELECT max(rowid) FROM statement) - {MOST}"  # noqa: S608 (a number)
    )
    return file


def key_of(*parts: object) -> bytes:
    """Return the key of what follows from these parts, of which `repr` says everything."""
    return blake2b(repr((MADE_WITH, *parts)).encode(), digest_size=16).digest()


def with_literals(rows: ir.Table, literals: Mapping[Node, ops.Literal]) -> ir.Table:
    """Return the expression with literals in place of some of its operations."""
    return rows.op().replace(literals).to_expr() if literals else rows


def _seal(key: bytes, template: str) -> str:
    """Return what is kept beside a statement, by which a damaged one, or one of another key,
    is not taken for it.
    """
    return blake2b(template.encode(), key=key, digest_size=16).hexdigest()


def filled(template: str, dates: Sequence[date], function: str = "MAKE_DATE") -> str:
    """Return the statement of a template: each slot becomes the date of its number, by the
    engine's function of a year, a month and a day.
    """

    def date_literal(slot: re.Match[str]) -> str:
        day = dates[int(slot[1])]
        return f"{function}({day.year}, {day.month}, {day.day})"

    return SLOT.sub(date_literal, template)


STATEMENTS: Final = Statements()
"""The statements of this process."""
