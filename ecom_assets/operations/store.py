"""The file with the requests of people to runs, and with the results of the checks and tables of runs.

The API writes requests and reads notes; runs take requests and write notes. The file is SQLite in `ECOM_HOME`, beside
the snapshot that the API reads, so that the API never opens the warehouse and needs no password of Dagster's storage.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from ecom_assets.errors import WorkError

FILE: Final = "operations.sqlite"
PATIENCE_S: Final = 30
"""Seconds that a writer waits for the transaction of another one."""
TABLES: Final = """
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, first_day TEXT NOT NULL,
    last_day TEXT NOT NULL, asked_by TEXT NOT NULL, asked_at TEXT NOT NULL, attempt INTEGER NOT NULL,
    taken_at TEXT, run_id TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS waiting_once ON requests (kind, subject, first_day, last_day) WHERE taken_at IS NULL;
CREATE TABLE IF NOT EXISTS checks (
    table_name TEXT NOT NULL, check_name TEXT NOT NULL, is_passed INTEGER NOT NULL, is_warning INTEGER NOT NULL,
    description TEXT NOT NULL, sentence TEXT NOT NULL, observed TEXT, limit_value TEXT, examples TEXT NOT NULL,
    evaluated_at TEXT NOT NULL, failing_since TEXT, run_id TEXT NOT NULL, PRIMARY KEY (table_name, check_name));
CREATE TABLE IF NOT EXISTS tables (
    table_name TEXT PRIMARY KEY, is_written INTEGER NOT NULL, ended_at TEXT NOT NULL, run_id TEXT NOT NULL,
    written_at TEXT, sentence TEXT NOT NULL);
"""
Row = dict[str, Any]


class OperationsStore:
    """The file of one `ECOM_HOME`; each call opens it, and each write is one transaction."""

    def __init__(self, home: Path) -> None:
        """Set the folder; the first write creates the file."""
        self.path = home / FILE

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return the rows of a query; none if there is no file yet.

        Raises:
            WorkError: The file cannot be read.
        """
        if not self.path.exists():
            return []
        with self._opened() as con:
            return [dict(row) for row in con.execute(sql, parameters or {})]

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction: all of its changes are kept, or none.

        Raises:
            WorkError: The file cannot be written.
        """
        with self._opened() as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                yield con
            except BaseException:
                con.execute("ROLLBACK")
                raise
            con.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)) as con:
                con.row_factory = sqlite3.Row
                con.executescript(TABLES)
                yield con
        except (OSError, sqlite3.Error) as error:
            raise WorkError(
                f"{self.path} cannot be used ({error}); make it writable, or move it away with its requests."
            ) from error
