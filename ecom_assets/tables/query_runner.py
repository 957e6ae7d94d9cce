"""Running Ibis functions on an engine: the caller passes the function and its arguments instead of calling it.

So `warehouse/kept_queries.py` can run the SQL that an earlier call wrote, without Ibis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ecom_assets.tables.portable import has_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb
    import ibis.expr.types as ir
    from ibis.backends.sql import SQLBackend

P = ParamSpec("P")
Function = TypeVar("Function", bound="Callable[..., Any]")


def binds_dates(function: Function) -> Function:
    """Declare that a function only compares with its date arguments, so that one statement serves all dates."""
    function.binds_dates = True  # type: ignore[attr-defined]  # a mark, which `is_bound` reads
    return function


class QueryRunner:
    """Runs functions of Ibis on an engine, each with newly compiled SQL."""

    def __init__(self, con: SQLBackend) -> None:
        """Run queries on `con`."""
        self._con = con

    @classmethod
    def wrap(cls, con: SQLBackend | QueryRunner) -> QueryRunner:
        """Return `con` itself if it is a runner, otherwise a runner for it."""
        return con if isinstance(con, QueryRunner) else cls(con)

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection | None:
        """Return the connection of the fast kernels, which need DuckDB's SQL; None on another engine."""
        return self._con.con if has_kernels(self._con) else None

    def temp_table(self, name: str) -> ir.Table:
        """Return a temporary table or view."""
        return self._con.table(name, database=("temp", "main"))

    def sql(self, rows: ir.Table) -> str:
        """Return the statement that computes rows."""
        return str(self._con.compile(rows))

    def table(self, function: Callable[P, ir.Table], *args: P.args, **named: P.kwargs) -> ir.Table:
        """Return the table that a function computes, as an argument of another function."""
        return function(*args, **named)

    def rows(self, function: Callable[P, ir.Table], *args: P.args, **named: P.kwargs) -> list[dict[str, Any]]:
        """Return the rows that a function computes."""
        rows: list[dict[str, Any]] = function(*args, **named).to_pyarrow().to_pylist()
        return rows

    def stored(self, name: str, function: Callable[P, ir.Table], *args: P.args, **named: P.kwargs) -> ir.Table:
        """Return a temporary table with the rows that a function computes, for several queries to read."""
        # Replaced where a question over files is answered twice; other engines need more statements for that.
        return self._con.create_table(name, function(*args, **named), temp=True, overwrite=self._con.name == "duckdb")
