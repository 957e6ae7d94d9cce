"""Where Ibis is stricter than any engine: the union of tables, division, columns that may be null."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend as DuckDB


def can_be_null(table: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return the table with columns that may be null, for expressions that mix them with null."""
    never = [name for name in columns if not table[name].type().nullable]
    return table.mutate(**{name: table[name].cast(table[name].type().copy(nullable=True)) for name in never})


def union_all(*tables: ir.Table) -> ir.Table:
    """Return the rows of all tables, repeats included, in the column order of the first.

    Ibis refuses to unite columns that differ in width, or in whether they can be null; here the wider kind is taken.
    """
    kinds = {
        name: dt.highest_precedence(table[name].type() for table in tables).copy(nullable=True)
        for name in tables[0].columns
    }
    return ibis.union(
        *(table.select(**{name: table[name].cast(kind) for name, kind in kinds.items()}) for table in tables)
    )


def ratio(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """Return `part / whole` as a double; null where `whole` is zero.

    Both are made doubles first: Postgres divides whole numbers without a remainder, and sums of them as decimals.
    """
    return part.cast("float64") / whole.cast("float64").nullif(0)


def has_kernels(con: SQLBackend) -> "TypeGuard[DuckDB]":
    """Return whether the fast ways to count funnels and retention, which are of DuckDB's SQL, run on a connection."""
    return bool(con.name == "duckdb")
