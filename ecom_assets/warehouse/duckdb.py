"""The embedded engine: one DuckDB file, one writer, everything in it rebuildable from raw.

Not here: what other engines share (`engine.py`).
"""

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import ibis
from ibis.backends.duckdb import Backend

from ecom_assets.errors import ContractError, WarehouseError
from ecom_assets.warehouse.engine import Engine

LOCK_PATIENCE_S = 10.0
"""How long to wait for another process to let go of the file."""


def adapt_duckdb_2_to_ibis_12() -> None:
    """Give DuckDB 2's connection and relation the two method names that Ibis 12.0.0 calls.

    DuckDB 2.0 dropped them from connections and deprecates them on relations; Ibis' next release calls the new names. A
    test fails on the day this is no longer needed.
    """
    duckdb.DuckDBPyRelation.fetch_arrow_table = duckdb.DuckDBPyRelation.to_arrow_table
    duckdb.DuckDBPyRelation.fetch_record_batch = duckdb.DuckDBPyRelation.to_arrow_reader
    duckdb.DuckDBPyConnection.fetch_arrow_table = _quietly(duckdb.DuckDBPyConnection.to_arrow_table)
    duckdb.DuckDBPyConnection.fetch_record_batch = _quietly(duckdb.DuckDBPyConnection.to_arrow_reader)


def _quietly(method: Callable[..., object]) -> Callable[..., object]:
    # DuckDB warns that Arrow output of an executed statement copies its rows; Ibis does so for small results only.
    def call(*args: object, **kwargs: object) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return method(*args, **kwargs)

    return call


def connect(path: Path | None = None, *, read_only: bool = False) -> Backend:
    """Open a DuckDB database (in memory without a path) through Ibis, with UTC as its clock."""
    adapt_duckdb_2_to_ibis_12()
    con = ibis.duckdb.connect(path or ":memory:", read_only=read_only)
    con.raw_sql("SET TimeZone = 'UTC'")
    con.raw_sql("SET preserve_insertion_order = false")
    return con


class DuckDBEngine(Engine):
    """DuckDB as the warehouse; the file is created whole, and set aside when it cannot be opened."""

    con: Backend

    def __init__(self, path: Path, *, memory_limit: str = "", read_only: bool = False) -> None:
        """Open the file, creating it first where there is none.

        Raises:
            WarehouseError: Another process holds the file, or the folder cannot be written.
        """
        super().__init__()
        self.path = path
        self.set_aside: Path | None = None
        self._memory_limit = memory_limit
        self._read_only = read_only

    def open(self) -> "DuckDBEngine":
        """Open the file; see the class."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self._create()
            self.con = self._connect_or_rebuild()
        except OSError as error:
            raise WarehouseError(f"{self.path} cannot be written: {error.strerror}; free or choose another place.") from error
        if self._memory_limit:
            self.con.raw_sql(f"SET memory_limit = '{self._memory_limit}'")
        self.con.raw_sql(f"SET temp_directory = '{self.path}.tmp'")
        return self

    def close(self) -> None:
        """Close the file, so that other processes can open it."""
        self.con.disconnect()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything done inside, or nothing."""
        self.execute("BEGIN TRANSACTION")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(WarehouseError):  # an engine that is out of space may have rolled back by itself
                self.execute("ROLLBACK")
            raise

    def execute(self, sql: str) -> None:
        """Run a statement whose result nobody reads."""
        with _plain_errors(self.path):
            self.con.raw_sql(sql)

    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""
        with _plain_errors(self.path):
            row = self.con.raw_sql(sql).fetchone()
        return int(row[0]) if row else 0

    def _create(self) -> None:
        # DuckDB killed while it creates a file leaves one that nothing can open: create beside it, then rename.
        fresh = self.path.with_name(f"{self.path.name}.new-{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with _plain_errors(self.path):
            duckdb.connect(str(fresh)).close()
        self.on_step("file_creation")
        fresh.replace(self.path)

    def _connect_or_rebuild(self) -> Backend:
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                return connect(self.path, read_only=self._read_only)
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    return self._rebuild(error)
                if time.monotonic() > deadline:
                    raise WarehouseError(
                        f"{self.path} is in use by another process; wait for its run to end, or stop it."
                    ) from error
                time.sleep(0.2)
            except duckdb.Error as error:
                return self._rebuild(error)

    def _rebuild(self, error: duckdb.Error) -> Backend:
        if self._read_only:
            raise WarehouseError(f"{self.path} is damaged; `ecom run` sets it aside and rebuilds it.") from error
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        self.set_aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        self.path.rename(self.set_aside)
        wal = self.path.with_name(self.path.name + ".wal")
        if wal.exists():
            wal.rename(f"{self.set_aside}.wal")
        self._create()
        return connect(self.path)


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.ConstraintException as error:
        raise ContractError(f"{_first_line(error)}; the old rows were kept.") from error
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise WarehouseError(f"{path}: {_first_line(error)}; nothing was changed, free some space and run again.") from error
    except duckdb.Error as error:
        raise WarehouseError(f"{path}: {_first_line(error)}; nothing was changed.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
