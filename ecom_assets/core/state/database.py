"""A database of state, a SQLite file or a schema of Postgres: each use of it adds its tables,
and words for errors.
"""

import contextlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from ecom_assets.core.atomic_files import sync_folder
from ecom_assets.core.errors import SettingError, WorkError, first_line
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.sql_text import POSTGRES_KEEPS, purging_postgres

Parameters = Sequence[Any]
PATIENCE_S: Final = 60
"""Seconds that a writer waits for the transaction of another one."""
POSTGRES: Final = ("postgres://", "postgresql://")


@dataclass(frozen=True)
class StateKind:
    """What a database is for.

    Attributes:
        called: What errors call it, such as "The ledger of deliveries".
        lost: What did not happen where it cannot be used, such as "nothing more was sent".
        setting: The setting with its address.
        schema: Its schema in Postgres, so that the database can have other tables too.
        error: What is raised where it cannot be used.
    """

    called: str
    lost: str
    setting: str
    schema: str
    error: type[WorkError] = WorkError


class Database(ABC):
    """A database; statements use `?` for parameters. Threads may share it."""

    KIND: ClassVar[StateKind]
    address: str
    spelling: ClassVar[Mapping[str, str]]
    """SQL fragments that differ between databases."""
    _con: Any
    """A connection by Python's standard interface for databases."""

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with self._plain_errors():
            cursor = self._con.execute(self._written(sql), parameters)
            return cursor.fetchall() if cursor.description else []

    def count(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._plain_errors():
            return int(self._con.execute(self._written(sql), parameters).rowcount)

    def many(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """Run a statement once for each set of parameters."""
        with self._plain_errors(), contextlib.closing(self._con.cursor()) as cursor:
            cursor.executemany(self._written(sql), parameters)

    def create(self, statements: Iterable[str]) -> None:
        """Create the missing tables by statements that have fragments of `spelling` in braces."""
        with self.transaction():
            for statement in ("{alone}", *statements):
                self.count(statement.format(**self.spelling))

    def close(self) -> None:
        """Close the database."""
        self._con.close()

    @abstractmethod
    def purge(self) -> str:
        """Remove the bytes of changed rows from disk;
        return a sentence about what a person still has to do.
        """

    @abstractmethod
    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """Lock out other writers, and commit all changes to disk, or none."""

    @abstractmethod
    def _plain_errors(self) -> contextlib.AbstractContextManager[None]:
        """Replace errors of the database by sentences; one thread at a time is inside."""

    @staticmethod
    def _written(sql: str) -> str | bytes:
        """Return a statement as the database reads it."""
        return sql


class SqliteDatabase(Database):
    """A SQLite file that survives a power cut: each commit is on disk before it returns."""

    spelling: ClassVar = {
        "serial": "INTEGER PRIMARY KEY",
        "blob": "BLOB",
        "lock": "",
        "alone": "SELECT 1",
    }

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            WorkError: It cannot be opened or is not such a file.
        """
        self.address = f"sqlite:///{path.absolute()}"
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            # Statements of one connection come from several threads, each under the lock.
            self._con = sqlite3.connect(
                path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            self._con.execute("PRAGMA journal_mode = WAL")
            self._con.execute("PRAGMA synchronous = FULL")
            self._con.execute("PRAGMA foreign_keys = ON")
            if is_new:
                sync_folder(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise self._refusal(error) from error

    def purge(self) -> str:
        """Write the file again without free pages, and empty its log of changes."""
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            self.rows(statement)
        return ""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Lock out other writers, and commit all changes to disk, or none."""
        with self._plain_errors():
            self._con.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._con.execute("ROLLBACK")
                raise
            self._con.execute("COMMIT")

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> WorkError:
        return self.KIND.error(
            f"{self.KIND.called} {self.address} cannot be used ({error}), so {self.KIND.lost}; "
            "see that it is whole and writable, and try again."
        )


class PostgresDatabase(Database):
    """A schema of a Postgres database."""

    spelling: ClassVar = {
        "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "blob": "BYTEA",
        "lock": " FOR UPDATE",
        "alone": "SELECT pg_advisory_xact_lock(hashtextextended('ecom_assets state', 0))",
    }

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            WorkError: The database is unreachable or refuses the user.
            SettingError: The Postgres packages are not installed.
        """
        with packages_of("postgres", self.KIND.setting):
            import psycopg  # noqa: PLC0415 (only this database needs it)
        schema = self.KIND.schema
        self.address = without_secrets(url)
        self._url = url
        self._error = psycopg.Error
        self._lock = threading.RLock()
        with self._plain_errors():
            name = f"ecom_assets {schema}"
            self._con = psycopg.connect(
                url, autocommit=True, connect_timeout=10, application_name=name
            )
            self._con.execute("SET synchronous_commit = on")
            with self._con.transaction():
                self._con.execute(self.spelling["alone"].encode())
                self._con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
            self._con.execute(f"SET search_path = {schema}".encode())

    def purge(self) -> str:
        """Write the tables into new files, with new statistics."""
        schema = self.KIND.schema
        tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = ?", (schema,))
        for statement in purging_postgres(f"{schema}.{table}" for (table,) in tables):
            self.count(statement)
        return POSTGRES_KEEPS.format(address=self.address)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes or none; who locks the same rows waits."""
        with self._plain_errors(), self._con.transaction():
            yield

    @staticmethod
    def _written(sql: str) -> bytes:
        return sql.replace("?", "%s").encode()

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except self._error as error:
                # libpq quotes the whole URL if it cannot parse it.
                message = first_line(error).replace(self._url, self.address)
                raise self.KIND.error(
                    f"{self.KIND.called} in {self.address} cannot be used ({message}), so "
                    f"{self.KIND.lost}; see that it can be reached, and try again."
                ) from (None if self._url in str(error) else error)


def state_address(settings: Settings, url: str, default_file: Path) -> Path | str:
    """Return the file of a database, or the URL of the Postgres that has it.

    `url` is its own setting. Where that is empty, it is the Postgres of the warehouse or of
    publishing, else a file.

    Raises:
        SettingError: It is empty, and processes that need the same database would each find
            another.
    """
    if not url and not settings.home_is_shared:
        name = f"ECOM_{default_file.stem.upper()}_URL"
        raise SettingError(
            f"{name} is not set, and ECOM_HOME_IS_SHARED is false, so that each process would have "
            f"{default_file.name} for itself; set {name} to the same database for all of them."
        )
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite://"))
    candidates = (url, settings.warehouse_url, settings.postgres_url.get_secret_value())
    return next((address for address in candidates if address.startswith(POSTGRES)), default_file)
