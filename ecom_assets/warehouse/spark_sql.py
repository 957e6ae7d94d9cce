"""Spark's dialect as the portable transforms need it: what Ibis spells differently from the other engines.

Instants are TIMESTAMP_NTZ: Spark's own TIMESTAMP shifts with the session's zone. Not here: sessions, tables, errors.
"""

import math
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
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

from ecom_assets.warehouse.spark_json import JsonReading

US_PER_S = 1_000_000
Sql = Any
"""An expression of sqlglot's, as Ibis' untyped compiler hands it about."""


class SparkTypes(PySparkType):  # type: ignore[misc]  # Ibis ships no types
    """Ibis types as Spark's DDL and casts spell them."""

    @classmethod
    def _from_ibis_Timestamp(cls, dtype: dt.Timestamp) -> sge.DataType:  # noqa: N802 (Ibis looks it up by this name)
        kind = sge.DataType.Type.TIMESTAMPNTZ if dtype.timezone is None else sge.DataType.Type.TIMESTAMPLTZ
        return sge.DataType(this=kind)


class SparkCompiler(JsonReading, PySparkCompiler):  # type: ignore[misc]  # likewise
    """Ibis' compiler with the rules in which Spark would answer otherwise than the other engines, or not at all."""

    __slots__ = ()

    type_mapper = SparkTypes
    SIMPLE_OPS: ClassVar = {ops.Hash: "xxhash64"}  # Ibis promises 64 bits; Spark's `hash` has 32

    def visit_DatabaseTable(self, op: ops.DatabaseTable, **parts: Any) -> Sql:  # noqa: ANN401, N802 (Ibis' names)
        """Read a table kept in files through the session's view of it, which has no database."""
        if parts["source"].reads_views:
            return sge.table_(view_name(parts["namespace"].database, parts["name"]), quoted=self.quoted)
        return super().visit_DatabaseTable(op, **parts)

    def visit_NonNullLiteral(self, op: ops.Literal, *, value: Any, dtype: dt.DataType) -> Sql:  # noqa: ANN401, N802
        """Spell a float as one; Spark takes `1000000.0` for a decimal, and divides by it as such."""
        if dtype.is_floating() and math.isfinite(value):
            return self.cast(sge.convert(repr(float(value))), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_TimestampDelta(  # noqa: N802 (Ibis' names)
        self, _op: ops.TimestampDelta, *, part: sge.Literal, left: Sql, right: Sql
    ) -> Sql:
        """Count whole units from `right` to `left`."""
        return self.f.anon.timestampdiff(sge.to_identifier(str(part.this).upper()), right, left)

    def visit_TimestampTruncate(self, op: ops.TimestampTruncate, **parts: Any) -> Sql:  # noqa: ANN401, N802
        """Truncate without gaining a time zone."""
        return self.cast(super().visit_TimestampTruncate(op, **parts), op.dtype)

    def visit_DateTruncate(self, op: ops.DateTruncate, *, arg: Sql, unit: Any) -> Sql:  # noqa: ANN401, N802
        """Truncate a day to a day."""
        return self.cast(self.f.anon.date_trunc(unit.singular, arg), op.dtype)

    def visit_ExtractMicrosecond(self, op: ops.ExtractMicrosecond, *, arg: Sql) -> Sql:  # noqa: N802
        """Return the microseconds within the second."""
        seconds = self.f.anon.date_part(sge.convert("SECONDS"), arg)
        return self.cast(self.cast(seconds * US_PER_S, dt.int64) % US_PER_S, op.dtype)


class SparkBackend(Backend):  # type: ignore[misc]  # likewise
    """Ibis' backend, fetching by Arrow: values keep their types, and instants their microseconds."""

    compiler = SparkCompiler()

    scratch: Path
    """A folder that this process and Spark see, for results on their way."""
    reads_views = False
    """Whether tables are files, which the session sees through views."""
    reading: Callable[[ir.Expr], AbstractContextManager[None]] = staticmethod(lambda _expr: nullcontext())
    """Entered around each expression that runs: it is to see what was committed last, and to fail in a sentence."""

    @property
    def session(self) -> SparkSession:
        """The session that everything runs in."""
        return self._session

    @session.setter
    def session(self, session: SparkSession) -> None:
        """Go on in another session."""
        self._session = session

    def to_pyarrow(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        **kwargs: Any,  # noqa: ANN401 (whatever Ibis' own takes)
    ) -> Any:  # noqa: ANN401 (a table, a column or a scalar)
        """Run an expression and return what it came to."""
        self._run_pre_execute_hooks(expr)
        table = expr.as_table()
        with self.reading(expr):
            found = fetch(self.raw_sql(self.compile(table, params=params, limit=limit, **kwargs)))
        return expr.__pyarrow_result__(found.cast(table.schema().to_pyarrow()))

    def to_pyarrow_batches(
        self,
        expr: ir.Expr,
        /,
        *,
        params: Mapping[ir.Scalar, Any] | None = None,
        limit: int | str | None = None,
        chunk_size: int = 1_000_000,
        **kwargs: Any,  # noqa: ANN401 (whatever Ibis' own takes)
    ) -> pa.RecordBatchReader:
        """Run an expression and return its rows in batches; they wait in files, not in memory."""
        table = expr.as_table()
        folder = self.scratch / f"result-{uuid.uuid4().hex}"
        with self.reading(expr):
            found = self.raw_sql(self.compile(table, params=params, limit=limit, **kwargs))
            found.write.parquet(f"file://{folder}")
        schema = pa.schema([field.with_nullable(True) for field in table.schema().to_pyarrow()])  # noqa: FBT003 (Arrow's name for it)

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for batch in ds.dataset(folder, format="parquet").to_batches(batch_size=chunk_size):
                    yield batch.cast(schema)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def execute(self, expr: ir.Expr, /, **kwargs: Any) -> Any:  # noqa: ANN401 (likewise, in pandas)
        """Run an expression and return what it came to, in pandas."""
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
    """Fetch the rows of a small result; the sockets that Spark leaves to the garbage collector go quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return rows.toArrow()
