"""Tables of a Spark catalog, in Iceberg's or Delta's format,
which replace a slice by one statement of their own.

The catalog is the user's: `ECOM_SPARK_CONF` names it.
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ibis
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.pyspark.datatypes import PySparkSchema
from pyspark.sql import DataFrame, SparkSession

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import kind_of, schema_of
from ecom_assets.core.warehouse.engines.spark.engine import MISSING, SparkEngine
from ecom_assets.core.warehouse.engines.spark.files import SparkFiles, write_batches
from ecom_assets.core.warehouse.engines.spark.settings import SparkSettings
from ecom_assets.core.warehouse.engines.spark.sql import SparkTypes, fetch, staged


class SparkCatalog(SparkEngine):
    """The tables of the session's current catalog, a schema for each layer,
    in the format `iceberg` or `delta`.
    """

    def found_schema(self, contract: Contract) -> ibis.Schema | None:
        """Return the stored columns of the table; None if there is no such table yet."""
        name = contract.qualified_name()
        if not self.con.session.catalog.tableExists(name):
            return None
        result = PySparkSchema.to_ibis(self.con.session.table(name).schema)
        # Spark knows one precision of time, and does not say it.
        return ibis.schema(
            {
                n: ibis.dtype("timestamp(6)") if k.is_timestamp() else kind_of(k)
                for n, k in result.items()
            }
        )

    def create_statements(self, contract: Contract) -> list[str]:
        """Return the statement that creates the table."""
        return [create_statement(contract, self._table_format)]

    @contextlib.contextmanager
    def slice_of(self, contract: Contract, days: Days | None) -> Iterator["CatalogSlice"]:
        """Return a slice that replaces the stored one; its statement commits by itself."""
        folder = self.where_spark_is.scratch / f"incoming-{uuid.uuid4().hex}"
        try:
            yield CatalogSlice(self.con.session, contract, days, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clear(self, contracts: Iterable[Contract]) -> None:
        """Empty the tables one by one, upstream tables last,
        so that an interrupted run can be repeated.
        """
        for contract in reversed([contract for contract in contracts if self.has(contract)]):
            self.execute(f"DELETE FROM {self.name_of(contract)} WHERE TRUE")  # noqa: S608 (names come from contracts)

    def purge(self, _contracts: Iterable[Contract]) -> str:
        """Do nothing: the files of earlier versions are the catalog's."""
        return (
            "The catalog keeps earlier versions of its tables; expire them (VACUUM, or "
            "expire_snapshots)."
        )

    def put_in_place(self, fresh: Contract, contract: Contract) -> None:
        """Replace the rows and columns of a table with another table's, in one statement."""
        self.execute(replace_table_statement(fresh, contract, self._table_format))
        self.drop(fresh)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do nothing: each statement is a transaction, and there are none over several."""
        yield

    def refresh(self, layer: str, name: str) -> None:
        """Refresh a table, to see what other processes have committed."""
        self.con.session.catalog.refreshTable(f"{layer}.{name}")


@dataclass
class CatalogSlice:
    """A slice of a catalog's table that is being replaced."""

    session: SparkSession
    contract: Contract
    days: Days | None
    folder: Path

    def fill(self, session: SparkSession, query: sge.Query, scratch: Path) -> None:
        """Replace the slice with what a query returns."""
        with staged(session, query, scratch) as rows:
            self._put(rows)

    def fill_from(self, batches: pa.RecordBatchReader) -> None:
        """Replace the slice with rows from outside: a batch at a time into files,
        which Spark then reads.
        """
        write_batches(self.contract, batches, self.folder, by_day=False)
        types = {
            name: SparkTypes.to_string(kind) for name, kind in schema_of(self.contract).items()
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        schema = ", ".join(f"`{name}` {kind}" for name, kind in types.items())
        self._put(self.session.read.schema(schema).parquet(f"file://{self.folder}"))

    @property
    def row_count(self) -> int:
        """Return the rows that the slice then has."""
        name = f"`{self.contract.layer}`.`{self.contract.name}`"
        where = condition(self.contract, self.days)
        (row,) = fetch(
            self.session.sql(f"SELECT count(*) AS n FROM {name} WHERE {where}")  # noqa: S608 (names come from contracts)
        ).to_pylist()
        return int(row["n"])

    def _put(self, rows: DataFrame) -> None:
        view = f"new_{uuid.uuid4().hex}"
        rows.createOrReplaceTempView(view)
        try:
            fetch(self.session.sql(replace_statement(self.contract, self.days, view)))
        finally:
            self.session.catalog.dropTempView(view)


def create_statement(contract: Contract, table_format: str) -> str:
    """Return the statement that creates a table, cut by its day."""
    columns = ", ".join(
        f"`{name}` {SparkTypes.to_string(kind)}" for name, kind in schema_of(contract).items()
    )
    cut = f" PARTITIONED BY (`{contract.day_column}`)" if contract.day_column else ""
    return (
        f"CREATE TABLE IF NOT EXISTS `{contract.layer}`.`{contract.name}` ({columns}) USING "
        f"{table_format}{cut}"
    )


def replace_statement(contract: Contract, days: Days | None, view: str) -> str:
    """Return the statement that puts the rows of a view in the place of a slice,
    an empty one too, as one commit.
    """
    kinds = {name: SparkTypes.to_string(kind) for name, kind in schema_of(contract).items()}
    values = ", ".join(
        f"CAST(`{name}` AS {kinds[name]}) AS `{name}`"
        if column.nullable
        else (
            f"CAST(COALESCE(`{name}`, RAISE_ERROR('{name} {MISSING}')) AS {kinds[name]}) AS "
            f"`{name}`"
        )
        for name, column in contract.columns.items()
    )
    return (
        f"INSERT INTO `{contract.layer}`.`{contract.name}` "  # noqa: S608 (names come from contracts)
        f"REPLACE WHERE {condition(contract, days)} SELECT {values} FROM `{view}`"
    )


def replace_table_statement(fresh: Contract, contract: Contract, table_format: str) -> str:
    """Return the statement that gives a table another's rows and columns, as one commit."""
    cut = f" PARTITIONED BY (`{contract.day_column}`)" if contract.day_column else ""
    return (
        f"CREATE OR REPLACE TABLE `{contract.layer}`.`{contract.name}` USING {table_format}{cut} "  # noqa: S608 (names come from contracts)
        f"AS SELECT * FROM `{fresh.layer}`.`{fresh.name}`"
    )


def condition(contract: Contract, days: Days | None) -> str:
    """Return the condition that a row is of a slice."""
    if days is None:
        return "TRUE"
    day = f"`{contract.day_column}`"
    runs = [f"({day} >= DATE '{first}' AND {day} < DATE '{end}')" for first, end in days.runs()]
    return " OR ".join(runs) or "FALSE"


def spark_engine(settings: Settings) -> SparkEngine:
    """Return the engine for the format of Spark's tables in the settings."""
    is_in_files = SparkSettings.part_of(settings).spark_table_format == "parquet"
    return SparkFiles(settings) if is_in_files else SparkCatalog(settings)
