"""DuckDB's SQL of each expression, kept for all tests of a process: compiling takes much longer than running.

Warehouses of tests are alike, so that one's SQL is another's: what differs, types and days, stands in the expression.
Not here: any test.
"""

from collections.abc import Callable, Mapping
from typing import Any

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.warehouse.engines.duckdb import DuckDBEngine

_KNOWN: dict[Any, str] = {}


def remember_sql() -> None:
    """Let all connections to DuckDB count as one where expressions are compared, and compile each expression once."""
    Backend.db_identity = "duckdb"
    compile_for_engine, compile_for_answer = DuckDBEngine.compile, Backend.compile

    def for_engine(engine: DuckDBEngine, rows: ir.Table) -> str:
        return _known(("engine", rows.op()), lambda: compile_for_engine(engine, rows))

    def for_answer(
        con: Backend,
        expr: ir.Expr,
        /,
        *,
        limit: int | str | None = None,
        params: Mapping[ir.Expr, Any] | None = None,
        pretty: bool = False,
    ) -> str:
        if params:
            return str(compile_for_answer(con, expr, limit=limit, params=params, pretty=pretty))
        key = ("answer", expr.op(), limit, pretty)
        return _known(key, lambda: compile_for_answer(con, expr, limit=limit, pretty=pretty))

    DuckDBEngine.compile = for_engine  # type: ignore[method-assign, assignment]
    Backend.compile = for_answer


def _known(key: Any, compile_anew: Callable[[], str]) -> str:
    if key not in _KNOWN:
        _KNOWN[key] = compile_anew()
    return _KNOWN[key]
