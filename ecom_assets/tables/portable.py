"""Ibis expressions alike on every engine: schemas of contracts, rows that conform to them, unions and ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend as DuckDB
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import ContractError, WarehouseError
from ecom_assets.tables.contract import Table


def can_be_null(table: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return the table with some columns made nullable, for expressions that mix them with null."""
    never = [name for name in columns if not table[name].type().nullable]
    return table.mutate(**{name: table[name].cast(table[name].type().copy(nullable=True)) for name in never})


def union_all(*tables: ir.Table) -> ir.Table:
    """Return the rows of all tables, duplicates included, in the column order of the first table.

    Ibis refuses a union of columns that differ in width or nullability. This function casts them to the wider type.
    """
    kinds = {
        name: dt.highest_precedence(table[name].type() for table in tables).copy(nullable=True)
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


def schema_of(contract: type[Table]) -> ibis.Schema:
    """Return the contract's columns as an Ibis schema."""
    return ibis.schema(
        {name: dt.dtype(column.type).copy(nullable=column.nullable) for name, column in contract.columns.items()}
    )


def conform(rows: ir.Table, contract: type[Table]) -> ir.Table:
    """Return `rows` in the contract's column order and types.

    Raises:
        ContractError: A column is missing or unknown.
    """
    missing = [name for name in contract.columns if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in contract.columns]
    if missing or unknown:
        raise ContractError(
            f"{contract.qualified_name()} was computed without {missing} and with {unknown}; make the columns "
            "equal to those of its contract."
        )
    kinds = {name: kind_of(dt.dtype(column.type)) for name, column in contract.columns.items()}
    columns = {
        name: rows[name] if kind_of(rows[name].type()) == kind else rows[name].cast(kind)
        for name, kind in kinds.items()
    }
    return rows.select(**columns)


@contextmanager
def batches_of(rows: ir.Table, row_count: int) -> Iterator[pa.RecordBatchReader]:
    """Yield rows in batches of `row_count` rows, in the types that their expression declares.

    DuckDB computes a batch when it is read, so that all rows need not fit in memory. Its connection takes no other
    statement until all are read, or the context ends.
    """
    backend = rows.get_backend()
    if isinstance(backend, DuckDB):
        # Ibis executes the statement before its first batch is read, and DuckDB then copies all of the result.
        result = backend._to_duckdb_relation(rows).to_arrow_reader(row_count)  # noqa: SLF001 (no public name returns a relation)
        batches = pa.RecordBatchReader.from_batches(rows.schema().to_pyarrow(), result)
    else:
        result = batches = rows.to_pyarrow_batches(chunk_size=row_count)
    try:
        yield in_their_types(batches)
    finally:
        result.close()


def in_their_types(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return batches in the types that the schema of their reader declares.

    DuckDB returns 128-bit sums of integers, while Ibis declares 64 bits. Reading them as declared gives wrong numbers.
    """
    schema = batches.schema
    return pa.RecordBatchReader.from_batches(
        schema, (batch if batch.schema.equals(schema) else batch.cast(schema) for batch in batches)
    )


def columns_to_add(contract: type[Table], result: ibis.Schema) -> list[str]:
    """Return the columns of the contract that a stored table lacks; all of them are nullable.

    Raises:
        WarehouseError: The table differs in a way that adding columns does not fix.
    """
    wanted = schema_of(contract)
    for name in result:
        if name not in wanted or kind_of(result[name]) != kind_of(wanted[name]):
            claim = f"has as {kind_of(wanted[name])}" if name in wanted else "does not have"
            raise WarehouseError(
                f"{contract.qualified_name()} has column {name!r} as {kind_of(result[name])}, which its contract "
                f"{claim}; only added columns are migrated automatically: run `ecom migrate` to see the changes."
            )
    missing = [name for name in wanted if name not in result]
    for name in missing:
        if not wanted[name].nullable:
            raise WarehouseError(
                f"{contract.qualified_name()} has no column {name!r}, which its contract requires without null; run "
                "`ecom migrate` to see the changes."
            )
    return missing


def kind_of(dtype: dt.DataType) -> dt.DataType:
    """Return a type in its nullable form, so that types compare regardless of nullability."""
    return dtype.copy(nullable=True)


def fetched(con: SQLBackend, rows: ir.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a small result; on DuckDB without pandas, which Ibis takes a third of a second to load."""
    if isinstance(con, DuckDB):
        matches: list[tuple[Any, ...]] = con.con.execute(str(con.compile(rows))).fetchall()
        return matches
    return [tuple(row.values()) for row in con.to_pyarrow(rows).to_pylist()]


def rows_of(rows: ir.Table) -> list[dict[str, Any]]:
    """Return the rows of a small result by column name, in the types that their expression declares."""
    result: list[dict[str, Any]] = rows.to_pyarrow().to_pylist()
    return result


def stored(con: SQLBackend, name: str, rows: ir.Table) -> ir.Table:
    """Return a temporary table with the rows, for several queries to read."""
    # Replaced where a question over files is answered twice; other engines need more statements for that.
    return con.create_table(name, rows, temp=True, overwrite=con.name == "duckdb")
