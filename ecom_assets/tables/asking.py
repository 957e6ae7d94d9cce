"""Rows that functions of Ibis compute, asked of an engine by the function and what it is given.

Whoever asks in this way does not call the function: `warehouse/kept_asking.py` answers by statements that were written
before, without Ibis.
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
    """Declare that a function only compares with the dates that it is given, so that one statement serves all dates."""
    function.binds_dates = True  # type: ignore[attr-defined]  # a mark, which `is_bound` reads
    return function


class Asking:
    """Asks an engine through Ibis, which writes each statement."""

    def __init__(self, con: SQLBackend) -> None:
        """Ask `con`."""
        self._con = con

    @classmethod
    def of(cls, con: SQLBackend | Asking) -> Asking:
        """Return what asks `con`."""
        return con if isinstance(con, Asking) else cls(con)

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection | None:
        """Return the connection of the fast kernels, which need DuckDB's SQL; None on another engine."""
        return self._con.con if has_kernels(self._con) else None

    def held(self, name: str) -> ir.Table:
        """Return a temporary table or view."""
        return self._con.table(name, database=("temp", "main"))

    def sql(self, rows: ir.Table) -> str:
        """Return the statement that computes rows."""
        return str(self._con.compile(rows))

    def table(self, function: Callable[P, ir.Table], *args: P.args, **named: P.kwargs) -> ir.Table:
        """Return the rows of a function, to be given to another function."""
        return function(*args, **named)

    def rows(self, function: Callable[P, ir.Table], *args: P.args, **named: P.kwargs) -> list[dict[str, Any]]:
        """Return the rows of a function."""
        rows: list[dict[str, Any]] = function(*args, **named).to_pyarrow().to_pylist()
        return rows

    def stored(self, name: str, function: Callable[P, ir.Table], *args: P.args, **named: P.kwargs) -> ir.Table:
        """Return a temporary table with the rows of a function, because several questions read them."""
        return self._con.create_table(name, function(*args, **named), temp=True)
