"""New Parquet files for a slice of a table: written by Spark or from outside, and checked by their own footers."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import sqlglot.expressions as sge
from pyspark.sql import SparkSession

from ecom_assets.atomic_files import sync_file
from ecom_assets.errors import ContractError, WarehouseError
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.schema import kind_of, schema_of
from ecom_assets.warehouse.engines.spark.log import WHOLE, DataFile, Snapshot, rows_in
from ecom_assets.warehouse.engines.spark.sql import SparkTypes, staged

OPEN_FILES = 64
"""Files that are written at a time when rows of many days come from outside."""
MANY = 1_000_000
"""Days that rows from outside may be of: no limit, where Arrow has one."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What Spark and Arrow call the folder of rows whose day is null."""


@dataclass
class FileSlice:
    """New files for a slice of a table; `seen` is the table's snapshot from before they were written.

    They are written into a folder of their own, `incoming`, and then moved to the table's.
    """

    contract: type[Table]
    seen: Snapshot
    incoming: Path
    days: Days | None
    slices: dict[str, tuple[DataFile, ...]] = field(default_factory=dict)

    def fill(self, session: SparkSession, query: sge.Query, scratch: Path) -> None:
        """Write the result of a query, in one file per day, or several for a large day."""
        kinds = {name: SparkTypes.to_string(kind) for name, kind in schema_of(self.contract).items()}
        # Spark counts in narrower numbers than Ibis believes, and a file keeps the type that it is given.
        columns = [f"CAST(`{name}` AS {kind}) AS `{name}`" for name, kind in kinds.items()]
        day = self.contract.day_column
        with staged(session, query, scratch) as result:
            rows = result.selectExpr(*columns).hint("rebalance", *([day] if day else []))
            writer = rows.write.mode("error").option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
            (writer.partitionBy(day) if day else writer).parquet(f"file://{self.incoming}")

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
        result = [(path, day, self._checked(path)) for path, day in written]  # all, before the first is moved
        for path, day, file in result:
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
        known = {name: count for name, count in nulls.items() if count is not None}
        name = path.relative_to(self.incoming).as_posix()
        return DataFile(name, path.stat().st_size, int(result.num_rows), known)

    def _refused(self, why: str) -> ContractError:
        return ContractError(
            f"The new rows of {self.contract.qualified_name()} break the table's contract ({why}); the old rows were "
            "kept: correct the source."
        )


def _null_counts(footer: pq.FileMetaData) -> dict[str, int | None]:
    """Return the number of nulls in each column of a file; None if its footer does not have it."""
    counts: dict[str, int | None] = {}
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            column_statistics, before = column.statistics, counts.get(column.path_in_schema, 0)
            is_known = column_statistics is not None and column_statistics.has_null_count and before is not None
            counts[column.path_in_schema] = before + column_statistics.null_count if is_known else None
    return counts


def write_batches(contract: type[Table], batches: pa.RecordBatchReader, folder: Path, *, by_day: bool) -> None:
    """Write rows in the contract's columns and types into Parquet files, a batch at a time."""
    kinds = ibis.schema({name: kind_of(kind) for name, kind in schema_of(contract).items()})
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
    except pa.ArrowException as error:
        raise WarehouseError(f"{root}: {str(error).splitlines()[0]}; nothing was changed.") from error
