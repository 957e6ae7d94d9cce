"""Spark as the warehouse: local, on a cluster, or through Spark Connect."""

import contextlib
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.sql import SQLBackend
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ecom_assets.core.errors import (
    ConnectionLostError,
    ContractError,
    WarehouseError,
    WorkError,
    first_line,
)
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.computations import ComparedInputs
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import DIALECTS, Dialect, batches_of, conform
from ecom_assets.core.tables.received import VisitorRows
from ecom_assets.core.warehouse.engine import BATCH_ROWS, Engine, SliceHooks, Written
from ecom_assets.core.warehouse.engines.spark.session import SparkAddress, end_session, session_for
from ecom_assets.core.warehouse.engines.spark.settings import SparkSettings
from ecom_assets.core.warehouse.engines.spark.sql import SparkBackend, connected, fetch

MISSING = "is missing in some rows"
"""What a statement raises of a required column."""


class SparkDialect(Dialect):
    """Spark has no temporary tables; it also needs none to read a table while it is replaced."""

    def stored(self, _con: SQLBackend, _name: str, rows: ir.Table) -> ir.Table:
        """Return the rows as they are:
        each query of them reads what was committed before it began.
        """
        return rows


DIALECTS[SparkBackend.name] = SparkDialect()


class NewSlice(Protocol):
    """New rows for a slice of a table."""

    def fill(self, session: SparkSession, query: sge.Query, scratch: Path) -> None:
        """Write the result of a query."""

    def fill_from(self, batches: pa.RecordBatchReader) -> None:
        """Write rows from outside, a batch at a time."""

    @property
    def row_count(self) -> int:
        """Return the rows that the slice then has."""


class SparkEngine(Engine):
    """Spark as the warehouse; its session is started once per process and kept.

    A subclass says how tables are stored: in files, or in a catalog.
    """

    con: SparkBackend
    replaces_visitors = False  # a slice is written whole

    def __init__(self, settings: Settings) -> None:
        """Take the settings; see `SparkAddress` for the forms of the address."""
        self.where_spark_is = SparkAddress.parse(settings.warehouse_url, settings.home)
        super().__init__(self.where_spark_is.shown)
        self._settings = settings
        self._table_format = SparkSettings.part_of(settings).spark_table_format

    def open(self) -> Self:
        """Start Spark, or take up the one that this process has."""
        with self._plain_errors():
            self.con = connected(session_for(self.where_spark_is, self._settings))
        self.con.reading = self._reading
        self.con.scratch = self.where_spark_is.scratch
        return self

    @abstractmethod
    def slice_of(
        self, contract: Contract, days: Days | None
    ) -> contextlib.AbstractContextManager[NewSlice]:
        """Return a slice to write, which replaces the stored one."""

    @abstractmethod
    def refresh(self, layer: str, name: str) -> None:
        """Let the session see the newest version of a table, if there is one."""

    def refresh_all(self) -> None:
        """Let the session see the newest version of every table."""
        return

    def forget_versions(self) -> None:
        """Forget which versions the session sees, as after a reconnect."""
        return

    @abstractmethod
    def found_schema(self, contract: Contract) -> ibis.Schema | None:
        """Return the stored columns of the table; None if there is no such table yet."""

    def close(self) -> None:
        """Leave a Spark of this process running: its start is paid once,
        and it ends with the process.
        """
        if "con" in vars(self) and self.where_spark_is.is_connect:
            self.con.session.stop()

    def has(self, contract: Contract) -> bool:
        """Return whether the table exists."""
        return self.found_schema(contract) is not None

    def stored_schema(self, contract: Contract) -> ibis.Schema:
        """Return the columns that the table has.

        Raises:
            WarehouseError: There is no table.
        """
        schema = self.found_schema(contract)
        if schema is None:
            raise WarehouseError(
                f"{self.address} has no table {contract.qualified_name()}; run `ecom run`."
            )
        return schema

    def _replace(  # noqa: PLR0913, PLR0917 (as `replace`)
        self,
        contract: Contract,
        rows: ir.Table,
        days: Days | None,
        hooks: SliceHooks | None,
        also: VisitorRows | None,
        upstream: Mapping[str, Sequence[str]] | None,
        compared: ComparedInputs | None,
    ) -> Written:
        del upstream, compared  # it notes no writes
        assert also is None  # noqa: S101 (`replaces_visitors` says so)
        self.ensure(contract)
        rows = conform(rows, contract)
        is_own = self.holds(rows)
        with self.transaction():
            with self._plain_errors(), self.slice_of(contract, days) as new:
                self.on_step("slice_begun")
                if hooks:
                    hooks.before()
                sql = self.compile(rows) if is_own else str(rows.get_backend().compile(rows))
                if is_own:
                    new.fill(
                        self.con.session,
                        self.con.compiler.to_sqlglot(rows),
                        self.where_spark_is.scratch,
                    )
                else:
                    with batches_of(rows, BATCH_ROWS) as batches:
                        new.fill_from(batches)
                if not hooks:
                    self.on_step("slice_written")
            count = new.row_count
            if hooks:
                hooks.after()
                self.on_step("slice_written")
        self.on_step("committed")
        return Written(count, sql)

    def rewrite(self, contract: Contract, days: Days, make: Callable[[pa.Table], pa.Table]) -> None:
        """Replace the rows of some days with the result of `make` on them;
        call it within a transaction.
        """
        with self._plain_errors(), self.slice_of(contract, days) as new:
            new.fill_from(make(self.slice_rows(contract, days)).to_reader())

    def rewrite_about(
        self, notes: Contract, days: Days, about: Mapping[str, str], rows: pa.Table
    ) -> None:
        """Replace the rows of some days that have a value in a column: the days are written again
        with those of others.
        """

        def with_others(old: pa.Table) -> pa.Table:
            others = [row for row in old.to_pylist() if not about.items() <= row.items()]
            return pa.Table.from_pylist([*others, *rows.to_pylist()], schema=rows.schema)

        self.rewrite(notes, days, with_others)

    def make_views(self, contract: Contract) -> None:
        """Do nothing: a view of the session ends with it, and not every catalog keeps others."""

    def reconnect(self) -> None:
        """Start Spark again where it has died, for the tables that were handed out too."""
        try:
            self.con.raw_sql("SELECT 1")
        except Exception:  # noqa: BLE001 (a dead one says so in many ways)
            if not self.where_spark_is.is_connect:
                end_session()
            with self._plain_errors():
                session = session_for(self.where_spark_is, self._settings)
            self.con.session = session  # tables that were handed out keep this connection
        self.forget_versions()

    def compile(self, rows: ir.Table) -> str:
        """Return the statement that computes `rows` from the newest state of its tables."""
        with self._reading(rows):
            return super().compile(rows)

    def execute(self, sql: str) -> None:
        """Run a statement and discard its result."""
        self.query(sql)

    def query(self, sql: str) -> list[Row]:
        """Run a small query and return its rows by column name."""
        with self._plain_errors():
            self.refresh_all()
            rows: list[Row] = fetch(self.con.raw_sql(sql)).to_pylist()
        return rows

    def insert(self, sql: str) -> int:
        """Refuse: rows come in a slice at a time."""
        raise WarehouseError(
            f"Spark adds no rows to a slice that is there; replace it whole: {sql.splitlines()[0]}."
        )

    def take_in(self, contract: Contract, batches: pa.RecordBatchReader) -> int:
        """Put rows from outside in the place of the table."""
        with self._plain_errors(), self.slice_of(contract, None) as new:
            new.fill_from(batches)
        return new.row_count

    def remove(
        self, contract: Contract, conditions: Sequence[str], kept: ir.Table, days: Days | None
    ) -> None:
        """Write the slices again without the rows to remove."""
        del conditions
        self.replace(contract, kept, days)

    @contextlib.contextmanager
    def _reading(self, expr: ir.Expr) -> Iterator[None]:
        with self._plain_errors():
            for stored in expr.op().find(ops.DatabaseTable):
                if stored.source is self.con:
                    self.refresh(str(stored.namespace.database), stored.name)
            yield

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (Py4JNetworkError, ConnectionError) as error:
            raise ConnectionLostError(
                f"{self.address}: Spark ended while it worked; nothing was changed: run again, "
                "with more memory by ECOM_MEMORY_LIMIT if it ends again."
            ) from error
        except (PySparkException, Py4JError) as error:
            raise self._as_sentence(error) from error

    def _as_sentence(self, error: Exception) -> WorkError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        causes = [line for line in lines if line.startswith("Caused by: ")]
        message = (causes[-1].removeprefix("Caused by: ") if causes else first_line(error)).rstrip(
            "."
        )
        if MISSING in str(error) and "USER_RAISED_EXCEPTION" in str(error):
            return ContractError(
                "The new rows break the table's contract (a column that must not be null is "
                "missing in some); the old rows were kept: correct the source."
            )
        damaged = re.search(r"file:[^\s,\]]+?\.parquet", str(error))
        if damaged and any(sign in str(error) for sign in DAMAGED):
            return WarehouseError(
                f"{damaged[0].removeprefix('file:')} is damaged or missing; nothing was changed: "
                "materialize its table again for that day, it is rebuilt from raw."
            )
        return WarehouseError(f"{self.address}: {message[:300]}; nothing was changed.")


DAMAGED = (
    "FAILED_READ_FILE",
    "PATH_NOT_FOUND",
    "is not a Parquet file",
    "ChecksumException",
    "FileNotFoundException",
)
"""What Spark says of a file that is not as it was written."""
