"""Spark's dialect as the portable expressions need it:
what Ibis spells differently from the other engines.

Instants are TIMESTAMP_NTZ: Spark's own TIMESTAMP shifts with the session's zone.
"""

import contextlib
import math
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
import sqlglot.expressions as sge
from ibis.backends.pyspark import Backend
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.backends.sql.datatypes import PySparkType
from pyspark.sql import DataFrame, SparkSession

from ecom_assets.core.tables.portable import with_nulls
from ecom_assets.core.warehouse.local import WORTH_STORING

NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL")


@contextlib.contextmanager
def staged(session: SparkSession, query: sge.Query, scratch: Path) -> Iterator[DataFrame]:
    """Yield the rows of a query; intermediate results, stored in a folder of `scratch`,
    are removed afterwards.
    """
    number = uuid.uuid4().hex
    folder = scratch / f"stages-{number}"
    inlined: dict[str, sge.CTE] = {}
    views: list[str] = []
    try:
        for part in query.ctes:
            uses = sum(table.name == part.alias for table in query.find_all(sge.Table))
            if uses > 1 and part.find(*WORTH_STORING):
                views.append(f"stage_{number}_{part.alias}")
                path, rows = f"file://{folder / part.alias}", session.sql(_text(part.this, inlined))
                rows.write.parquet(path)
                session.read.schema(rows.schema).parquet(path).createOrReplaceTempView(views[-1])
                _rename(query, part.alias, views[-1])
            else:
                inlined[part.alias] = part
        body = query.copy()
        body.set("with_", None)
        yield session.sql(_text(body, inlined))
    finally:
        with contextlib.suppress(Exception):  # a session that has died holds no views
            for view in views:
                session.catalog.dropTempView(view)
        shutil.rmtree(folder, ignore_errors=True)


def _text(body: sge.Expr, inlined: dict[str, sge.CTE]) -> str:
    """Return the SQL of a part of a query, with the parts that it reads inserted."""
    needed: list[str] = []
    looked_at = [body]
    while looked_at:
        for table in looked_at.pop().find_all(sge.Table):
            if table.name in inlined and table.name not in needed and not table.args.get("db"):
                needed.append(table.name)
                looked_at.append(inlined[table.name])
    parts = [inlined[name] for name in inlined if name in needed]
    sql: str = body.sql(dialect="spark")
    if parts:
        sql = f"WITH {', '.join(part.sql(dialect='spark') for part in parts)}\n{sql}"
    return sql


def _rename(query: sge.Query, name: str, view: str) -> None:
    for table in list(query.find_all(sge.Table)):
        if table.name == name and not table.args.get("db"):
            if not table.alias:
                table.set("alias", sge.TableAlias(this=sge.to_identifier(name, quoted=True)))
            table.set("this", sge.to_identifier(view, quoted=True))


US_PER_S = 1_000_000
Sql = Any
"""An expression of sqlglot's, as Ibis' untyped compiler hands it about."""


class SparkTypes(PySparkType):  # type: ignore[misc]  # Ibis ships no types
    """Ibis types as Spark's DDL and casts spell them."""

    @classmethod
    def _from_ibis_Timestamp(cls, dtype: dt.Timestamp) -> sge.DataType:  # noqa: N802 (Ibis looks it up by this name)
        kind = (
            sge.DataType.Type.TIMESTAMPNTZ
            if dtype.timezone is None
            else sge.DataType.Type.TIMESTAMPLTZ
        )
        return sge.DataType(this=kind)


class SparkCompiler(PySparkCompiler):  # type: ignore[misc]  # also
    """Ibis' compiler with the rules in which Spark would answer otherwise than the
    other engines, or not at all.
    """

    __slots__ = ()

    type_mapper = SparkTypes
    SIMPLE_OPS: ClassVar = {ops.Hash: "xxhash64"}  # Ibis promises 64 bits; Spark's `hash` has 32

    def visit_DatabaseTable(self, op: ops.DatabaseTable, **parts: Any) -> Sql:  # noqa: ANN401, N802 (Ibis' names)
        """Read a table kept in files through the session's view of it, which has no database."""
        if parts["source"].reads_views:
            return sge.table_(
                view_name(parts["namespace"].database, parts["name"]), quoted=self.quoted
            )
        return super().visit_DatabaseTable(op, **parts)

    def visit_NonNullLiteral(self, op: ops.Literal, *, value: Any, dtype: dt.DataType) -> Sql:  # noqa: ANN401, N802
        """Write a float literal as a double, because Spark reads `1000000.0` as a decimal."""
        if dtype.is_floating() and math.isfinite(value):
            return self.cast(sge.convert(repr(float(value))), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_Cast(self, op: ops.Cast, *, arg: Sql, to: dt.DataType) -> Sql:  # noqa: N802 (Ibis' names)
        """Write a double as the other engines do: 12345678.9 and 1e-07,
        where Spark writes 1.23456789E7 and 1.0E-7.
        """
        text = super().visit_Cast(op, arg=arg, to=to)
        if not op.arg.dtype.is_float64() or not to.is_string():
            return text
        decimal = self.cast(self.cast(arg, dt.Decimal(38, 20)), to)
        size = self.f.abs(arg)
        is_plain = (size >= self.cast("1e-4", dt.float64)).and_(
            size < self.cast("1e16", dt.float64)
        )
        plain = self._replaced(decimal, ("0+$", ""), ("[.]$", ".0"))
        is_scientific = self.f.anon.contains(text, sge.convert("E"))
        scientific = self._replaced(
            text, ("([.]0)?E", "e"), ("e([0-9])", "e+$1"), ("(e.)([0-9])$", "$10$2")
        )
        return sge.Case(
            ifs=[self.if_(is_plain, plain), self.if_(is_scientific, scientific)], default=text
        )

    def _replaced(self, text: Sql, *pairs: tuple[str, str]) -> Sql:
        for pattern, new in pairs:
            text = self.f.anon.regexp_replace(text, sge.convert(pattern), sge.convert(new))
        return text

    def visit_GroupConcat(  # noqa: N802 (Ibis' names)
        self, op: ops.GroupConcat, *, arg: Sql, sep: Sql, where: Sql | None, order_by: Sequence[Sql]
    ) -> Sql:
        """Join texts in their own order, too; Ibis refuses any order."""
        if [(key.arg, key.ascending) for key in op.order_by] != [(op.arg, True)]:
            return super().visit_GroupConcat(op, arg=arg, sep=sep, where=where, order_by=order_by)
        joined = super().visit_GroupConcat(op, arg=arg, sep=sep, where=where, order_by=())
        return self.f.array_join(self.f.anon.array_sort(joined.this), sep)

    def visit_TimestampDelta(  # noqa: N802 (Ibis' names)
        self, _op: ops.TimestampDelta, *, part: sge.Literal, left: Sql, right: Sql
    ) -> Sql:
        """Count whole units from `right` to `left`."""
        return self.f.anon.timestampdiff(sge.to_identifier(str(part.this).upper()), right, left)

    def visit_TimestampTruncate(self, op: ops.TimestampTruncate, **parts: Any) -> Sql:  # noqa: ANN401, N802
        """Truncate a timestamp without adding a time zone."""
        return self.cast(super().visit_TimestampTruncate(op, **parts), op.dtype)

    def visit_DateTruncate(self, op: ops.DateTruncate, *, arg: Sql, unit: Any) -> Sql:  # noqa: ANN401, N802
        """Return the day itself if it is truncated to a day."""
        return self.cast(self.f.anon.date_trunc(unit.singular, arg), op.dtype)

    def visit_ExtractMicrosecond(self, op: ops.ExtractMicrosecond, *, arg: Sql) -> Sql:  # noqa: N802
        """Return the microseconds within the second."""
        seconds = self.f.anon.date_part(sge.convert("SECONDS"), arg)
        return self.cast(self.cast(seconds * US_PER_S, dt.int64) % US_PER_S, op.dtype)

    def visit_JSONGetItem(self, op: ops.JSONGetItem, *, arg: Any, index: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Give the value of a key, as a VARIANT."""
        document = arg if isinstance(op.arg, ops.JSONGetItem) else self.f.anon.try_parse_json(arg)
        path = self.f.concat(sge.convert('$["'), index, sge.convert('"]'))
        return self.f.anon.variant_get(document, path, sge.convert("variant"))

    def visit_UnwrapJSONString(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as above)
        """Give a text, or null."""
        return self._of_kind(arg, ("STRING",), "string")

    def visit_UnwrapJSONInt64(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as above)
        """Give a whole number, or null."""
        return self._of_kind(arg, ("BIGINT",), "bigint")

    def visit_UnwrapJSONFloat64(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as above)
        """Give a number, or null."""
        return self._of_kind(arg, NUMBERS, "double")

    def visit_UnwrapJSONBoolean(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as above)
        """Give a truth value, or null."""
        return self._of_kind(arg, ("BOOLEAN",), "boolean")

    def _of_kind(self, variant: Any, kinds: tuple[str, ...], target: str) -> Any:  # noqa: ANN401 (as above)
        kind = self.f.anon.split_part(
            self.f.anon.schema_of_variant(variant), sge.convert("("), sge.convert(1)
        )
        value = self.f.anon.try_variant_get(variant, sge.convert("$"), sge.convert(target))
        return self.if_(kind.isin(*(sge.convert(name) for name in kinds)), value, sge.Null())


class SparkBackend(Backend):  # type: ignore[misc]  # also
    """Ibis' backend, fetching by Arrow: values keep their types,
    and instants their microseconds.
    """

    compiler = SparkCompiler()

    scratch: Path
    """A folder that this process and Spark see, for results on their way."""
    reads_views = False
    """Whether tables are files, which the session sees through views."""
    reading: Callable[[ir.Expr], AbstractContextManager[None]] = staticmethod(
        lambda _expr: nullcontext()
    )
    """Entered around each expression that runs: it is to see what was committed last,
    and to fail in a sentence.
    """

    @property
    def session(self) -> SparkSession:
        """Return the session in which statements run."""
        return self._session

    @session.setter
    def session(self, session: SparkSession) -> None:
        """Set another session."""
        self._session = session

    def _computed(
        self,
        table: ir.Table,
        **options: Any,  # noqa: ANN401 (as below)
    ) -> contextlib.AbstractContextManager[DataFrame]:
        return staged(self.session, self.compiler.to_sqlglot(table, **options), self.scratch)

    def to_pyarrow(self, expr: ir.Expr, /, **options: Any) -> Any:  # noqa: ANN401 (a table, a column or a scalar)
        """Run an expression and return its result; `options` are those of Ibis."""
        self._run_pre_execute_hooks(
            expr
        )  # until Ibis has a public method that loads tables of this process
        table = expr.as_table()
        with self.reading(expr), self._computed(table, **options) as result:
            rows = fetch(result)
        return expr.__pyarrow_result__(rows.cast(with_nulls(table.schema().to_pyarrow())))

    def to_pyarrow_batches(
        self,
        expr: ir.Expr,
        /,
        *,
        chunk_size: int = 1_000_000,
        **options: Any,  # noqa: ANN401 (as above)
    ) -> pa.RecordBatchReader:
        """Run an expression and return its rows in batches; they wait in files, not in memory."""
        table = expr.as_table()
        folder = self.scratch / f"result-{uuid.uuid4().hex}"
        with self.reading(expr), self._computed(table, **options) as result:
            result.write.parquet(f"file://{folder}")
        schema = with_nulls(table.schema().to_pyarrow())

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for batch in ds.dataset(folder, format="parquet").to_batches(batch_size=chunk_size):
                    yield batch.cast(schema)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def execute(self, expr: ir.Expr, /, **kwargs: Any) -> Any:  # noqa: ANN401 (also, in pandas)
        """Run an expression and return its result as pandas."""
        with self.reading(expr):
            return super().execute(expr, **kwargs)


def connected(session: SparkSession) -> SparkBackend:
    """Return Ibis' backend on a session."""
    SparkBackend.register_options()
    backend: SparkBackend = SparkBackend().connect(session)
    return backend


def view_name(layer: str, name: str) -> str:
    """Return the name of a session's view of a table that is kept in files."""
    return f"{layer}__{name}"


def fetch(rows: DataFrame) -> pa.Table:
    """Fetch the rows of a small result;
    the sockets that Spark leaves to the garbage collector go quietly.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return rows.toArrow()
