"""DuckDB in this process: connections, how Ibis 12 is adapted to DuckDB 2,
and Parquet files that it cannot read.
"""

import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.duckdb import Backend
from ibis.backends.sql import rewrites
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler
from ibis.backends.sql.datatypes import DuckDBType
from ibis.formats.pyarrow import PyArrowData

from ecom_assets.core.errors import DefinitionError, SourceError
from ecom_assets.core.reading_child import memory_mb_here
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.building import BUILDING
from ecom_assets.core.tables.computed import KeptRows
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import (
    DIALECTS,
    arrow_schema_of,
    as_declared,
    nullable_schema,
)
from ecom_assets.core.warehouse.kept_rows import KeepsStatements, KeptDialect, WritesKept
from ecom_assets.core.warehouse.sql_text import ident, pattern_of, text
from ecom_assets.core.warehouse.statements import STATEMENTS

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET preserve_insertion_order = false",
    # Under `python -c` DuckDB draws its progress bar on standard output, in the middle of our JSON.
    "SET enable_progress_bar = false",
    # This optimizer materializes all columns of a scan that two parts of a query share. That takes
    # three times as long as scanning twice.
    "SET disabled_optimizers = 'common_subplan'",
)


def plain_connection(memory_limit: str | None) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, with these settings; Ibis takes it by `adopted`."""
    con = duckdb.connect(":memory:")
    for statement in SETTINGS:
        con.execute(statement)
    if memory_limit:
        con.execute(f"SET memory_limit = {text(memory_limit)}")
    return within_child(con)


SHARE_IN_CHILD = 0.5
"""The share of the memory of a process that reads a file of other people which DuckDB may take; the
rest is Python's.
"""


def within_child(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Keep a connection within the memory of this process, if that reads a file of other people:
    what does not fit goes to its own temporary folder.
    """
    if (memory_mb := memory_mb_here()) is not None:
        most = text(f"{int(memory_mb * SHARE_IN_CHILD)}MB")
        con.execute(f"SET memory_limit = {most}")
        con.execute(f"SET temp_directory = {text(tempfile.gettempdir())}")
    return con


WORTH_STORING = (sge.Join, sge.Window, sge.AggFunc, sge.Group, sge.Distinct, sge.Union)
"""What makes a part of a query more expensive to compute than to store; a scan alone is not."""
ALL_COLUMNS = (
    "SELECT schema_name || '.' || table_name AS table_name, column_name, data_type, is_nullable "
    "FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal "
    "ORDER BY table_oid, column_index"
)
"""The stored columns of all tables and views: one statement, where Ibis has one for each."""
LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")
"""The suffixes of the files that DuckDB writes beside its database file."""


class WholeKeys:
    """A method of a compiler of Ibis', which finds it by its name: a key is one key,
    whatever characters it has.
    """

    __slots__ = ()

    def visit_JSONGetItem(self, op: ops.JSONGetItem, *, arg: Any, index: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return the value of a key, or of a place in a list.

        Raises:
            DefinitionError: The key has a character that sqlglot would not escape.
        """
        if not isinstance(index, sge.Literal) or not index.is_string:
            return super().visit_JSONGetItem(op, arg=arg, index=index)  # type: ignore[misc]  # the compiler's own
        if set(index.this) & set("'\"\\"):
            raise DefinitionError(
                f"The key {index.this!r} of a JSON object has a quote or a backslash; name "
                "another key."
            )
        path = sge.JSONPath(expressions=[sge.JSONPathRoot(), sge.JSONPathKey(this=index.this)])
        return sge.JSONExtract(this=arg, expression=path)


class CopiedParts:
    """Of compilers for dialects without semi-joins, which sqlglot replaces in place."""

    __slots__ = ()

    def to_sqlglot(self, expr: Any, **options: Any) -> Any:  # noqa: ANN401 (as Ibis has it)
        """Return SQL in which no part is shared: of a semi-join that stands twice,
        one would stay.
        """
        return super().to_sqlglot(expr, **options).copy()  # type: ignore[misc]  # of Ibis' compiler


class DuckDBTypes(DuckDBType):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' types of DuckDB, each of whose few names is parsed once, not for each column again."""

    @classmethod
    @lru_cache(maxsize=1_024)
    def from_string(cls, text: str, nullable: bool | None = None) -> dt.DataType:  # noqa: FBT001 (as Ibis has it)
        """Return the type of a name."""
        return super().from_string(text, nullable=nullable)


class PortableDuckDBCompiler(WritesKept, WholeKeys, DuckDBCompiler):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' compiler, with keys of JSON objects taken whole,
    and the same statement in every process.
    """

    __slots__ = ()
    type_mapper = DuckDBTypes

    def visit_DropColumns(  # noqa: N802 (as Ibis has it)
        self, op: ops.DropColumns, *, parent: sge.Table, columns_to_drop: frozenset[str]
    ) -> sge.Select:
        """Return all columns but some; Ibis names these in the order of a set,
        which each process has another of.
        """
        select: sge.Select = super().visit_DropColumns(
            op, parent=parent, columns_to_drop=sorted(columns_to_drop)
        )
        return select

    # Until Ibis writes lambdas as DuckDB 2 takes them.
    def visit_ArrayMap(self, op: ops.ArrayMap, **parts: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return what a function makes of the elements of a list."""
        return _with_colons(super().visit_ArrayMap(op, **parts))

    def visit_ArrayFilter(self, op: ops.ArrayFilter, **parts: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return the elements of a list that a condition holds for."""
        return _with_colons(super().visit_ArrayFilter(op, **parts))

    def visit_JSONGetItem(self, op: ops.JSONGetItem, *, arg: Any, index: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return the value of a key; of text as it is,
        which DuckDB would parse once more to cast it, null if none.
        """
        is_text = isinstance(op.arg, ops.Cast) and op.arg.arg.dtype.is_string()
        value = super().visit_JSONGetItem(op, arg=arg.this if is_text else arg, index=index)
        return (
            self.f.anon.TRY(value) if is_text else value
        )  # TRY costs nothing, unlike a cast, unless text is not JSON

    def visit_UnwrapJSONInt64(self, _op: ops.UnwrapJSONInt64, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return a whole number of 64 bits; null for a larger one,
        at which Ibis's cast would fail.
        """
        is_whole = self.f.json_type(arg).isin(sge.convert("UBIGINT"), sge.convert("BIGINT"))
        return self.if_(
            is_whole, sge.TryCast(this=arg, to=sge.DataType.build("BIGINT")), sge.Null()
        )


def _with_colons(call: sge.Expression) -> sge.Expression:
    """Return a call whose functions are written `lambda x: …`, since DuckDB refuses `x -> …`."""
    for function in call.find_all(sge.Lambda):
        function.set("colon", True)  # noqa: FBT003 (as sqlglot has it)
    return call


class _ArrowData(PyArrowData):  # type: ignore[misc]  # Ibis ships no types
    """Arrow's results as Ibis has them of DuckDB, whose columns of nulls alone come as integers."""

    @classmethod
    def convert_scalar(cls, scalar: pa.Scalar, dtype: dt.DataType) -> pa.Scalar:
        return pa.scalar(None) if dtype.is_null() else super().convert_scalar(scalar, dtype)

    @classmethod
    def convert_column(
        cls, column: pa.ChunkedArray, dtype: dt.DataType
    ) -> pa.Array | pa.ChunkedArray:
        return pa.nulls(len(column)) if dtype.is_null() else super().convert_column(column, dtype)


class DuckDB(KeepsStatements, Backend):  # type: ignore[misc]  # Ibis has no types for it
    """DuckDB through Ibis, with each statement written once for all days."""

    compiler = PortableDuckDBCompiler()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as Ibis has it)
        """Prepare a connection that `connect` opens."""
        super().__init__(*args, **kwargs)
        self._numbers_of_cached: set[int] = set()
        self._choosing = threading.Lock()

    def create_table(self, name: str, /, obj: Any = None, **kwargs: Any) -> ir.Table:  # noqa: ANN401 (as above)
        """Create a table as Ibis does,
        but fill a temporary one by the statement that `compile` keeps.
        """
        if (
            set(kwargs) - {"schema", "overwrite"} != {"temp"}
            or not kwargs["temp"]
            or not isinstance(obj, ir.Table)
        ):
            return super().create_table(name, obj, **kwargs)
        declared = kwargs.get("schema") or obj.schema()
        made = super().create_table(name, **kwargs | {"schema": nullable_schema(declared)})
        self._run_pre_execute_hooks(
            obj
        )  # until Ibis has a public method that loads tables of this process
        columns = ", ".join(map(ident, obj.columns))
        self.raw_sql(f"INSERT INTO temp.main.{ident(name)} ({columns}) {self.compile(obj)}")
        return as_declared(made, declared)

    # Until `cache()` of Ibis takes the name of its table: each has another random one. With it,
    # both methods can go.
    def _create_cached_table(self, _name: str, expr: ir.Table) -> ir.Table:
        """Store the rows of `cache()` under the first free number,
        so that statements that read them are kept too.
        """
        with self._choosing:
            number = next(n for n in count() if n not in self._numbers_of_cached)
            self._numbers_of_cached.add(number)
        try:
            return self.create_table(f"cached_{number}", expr, schema=expr.schema(), temp=True)
        except BaseException:
            self._drop_cached_table(f"cached_{number}")
            raise

    def _drop_cached_table(self, name: str) -> None:
        super()._drop_cached_table(name)
        self._numbers_of_cached.discard(int(name.removeprefix("cached_")))

    def written(self, expr: ir.Expr, *, pretty: bool) -> str:
        """Return the statement that computes an expression, written once for all days."""
        write = super().written
        return STATEMENTS.sql(
            expr.as_table(), f"pretty={pretty}", lambda rows: write(rows, pretty=pretty)
        )

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **_: object,
    ) -> Any:  # noqa: ANN401 (a table, column or scalar of Arrow)
        """Return the result of an expression, as Ibis does, but without loading pandas,
        which takes 0.2 s.
        """
        # Until Ibis's own `to_pyarrow` loads no pandas.
        result = self._to_duckdb_relation(expr, params=params, limit=limit).to_arrow_table()
        return expr.__pyarrow_result__(result, data_mapper=_ArrowData)

    def compile_streaming(self, rows: ir.Table) -> str:
        """Return the statement that computes rows,
        with repeated scans left for DuckDB to run as scans.
        """
        BUILDING.require_none()
        if isinstance(rows.op(), KeptRows):
            return str(rows.op().query)
        return STATEMENTS.sql(rows, "streaming", self.write_streaming)

    def write_streaming(self, rows: ir.Table) -> str:
        """Write that statement."""
        query = streaming(self.compiler.to_sqlglot(rows))
        # Nobody else has the query: sqlglot would copy it, a seventh of the time.
        return query.sql(dialect=self.dialect, pretty=True, copy=False)


def adapt_duckdb_2_to_ibis_12() -> None:
    """Add the two methods that Ibis 12.0.0 calls to DuckDB 2's connection and relation.

    DuckDB 2.0 removed them from connections and deprecated them on relations. The next release of
    Ibis calls the new names. A test fails as soon as this shim is no longer needed. Ibis counts the
    complexity of selects by `complexity`.
    """
    rewrites.complexity = complexity
    for holder in (duckdb.DuckDBPyRelation, duckdb.DuckDBPyConnection):
        table, reader = _quietly(holder.to_arrow_table), _quietly(holder.to_arrow_reader)
        setattr(holder, "fetch_arrow_table", table)  # noqa: B010 (the stubs do not know the name)
        setattr(holder, "fetch_record_batch", _taking_rows_per_batch(reader))  # noqa: B010 (as above)


def _taking_rows_per_batch(method: Callable[..., object]) -> Callable[..., object]:
    def call(self: object, rows_per_batch: int = 1_000_000) -> object:
        return method(self, rows_per_batch)

    return call


def _quietly(method: Callable[..., object]) -> Callable[..., object]:
    # DuckDB warns once per batch that the Arrow output of an executed statement copies its rows.
    def call(*args: object, **kwargs: object) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return method(*args, **kwargs)

    return call


def connect(path: Path | None = None, *, read_only: bool = False) -> DuckDB:
    """Open a DuckDB database through Ibis, in memory without a path; its time zone is UTC."""
    adapt_duckdb_2_to_ibis_12()
    con: DuckDB = DuckDB().connect(path or ":memory:", read_only=read_only)
    for statement in SETTINGS:
        con.raw_sql(statement)
    return con


def adopted(con: duckdb.DuckDBPyConnection) -> DuckDB:
    """Return Ibis' view of an open connection, which is set as `plain_connection` does."""
    adapt_duckdb_2_to_ibis_12()
    backend: DuckDB = DuckDB.from_connection(con)
    return backend


def stored_tables(con: Backend) -> dict[str, ir.Table]:
    """Return all tables and views of a database, each under its schema's name and its own, lazily:
    by one statement, where Ibis needs one for each.
    """
    columns: dict[tuple[str, str], dict[str, dt.DataType]] = {}
    mapper = con.compiler.type_mapper
    for table, name, kind, nullable in con.con.execute(ALL_COLUMNS).fetchall():
        layer, _, table_name = table.partition(".")
        kinds = columns.setdefault((layer, table_name), {})
        kinds[name] = mapper.from_string(kind, nullable=bool(nullable))
    return {
        f"{layer}.{name}": ops.DatabaseTable(
            name,
            schema=ibis.schema(kinds),
            source=con,
            namespace=ops.Namespace(catalog=None, database=layer),
        ).to_expr()
        for (layer, name), kinds in columns.items()
    }


def temporary(con: Backend, name: str, sql: str, kind: str = "TABLE") -> ir.Table:
    """Create a temporary table or view in place of one with that name, and return it."""
    con.raw_sql(f"CREATE OR REPLACE TEMP {kind} {name} AS {sql}")
    return con.table(name, database=("temp", "main"))


def _hash(text: str) -> int:
    raise NotImplementedError(text)  # DuckDB computes it


_HASH = ibis.udf.scalar.builtin(_hash, name="hash", signature=(("string",), "uint64"))


class DuckDBDialect(KeptDialect):
    """DuckDB streams results, replaces tables in one statement,
    and reads tables of this process.
    """

    joins_in_columns = has_text_hash = has_kernels = joins_cheaply = True

    def text_hash(self, text: ir.Value) -> ir.IntegerColumn:
        """Return DuckDB's own hash."""
        return _HASH(text)

    def batches(self, rows: ir.Table, row_count: int) -> pa.RecordBatchReader:
        """Return batches that are computed as they are read:
        Ibis would have DuckDB copy all of the result first.
        """
        # Until Ibis's own `to_pyarrow_batches` streams, or a public method returns DuckDB's
        # relation.
        relation = rows.get_backend()._to_duckdb_relation(rows)  # noqa: SLF001 (as above)
        return relation.to_arrow_reader(row_count)

    def fetched(self, con: Backend, rows: ir.Table) -> list[tuple[Any, ...]]:
        """Return the rows of a small result without pandas,
        which Ibis takes a third of a second to load.
        """
        con._register_in_memory_tables(rows)  # noqa: SLF001 (until Ibis itself fetches rows of DuckDB)
        result: list[tuple[Any, ...]] = con.con.execute(str(con.compile(rows))).fetchall()
        return result

    def stored(self, con: Backend, name: str, rows: ir.Table) -> ir.Table:
        """Return a temporary table, in place of that of the same question before:
        over files it may be asked twice.
        """
        return con.create_table(name, rows, temp=True, overwrite=True)

    def kept(self, con: Backend, name: str, rows: ir.Table) -> ir.Table:
        """Return the rows from a temporary table."""
        return temporary(con, name, con.compile(rows))

    def listed(self, con: Backend, name: str, values: Sequence[str]) -> ir.Table:
        """Return texts as a table of the connection."""
        BUILDING.require_none()
        con.con.register(name, pa.table({"value": pa.array(values, pa.string())}))
        return con.table(name)


DIALECTS[DuckDB.name] = DuckDBDialect()


def in_memory(rows: Iterable[NamedValues], contract: Contract) -> ir.Table:
    """Return rows as a table in memory with the columns of a contract, all of which may be null."""
    schema = pa.schema([(field.name, field.type) for field in arrow_schema_of(contract)])
    return arrow_in_memory(contract.name, pa.Table.from_pylist(list(rows), schema))


def arrow_in_memory(name: str, rows: pa.Table) -> ir.Table:
    """Return rows of Arrow as a table in memory, which only its own connection sees."""
    con = _shared_memory().cursor()
    for statement in SETTINGS:  # a cursor begins with the machine's time zone
        con.execute(statement)
    con.register(name, rows)
    return adopted(con).table(name)


@cache
def _shared_memory() -> duckdb.DuckDBPyConnection:
    """Return the database that tables in memory share: opening one for each takes 20 ms of CPU."""
    return duckdb.connect(":memory:")


def keep_within(con: Backend, memory_limit: str | None, spill: Path | None) -> None:
    """Limit the memory of a connection;
    queries that need more spill to the folder `spill`, if it is set.
    """
    if memory_limit:
        con.raw_sql(f"SET memory_limit = {text(memory_limit)}")
        ((memory_bytes,),) = con.con.execute(LIMIT_BYTES).fetchall()
        if memory_bytes < LISTS_FROM_BYTES:
            con.raw_sql("SET disabled_optimizers = 'in_clause'")
    if spill is not None:
        con.raw_sql(f"SET temp_directory = {text(str(spill))}")


LIMIT_BYTES = "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
LISTS_FROM_BYTES = 10**9
"""The memory from which on DuckDB may join rows with the values of `IN (…)`.

Each such join takes 6 MB, also without a row, and surplus copies of events have 48 of them: 375 MB
for a million events, which take 100 MB and a quarter more time if each value is compared.
"""


def streaming(query: sge.Expression) -> sge.Expression:
    """Mark the CTEs of a query that only select rows and columns as NOT MATERIALIZED.

    DuckDB materializes every CTE that is used twice. For a simple scan, it would store all columns,
    perhaps on disk, instead of the few that each use needs. CTEs that join, sort or aggregate are
    better materialized.
    """
    for part in query.find_all(sge.CTE):
        if not part.find(*WORTH_STORING):
            part.set("materialized", value=False)
    return query


OF_IBIS = rewrites.complexity
"""The function of Ibis itself."""
_counts: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""What `complexity` has counted: it is asked about the same values for each select above them."""


def complexity(node: Any) -> int:  # noqa: ANN401 (Ibis ships no types)
    """Return the result of `OF_IBIS`: the number of values in a node,
    where a column of another table counts one.
    """
    # What is counted stays here too: an equal node of another thread takes its count with it.
    counts: dict[Any, int] = {}
    left = [node]
    while left:
        current = left[-1]
        count = _counts.get(current)
        if count is None:
            count = _complexity_by_children(current, counts, left)
        if count is not None:
            counts[current] = _counts[current] = count
            left.pop()
    return counts[node]


def _complexity_by_children(node: Any, counts: dict[Any, int], left: list[Any]) -> int | None:  # noqa: ANN401 (as above)
    """Return the complexity of a node; None if `counts` lacks children, which `left` gets."""
    if isinstance(node, ops.Field | ops.Impure):
        return 1 if isinstance(node, ops.Field) else sys.maxsize
    children = node.__children__
    unknown = [child for child in children if child not in counts]
    left += unknown
    return None if unknown else 1 + sum(counts[child] for child in children)


_NAMED = re.compile(r'Failed to read file "(.+?)": (.*)')
_NEVER = (
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ConstraintException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.TransactionException,
    duckdb.ConversionException,
)
"""Errors that a damaged page does not cause."""
_opened: dict[str, None] = {}


def note_parquet(paths: Iterable[str]) -> None:
    """Remember files that this process reads, the newest last."""
    for path in paths:
        _opened.pop(path, None)
        _opened[path] = None


def damaged_parquet(error: BaseException) -> str | None:
    """Return a sentence about the damaged file that an error, or what caused it, comes from;
    None if there is none.
    """
    if isinstance(error, duckdb.Error):
        return None if isinstance(error, _NEVER) else _sentence(str(error))
    return damaged_parquet(error.__cause__) if error.__cause__ is not None else None


@contextmanager
def naming_damaged_parquet() -> Iterator[None]:
    """Raise a SourceError in place of an error that comes from a damaged file."""
    try:
        yield
    except Exception as error:
        if sentence := damaged_parquet(error):
            raise SourceError(sentence) from error
        raise


def _sentence(message: str) -> str | None:
    if named := _NAMED.search(message):
        return (
            _damage_message(named[1], named[2])
            if Path(named[1]).suffix in {".parquet", ".pq"}
            else None
        )
    faults = ((path, _fault_in(path)) for path in [*reversed(_opened)] if Path(path).is_file())
    return next((_damage_message(path, fault) for path, fault in faults if fault), None)


def _fault_in(path: str) -> str:
    """Return what the engine says about the pages of a file; empty if it reads them."""
    with duckdb.connect() as con:
        try:
            con.execute(
                f"SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet({text(pattern_of(path))})"  # noqa: S608 (quoted)
            )
        except duckdb.Error as error:
            return str(error)
    return ""


def _damage_message(path: str, fault: str) -> str:
    reason = "".join(filter(str.isprintable, fault.splitlines()[0].rpartition('": ')[2])).rstrip(
        " .:"
    )
    return (
        f"{path} is a damaged Parquet file: a part of it cannot be read ({reason}); deliver it "
        "again or remove it."
    )
