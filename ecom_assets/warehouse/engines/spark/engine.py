"""Spark as the warehouse: local, on a cluster, or through Spark Connect."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Self

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException

from ecom_assets.errors import ConnectionLostError, ContractError, WarehouseError, WorkError
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import batches_of, conform
from ecom_assets.warehouse.engine import BATCH_ROWS, Engine, Watch, Written
from ecom_assets.warehouse.engines.spark.catalog import MISSING, CatalogTables
from ecom_assets.warehouse.engines.spark.files import FileTables
from ecom_assets.warehouse.engines.spark.log import EARLIER_LOG, LOG
from ecom_assets.warehouse.engines.spark.session import SparkAddress, end_session, session_for
from ecom_assets.warehouse.engines.spark.sql import SparkBackend, connected, fetch


class SparkEngine(Engine):
    """Spark as the warehouse; its session is started once per process and kept."""

    con: SparkBackend

    def __init__(self, settings: Settings) -> None:
        """Take the settings; see `SparkAddress` for the forms of the address."""
        self.where_spark_is = SparkAddress.parse(settings.warehouse_url, settings.home)
        super().__init__(self.where_spark_is.shown)
        self._settings = settings

    def open(self) -> Self:
        """Start Spark, or take up the one that this process has."""
        with self._plain_errors():
            self.con = connected(session_for(self.where_spark_is, self._settings))
        self.con.reading = self._reading
        self.con.scratch = self.where_spark_is.scratch
        table_format = self._settings.spark_table_format
        if table_format == "parquet":
            self.con.reads_views = True
            self.tables: FileTables | CatalogTables = FileTables(
                self.con,
                self.where_spark_is.folder,
                self._settings.memory_limit,
                is_local=self.where_spark_is.is_local,
            )
        else:
            self.tables = CatalogTables(self.con, table_format, self.where_spark_is.scratch)
        return self

    def close(self) -> None:
        """Leave a Spark of this process running: its start is paid once, and it ends with the process."""
        if "con" in vars(self) and self.where_spark_is.is_connect:
            self.con.session.stop()

    def exists(self) -> bool:
        """Return whether there are tables yet; for a catalog, return true without a query."""
        return self._settings.spark_table_format != "parquet" or any(
            any(self.where_spark_is.folder.glob(f"*/*/{log}")) for log in (LOG, EARLIER_LOG)
        )

    def has(self, contract: type[Table]) -> bool:
        """Return whether the table exists."""
        return self.tables.schema(contract) is not None

    def stored_table(self, contract: type[Table]) -> ir.Table:
        """Return the whole table with its stored columns, lazily."""
        namespace = ops.Namespace(database=contract.layer)
        schema = self.stored_schema(contract)
        table: ir.Table = ops.DatabaseTable(contract.name, schema, self.con, namespace).to_expr()
        return table

    def readable(self, contract: type[Table]) -> ir.Table:
        """Return the whole table; of Spark on this machine, as DuckDB reads its files: a job of Spark takes longer."""
        if isinstance(self.tables, CatalogTables) or not self.where_spark_is.is_local:
            return self.table(contract)
        self.ensure(contract)
        return self.tables.by_duckdb(contract)

    def stored_schema(self, contract: type[Table]) -> ibis.Schema:
        """Return the columns that the table has.

        Raises:
            WarehouseError: There is no table.
        """
        schema = self.tables.schema(contract)
        if schema is None:
            raise WarehouseError(f"{self.address} has no table {contract.qualified_name()}; run `ecom run`.")
        return schema

    def create(self, contract: type[Table]) -> None:
        """Create the table, empty."""
        self.tables.create(contract)

    def add_column(self, contract: type[Table], name: str) -> None:
        """Add a column that the contract has gained."""
        self.tables.add_column(contract, name)

    def create_statements(self, contract: type[Table]) -> list[str]:
        """Return the statements that would create the table in another Spark; here Delta's log creates it."""
        return [f"CREATE TABLE {self.name_of(contract)} (\n  {self.column_definitions(contract)}\n) USING parquet"]

    def name_of(self, contract: type[Table]) -> str:
        """Return the table's name for SQL."""
        return self.tables.name_of(contract)

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which every slice is committed, or none."""
        return self.tables.transaction()

    def _replace(self, contract: type[Table], rows: ir.Table, days: Days | None, watch: Watch | None) -> Written:
        self.ensure(contract)
        rows = conform(rows, contract)
        is_own = self.holds(rows)
        with self.transaction():
            with self._plain_errors(), self.tables.slice_of(contract, days) as new:
                self.on_step("slice_begun")
                if watch:
                    watch.before()
                sql = self.compile(rows) if is_own else str(rows.get_backend().compile(rows))
                if is_own:
                    new.fill(self.con.session, self.con.compiler.to_sqlglot(rows), self.where_spark_is.scratch)
                else:
                    with batches_of(rows, BATCH_ROWS) as batches:
                        new.fill_from(batches)
                if not watch:
                    self.on_step("slice_written")
            count = new.row_count
            if watch:
                watch.after()
                self.on_step("slice_written")
        self.on_step("committed")
        return Written(count, sql)

    def slice_rows(self, contract: type[Table], days: Days) -> pa.Table:
        """Return the rows of some days, as a transaction that is open has left them."""
        with self._plain_errors():
            return self.tables.rows_of(contract, days)

    def day_counts(self, contract: type[Table], days: Days | None) -> dict[date, int]:
        """Return the row count of each of some days (all days if None) that has rows, as above."""
        with self._plain_errors():
            return self.tables.day_counts(contract, days)

    def rewrite(self, contract: type[Table], days: Days, make: Callable[[pa.Table], pa.Table]) -> None:
        """Replace the rows of some days with the result of `make` on them; call it within a transaction."""
        with self._plain_errors(), self.tables.slice_of(contract, days) as new:
            new.fill_from(make(self.tables.rows_of(contract, days)).to_reader())

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
        self.tables.forget_shown()

    def compile(self, rows: ir.Table) -> str:
        """Return the statement that computes `rows` from the newest state of its tables."""
        with self._reading(rows):
            return super().compile(rows)

    def execute(self, sql: str) -> None:
        """Run a statement and discard its result."""
        self.query(sql)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run a small query and return its rows by column name."""
        with self._plain_errors():
            self.tables.show_all()
            rows: list[dict[str, Any]] = fetch(self.con.raw_sql(sql)).to_pylist()
        return rows

    def insert(self, sql: str) -> int:
        """Refuse: rows come in a slice at a time."""
        raise WarehouseError(f"Spark adds no rows to a slice that is there; replace it whole: {sql.splitlines()[0]}.")

    def take_in(self, contract: type[Table], batches: pa.RecordBatchReader) -> int:
        """Put rows from outside in the place of the table."""
        with self._plain_errors(), self.tables.slice_of(contract, None) as new:
            new.fill_from(batches)
        return new.row_count

    def clear(self, contracts: Iterable[type[Table]]) -> None:
        """Delete all rows of the tables, or of none if it fails."""
        self.tables.empty([contract for contract in contracts if self.has(contract)])

    def remove(self, contract: type[Table], conditions: Sequence[str], kept: ir.Table, days: Days | None) -> None:
        """Write the slices again without the rows to remove."""
        del conditions
        self.replace(contract, kept, days)

    def purge(self, contracts: Iterable[type[Table]]) -> str:
        """Delete the files of earlier versions of tables, as far as they are this platform's to delete."""
        with self._plain_errors():
            return self.tables.purge(contracts)

    def drop(self, contract: type[Table]) -> None:
        """Drop the table if it exists."""
        self.tables.drop(contract)
        self._ready.discard(contract.qualified_name())

    def put_in_place(self, fresh: type[Table], contract: type[Table]) -> None:
        """Replace a table with another one of its layer, which takes its name, atomically."""
        self.tables.put_in_place(fresh, contract)
        self._ready.discard(fresh.qualified_name())

    def row_count(self, contract: type[Table]) -> int:
        """Return the number of rows of the whole table."""
        return self.tables.row_count(contract)

    def some_rows(self, contract: type[Table], days: Days | None, limit: int) -> list[dict[str, Any]]:
        """Return a few rows of the slice of `days`, no particular ones."""
        return self.tables.some_rows(contract, days, limit)

    def _show_tables_of(self, expr: ir.Expr) -> None:
        for stored in expr.op().find(ops.DatabaseTable):
            if stored.source is self.con:
                self.tables.show(str(stored.namespace.database), stored.name)

    @contextlib.contextmanager
    def _reading(self, expr: ir.Expr) -> Iterator[None]:
        with self._plain_errors():
            self._show_tables_of(expr)
            yield

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (Py4JNetworkError, ConnectionError) as error:
            raise ConnectionLostError(
                f"{self.address}: Spark ended while it worked; nothing was changed: run again, with more memory by "
                "ECOM_MEMORY_LIMIT if it ends again."
            ) from error
        except (PySparkException, Py4JError) as error:
            raise self._as_sentence(error) from error

    def _as_sentence(self, error: Exception) -> WorkError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        causes = [line for line in lines if line.startswith("Caused by: ")]
        message = (causes[-1].removeprefix("Caused by: ") if causes else lines[0]).rstrip(".")
        if MISSING in str(error) and "USER_RAISED_EXCEPTION" in str(error):
            return ContractError(
                "The new rows break the table's contract (a column that must not be null is missing in some); the old "
                "rows were kept: correct the source."
            )
        damaged = re.search(r"file:[^\s,\]]+?\.parquet", str(error))
        if damaged and any(sign in str(error) for sign in DAMAGED):
            return WarehouseError(
                f"{damaged[0].removeprefix('file:')} is damaged or missing; nothing was changed: materialize its table "
                "again for that day, it is rebuilt from raw."
            )
        return WarehouseError(f"{self.address}: {message[:300]}; nothing was changed.")


DAMAGED = ("FAILED_READ_FILE", "PATH_NOT_FOUND", "is not a Parquet file", "ChecksumException", "FileNotFoundException")
"""What Spark says of a file that is not as it was written."""
