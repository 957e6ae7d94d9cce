"""Running Ibis functions on DuckDB by SQL that is kept from earlier calls: without Ibis, if all of it is kept.

A statement's key is the function, its arguments, the columns and types of the tables that it reads, and the version of
the code and libraries that write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from ecom_assets.tables.query_runner import QueryRunner
from ecom_assets.warehouse.kept_statements import FIRST_STAND_IN, STATEMENTS, KeptStatements
from ecom_assets.warehouse.sql_text import ident, select

if TYPE_CHECKING:
    import ibis.expr.datatypes as dt

    from ecom_assets.warehouse.local import DuckDB

PLAIN: Final = (str, int, float, bool, Decimal, date, datetime, type(None))
"""Types of values whose `repr` holds everything about them."""


@cache
def written_by() -> tuple[str, ...]:
    """Return what writes statements: all code of this package, by its source, and the libraries."""
    code = blake2b(digest_size=16)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    return code.hexdigest(), version("ibis-framework"), version("sqlglot"), duckdb.__version__


@dataclass(frozen=True)
class _TempTable:
    """A temporary table or view of the engine, with its columns and their types."""

    name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Call:
    """A function of Ibis with its arguments, tables among them; it is not called yet."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    named: Mapping[str, Any]

    @property
    def is_bound(self) -> bool:
        """Whether the function only compares with its date arguments."""
        return hasattr(self.function, "binds_dates")


class _NotKept(Exception):  # noqa: N818 (no error: the caller writes the statement)
    """An argument of a function cannot be part of a key."""


class KeptQueryRunner(QueryRunner):
    """Runs functions of Ibis on a DuckDB connection by statements that are kept; Ibis writes those that are missing."""

    def __init__(self, con: duckdb.DuckDBPyConnection, statements: KeptStatements = STATEMENTS) -> None:
        """Run queries on `con` by the statements in `statements`."""
        self._duckdb = con
        self._statements = statements

    def has_answered(self, question: object) -> bool:
        """Return whether a question was answered before, so that its statements are probably kept; record it."""
        try:
            about = (written_by(), "question", _text(question, {}))
        except _NotKept:
            return False
        return self._statements.has(about)

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """Return the connection."""
        return self._duckdb

    def temp_table(self, name: str) -> Any:  # noqa: ANN401 (it stands for a table of Ibis)
        """Return a temporary table or view of the engine."""
        columns = self._duckdb.execute(f"DESCRIBE temp.main.{ident(name)}").fetchall()
        return _TempTable(name, tuple((column, kind) for column, kind, *_ in columns))

    def table(self, function: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401 (as `QueryRunner` has it)
        """Return a placeholder for the table that a function computes, as an argument of another function."""
        return _Call(function, args, named)

    def rows(self, function: Any, *args: Any, **named: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (as above)
        """Return the rows that a function computes."""
        result = self._duckdb.execute(self._sql(_Call(function, args, named), is_stored=False))
        columns = [name for name, *_ in result.description]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def stored(self, name: str, function: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401 (as above)
        """Return a temporary table with the rows that a function computes."""
        sql = self._sql(_Call(function, args, named), is_stored=True)
        self._duckdb.execute(f"CREATE OR REPLACE TEMP TABLE {ident(name)} AS {sql}")
        return self.temp_table(name)

    def sql(self, rows: Any) -> str:  # noqa: ANN401 (as above)
        """Return the statement that computes rows."""
        if isinstance(rows, _TempTable):
            return select("*", f"temp.main.{ident(rows.name)}")
        return self._sql(rows, is_stored=False)

    def _sql(self, call: _Call, *, is_stored: bool) -> str:
        numbers: dict[date, int] = {}
        try:
            about = (written_by(), "stored" if is_stored else "rows", _text(call, numbers))
        except _NotKept:
            return self._written(call, {}, is_stored=is_stored)

        def write(days: list[date]) -> str:
            return self._written(call, dict(zip(numbers, days, strict=True)), is_stored=is_stored)

        kept = self._statements.filled(about, list(numbers), write)
        return self._written(call, {}, is_stored=is_stored) if kept is None else kept

    def _written(self, call: _Call, stand_ins: Mapping[date, date], *, is_stored: bool) -> str:
        rows = self._built(call, stand_ins)
        sql = str(self._backend.compile(rows))
        kinds = self._backend.compiler.type_mapper
        if not is_stored and self._has_kinds(sql, rows.schema().types):
            return sql
        typed = (f"{ident(name)}::{kinds.to_string(kind)} AS {ident(name)}" for name, kind in rows.schema().items())
        return f"SELECT {', '.join(typed)} FROM ({sql})"  # noqa: S608 (compiled by Ibis)

    def _has_kinds(self, sql: str, kinds: Iterable[dt.DataType]) -> bool:
        """Return whether values have the types of Ibis's columns; integers may have any size."""
        described = [kind for _, kind, *_ in self._duckdb.execute(f"DESCRIBE {sql}").fetchall()]
        engine = map(self._backend.compiler.type_mapper.from_string, described)
        return all(
            type(one) is type(other) or (other.is_integer() and (one.is_integer() or kind == "HUGEINT"))
            for kind, one, other in zip(described, engine, kinds, strict=True)
        )

    def _built(self, value: Any, stand_ins: Mapping[date, date]) -> Any:  # noqa: ANN401 (any argument)
        """Return a value with Ibis tables in place of their placeholders."""
        if isinstance(value, _TempTable):
            return self._backend.table(value.name, database=("temp", "main"))
        if not isinstance(value, _Call):
            return value

        def given(one: Any) -> Any:  # noqa: ANN401 (as above)
            if value.is_bound and type(one) is date:
                return stand_ins.get(one, one)
            return self._built(one, stand_ins)

        named = {name: given(one) for name, one in value.named.items()}
        return value.function(*(given(one) for one in value.args), **named)

    @cached_property
    def _backend(self) -> DuckDB:
        from ecom_assets.warehouse.local import adopted  # noqa: PLC0415 (loads Ibis)

        return adopted(self._duckdb)


def _text(value: object, dates: dict[date, int]) -> str:
    """Return a value's part of a key: all about it, except that dates that are only compared with become numbers."""
    if isinstance(value, _Call):
        return _call_text(value, dates)
    if type(value) in PLAIN:
        if isinstance(value, str) and "MAKE_DATE(9" in value:
            raise _NotKept  # it would be taken for a place of a date
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_text(key, dates)}: {_text(one, dates)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(one, dates) for one in value)}]"
    if is_dataclass(value):
        kind = type(value)
        parts = (f"{one.name}={_text(getattr(value, one.name), dates)}" for one in fields(value))
        return f"{kind.__module__}.{kind.__qualname__}({', '.join(parts)})"
    raise _NotKept


def _call_text(call: _Call, dates: dict[date, int]) -> str:
    name = f"{call.function.__module__}.{call.function.__qualname__}"
    if "<" in name:
        raise _NotKept  # a nested function may depend on more than its arguments

    def text_of(value: object) -> str:
        if not call.is_bound or type(value) is not date:
            return _text(value, dates)
        if value >= FIRST_STAND_IN:
            raise _NotKept
        return f"day {dates.setdefault(value, len(dates))}"

    given = [*map(text_of, call.args), *(f"{name}={text_of(one)}" for name, one in sorted(call.named.items()))]
    return f"{name}({', '.join(given)})"
