"""How a backend of Ibis' uses statements that are kept, and not built again for each run.

To build the statement of a table takes Ibis and sqlglot longer than DuckDB takes to run it over a
small shop (docs/adr/0056). `table_statements.py` keeps statements with slots for dates;
`KeptDialect.computed` looks one up, and its rows are an expression, `KeptRows`, that
`KeepsStatements` writes as the text that it is. An engine that has both in its classes is faster,
and answers the same.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.building import BUILDING
from ecom_assets.core.tables.computed import KeptRows
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import Build, Dialect
from ecom_assets.core.warehouse.statements import WritesDateSlots
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS, numbered_statements

DEPTH: Final = 20_000
"""How deep sqlglot may call itself: it takes a dozen calls for each bracket of a statement, and
conditions on hundreds of single days have as many brackets within each other.
"""


class WritesKept(WritesDateSlots):
    """Methods of a compiler of Ibis', which finds them by their names: a template with its slots,
    and `KeptRows`.
    """

    __slots__ = ()

    def visit_KeptRows(  # noqa: N802 (as Ibis has it)
        self,
        op: KeptRows,
        *,
        query: str,
        schema: ibis.Schema,
        source: object,
        **_: object,
    ) -> Any:  # noqa: ANN401 (as above)
        """Return the statement as a part of another one."""
        with _deep_recursion():
            return self.visit_SQLQueryResult(op, query=query, schema=schema, source=source)  # type: ignore[attr-defined]  # of the compiler


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class KeepsStatements(SQLBackend):  # type: ignore[misc]  # Ibis ships no types
    """What is beside a backend of Ibis': statements that are kept are handed out as they are, and
    nothing is run while one is built.

    Its compiler has `WritesKept`.
    """

    date_function: ClassVar[str] = "MAKE_DATE"
    """The function of a year, a month and a day, by which statements name dates."""

    def compile(
        self,
        expr: ir.Expr,
        /,
        *,
        limit: int | None = None,
        params: Mapping[ir.Expr, Any] | None = None,
        pretty: bool = False,
    ) -> str:
        """Return the statement that computes an expression."""
        BUILDING.require_none()
        if limit is not None or params:
            return str(super().compile(expr, limit=limit, params=params, pretty=pretty))
        if isinstance(expr, ir.Table) and isinstance(expr.op(), KeptRows):
            return str(expr.op().query)
        return self.written(expr, pretty=pretty)

    def written(self, expr: ir.Expr, *, pretty: bool) -> str:
        """Write the statement that computes an expression."""
        return str(super().compile(expr, pretty=pretty))

    def write_streaming(self, rows: ir.Table) -> str:
        """Write the statement that fills a table."""
        return KeepsStatements.written(self, rows, pretty=True)

    def raw_sql(self, query: Any, **options: Any) -> Any:  # noqa: ANN401 (as Ibis has it)
        """Run a statement."""
        BUILDING.require_none()
        return super().raw_sql(query, **options)

    def create_table(self, name: str, /, obj: Any = None, **options: Any) -> ir.Table:  # noqa: ANN401 (as above)
        """Create a table, with the rows of an expression."""
        BUILDING.require_none()
        return super().create_table(name, obj, **options)


class KeptDialect(Dialect):
    """Tables and checks by their kept statements, which stay texts."""

    def computed(
        self,
        con: SQLBackend,
        function: Build,
        arguments: NamedValues,
        contract: Contract | None,
    ) -> Any:  # noqa: ANN401 (as the function)
        """Return what a function returns, by a kept statement if there is one."""
        if not isinstance(con, KeepsStatements):
            return super().computed(con, function, arguments, contract)
        return TABLE_STATEMENTS.rows(con, function, arguments, contract)

    def numbered(self, tables: Sequence[ir.Table]) -> ir.Table:
        """Return the rows of several tables; kept statements stay texts."""
        kept = numbered_statements(tables)
        return super().numbered(tables) if kept is None else kept
