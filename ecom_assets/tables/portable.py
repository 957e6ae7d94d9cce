"""Helpers that make Ibis expressions portable: union, first rows, division, and nullable columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend as DuckDB
from ibis.backends.sql import SQLBackend


def can_be_null(table: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return the table with some columns made nullable, for expressions that mix them with null."""
    never = [name for name in columns if not table[name].type().nullable]
    return table.mutate(**{name: table[name].cast(table[name].type().copy(nullable=True)) for name in never})


def union_all(*tables: ir.Table) -> ir.Table:
    """Return the rows of all tables, duplicates included, in the column order of the first table.

    Ibis refuses a union of columns that differ in width or nullability. This function casts them to the wider type.
    """
    kinds = {
        name: ibis.expr.datatypes.highest_precedence(table[name].type() for table in tables).copy(nullable=True)
        for name in tables[0].columns
    }
    return ibis.union(
        *(table.select(**{name: table[name].cast(kind) for name, kind in kinds.items()}) for table in tables)
    )


def first_of_each(rows: ir.Table, unit: str | Sequence[str], order: Sequence[Any]) -> ir.Table:
    """Return the first row of each unit, by an order without ties."""
    numbered = rows.mutate(row_place=ibis.row_number().over(ibis.window(group_by=unit, order_by=order)))
    return numbered.filter(numbered.row_place == 0).drop("row_place")


def ratio(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """Return `part / whole` as a double; null where `whole` is zero.

    Both are cast to doubles first: Postgres truncates the quotient of integers, and divides their sums as decimals.
    """
    return part.cast("float64") / whole.cast("float64").nullif(0)


def has_kernels(con: SQLBackend) -> TypeGuard[DuckDB]:
    """Return whether a connection can run the fast kernels, which need DuckDB's SQL."""
    return bool(con.name == "duckdb")


NO = ibis.literal(value=False)
