"""DuckDB as the warehouse: one file, one writer, everything in it rebuildable from raw."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.core.atomic_files import sync_file, sync_folder
from ecom_assets.core.errors import SettingError, WarehouseError, first_line
from ecom_assets.core.file_lock import has_ended
from ecom_assets.core.redact_url import scrubbed, without_secrets
from ecom_assets.core.rows import Row, named_rows
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.formats import shortened
from ecom_assets.core.tables.portable import arrow_schema_of
from ecom_assets.core.warehouse.engine import Engine, broken_contract
from ecom_assets.core.warehouse.engines.duckdb import ENGINE
from ecom_assets.core.warehouse.engines.duckdb.file_copy import keep_tables
from ecom_assets.core.warehouse.local import (
    ALL_COLUMNS,
    LOGS,
    DuckDB,
    connect,
    keep_within,
    plain_connection,
)
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.core.warehouse.statements import STATEMENTS
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS

_PID = re.compile(r"\(PID (\d+)\)")
_SHOWN = 80
"""Characters of a command that are shown."""
UNKNOWN = "another process"
LOOK_S = 0.2
"""Between two looks whether the other has let go."""
REPORTED_AFTER_S = 1.0
"""Waiting that a person notices, and that is reported."""


@dataclass
class Turn:
    """A process's turn at a file, which it waits for, at most for `patience_s` seconds."""

    path: Path
    patience_s: float
    began: float = field(default_factory=time.monotonic)
    is_reported: bool = False

    def wait(self, refusal: duckdb.Error) -> None:
        """Wait a little for the process that has the file open; report it once.

        Raises:
            WarehouseError: The patience is over.
        """
        waited_s = time.monotonic() - self.began
        if waited_s > self.patience_s:
            holder = holder_in(str(refusal))
            raise WarehouseError(
                f"{self.path} is in use by {holder}; wait for its run to end, or stop it."
            ) from refusal
        if waited_s > REPORTED_AFTER_S and not self.is_reported:
            self.is_reported = True
            # To standard error, so that a run of the daemon has it in its log too.
            sys.stderr.write(
                f"ecom: waiting for {self.path}, which is in use by {holder_in(str(refusal))}; for "
                f"{self.patience_s:g} s at most.\n"
            )
            sys.stderr.flush()
        time.sleep(LOOK_S)


def holder_in(refusal: str) -> str:
    """Return the process that has the file open, from DuckDB's error message: its id,
    command and start.
    """
    match = _PID.search(refusal)
    return _described(match[1]) if match else UNKNOWN


def _described(pid: str) -> str:
    ps = shutil.which("ps")
    if ps is None:
        return f"process {pid}"
    arguments = [ps, "-o", "lstart=", "-o", "args=", "-p", pid]
    try:
        listing = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 (ours)
    except (OSError, subprocess.TimeoutExpired):
        return f"process {pid}"
    fields = listing.stdout.split()
    if len(fields) <= 5:  # noqa: PLR2004 (the date is five words: Sat Nov 21 02:19:04 2026)
        return f"process {pid}"
    since, command = " ".join(fields[:5]), scrubbed(" ".join(fields[5:]))
    return f"process {pid} ({_short(command)}), which began {since}"


def _short(command: str) -> str:
    """Return the command as a person typed it: without the interpreter, and shortened."""
    _, result, typed = command.partition("/bin/ecom ")
    return shortened(f"ecom {typed}" if result else command, _SHOWN)


INCOMING, ATTACHED = "incoming_rows", "attached_file"
PATIENCE_S = 3600.0
"""How long a run waits for the run of another process that has the file."""
LOCK_PATIENCE_S = 10.0
"""How long to wait for another process to let go of the file."""
HELD = ("Could not set lock", "different configuration")
"""What DuckDB says of a file that another process, or another connection of this one, has open."""
DAMAGED = (
    "not a valid DuckDB database file",
    "Could not read enough bytes",
    "Corrupt",
    "replaying WAL",
)
"""What DuckDB says of a file that it will never open or read again."""


class DuckDBEngine(Engine):
    """DuckDB as the warehouse; the file is created whole,
    and set aside when it cannot be opened.
    """

    con: DuckDB
    has_one_writer = ENGINE.has_one_writer

    def __init__(
        self,
        path: Path,
        *,
        memory_limit: str = "",
        read_only: bool = False,
        patience_s: float | None = None,
    ) -> None:
        """Set the file, and how long to wait for another process that has it open.

        Raises:
            WarehouseError: Another process holds the file, or the folder cannot be written.
        """
        super().__init__(f"duckdb://{path.absolute()}")
        self.path = path
        self.set_aside: Path | None = None
        self._memory_limit = memory_limit
        self._read_only = read_only
        self._patience_s = LOCK_PATIENCE_S if patience_s is None else patience_s

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the engine for the file in the settings,
        with Ibis' statements kept in the home folder.

        Raises:
            SettingError: The address has no path.
        """
        path = urlsplit(settings.warehouse_url).path.strip("/")
        if not path:
            raise SettingError(
                f"ECOM_WAREHOUSE={without_secrets(settings.warehouse_url)!r} is not an address of "
                f"a warehouse; write {ENGINE.form}."
            )
        STATEMENTS.keep_in(settings.home / "statements.sqlite")
        TABLE_STATEMENTS.keep_statements(is_on=settings.cache == "on")
        return cls(
            Path(f"/{path}"),
            memory_limit=limit_of_run(settings),
            patience_s=PATIENCE_S,
        )

    def reading(self) -> Self:
        """Open the file for reading only, which fails soon if another process has it."""
        self._read_only, self._patience_s = True, LOCK_PATIENCE_S
        return self

    def server(self) -> dict[str, Any]:
        """Return the file as data contracts describe it."""
        return {"server": "warehouse", "type": "duckdb", "database": str(self.path.absolute())}

    def file_reader(self, _settings: Settings) -> DuckDB:
        """Return the connection of the warehouse, which reads files itself."""
        return self.con

    def open(self) -> Self:
        """Open the file; see the class."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self._create()
            elif self.damage_note.exists() and not self._read_only:
                self._set_aside()
            self.con, self._found = self._connect_or_rebuild(), None
        except OSError as error:
            raise WarehouseError(
                f"{self.path} cannot be written: {error.strerror}; fix that, or set ECOM_HOME."
            ) from error
        keep_within(self.con, self._memory_limit, self._spill_folder)
        return self

    def noting_writes(self) -> Self:
        """Note from now on which days are written, unless nothing can be written."""
        self.notes_writes = not self._read_only
        return self

    def row_hash(self, contract: Contract) -> str:
        """Return the SQL of DuckDB's own hash,
        which is four times as fast as one of a row written out.
        """
        return f"hash({self.columns_of(contract)})"

    def exists(self) -> bool:
        """Return whether there is a file to open yet."""
        return self.path.exists()

    @property
    def notice(self) -> str:
        """Return what was done about a damaged file."""
        if self.set_aside is None:
            return ""
        return (
            f"{self.path} was damaged; it was set aside as {self.set_aside}, and a run over all "
            "days (`ecom run` without --from and --to) rebuilds everything in it; until then "
            "nothing of it is published or exported."
        )

    @property
    def damage_note(self) -> Path:
        """Return the path of the file that marks the warehouse as damaged,
        for the process that opens it next.
        """
        return self.path.with_name(f"{self.path.name}.is-damaged")

    def mark_damaged(self, failures: Iterable[str]) -> bool:
        """Note that a step met a part of the file that cannot be read;
        the next to open it sets it aside.
        """
        if any("Corrupt database file" in failure for failure in failures):
            self.damage_note.touch()
        return self.damage_note.exists()

    def has(self, contract: Contract) -> bool:
        """Return whether the table exists. No other process can drop one while the file is open,
        nor make one while it is open for reading.
        """
        is_found = contract.qualified_name() in self.found_columns()
        return is_found or (not self._read_only and super().has(contract))

    def has_named(self, layer: str, name: str) -> bool:
        """Return whether a schema has a table or a view of a name, from DuckDB's own lists:
        the standard one takes three times as long.
        """
        named = f"database_name = current_database() AND schema_name = {text(layer)}"
        return bool(
            self.query(
                f"SELECT 1 FROM duckdb_tables() WHERE {named} AND table_name = {text(name)} "  # noqa: S608 (names come from contracts)
                f"UNION ALL SELECT 1 FROM duckdb_views() WHERE {named} AND view_name = {text(name)}"
            )
        )

    def read_columns(self) -> list[Row]:
        """Return the stored columns of all tables and views."""
        return self.query(ALL_COLUMNS)

    def stored_schema(self, contract: Contract) -> ibis.Schema:
        """Return the stored columns of the table: of a file that is only read, from one look at all
        of its tables.
        """
        columns = self.found_columns().get(contract.qualified_name()) if self._read_only else None
        return self.schema_from(columns) if columns else super().stored_schema(contract)

    def create_statements(self, contract: Contract) -> list[str]:
        """Return the statement that creates the table; a check, not an index, holds its key."""
        return [
            f"CREATE TABLE {self.name_of(contract)} (\n  {self.column_definitions(contract)}\n)"
        ]

    def take_in(self, contract: Contract, batches: pa.RecordBatchReader) -> int:
        """Add rows from outside the engine, a batch at a time."""
        with self._plain_errors():
            self.con.con.register(INCOMING, batches)
        try:
            columns = self.columns_of(contract)
            return self.insert(
                f"INSERT INTO {self.name_of(contract)} ({columns}) SELECT {columns} FROM "  # noqa: S608 (names come from contracts)
                f'"{INCOMING}"'
            )
        finally:
            with contextlib.suppress(duckdb.Error):  # a failed transaction has let go of it
                self.con.con.unregister(INCOMING)

    @contextlib.contextmanager
    def attached(self, path: Path) -> Iterator[str]:
        """Open another DuckDB file, which nothing else in this process may have open,
        and yield its name for SQL.
        """
        self.execute(f"ATTACH {text(str(path))} AS {ATTACHED}")
        try:
            yield ATTACHED
        finally:
            self.execute(f"DETACH {ATTACHED}")

    def copied_file(self, fresh: Path, kept: Iterable[Contract]) -> bool:
        """Copy the file's blocks to a new file with some of the tables; see `file_copy.py`."""
        self.execute("CHECKPOINT")
        shutil.copyfile(self.path, fresh)
        names = {(contract.layer, contract.name) for contract in kept}
        with contextlib.closing(type(self)(fresh, memory_limit=self._memory_limit).open()) as copy:
            return keep_tables(copy.con.con, names)

    def left_over_files(self) -> list[Path]:
        """Return the damaged files that were set aside,
        and what killed processes had no memory for.
        """
        set_aside = self.path.parent.glob(f"{self.path.name}.damaged-*")
        return sorted(
            [*set_aside, *(path for path in self._spill_folder.rglob("*") if path.is_file())]
        )

    @property
    def _spill_folder(self) -> Path:
        return Path(f"{self.path}.tmp")

    def purge(self, _contracts: Iterable[Contract]) -> str:
        """Copy the file without the free blocks, in which deleted rows remain,
        and put the copy in its place.
        """
        self.con.disconnect()
        self._handed_out.clear()
        fresh = self.path.with_name(f"{self.path.name}.new-{os.getpid()}")
        fresh.unlink(missing_ok=True)
        try:
            with self._plain_errors():
                self._copy_database(fresh)
        finally:
            fresh.unlink(missing_ok=True)
            self.open()
        return ""

    def compile(self, rows: ir.Table) -> str:
        """Return the statement that computes `rows`,
        with repeated scans left for DuckDB to run as scans.
        """
        return self.con.compile_streaming(rows)

    def execute(self, sql: str) -> None:
        """Run a statement and discard its result."""
        with self._plain_errors():
            self.con.raw_sql(sql)

    def query(self, sql: str) -> list[Row]:
        """Run a small query and return its rows by column name."""
        with self._plain_errors():
            result = self.con.raw_sql(sql)
            names = [column[0] for column in result.description]
            return named_rows(names, result.fetchall())

    def slice_rows(self, contract: Contract, days: Days) -> pa.Table:
        """Return the rows of some days, including uncommitted changes,
        without a Python object per value.
        """
        where = self.where(contract, days)
        with self._plain_errors():
            rows = self.con.con.sql(
                f"SELECT {self.columns_of(contract)} FROM {self.name_of(contract)}{where}"  # noqa: S608 (names come from contracts)
            )
            return rows.to_arrow_table().cast(arrow_schema_of(contract))

    def in_order(self, sql: str, contract: Contract, days: Days | None) -> str:
        """Return the query with its rows sorted by day, if they are of several days of a mart.

        DuckDB skips blocks by their least and greatest value. A mart's rows are computed per
        visitor: unsorted, each block has rows of all days, and one more day reads all of history.
        Rows of other layers arrive by day.
        """
        is_one_day = days is not None and len(days.dates) == 1
        if contract.layer != "mart" or contract.day_column is None or is_one_day:
            return sql
        return f"SELECT * FROM (\n{sql}\n) ORDER BY {self.quoted(contract.day_column)}"  # noqa: S608 (names come from contracts)

    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""
        with self._plain_errors():
            row = self.con.raw_sql(sql).fetchone()
        return int(row[0]) if row else 0

    def _create(self) -> None:
        # DuckDB killed while it creates a file leaves one that nothing can open: create beside it,
        # then rename.
        # Remove the files of processes that were killed while they created the warehouse.
        for left_over in self.path.parent.glob(f"{self.path.name}.new-*"):
            if has_ended(left_over.name.rpartition("-")[2].partition(".")[0]):
                left_over.unlink(missing_ok=True)
        fresh = self.path.with_name(f"{self.path.name}.new-{os.getpid()}")
        try:
            with self._plain_errors():
                duckdb.connect(str(fresh)).close()
            self.on_step("file_creation")
            _name_once(fresh, self.path)
        finally:
            fresh.unlink(missing_ok=True)

    def _connect_or_rebuild(self) -> DuckDB:
        turn = Turn(self.path, self._patience_s)
        while True:
            try:
                return connect(self.path, read_only=self._read_only)
            except duckdb.Error as error:
                message = str(error)
                if any(sign in message for sign in DAMAGED) or isinstance(
                    error, duckdb.SerializationException
                ):
                    if self._read_only:
                        raise WarehouseError(
                            f"{self.path} is damaged; `ecom run` sets it aside and rebuilds it."
                        ) from error
                    self._set_aside()
                    return connect(self.path)
                if not any(sign in message for sign in HELD):
                    raise WarehouseError(
                        f"{self.path} cannot be opened: {first_line(error)}; fix that, or set "
                        "ECOM_HOME."
                    ) from error
                turn.wait(error)

    def _set_aside(self) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        self.set_aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        self.path.rename(self.set_aside)
        for ending in LOGS:
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + ending).rename(f"{self.set_aside}{ending}")
        self.damage_note.unlink(missing_ok=True)
        self._create()

    def _copy_database(self, fresh: Path) -> None:
        """Copy the database to a new file, which replaces it;
        other processes are locked out until it has.
        """
        with plain_connection(self._memory_limit) as con:
            con.execute(f"ATTACH {text(str(self.path))} AS old")
            # The file is this process's alone now, and has nothing spilled yet: what lies there is
            # nobody's.
            for left_over in self.left_over_files():
                left_over.unlink()
            con.execute(f"SET temp_directory = {text(str(self._spill_folder))}")
            con.execute(f"ATTACH {text(str(fresh))} AS new")
            con.execute("COPY FROM DATABASE old TO new")
            con.execute("DETACH new")
            sync_file(fresh)
            con.execute("CHECKPOINT old")
            fresh.replace(self.path)
            sync_folder(self.path.parent)

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.ConstraintException as error:
            raise broken_contract(first_line(error)) from error
        except duckdb.Error as error:
            message, advice = first_line(error), "nothing was changed."
            if "Corrupt database file" in message or (
                DAMAGED[1] in message and str(self.path) in message
            ):
                self.damage_note.touch()
                advice = "run `ecom run` again: the file is set aside and rebuilt."
            elif isinstance(error, duckdb.OutOfMemoryException):
                advice = (
                    "nothing was changed; set ECOM_MEMORY_LIMIT higher, or free disk space, and "
                    "run again."
                )
            elif isinstance(error, duckdb.IOException):
                advice = (
                    "nothing was changed; free some space, or fix the error above, and run again."
                )
            raise WarehouseError(f"{self.path}: {message}; {advice}") from error


def _name_once(fresh: Path, path: Path) -> None:
    """Give a new file its name, unless another process was faster;
    then that process's file is used.
    """
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        fresh.rename(path)
