"""Tables as Parquet files in a folder, cut by day, with a log of which files count. See docs/adr/0010."""

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.errors import WarehouseError
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.schema import schema_of
from ecom_assets.warehouse.engines.spark.log import TRANSACTIONS, Change, Manifest, Part, SliceLog, commit
from ecom_assets.warehouse.engines.spark.slice import FileSlice, plain_file_errors
from ecom_assets.warehouse.engines.spark.sql import SparkBackend, SparkTypes, view_name


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
            return replace(
                newest or Manifest({}, contract.day_column), columns={n: found[n] for n in wanted if n in found}
            )

        with plain_file_errors(self._root):
            self.log(contract.layer, contract.name).publish(widened)

    @contextlib.contextmanager
    def slice_of(self, contract: type[Table], days: Days | None) -> Iterator[FileSlice]:
        """Begin to replace a slice: what is written into it becomes the table's with the transaction."""
        log = self.log(contract.layer, contract.name)
        folder = log.folder / f"version={uuid.uuid4().hex}"
        new = FileSlice(contract, self.manifest(contract), folder, days)
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

    def rows_of(self, contract: type[Table], days: Days) -> pa.Table:
        """Return the rows of some days, read without Spark; those that an open transaction has written, too."""
        schema = schema_of(contract).to_pyarrow()
        found = [schema.empty_table()]
        for day, part in self._slices(contract, days).items():
            for name in part.files:
                with pq.ParquetFile(self.log(contract.layer, contract.name).folder / name) as file:
                    rows = file.read()
                own = {str(contract.day_column): pa.scalar(date.fromisoformat(day), pa.date32())}
                columns = [
                    pa.repeat(own[one.name], rows.num_rows)
                    if one.name in own
                    else rows[one.name].cast(one.type)
                    if one.name in rows.schema.names
                    else pa.nulls(rows.num_rows, one.type)
                    for one in schema
                ]
                found.append(pa.Table.from_arrays(columns, schema=schema))
        return pa.concat_tables(found)

    def day_counts(self, contract: type[Table], days: Days) -> dict[date, int]:
        """Return the rows of each of some days that has any, as the files say; also."""
        return {date.fromisoformat(day): part.row_count for day, part in self._slices(contract, days).items()}

    def _slices(self, contract: type[Table], days: Days) -> dict[str, Part]:
        manifest = self.manifest(contract)
        staged = (self._staged or {}).get(str(self.log(contract.layer, contract.name).folder))
        slices = (staged.onto(manifest) if staged else manifest).slices
        return {str(day): slices[str(day)] for day in days.dates if str(day) in slices}

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
            rows = self._con.raw_sql(f"SELECT {nothing} WHERE 1 = 0")
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
        key = str(change.log.folder)
        if self._staged is None or key in self._staged:
            raise WarehouseError(f"{key} can be replaced only in a transaction, and once in each.")
        self._staged[key] = change


def _columns(contract: type[Table]) -> dict[str, str]:
    return {name: column.type for name, column in contract.columns.items()}
