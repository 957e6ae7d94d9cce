"""Tables as Parquet files in a folder, cut by day, with a log of which files count. See docs/adr/0010.

Not here: the log itself (`slice_log.py`), tables of a catalog such as Iceberg's (`spark_catalog.py`).
"""

import contextlib
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import sqlglot.expressions as sge
from pyspark.sql import SparkSession

from ecom_assets.contracts.table import Table
from ecom_assets.errors import ContractError, WarehouseError
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.engine import schema_of
from ecom_assets.warehouse.slice_log import TRANSACTIONS, WHOLE, Change, Manifest, Part, SliceLog, commit
from ecom_assets.warehouse.spark_sql import SparkBackend, SparkTypes, view_name
from ecom_assets.warehouse.spark_stages import staged

OPEN_FILES = 64
"""Files that are written at a time when rows of many days come from outside."""
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What Spark and Arrow call the folder of rows whose day is null."""


class FileTables:
    """The tables of one folder, as a Spark session sees them."""

    def __init__(self, con: SparkBackend, root: Path) -> None:
        """Take the session, and the folder; it must be the same one for this process and for Spark's."""
        self._con = con
        self._root = root
        self._logs: dict[str, SliceLog] = {}
        self._shown: dict[str, int] = {}
        self._staged: dict[str, Change] | None = None

    def name_of(self, contract: type[Table]) -> str:
        """Return the table's name for SQL."""
        return f"`{view_name(contract.layer, contract.name)}`"

    def schema(self, contract: type[Table]) -> ibis.Schema | None:
        """Return the table's columns, or None where there is no table."""
        manifest = self.log(contract.layer, contract.name).current()
        return ibis.schema(dict(manifest.columns)) if manifest else None

    def create(self, contract: type[Table]) -> None:
        """Create the table, empty."""
        made = Manifest(_columns(contract), contract.day_column)
        with plain_file_errors(self._root):
            self.log(contract.layer, contract.name).publish(lambda newest: newest or made)

    def add_column(self, contract: type[Table], name: str) -> None:
        """Add a column, null in the rows that there are, in its place in the contract's order."""
        wanted = _columns(contract)

        def widened(newest: Manifest | None) -> Manifest:
            found = {name: wanted[name], **(newest.columns if newest else {})}
            return replace(newest or Manifest({}, contract.day_column), columns={n: found[n] for n in wanted if n in found})

        with plain_file_errors(self._root):
            self.log(contract.layer, contract.name).publish(widened)

    @contextlib.contextmanager
    def slice_of(self, contract: type[Table], days: Days | None) -> Iterator["Slice"]:
        """Begin to replace a slice: what is written into it becomes the table's with the transaction."""
        log = self.log(contract.layer, contract.name)
        folder = log.folder / f"version={uuid.uuid4().hex}"
        new = Slice(contract, self.manifest(contract), folder, days)
        try:
            with self.transaction(), plain_file_errors(self._root):
                yield new
                self._stage(Change(log, new.seen, None if days is None else tuple(map(str, days.dates)), new.parts()))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def empty(self, contracts: Iterable[type[Table]]) -> None:
        """Empty the tables, all or none."""
        with self.transaction():
            for contract in contracts:
                self._stage(Change(self.log(contract.layer, contract.name), self.manifest(contract), None, {}))

    def drop(self, contract: type[Table]) -> None:
        """Remove the table, if it is there."""
        log = self.log(contract.layer, contract.name)
        gone = log.folder.with_name(f"_dropped-{uuid.uuid4().hex}")
        with plain_file_errors(self._root), contextlib.suppress(FileNotFoundError):
            log.folder.rename(gone)  # readers see the table or none, never half of it
            shutil.rmtree(gone)
        self._logs.pop(f"{contract.layer}/{contract.name}", None)
        self._shown.pop(view_name(contract.layer, contract.name), None)

    def put_in_place(self, fresh: type[Table], contract: type[Table]) -> None:
        """Let one table's rows and columns take the place of another's, all or nothing."""
        source, log = self.log(fresh.layer, fresh.name), self.log(contract.layer, contract.name)
        new = self.manifest(fresh)
        with plain_file_errors(self._root):
            for name in new.files:
                (log.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (log.folder / name).hardlink_to(source.folder / name)
            log.publish(lambda _newest: new)
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
                commit(changes, self._root / TRANSACTIONS)
        finally:
            self._staged = None
        for change in changes:
            with contextlib.suppress(OSError):  # another process may do so at the same time
                change.log.withdraw_old()

    def manifest(self, contract: type[Table]) -> Manifest:
        """Return what the table consists of.

        Raises:
            WarehouseError: There is no table.
        """
        manifest = self.log(contract.layer, contract.name).current()
        if manifest is None:
            raise WarehouseError(f"{self._root} has no table {contract.qualified_name()}; run `ecom run`.")
        return manifest

    def row_count(self, contract: type[Table]) -> int:
        """Return the rows of the whole table, as its files say."""
        return self.manifest(contract).row_count

    def some_rows(self, contract: type[Table], days: Days | None, limit: int) -> list[dict[str, Any]]:
        """Return a few rows of a slice, read without Spark."""
        manifest = self.manifest(contract)
        folder = self.log(contract.layer, contract.name).folder
        wanted = manifest.slices if days is None else [str(day) for day in days.dates]
        found: list[dict[str, Any]] = []
        for day in wanted:
            for name in manifest.slices.get(day, Part(0, ())).files:
                if len(found) < limit:
                    with pq.ParquetFile(folder / name) as file:
                        batch = next(file.iter_batches(limit - len(found)), None)
                    own = {str(manifest.day_column): date.fromisoformat(day)} if day else {}
                    found += [{**row, **own} for row in (batch.to_pylist() if batch else [])]
        return [{name: row.get(name) for name in contract.columns} for row in found]

    def show(self, layer: str, name: str) -> None:
        """Let the session see the newest state of a table, if there is one."""
        log, view = self.log(layer, name), view_name(layer, name)
        manifest = log.current()
        if manifest is None or self._shown.get(view) == manifest.number:
            return
        types = {column: SparkTypes.to_string(ibis.dtype(kind)) for column, kind in manifest.columns.items()}
        if manifest.row_count:
            schema = ", ".join(f"`{column}` {kind}" for column, kind in types.items())
            reader = self._con.session.read.schema(f"{schema}, `version` STRING")
            files = sorted(f"file://{log.folder / name}" for name in manifest.files)
            rows = reader.option("basePath", f"file://{log.folder}").parquet(*files).select(*types)
        else:
            nothing = ", ".join(f"CAST(NULL AS {kind}) AS `{column}`" for column, kind in types.items())
            rows = self._con.raw_sql(f"SELECT {nothing} WHERE 1 = 0")  # noqa: S608 (columns of a contract)
        rows.createOrReplaceTempView(f"`{view}`")
        self._shown[view] = manifest.number

    def show_all(self) -> None:
        """Let the session see the newest state of every table."""
        for folder in self._root.glob("*/*/_log"):
            self.show(folder.parts[-3], folder.parts[-2])

    def forget_shown(self) -> None:
        """Know that the session is a new one, or that files may have gone."""
        self._shown.clear()

    def log(self, layer: str, name: str) -> SliceLog:
        """Return the log of a table."""
        key = f"{layer}/{name}"
        if key not in self._logs:
            self._logs[key] = SliceLog(self._root / layer / name, self._root / TRANSACTIONS)
        return self._logs[key]

    def _stage(self, change: Change) -> None:
        assert self._staged is not None
        key = str(change.log.folder)
        if key in self._staged:
            raise WarehouseError(f"{key} was replaced twice in one transaction; write each table once.")
        self._staged[key] = change


@dataclass(frozen=True)
class Slice:
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
        schema = pa.schema([field.with_nullable(True) for field in schema_of(self.contract).to_pyarrow()])  # noqa: FBT003 (Arrow's name for it)
        parts = [schema.field(self.contract.day_column)] if self.contract.day_column else []
        ds.write_dataset(
            (batch.select(schema.names).cast(schema) for batch in batches),
            self.folder,
            schema=schema,
            format="parquet",
            partitioning=ds.partitioning(pa.schema(parts), flavor="hive"),
            max_partitions=1_000_000,
            max_open_files=OPEN_FILES,
            basename_template="part-{i}.parquet",
        )

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
        with path.open("rb") as file:
            os.fsync(file.fileno())
            found = pq.ParquetFile(file).metadata
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
            f"{where}: {error.strerror or error}; nothing was changed; mend that and run again."
        ) from error
    except pa.ArrowException as error:
        raise WarehouseError(f"{root}: {str(error).splitlines()[0]}; nothing was changed.") from error


def _columns(contract: type[Table]) -> dict[str, str]:
    return {name: column.type for name, column in contract.columns.items()}
