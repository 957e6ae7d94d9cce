"""Tables from functions: `computed` calls a function of tables, days and rules, or finds the
statement that was kept of an earlier call, so that the expression is not built again.

Whether the rows have to be computed again is in `computations.py`; statements are kept by
`warehouse/table_statements.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.building import BUILDING
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import Build, dialect_of

OWN_FUNCTIONS: Final[dict[str, Callable[[Any], None]]] = {}
"""Functions of Python that statements call, by name, with what defines each in a connection of
DuckDB that may have it already. A kept statement is of no use where they are missing.
"""


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement, and what an expression would say of it.

    Attributes:
        template: The statement, with slots for its dates.
        apart: The dates of its slots: the number of a date that was given, and the days from it.
        schema: The columns of its rows.
        lineage: The stored columns (layer, table, column) that each column is computed from.
        read_columns: The stored columns that it reads in any way, by table.
        functions: The names of `OWN_FUNCTIONS` that it calls.
    """

    template: str
    apart: tuple[tuple[int, int], ...]
    schema: ibis.Schema
    lineage: Mapping[str, frozenset[tuple[str, str, str]]] = field(default_factory=dict)
    read_columns: Mapping[str, list[str]] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()


class KeptRows(ops.SQLQueryResult):  # type: ignore[misc]  # Ibis ships no types
    """The rows of a statement that was built before; `query` has its dates."""

    statement: Any


def computed(function: Build, arguments: NamedValues, contract: Contract | None = None) -> ir.Table:
    """Return the table that a function returns.

    DuckDB's connections keep statements, with the dates of their days left open: where one is kept
    of the same function, rules and columns, the function is not called. So nothing but its
    arguments may decide what it returns. One that reads data meanwhile is called each time.

    Args:
        function: Returns an expression.
        arguments: Its arguments by name: tables, days and rules.
        contract: The contract of the result, whose columns a kept statement has in their order.
    """
    tables = (value for value in arguments.values() if isinstance(value, ir.Table))
    table = next(tables, None)
    if table is None or BUILDING.is_going_on:
        return function(**arguments)
    con = table.get_backend()
    return dialect_of(con).computed(con, function, arguments, contract)
