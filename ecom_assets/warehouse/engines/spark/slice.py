"""New Parquet files for a slice of a table: written by Spark or from outside, and checked by their own footers."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
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
from ecom_assets.warehouse.engines.spark.log import WHOLE, Manifest, Part
from ecom_assets.warehouse.engines.spark.sql import SparkTypes, staged

OPEN_FILES = 64
"""Files that are written at a time when rows of many days come from outside."""
MANY = 1_000_000
"""Days that rows from outside may be of: no limit, where Arrow has one."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What Spark and Arrow call the folder of rows whose day is null."""


@dataclass(frozen=True)
class FileSlice:
    """New files for a slice of a table; `seen` is what the table consisted of when they were begun."""

    contract: type[Table]
    seen: Manifest
    folder: Path
    days: Days | None

    def fill(self, session: SparkSession, query: sge.Query, scratch: Path) -> None:
        """Write what a query returns; one file a day, more where a day is large."""
        kinds = {name: SparkTypes.to_string(kind) for name, kind in schema_of(self.contract).items()}
        # Spark counts in narrower numbers than Ibis believes, and a file keeps the type that it is given.
        columns = [f"CAST(`{name}` AS {kind}) AS `{name}`" for name, kind in kinds.items()]
        day = self.contract.day_column
        with staged(session, query, scratch) as found:
            rows = found.selectExpr(*columns).hint("rebalance", *([day] if day else []))
            writer = rows.write.mode("error").option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
            (writer.partitionBy(day) if day else writer).parquet(f"file://{self.folder}")

    def fill_from(self, batches: pa.RecordBatchReader) -> None:
        """Write rows from outside, a batch at a time."""
        write_batches(self.contract, batches, self.folder, by_day=True)

    @property
    def row_count(self) -> int:
        """Return the rows written."""
        return sum(part.row_count for part in self.parts().values())

    def parts(self) -> dict[str, Part]:
        """Return what was written, by day.

        Raises:
            ContractError: A column that must not be null is, or a day is none of the slice's.
        """
        files: dict[str, list[str]] = defaultdict(list)
        counts: dict[str, int] = defaultdict(int)
        for path in sorted(self.folder.rglob("*.parquet")):
            day = path.parent.name.partition("=")[2] if self.contract.day_column else WHOLE
            self._require_day(day)
            counts[day] += self._checked_rows(path)
            files[day].append(path.relative_to(self.folder.parent).as_posix())
        return {day: Part(counts[day], tuple(names)) for day, names in files.items()}

    def _require_day(self, day: str) -> None:
        if day == NO_DAY:
            raise self._refused(f"{self.contract.day_column} is missing in some")
        if day and self.days is not None and date.fromisoformat(day) not in self.days.dates:
            raise self._refused(f"some are of {day}, which is none of the days to replace")

    def _checked_rows(self, path: Path) -> int:
        sync_file(path)
        found = pq.read_metadata(path)
        for group in map(found.row_group, range(found.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                kind = self.contract.columns[column.path_in_schema]
                if not kind.nullable and (column.statistics is None or column.statistics.null_count):
                    raise self._refused(f"{kind.name} is missing in some")
        return int(found.num_rows)

    def _refused(self, why: str) -> ContractError:
        return ContractError(
            f"The new rows of {self.contract.qualified_name()} break the table's contract ({why}); the old rows were "
            "kept: correct the source."
        )


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
        basename_template="part-{i}.parquet",
    )


@contextlib.contextmanager
def plain_file_errors(root: Path) -> Iterator[None]:
    """Say in a sentence what the file system refused.

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
