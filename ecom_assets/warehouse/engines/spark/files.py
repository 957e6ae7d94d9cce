"""Tables as Parquet files in a folder, cut by day, with Delta's log of which files count. See docs/adr/0022."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
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
from ecom_assets.warehouse.engines.spark.commits import Commits
from ecom_assets.warehouse.engines.spark.log import INCOMING, LOG, Change, Slices, Snapshot, TableLog, rows_in
from ecom_assets.warehouse.engines.spark.slice import FileSlice, plain_file_errors
from ecom_assets.warehouse.engines.spark.sql import SparkBackend, SparkTypes, view_name


class FileTables:
    """The tables of one folder, as a Spark session sees them."""

    def __init__(self, con: SparkBackend, root: Path) -> None:
        """Take the session, and the folder; it must be the same one for this process and for Spark's."""
        self._con = con
        self._root = root
        self._commits = Commits(root)
        self._logs: dict[str, TableLog] = {}
        self._shown: dict[str, int] = {}
        self._staged: dict[str, Change] | None = None

    def name_of(self, contract: type[Table]) -> str:
        """Return the table's name for SQL."""
        return f"`{view_name(contract.layer, contract.name)}`"

    def schema(self, contract: type[Table]) -> ibis.Schema | None:
        """Return the table's columns, or None where there is no table."""
        result = self._current(contract.layer, contract.name)
        return result.columns if result else None

    def create(self, contract: type[Table]) -> None:
        """Create the table, empty."""
        with plain_file_errors(self._root):
            self.log(contract.layer, contract.name).create(schema_of(contract), contract.day_column)

    def add_column(self, contract: type[Table], name: str) -> None:
        """Add a column, null in the rows that there are, after those that the table has."""
        with plain_file_errors(self._root), self._commits.alone():
            self.log(contract.layer, contract.name).add_column(name, schema_of(contract))

    @contextlib.contextmanager
    def slice_of(self, contract: type[Table], days: Days | None) -> Iterator[FileSlice]:
        """Return a slice whose files become part of the table when the transaction commits."""
        log = self.log(contract.layer, contract.name)
        new = FileSlice(contract, self.snapshot(contract), log.folder / f"{INCOMING}{uuid.uuid4().hex}", days)
        try:
            with self.transaction(), plain_file_errors(self._root):
                yield new
                new.move_to(log.folder)
                self._stage(Change(log, new.seen, None if days is None else tuple(map(str, days.dates)), new.slices))
        finally:
            shutil.rmtree(new.incoming, ignore_errors=True)

    def empty(self, contracts: Iterable[type[Table]]) -> None:
        """Delete all rows of the tables, or of none if it fails."""
        with self.transaction():
            for contract in contracts:
                self._stage(Change(self.log(contract.layer, contract.name), self.snapshot(contract), None, {}))

    def purge(self, contracts: Iterable[type[Table]]) -> str:
        """Delete the files of all earlier versions now; a reader of one of them fails."""
        with plain_file_errors(self._root), self._commits.alone():
            for contract in contracts:
                self.log(contract.layer, contract.name).purge()
        return ""

    def drop(self, contract: type[Table]) -> None:
        """Drop the table if it exists."""
        log = self.log(contract.layer, contract.name)
        gone = log.folder.with_name(f"_dropped-{uuid.uuid4().hex}")
        with plain_file_errors(self._root), contextlib.suppress(FileNotFoundError):
            log.folder.rename(gone)  # readers see the table or none, never half of it
            shutil.rmtree(gone)
        self._logs.pop(f"{contract.layer}/{contract.name}", None)
        self._shown.pop(view_name(contract.layer, contract.name), None)

    def put_in_place(self, fresh: type[Table], contract: type[Table]) -> None:
        """Replace the rows and columns of a table with another table's, atomically."""
        source, log = self.log(fresh.layer, fresh.name), self.log(contract.layer, contract.name)
        new = self.snapshot(fresh)
        with plain_file_errors(self._root), self._commits.alone():
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
            with contextlib.suppress(OSError, WarehouseError):  # another process may do so at the same time
                change.log.withdraw_old()

    def snapshot(self, contract: type[Table]) -> Snapshot:
        """Return the current snapshot of the table.

        Raises:
            WarehouseError: There is no table.
        """
        result = self._current(contract.layer, contract.name)
        if result is None:
            raise WarehouseError(f"{self._root} has no table {contract.qualified_name()}; run `ecom run`.")
        return result

    def _current(self, layer: str, name: str) -> Snapshot | None:
        with plain_file_errors(self._root):
            self._commits.settle()
            return self.log(layer, name).current()

    def row_count(self, contract: type[Table]) -> int:
        """Return the number of rows of the whole table, from its log."""
        return self.snapshot(contract).row_count

    def some_rows(self, contract: type[Table], days: Days | None, limit: int) -> list[dict[str, Any]]:
        """Return a few rows of a slice, read without Spark."""
        snapshot = self.snapshot(contract)
        folder = self.log(contract.layer, contract.name).folder
        wanted = snapshot.slices if days is None else [str(day) for day in days.dates]
        rows: list[dict[str, Any]] = []
        for day in wanted:
            for one in snapshot.slices.get(day, ()):
                if len(rows) < limit:
                    with pq.ParquetFile(folder / one.path) as file:
                        batch = next(file.iter_batches(limit - len(rows)), None)
                    own = {str(snapshot.day_column): date.fromisoformat(day)} if day else {}
                    rows += [{**row, **own} for row in (batch.to_pylist() if batch else [])]
        return [{name: row.get(name) for name in contract.columns} for row in rows]

    def rows_of(self, contract: type[Table], days: Days) -> pa.Table:
        """Return the rows of some days, read without Spark; those that an open transaction has written, too."""
        schema = schema_of(contract).to_pyarrow()
        result = [schema.empty_table()]
        folder = self.log(contract.layer, contract.name).folder
        for day, files in self._slices(contract, days).items():
            for one_file in files:
                with pq.ParquetFile(folder / one_file.path) as file:
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
                result.append(pa.Table.from_arrays(columns, schema=schema))
        return pa.concat_tables(result)

    def day_counts(self, contract: type[Table], days: Days) -> dict[date, int]:
        """Return the row count of each of some days that has rows, from the log."""
        return {date.fromisoformat(day): rows_in(files) for day, files in self._slices(contract, days).items()}

    def _slices(self, contract: type[Table], days: Days) -> Slices:
        snapshot = self.snapshot(contract)
        staged = (self._staged or {}).get(str(self.log(contract.layer, contract.name).folder))
        slices = (staged.onto(snapshot) if staged else snapshot).slices
        return {str(day): slices[str(day)] for day in days.dates if str(day) in slices}

    def show(self, layer: str, name: str) -> None:
        """Point the session's view at the newest snapshot of a table, if there is one."""
        view, snapshot = view_name(layer, name), self._current(layer, name)
        if snapshot is None or self._shown.get(view) == snapshot.version:
            return
        types = {column: SparkTypes.to_string(kind) for column, kind in snapshot.columns.items()}
        if snapshot.row_count:
            folder = self.log(layer, name).folder
            reader = self._con.session.read.schema(", ".join(f"`{column}` {kind}" for column, kind in types.items()))
            files = sorted(f"file://{folder / path}" for path in snapshot.files)
            rows = reader.option("basePath", f"file://{folder}").parquet(*files).select(*types)
        else:
            nothing = ", ".join(f"CAST(NULL AS {kind}) AS `{column}`" for column, kind in types.items())
            rows = self._con.raw_sql(f"SELECT {nothing} WHERE 1 = 0")
        rows.createOrReplaceTempView(f"`{view}`")
        self._shown[view] = snapshot.version

    def show_all(self) -> None:
        """Point the session's views at the newest snapshot of every table."""
        for folder in self._root.glob(f"*/*/{LOG}"):
            self.show(folder.parts[-3], folder.parts[-2])

    def forget_shown(self) -> None:
        """Forget which snapshots the session shows, as after a reconnect or a removal of files."""
        self._shown.clear()

    def log(self, layer: str, name: str) -> TableLog:
        """Return the log of a table."""
        key = f"{layer}/{name}"
        if key not in self._logs:
            self._logs[key] = TableLog(self._root / layer / name)
        return self._logs[key]

    def _stage(self, change: Change) -> None:
        key = str(change.log.folder)
        if self._staged is None or key in self._staged:
            raise WarehouseError(f"{key} can be replaced only in a transaction, and once in each.")
        self._staged[key] = change
