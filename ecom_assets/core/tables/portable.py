"""Ibis expressions that give equal rows on every engine, and the only ways to fetch rows.

- What Ibis does differently on some engine has a function here, or a method of `Dialect`, which
  engines override: `union_all`, `first_of_each`, `text_digest`, `ratio` and the like.
- `schema_of`, `conform` and the functions about stored tables turn contracts into schemas.
- `rows_of`, `value_of`, `count_of`, `arrow_of` and `batches_of` fetch rows, in the types of their
  expression; nothing else may call Ibis' own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from secrets import token_hex
from typing import Any, ClassVar, Final, TypeAlias, TypeGuard
from weakref import WeakKeyDictionary

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend as DuckDB
from ibis.backends.sql import SQLBackend

from ecom_assets.core.errors import ContractError, WarehouseError
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.building import BUILDING
from ecom_assets.core.tables.contract import Contract

Parameters: TypeAlias = Mapping[ir.Scalar, Any] | None
"""Values of the parameters of an expression."""
Build: TypeAlias = Callable[..., Any]
"""A function that returns an expression; one of an asset may return more than that."""


class Dialect:
    """What a connection can do where Ibis backends differ.

    An engine that can do more registers its own.
    """

    joins_in_columns: ClassVar[bool] = False
    """Whether `IN (SELECT …)` is taken outside filters too."""
    has_text_hash: ClassVar[bool] = False
    """Whether there is `text_hash`."""
    has_kernels: ClassVar[bool] = False
    """Whether it is a DuckDB connection, whose SQL the fast kernels are written in."""
    joins_cheaply: ClassVar[bool] = False
    """Whether to read a few columns twice and join the results costs less than one pass over rows.

    DuckDB reads columns apart and compressed, and a join in memory takes a tenth of a pattern. On
    Postgres one pattern of 180,000 user agents takes minutes. Each join adds tasks to a Spark
    query.
    """

    def text_hash(self, text: ir.Value) -> ir.IntegerColumn:
        """Return a hash of a text: 64 bits without a sign."""
        raise NotImplementedError

    def computed(
        self,
        _con: SQLBackend,
        function: Build,
        arguments: NamedValues,
        _contract: Contract | None,
    ) -> Any:  # noqa: ANN401 (as the function)
        """Return what a function returns, or the same rows in the columns of a contract."""
        return function(**arguments)

    def numbered(self, tables: Sequence[ir.Table]) -> ir.Table:
        """Return the rows of several tables with the place of their table in `number`."""
        return union_all(
            *(
                table.mutate(number=ibis.literal(number, "int64"))
                for number, table in enumerate(tables)
            )
        )

    def batches(self, rows: ir.Table, row_count: int) -> pa.RecordBatchReader:
        """Run an expression and return its rows in batches."""
        return rows.to_pyarrow_batches(chunk_size=row_count)

    def fetched(self, _con: SQLBackend, rows: ir.Table) -> list[tuple[Any, ...]]:
        """Return the rows of a small result."""
        return [tuple(row.values()) for row in rows_of(rows)]

    def stored(self, con: SQLBackend, name: str, rows: ir.Table) -> ir.Table:
        """Return a temporary table with the rows, for several queries; `name` begins its name."""
        return con.create_table(f"{name}_{token_hex(4)}", rows, temp=True)

    def kept(self, _con: SQLBackend, _name: str, rows: ir.Table) -> ir.Table:
        """Return the rows, from a temporary table if that costs less than to compute them again."""
        return rows

    def listed(self, _con: SQLBackend, _name: str, _values: Sequence[str]) -> ir.Table | None:
        """Return texts as the column `value` of a table; None if SQL would have to contain them."""
        return None


DIALECTS: Final[dict[str, Dialect]] = {}
"""The dialects that differ from `Dialect`, by the name of their Ibis backend."""


def dialect_of(con: SQLBackend) -> Dialect:
    """Return what a connection can do."""
    return DIALECTS.get(con.name) or Dialect()


def can_be_null(table: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return the table with some columns made nullable, for expressions that mix them with null."""
    never = [name for name in columns if not table[name].type().nullable]
    return table.mutate(
        **{name: table[name].cast(table[name].type().copy(nullable=True)) for name in never}
    )


def union_all(*tables: ir.Table) -> ir.Table:
    """Return the rows of all tables, duplicates included, in the column order of the first table.

    Ibis refuses a union of columns that differ in width or nullability. This function casts them to
    the wider type.
    """
    kinds = {
        name: dt.highest_precedence(table[name].type() for table in tables).copy(nullable=True)
        for name in tables[0].columns
    }
    return ibis.union(
        *(
            table.select(**{name: table[name].cast(kind) for name, kind in kinds.items()})
            for table in tables
        )
    )


def numbered(tables: Sequence[ir.Table]) -> ir.Table:
    """Return the rows of several tables with the place of their table in `number`, from 0 on."""
    return dialect_of(tables[0].get_backend()).numbered(tables)


def union_distinct(*tables: ir.Table) -> ir.Table:
    """Return each row that any of the tables has, once; columns as in `union_all`."""
    return union_all(*tables).distinct()


def first_of_each(rows: ir.Table, unit: str | Sequence[str], order: Sequence[Any]) -> ir.Table:
    """Return the first row of each unit, by an order without ties."""
    numbered = rows.mutate(
        row_place=ibis.row_number().over(ibis.window(group_by=unit, order_by=order))
    )
    return numbered.filter(numbered.row_place == 0).drop("row_place")


def first_of_stored(rows: ir.Table, unit: Sequence[str], order: Sequence[str]) -> ir.Table:
    """Return what `first_of_each` does, of rows that cost little to read twice.

    Args:
        rows: Rows of a stored table; filtered or not.
        unit: The columns of a unit, never null.
        order: Columns without ties, never null; few rows of a unit have the least value of the
            first of them.
    """
    if not dialect_of(rows.get_backend()).joins_cheaply:
        return first_of_each(rows, unit, order)
    for name in order:
        rows = with_least(rows, unit, name)
    return rows


def with_least(rows: ir.Table, unit: Sequence[str], name: str) -> ir.Table:
    """Return the rows that have the least value of a column in their unit; neither is null."""
    least = rows.group_by(*unit).agg(least=rows[name].min())
    return rows.semi_join(
        least, [*(rows[key] == least[key] for key in unit), rows[name] == least.least]
    )


def once_per_distinct(
    rows: ir.Table,
    names: Sequence[str],
    added: Sequence[str],
    compute: Callable[[ir.Table], ir.Table],
    *,
    leaves_out: bool = False,
) -> ir.Table:
    """Return rows with columns that follow from some text columns, computed once per combination.

    Addresses and user agents repeat, and a pattern costs more than to look its result up. Where it
    does not, `compute` takes the rows themselves: the result is the same.

    Args:
        rows: The rows.
        names: The text columns that `compute` reads.
        added: The columns that `compute` adds.
        compute: Takes a table with `names`, and returns its rows, or some of them, with `added`;
            from each row alone.
        leaves_out: Whether `compute` leaves many rows out.
    """
    if not dialect_of(rows.get_backend()).joins_cheaply:
        return compute(rows).select(*rows.columns, *added)
    return joined_per_distinct(rows, names, added, compute, leaves_out=leaves_out)


def joined_per_distinct(
    rows: ir.Table,
    names: Sequence[str],
    added: Sequence[str],
    compute: Callable[[ir.Table], ir.Table],
    *,
    leaves_out: bool = False,
) -> ir.Table:
    """Return what `once_per_distinct` does, by a join on any engine."""
    combinations = rows.select(*names).distinct()
    computed = compute(combinations).select(*names, *added)
    if leaves_out:
        # DuckDB expects as many combinations as rows. It would join all rows with other tables, and
        # hold them in memory, before it looks up which of them stay.
        rows = rows.semi_join(computed, _same_texts(rows, computed, names))
        computed = computed.view()
    joined = rows.join(computed, _same_texts(rows, computed, names))
    return joined.select(rows, *(computed[name] for name in added))


def is_true_of(
    text: ir.StringColumn, condition: Callable[[ir.StringColumn], ir.BooleanValue], among: ir.Table
) -> ir.BooleanValue:
    """Return whether a condition is true of a text, which is looked up once per distinct text.

    Args:
        text: A column of texts.
        condition: What to look up; false of null.
        among: A table with a column of the same name that has at least these texts, and costs
            little to read.
    """
    if not dialect_of(among.get_backend()).joins_in_columns:
        return condition(text)
    return is_among_those(text, condition, among)


def is_among_those(
    text: ir.StringColumn, condition: Callable[[ir.StringColumn], ir.BooleanValue], among: ir.Table
) -> ir.BooleanValue:
    """Return what `is_true_of` does, on any engine that takes `IN (SELECT …)` outside filters.

    Not by a join: DuckDB expects few rows after filters, and would hold all of them in memory.
    """
    name = text.get_name()
    texts = among.group_by(name).agg(row_count=among.count())
    # The count, which is never 0, keeps engines from looking at each row before they group them.
    those = texts.filter((texts.row_count > 0).ifelse(condition(texts[name]), NO))
    result: ir.BooleanValue = text.isin(those[name])
    return result.fill_null(NO)


def _same_texts(left: ir.Table, right: ir.Table, names: Sequence[str]) -> list[ir.BooleanValue]:
    return [part for name in names for part in _same_text(left[name], right[name])]


def _same_text(left: ir.StringColumn, right: ir.StringColumn) -> list[ir.BooleanValue]:
    """Return the conditions that two texts are equal, or both null.

    Not `identical_to`: Postgres has no fast join by `IS NOT DISTINCT FROM`.
    """
    if not (left.type().nullable or right.type().nullable):
        return [left == right]
    return [left.fill_null("") == right.fill_null(""), left.isnull() == right.isnull()]


def ratio(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """Return `part / whole` as a double; null where `whole` is zero.

    Both are cast to doubles first: Postgres truncates the quotient of integers, and divides their
    sums as decimals.
    """
    return part.cast("float64") / whole.cast("float64").nullif(0)


def _md5(text: str) -> str:
    raise NotImplementedError(text)  # the engine computes it


_DIGEST: Final = ibis.udf.scalar.builtin(_md5, name="md5", signature=(("string",), "string"))


def text_digest(text: ir.Value) -> ir.StringValue:
    """Return the MD5 of a text in lower-case hexadecimal, the same on every engine."""
    result: ir.StringValue = _DIGEST(text)
    return result


def _split_part(text: str, separator: str, number: int) -> str:
    raise NotImplementedError(text, separator, number)  # the engine computes it


_PART: Final = ibis.udf.scalar.builtin(
    _split_part, name="split_part", signature=(("string", "string", "int32"), "string")
)


def part_of_text(text: ir.Value, separator: str, number: ir.Value) -> ir.StringValue:
    """Return one of the parts of a text that a separator is between; the first is number 1.

    Engines share no arrays, but this function. What they return for numbers below 1, and for those
    of parts that a text does not have, differs.
    """
    result: ir.StringValue = _PART(text, separator, number.cast("int32"))
    return result


def has_kernels(con: SQLBackend) -> TypeGuard[DuckDB]:
    """Return whether a connection can run the fast kernels, which need DuckDB's SQL."""
    return dialect_of(con).has_kernels


def backend_with_kernels(rows: ir.Table) -> DuckDB | None:
    """Return the connection of the rows if it can run the fast kernels; else None."""
    try:
        con = rows.get_backend()
    except ibis.IbisError:  # rows of no engine
        return None
    return con if has_kernels(con) else None


NO = ibis.literal(value=False)


_schemas: WeakKeyDictionary[Contract, ibis.Schema] = WeakKeyDictionary()
"""The schemas of contracts: a run asks for each some fifty times."""


def schema_of(contract: Contract) -> ibis.Schema:
    """Return the contract's columns as an Ibis schema; each time the same one."""
    schema = _schemas.get(contract)
    if schema is None:
        schema = _schemas[contract] = ibis.schema(
            {
                name: _type_of(column.type, nullable=column.nullable)
                for name, column in contract.columns.items()
            }
        )
    return schema


@cache
def _type_of(name: str, *, nullable: bool) -> dt.DataType:
    """Return the type of a name, of which few are; Ibis parses each name again."""
    return dt.dtype(name).copy(nullable=nullable)


def no_rows(contract: Contract, beside: ir.Table) -> ir.Table:
    """Return no rows, with the contract's columns, that come from where those of a table do."""
    nothing = {
        name: ibis.null(kind.copy(nullable=True)) for name, kind in schema_of(contract).items()
    }
    return beside.limit(0).select(**nothing)


def arrow_schema_of(contract: Contract) -> pa.Schema:
    """Return the contract's columns as an Arrow schema."""
    return schema_of(contract).to_pyarrow()


def conform(rows: ir.Table, contract: Contract) -> ir.Table:
    """Return `rows` in the contract's column order and types.

    Raises:
        ContractError: A column is missing or unknown.
    """
    if rows.schema() is schema_of(contract):  # they are so already, by their statement
        return rows
    missing = [name for name in contract.columns if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in contract.columns]
    if missing or unknown:
        raise ContractError(
            f"{contract.qualified_name()} was computed without {missing} and with {unknown}; make "
            "the columns equal to those of its contract."
        )
    kinds = {name: kind_of(dt.dtype(column.type)) for name, column in contract.columns.items()}
    columns = {
        name: rows[name] if kind_of(rows[name].type()) == kind else rows[name].cast(kind)
        for name, kind in kinds.items()
    }
    return rows.select(**columns)


def missing_columns(table: ir.Table, contract: Contract) -> list[str]:
    """Return the columns of a contract that a stored table lacks."""
    return [name for name in contract.columns if name not in table.columns]


def with_newer_columns(table: ir.Table, contract: Contract) -> ir.Table:
    """Return a stored table with null in those columns of its contract that it lacks,
    as they are newer, and that may be unknown.
    """
    columns = {name: contract.columns[name] for name in missing_columns(table, contract)}
    return table.mutate(
        **{
            name: ibis.null(column.type)
            for name, column in columns.items()
            if column.may_be_unknown
        }
    )


@contextmanager
def batches_of(rows: ir.Table, row_count: int) -> Iterator[pa.RecordBatchReader]:
    """Yield rows in batches of `row_count` rows, in the types that their expression declares.

    DuckDB computes a batch when it is read, so that all rows need not fit in memory. Its connection
    takes no other statement until all are read, or the context ends.
    """
    result = dialect_of(rows.get_backend()).batches(rows, row_count)
    try:
        declared = with_nulls(rows.schema().to_pyarrow())
        yield in_their_types(pa.RecordBatchReader.from_batches(declared, result))
    finally:
        result.close()


def in_their_types(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return batches in the types that the schema of their reader declares.

    DuckDB returns 128-bit sums of integers, while Ibis declares 64 bits. Reading them as declared
    gives wrong numbers.
    """
    schema = batches.schema
    return pa.RecordBatchReader.from_batches(
        schema, (batch if batch.schema.equals(schema) else batch.cast(schema) for batch in batches)
    )


def columns_to_add(contract: Contract, result: ibis.Schema) -> list[str]:
    """Return the columns of the contract that a stored table lacks; all of them are nullable.

    Raises:
        WarehouseError: The table differs in a way that adding columns does not fix.
    """
    wanted = schema_of(contract)
    for name in result:
        if name not in wanted or kind_of(result[name]) != kind_of(wanted[name]):
            in_contract = f"has as {kind_of(wanted[name])}" if name in wanted else "does not have"
            raise WarehouseError(
                f"{contract.qualified_name()} has column {name!r} as {kind_of(result[name])}, "
                f"which its contract {in_contract}; only added columns are migrated "
                "automatically: run `ecom migrate` to see the changes."
            )
    missing = [name for name in wanted if name not in result]
    for name in missing:
        if not wanted[name].nullable:
            raise WarehouseError(
                f"{contract.qualified_name()} has no column {name!r}, which its contract requires "
                "without null; run `ecom migrate` to see the changes."
            )
    return missing


def is_as_declared(contract: Contract, result: ibis.Schema) -> bool:
    """Return whether nothing of a stored table's columns needs to be changed."""
    wanted = schema_of(contract)
    return result.keys() == wanted.keys() and all(
        kind_of(result[name]) == kind_of(kind) and (result[name].nullable or not kind.nullable)
        for name, kind in wanted.items()
    )


def columns_to_loosen(contract: Contract, result: ibis.Schema) -> list[str]:
    """Return the columns that may be null by the contract, and not in a stored table."""
    wanted = schema_of(contract)
    return [name for name in result if wanted[name].nullable and not result[name].nullable]


def kind_of(dtype: dt.DataType) -> dt.DataType:
    """Return a type in its nullable form, so that types compare regardless of nullability."""
    return dtype if dtype.nullable else dtype.copy(nullable=True)


def nullable_schema(schema: ibis.Schema) -> ibis.Schema:
    """Return a schema whose columns may all be null."""
    return ibis.schema({name: kind_of(kind) for name, kind in schema.items()})


def as_declared(made: ir.Table, declared: ibis.Schema) -> ir.Table:
    """Return a table whose columns are never null where a schema declares so.

    Temporary tables are made without such constraints: Ibis declares too many (see `arrow_of`).
    """
    kinds = {
        name: kind.copy(nullable=declared[name].nullable) for name, kind in made.schema().items()
    }
    result: ir.Table = made.op().copy(schema=ibis.schema(kinds)).to_expr()
    return result


def fetched(con: SQLBackend, rows: ir.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a small result."""
    return dialect_of(con).fetched(con, rows)


def with_nulls(schema: pa.Schema) -> pa.Schema:
    """Return an Arrow schema whose columns may all be null."""
    return pa.schema([field.with_nullable(True) for field in schema])  # noqa: FBT003 (Arrow's name for it)


def arrow_of(rows: ir.Table, params: Parameters = None) -> pa.Table:
    """Return the rows of a result as Arrow, in the types of their expression.

    Each column may have nulls. Ibis declares that the least, the first or the previous value of a
    column that is never null is never null itself, although there is none without rows, and its
    own backends refuse the null. So this and the functions below are the only ones that run an
    expression.

    Args:
        rows: The expression.
        params: Values of its parameters.
    """
    BUILDING.require_none()
    result = rows.to_pyarrow(params=params)
    return pa.Table.from_arrays(result.columns, schema=with_nulls(result.schema))


def rows_of(rows: ir.Table, params: Parameters = None) -> list[Row]:
    """Return the rows of a small result by column name, in the types of their expression."""
    result: list[Row] = arrow_of(rows, params).to_pylist()
    return result


def unordered_rows_of(rows: ir.Table) -> list[Row]:
    """Return the rows of a small result by column name, in any order.

    On DuckDB this costs a third less than `rows_of`, which has to plan a statement twice.
    """
    fetched_rows = fetched(rows.get_backend(), rows)
    return [dict(zip(rows.columns, row, strict=True)) for row in fetched_rows]


def values_of(column: ir.Column) -> list[Any]:
    """Return the values of a column of a small result."""
    result: list[Any] = arrow_of(column.as_table()).column(0).to_pylist()
    return result


def value_of(value: ir.Scalar) -> Any:  # noqa: ANN401 (of any type)
    """Return a value that is computed from rows; None if it is null."""
    (result,) = arrow_of(value.as_table()).column(0).to_pylist()
    return result


def count_of(rows: ir.Table) -> int:
    """Return the number of rows."""
    return int(value_of(rows.count()))


def stored(con: SQLBackend, name: str, rows: ir.Table) -> ir.Table:
    """Return a temporary table with the rows, for several queries to read."""
    return dialect_of(con).stored(con, name, rows)
