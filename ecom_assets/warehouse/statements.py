"""Statements that are written once: Ibis takes several times longer to write a statement than DuckDB to run it.

A statement is kept under the shape of its expression: every operation and value in it, but for its dates, which are
numbered by where they stand. One statement so serves all days. Nothing that a user changes can make a kept statement
wrong, because whatever Ibis reads to write it is in the shape, or in `MADE_WITH`.
"""

from collections.abc import Callable, Mapping, Sequence
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
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.common.graph import Node
from ibis.expr.operations.relations import Namespace
from ibis.expr.operations.udf import InputType

from ecom_assets.warehouse.kept_statements import FIRST_STAND_IN, KeptStatements

ADAPTED: Final = blake2b(
    b"".join(Path(__file__).with_name(f"{one}.py").read_bytes() for one in ("local", "statements", "kept_statements")),
    digest_size=8,
).hexdigest()
"""The modules in which Ibis' compiler is adapted, by their source: any edit makes all kept statements unknown."""
MADE_WITH: Final = (ADAPTED, ibis.__version__, version("sqlglot"), duckdb.__version__)
"""What may write another statement for the same expression."""
PLAIN: Final = (bool, int, float, Decimal, bytes, dt.DataType, Enum, Namespace)
"""Values whose `repr` holds everything about them."""
NEVER: Final = (ops.Impure, ops.InMemoryTable, ops.ScalarParameter)
"""Operations that have something in them that their shape does not show: functions, rows, what is given later."""

Write = Callable[[ir.Table], str]


class _NotKept(Exception):  # noqa: N818 (no error: the caller writes the statement)
    """An expression has something in it that its shape does not show, such as rows in memory."""


class _Shape:
    """The shape of an expression: its operations, each with the numbers of those it is made of, and its dates."""

    def __init__(self, root: Node) -> None:
        self._numbers: dict[Node, int] = {}
        self._lines: list[str] = []
        self._dates: dict[date, int] = {}
        self.literals: dict[ops.Literal, int] = {}
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
            return f"Literal {node.dtype} {self._date(node)}"
        if isinstance(node, ops.ScalarUDF) and node.__input_type__ is InputType.BUILTIN:
            given = [self._key(one, missing) for one in node.__args__]
            return f"Builtin {node.__udf_namespace__!r} {node.__func_name__} {node.dtype} {' '.join(given)}"
        if isinstance(node, NEVER):
            raise _NotKept
        # The number of a reference only distinguishes it from others, as its line does, and differs in each process.
        given = node.__args__[:1] if isinstance(node, ops.Reference) else node.__args__
        return f"{kind.__name__} {' '.join([self._key(one, missing) for one in given])}"

    def _date(self, node: ops.Literal) -> int:
        if node.value >= FIRST_STAND_IN:
            raise _NotKept
        number = self._dates.setdefault(node.value, len(self._dates))
        self.literals[node] = number
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


def kept_sql(kept: KeptStatements, rows: ir.Table, kind: str, write: Write) -> str:
    """Return the statement that computes `rows`; `kind` says how `write` writes it."""
    try:
        shape = _Shape(rows.op())
    except _NotKept:
        return write(rows)
    about = (MADE_WITH, kind, shape.text)
    return kept.filled(about, shape.dates, lambda days: write(_standing_in(rows, shape, days))) or write(rows)


def _standing_in(rows: ir.Table, shape: _Shape, days: Sequence[date]) -> ir.Table:
    """Return the expression with days that stand for its dates."""
    stand_ins = {node: ops.Literal(days[number], node.dtype) for node, number in shape.literals.items()}
    return rows.op().replace(stand_ins).to_expr() if stand_ins else rows
