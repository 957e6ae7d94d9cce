"""Tables as Parquet files in a folder, cut by day, with Delta's log of which files count.

See docs/adr/0022.

New files of a slice are written by Spark or from outside, and checked by their own footers.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Self

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import sqlglot.expressions as sge
from pyspark.sql import DataFrame, SparkSession

from ecom_assets.core.atomic_files import sync_file
from ecom_assets.core.errors import ContractError, WarehouseError, first_line
from ecom_assets.core.rows import Row, without_none
from ecom_assets.core.settings.memory import limit_beside
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, nullable_schema, schema_of
from ecom_assets.core.warehouse.engine import BATCH_ROWS
from ecom_assets.core.warehouse.engines.spark.engine import SparkEngine
from ecom_assets.core.warehouse.engines.spark.log import (
    INCOMING,
    LOG,
    WHOLE,
    Commits,
    DataFile,
    Slices,
    TableChange,
    TableLog,
    TableSnapshot,
    rows_in,
)
from ecom_assets.core.warehouse.engines.spark.sql import SparkTypes, staged, view_name
from ecom_assets.core.warehouse.local import DuckDB, connect, keep_within
from ecom_assets.core.warehouse.sql_text import ident


class SparkFiles(SparkEngine):
    """The tables of one folder, which must be the same one for this process and for Spark's."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        super().__init__(settings)
        self._root = self.where_spark_is.folder
        self._commits = Commits(self._root)
        self._logs: dict[str, TableLog] = {}
        self._shown: dict[str, TableSnapshot] = {}
        self._staged: dict[str, TableChange] | None = None
        self._duckdb: DuckDB | None = None
        self._seen_by_duckdb: dict[str, int] = {}

    def open(self) -> Self:
        """Start Spark, or take up the one that this process has;
        its session sees the tables through views.
        """
        super().open()
        self.con.reads_views = True
        self.forget_versions()
        return self

    def exists(self) -> bool:
        """Return whether there are tables yet."""
        return any(self._root.glob(f"*/*/{LOG}"))

    def name_of(self, contract: Contract) -> str:
        """Return the table's name for SQL."""
        return f"`{view_name(contract.layer, contract.name)}`"

    def found_schema(self, contract: Contract) -> ibis.Schema | None:
        """Return the stored columns of the table; None if there is no such table yet."""
        result = self._current(contract.layer, contract.name)
        return result.columns if result else None

    def create_statements(self, contract: Contract) -> list[str]:
        """Return the statements that would create the table in another Spark;
        here Delta's log creates it.
        """
        return [
            (
                f"CREATE TABLE {self.name_of(contract)} (\n"
                f"  {self.column_definitions(contract)}\n"
                ") USING parquet"
            )
        ]

    def create(self, contract: Contract) -> None:
        """Create the table, empty."""
        with plain_file_errors(self._root):
            self.log(contract.layer, contract.name).create(schema_of(contract), contract.day_column)

    def add_column(self, contract: Contract, name: str) -> None:
        """Add a column, null in the rows that there are, after those that the table has."""
        with plain_file_errors(self._root), self._commits.exclusively():
            self.log(contract.layer, contract.name).add_column(name, schema_of(contract))

    @contextlib.contextmanager
    def slice_of(self, contract: Contract, days: Days | None) -> Iterator["FileSlice"]:
        """Return a slice whose files become part of the table when the transaction commits."""
        log = self.log(contract.layer, contract.name)
        incoming, cutter = (
            log.folder / f"{INCOMING}{uuid.uuid4().hex}",
            self._reader() if self.where_spark_is.is_local else None,
        )
        new = FileSlice(contract, self.snapshot(contract), incoming, days, cutter)
        try:
            with self.transaction(), plain_file_errors(self._root):
                yield new
                new.move_to(log.folder)
                self._stage(
                    TableChange(
                        log,
                        new.seen,
                        None if days is None else tuple(map(str, days.dates)),
                        new.slices,
                    )
                )
        finally:
            shutil.rmtree(new.incoming, ignore_errors=True)

    def clear(self, contracts: Iterable[Contract]) -> None:
        """Delete all rows of the tables, or of none if it fails."""
        present = [contract for contract in contracts if self.has(contract)]
        with self.transaction():
            for contract in present:
                self._stage(
                    TableChange(
                        self.log(contract.layer, contract.name), self.snapshot(contract), None, {}
                    )
                )

    def purge(self, contracts: Iterable[Contract]) -> str:
        """Delete the files of all earlier versions now; a reader of one of them fails."""
        with plain_file_errors(self._root), self._commits.exclusively():
            for contract in contracts:
                self.log(contract.layer, contract.name).purge()
        return ""

    def drop(self, contract: Contract) -> None:
        """Drop the table if it exists."""
        log = self.log(contract.layer, contract.name)
        gone = log.folder.with_name(f"_dropped-{uuid.uuid4().hex}")
        with plain_file_errors(self._root), contextlib.suppress(FileNotFoundError):
            log.folder.rename(gone)  # readers see the table or none, never half of it
            shutil.rmtree(gone)
        self._logs.pop(f"{contract.layer}/{contract.name}", None)
        self._shown.pop(view_name(contract.layer, contract.name), None)
        self._forget(contract)

    def put_in_place(self, fresh: Contract, contract: Contract) -> None:
        """Replace the rows and columns of a table with another table's, atomically."""
        source, log = self.log(fresh.layer, fresh.name), self.log(contract.layer, contract.name)
        new = self.snapshot(fresh)
        with plain_file_errors(self._root), self._commits.exclusively():
            for name in new.files:
                (log.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (log.folder / name).hardlink_to(source.folder / name)
                os.utime(log.folder / name)  # a file of nobody's that is old would be withdrawn
            log.become(new)
        self.drop(fresh)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit every slice that is written inside, or none."""
        if self._staged is not None:
            yield  # within a transaction that commits later
            return
        self._staged = {}
        try:
            yield
            changes = list(self._staged.values())
            with plain_file_errors(self._root):
                self._commits.commit(changes)
        finally:
            self._staged = None
        for change in changes:
            with contextlib.suppress(
                OSError, WarehouseError
            ):  # another process may do so at the same time
                change.log.withdraw_old()

    def snapshot(self, contract: Contract) -> TableSnapshot:
        """Return the current snapshot of the table.

        Raises:
            WarehouseError: There is no table.
        """
        result = self._current(contract.layer, contract.name)
        if result is None:
            raise WarehouseError(
                f"{self._root} has no table {contract.qualified_name()}; run `ecom run`."
            )
        return result

    def _current(self, layer: str, name: str) -> TableSnapshot | None:
        with plain_file_errors(self._root):
            self._commits.settle()
            return self.log(layer, name).current()

    def row_count(self, contract: Contract) -> int:
        """Return the number of rows of the whole table, from its log."""
        return self.snapshot(contract).row_count

    def row_counts(self, contracts: Iterable[Contract]) -> dict[str, int]:
        """Return the numbers of rows of whole tables, by qualified name, from their logs."""
        return {contract.qualified_name(): self.row_count(contract) for contract in contracts}

    def counted_and_some_rows(
        self, contract: Contract, days: Days | None, limit: int
    ) -> tuple[int, list[Row]]:
        """Return the number of rows of the whole table, and a few rows of a slice,
        read without Spark.
        """
        return self.row_count(contract), self.some_rows(contract, days, limit)

    def has_rows(self, contract: Contract) -> bool:
        """Return whether a table is there with a row, read without Spark."""
        return self.has(contract) and self.row_count(contract) > 0

    def some_rows(self, contract: Contract, days: Days | None, limit: int) -> list[Row]:
        """Return a few rows of a slice, read without Spark."""
        snapshot = self.snapshot(contract)
        folder = self.log(contract.layer, contract.name).folder
        wanted = snapshot.slices if days is None else [str(day) for day in days.dates]
        rows: list[Row] = []
        for day in wanted:
            for data in snapshot.slices.get(day, ()):
                if len(rows) < limit:
                    with pq.ParquetFile(folder / data.path) as file:
                        batch = next(file.iter_batches(limit - len(rows)), None)
                    own = {str(snapshot.day_column): date.fromisoformat(day)} if day else {}
                    rows += [{**row, **own} for row in (batch.to_pylist() if batch else [])]
        return [{name: row.get(name) for name in contract.columns} for row in rows]

    def slice_rows(self, contract: Contract, days: Days) -> pa.Table:
        """Return the rows of some days, read without Spark;
        those that an open transaction has written, too.
        """
        stored = self._slices(contract, days).values()
        return self._dataset(contract, (file.path for files in stored for file in files)).to_table()

    def readable(self, contract: Contract) -> ir.Table:
        """Return the whole table; of Spark on this machine, as DuckDB reads its files:
        a job of Spark takes longer.
        """
        if not self.where_spark_is.is_local:
            return self.table(contract)
        self.ensure(contract)
        con, snapshot = self._reader(), self.snapshot(contract)
        view = view_name(contract.layer, contract.name)
        if self._seen_by_duckdb.get(view) != snapshot.version:
            con.con.register(view, self._dataset(contract, snapshot.files))
            self._seen_by_duckdb[view] = snapshot.version
        return con.table(view)

    def _reader(self) -> DuckDB:
        if self._duckdb is None:
            self._duckdb = connect()
            keep_within(self._duckdb, limit_beside(self._settings), self.con.scratch / "duckdb")
        return self._duckdb

    def _dataset(self, contract: Contract, paths: Iterable[str]) -> ds.Dataset:
        schema, folder = (
            arrow_schema_of(contract),
            self.log(contract.layer, contract.name).folder,
        )
        day = [schema.field(contract.day_column)] if contract.day_column else []
        return ds.dataset(
            [str(folder / path) for path in sorted(paths)],
            schema=schema,
            format="parquet",
            partitioning=ds.partitioning(pa.schema(day), flavor="hive"),
            partition_base_dir=str(folder),
        )

    def day_counts(self, contract: Contract, days: Days | None) -> dict[date, int]:
        """Return the row count of each of some days (all days if None)
        that has rows, from the log.
        """
        return {
            date.fromisoformat(day): rows_in(files)
            for day, files in self._slices(contract, days).items()
        }

    def _slices(self, contract: Contract, days: Days | None) -> Slices:
        slices = self._with_staged(contract.layer, contract.name, self.snapshot(contract)).slices
        wanted = slices if days is None else map(str, days.dates)
        return {day: slices[day] for day in wanted if day in slices}

    def _with_staged(self, layer: str, name: str, snapshot: TableSnapshot) -> TableSnapshot:
        """Return a snapshot with what an open transaction of this engine has written."""
        staged = (self._staged or {}).get(str(self.log(layer, name).folder))
        return staged.onto(snapshot) if staged else snapshot

    def refresh(self, layer: str, name: str) -> None:
        """Point the session's view at the newest snapshot of a table, if there is one;
        in a transaction, with what it has written.
        """
        view, committed = view_name(layer, name), self._current(layer, name)
        if committed is None:
            return
        snapshot = self._with_staged(layer, name, committed)
        if self._shown.get(view) == snapshot:
            return
        types = {column: SparkTypes.to_string(kind) for column, kind in snapshot.columns.items()}
        if snapshot.row_count:
            folder = self.log(layer, name).folder
            reader = self.con.session.read.schema(
                ", ".join(f"`{column}` {kind}" for column, kind in types.items())
            )
            files = sorted(f"file://{folder / path}" for path in snapshot.files)
            rows = reader.option("basePath", f"file://{folder}").parquet(*files).select(*types)
        else:
            nothing = ", ".join(
                f"CAST(NULL AS {kind}) AS `{column}`" for column, kind in types.items()
            )
            rows = self.con.raw_sql(f"SELECT {nothing} WHERE 1 = 0")
        rows.createOrReplaceTempView(f"`{view}`")
        self._shown[view] = snapshot

    def refresh_all(self) -> None:
        """Point the session's views at the newest snapshot of every table."""
        for folder in self._root.glob(f"*/*/{LOG}"):
            self.refresh(folder.parts[-3], folder.parts[-2])

    def forget_versions(self) -> None:
        """Forget which snapshots the session shows, as after a reconnect or a removal of files."""
        self._shown.clear()
        self._seen_by_duckdb.clear()

    def log(self, layer: str, name: str) -> TableLog:
        """Return the log in the folder of a table, the same object at each call."""
        key = f"{layer}/{name}"
        if key not in self._logs:
            self._logs[key] = TableLog(self._root / layer / name)
        return self._logs[key]

    def _stage(self, change: TableChange) -> None:
        key = str(change.log.folder)
        if self._staged is None or key in self._staged:
            raise WarehouseError(f"{key} can be replaced only in a transaction, and once in each.")
        self._staged[key] = change


SYNCED_AT_ONCE = 8
OPEN_FILES = 64
"""Files that are written at a time when rows of many days come from outside."""
MANY = 1_000_000
"""Days that rows from outside may be of: no limit, where Arrow has one."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What Spark and Arrow call the folder of rows whose day is null."""


@dataclass
class FileSlice:
    """New files for a slice of a table;
    `seen` is the table's snapshot from before they were written.

    `cutter` is the DuckDB that cuts the rows of a query by day; None if Spark does.
    They are written into a folder of their own, `incoming`, and then moved to the table's.
    """

    contract: Contract
    seen: TableSnapshot
    incoming: Path
    days: Days | None
    cutter: DuckDB | None = None
    slices: dict[str, tuple[DataFile, ...]] = field(default_factory=dict)

    def fill(self, session: SparkSession, query: sge.Query, scratch: Path) -> None:
        """Write the result of a query, in one file per day, or several for a large day.

        With a `cutter` Spark writes the rows as they come, and DuckDB cuts them by day: for Spark
        that is another job, and a file costs it 10 ms.
        """
        kinds = {
            name: SparkTypes.to_string(kind) for name, kind in schema_of(self.contract).items()
        }
        # Spark counts in narrower numbers than Ibis believes, and a file keeps the type that it is
        # given.
        columns = [f"CAST(`{name}` AS {kind}) AS `{name}`" for name, kind in kinds.items()]
        day = self.contract.day_column
        with staged(session, query, scratch) as result:
            rows = result.selectExpr(*columns)
            if self.cutter is not None and day:
                self._fill_cut(rows, day, scratch / f"rows-{uuid.uuid4().hex}", self.cutter)
                return
            rows = rows.hint("rebalance", *([day] if day else []))
            writer = rows.write.mode("error").option(
                "mapreduce.fileoutputcommitter.marksuccessfuljobs", "false"
            )
            (writer.partitionBy(day) if day else writer).parquet(f"file://{self.incoming}")

    def _fill_cut(self, rows: DataFrame, day: str, folder: Path, cutter: DuckDB) -> None:
        try:
            rows.write.parquet(f"file://{folder}")
            if files := [str(path) for path in folder.glob("*.parquet")]:
                by_day = f"FROM read_parquet($files) ORDER BY {ident(day)}"
                self.fill_from(
                    cutter.con.sql(by_day, params={"files": files}).to_arrow_reader(BATCH_ROWS)
                )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def fill_from(self, batches: pa.RecordBatchReader) -> None:
        """Write rows from outside, a batch at a time."""
        write_batches(self.contract, batches, self.incoming, by_day=True)

    @property
    def row_count(self) -> int:
        """Return the rows written."""
        return sum(map(rows_in, self.slices.values()))

    def move_to(self, folder: Path) -> None:
        """Move the written files into the table's folder, where no snapshot refers to them yet.

        Raises:
            ContractError: A column that must not be null is, or a day is none of the slice's.
        """
        written = [(path, self._day_of(path)) for path in sorted(self.incoming.rglob("*.parquet"))]
        with ThreadPoolExecutor(
            SYNCED_AT_ONCE
        ) as pool:  # a disk flushes several files in the time of one
            result = list(
                pool.map(self._checked, [path for path, _ in written])
            )  # all, before the first is moved
        for (path, day), file in zip(written, result, strict=True):
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder / file.path)
            self.slices[day] = (*self.slices.get(day, ()), file)

    def _day_of(self, path: Path) -> str:
        if not self.contract.day_column:
            return WHOLE
        day = path.parent.name.partition("=")[2]
        if day == NO_DAY:
            raise self._refused(f"{self.contract.day_column} is missing in some")
        if self.days is not None and date.fromisoformat(day) not in self.days.dates:
            raise self._refused(f"some are of {day}, which is none of the days to replace")
        return day

    def _checked(self, path: Path) -> DataFile:
        sync_file(path)
        result = pq.read_metadata(path)
        nulls = _null_counts(result)
        for kind in self.contract.columns.values():
            if (
                not kind.nullable
                and kind.name != self.contract.day_column
                and result.num_rows
                and nulls[kind.name] != 0
            ):
                raise self._refused(f"{kind.name} is missing in some")
        null_counts = without_none(nulls)
        name = path.relative_to(self.incoming).as_posix()
        return DataFile(name, path.stat().st_size, int(result.num_rows), null_counts)

    def _refused(self, why: str) -> ContractError:
        return ContractError(
            f"The new rows of {self.contract.qualified_name()} break the table's contract "
            f"({why}); the old rows were kept: correct the source."
        )


def _null_counts(footer: pq.FileMetaData) -> dict[str, int | None]:
    """Return the number of nulls in each column of a file; None if its footer does not have it."""
    counts: dict[str, int | None] = {}
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            column_statistics, before = column.statistics, counts.get(column.path_in_schema, 0)
            is_known = (
                column_statistics is not None
                and column_statistics.has_null_count
                and before is not None
            )
            counts[column.path_in_schema] = (
                before + column_statistics.null_count if is_known else None
            )
    return counts


def write_batches(
    contract: Contract, batches: pa.RecordBatchReader, folder: Path, *, by_day: bool
) -> None:
    """Write rows in the contract's columns and types into Parquet files, a batch at a time."""
    kinds = nullable_schema(schema_of(contract))
    schema = kinds.to_pyarrow()
    day = [schema.field(contract.day_column)] if contract.day_column and by_day else []
    ds.write_dataset(
        (batch.select(schema.names).cast(schema) for batch in batches),
        folder,
        schema=schema,
        format="parquet",
        partitioning=ds.partitioning(pa.schema(day), flavor="hive"),
        max_partitions=MANY,
        max_open_files=OPEN_FILES,
        basename_template=f"part-{{i}}-{uuid.uuid4().hex}.parquet",
    )


@contextlib.contextmanager
def plain_file_errors(root: Path) -> Iterator[None]:
    """Replace errors of the file system by one sentence.

    Raises:
        WarehouseError: A file could not be written or read.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or root
        raise WarehouseError(
            f"{where}: {error.strerror or error}; nothing was changed; fix that and run again."
        ) from error
    except (pa.ArrowException, duckdb.Error) as error:
        raise WarehouseError(f"{root}: {first_line(error)}; nothing was changed.") from error
