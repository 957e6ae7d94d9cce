"""The ledger's database: where it is by the settings, and how it is used: a SQLite file or Postgres.

Not here: the ledger's records (`ledger.py`), whose libraries a question to a file does not need.
"""

import contextlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ecom_assets.atomic_files import sync_folder
from ecom_assets.errors import DeliveryError
from ecom_assets.optional_imports import packages_of
from ecom_assets.redact_url import without_secrets
from ecom_assets.settings.settings import Settings
from ecom_assets.warehouse.sql_text import POSTGRES_KEEPS, purging_postgres

TABLES = (
    # The token increases with each new writer, so that a paused writer cannot continue after another has taken over.
    """CREATE TABLE IF NOT EXISTS destinations (
        id {serial}, name TEXT NOT NULL, account TEXT NOT NULL, token BIGINT NOT NULL, is_free INTEGER NOT NULL,
        holder TEXT, renewed_at TEXT, UNIQUE (name, account))""",
    """CREATE TABLE IF NOT EXISTS batches (
        number {serial}, destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL,
        token BIGINT NOT NULL, record_count BIGINT NOT NULL, byte_count BIGINT NOT NULL, record_ids TEXT NOT NULL,
        payload_hashes {blob} NOT NULL, intended_at TEXT NOT NULL, attempts BIGINT NOT NULL, outcome TEXT, reason TEXT,
        words TEXT, answered_at TEXT)""",
    "CREATE INDEX IF NOT EXISTS batches_of_day ON batches (destination_id, day)",
    """CREATE TABLE IF NOT EXISTS exceptions (
        batch BIGINT NOT NULL REFERENCES batches (number), place BIGINT NOT NULL, outcome TEXT NOT NULL,
        reason TEXT NOT NULL, words TEXT NOT NULL, attempts BIGINT NOT NULL, PRIMARY KEY (batch, place))""",
    """CREATE TABLE IF NOT EXISTS changes (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL, record_id TEXT NOT NULL,
        payload_hash BIGINT NOT NULL, found_at TEXT NOT NULL,
        PRIMARY KEY (destination_id, day, record_id, payload_hash))""",
    """CREATE TABLE IF NOT EXISTS days (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL, pending_count BIGINT,
        due_count BIGINT NOT NULL, changed_count BIGINT NOT NULL, outcomes TEXT NOT NULL,
        PRIMARY KEY (destination_id, day))""",
)
VIEW = """{create_view} sendings AS
    SELECT d.name AS destination, d.account, b.day, {record} AS record_id, b.number AS batch,
        coalesce(x.outcome, b.outcome, 'under_way') AS outcome, coalesce(x.reason, b.reason) AS reason,
        coalesce(x.words, b.words) AS words, coalesce(x.attempts, b.attempts) AS attempts, b.intended_at, b.answered_at
    FROM batches b JOIN destinations d ON d.id = b.destination_id CROSS JOIN {members}
    LEFT JOIN exceptions x ON x.batch = b.number AND x.place = {place}"""
"""Every attempt to send every record; a record's newest attempt has the highest batch number."""
Parameters = Sequence[Any]


class Store(ABC):
    """A database; statements use `?` for parameters. Threads may share it."""

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

    def close(self) -> None:
        """Close the database."""
        self._con.close()

    @abstractmethod
    def purge(self) -> str:
        """Remove the bytes of changed rows from disk; return a sentence about what a person still has to do."""

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


def create_tables(store: Store) -> None:
    """Create the missing tables."""
    with store.transaction():
        for statement in ("{alone}", *TABLES, VIEW):
            store.count(statement.format(**store.spelling))


PATIENCE_S = 60
"""Seconds that a writer waits for the transaction of another one."""
SCHEMA = "delivery_ledger"
"""The ledger's schema in Postgres, so that the database can have other tables too."""
MAY_READ = """SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""


class SqliteStore(Store):
    """A SQLite file that survives a power cut: each commit is on disk before it returns."""

    spelling: ClassVar = {
        "serial": "INTEGER PRIMARY KEY",
        "blob": "BLOB",
        "lock": "",
        "own_number": "",
        "next_number": "SELECT 1",
        "alone": "SELECT 1",
        "create_view": "CREATE VIEW IF NOT EXISTS",
        "members": "json_each(b.record_ids) AS m",
        "place": "m.key",
        "record": "m.value",
    }

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            DeliveryError: It cannot be opened or is not a ledger.
        """
        self.address = f"sqlite:///{path.absolute()}"
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            # Statements of one connection come from several threads, each under the lock.
            self._con = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
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

    def _refusal(self, error: Exception) -> DeliveryError:
        return DeliveryError(
            f"The ledger of deliveries {self.address} cannot be used ({error}), so nothing more was sent; see that it "
            "is whole and writable, and run again."
        )


class PostgresStore(Store):
    """A schema of a Postgres database."""

    spelling: ClassVar = {
        "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "blob": "BYTEA",
        "lock": " FOR UPDATE",
        "own_number": "OVERRIDING SYSTEM VALUE",
        "next_number": "SELECT setval(pg_get_serial_sequence('batches', 'number'), (SELECT max(number) FROM batches))",
        "alone": "SELECT pg_advisory_xact_lock(hashtextextended('ecom_assets ledger', 0))",
        "create_view": "CREATE OR REPLACE VIEW",
        "members": "json_array_elements_text(b.record_ids::json) WITH ORDINALITY AS m(value, ordinality)",
        "place": "(m.ordinality - 1)",
        "record": "m.value",
    }

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            DeliveryError: The database is unreachable or refuses the user.
            SettingError: The Postgres packages are not installed.
        """
        with packages_of("postgres", "ECOM_LEDGER_URL"):
            import psycopg  # noqa: PLC0415 (only this store needs it)
        self.address = without_secrets(url)
        self._url = url
        self._error = psycopg.Error
        self._lock = threading.RLock()
        with self._plain_errors():
            self._con = psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="ecom_assets ledger")
            self._con.execute("SET synchronous_commit = on")
            with self._con.transaction():
                self._con.execute(self.spelling["alone"].encode())
                self._con.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())
            self._con.execute(f"SET search_path = {SCHEMA}".encode())

    def purge(self) -> str:
        """Write the tables into new files, with new statistics."""
        tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = ?", (SCHEMA,))
        for statement in purging_postgres(f"{SCHEMA}.{table}" for (table,) in tables):
            self.count(statement)
        return POSTGRES_KEEPS.format(address=self.address)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes or none; writers for the same destination wait for each other."""
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
                message = str(error).splitlines()[0] if str(error) else type(error).__name__
                message = message.replace(self._url, self.address)  # libpq quotes the whole URL if it cannot parse it
                raise DeliveryError(
                    f"The ledger of deliveries in {self.address} cannot be used ({message}), so nothing "
                    "more was sent; see that it can be reached, and run again."
                ) from (None if self._url in str(error) else error)


def listed_in_postgres(url: str, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table beside the ledger, without writing anything; none if there is no such table.

    Raises:
        DeliveryError: The database is unreachable, or the user may not read the table.
        SettingError: The Postgres packages are not installed.
    """
    with packages_of("postgres", "ECOM_LEDGER_URL"):
        import psycopg  # noqa: PLC0415 (only the ledger in Postgres needs it)
    address = without_secrets(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="ecom_assets ledger") as con:
            row = con.execute(MAY_READ, (SCHEMA, table)).fetchone()
            if row is None:
                return []
            if not row[0]:
                raise DeliveryError(
                    f"The user of {address} may not read {SCHEMA}.{table}; let its owner run GRANT USAGE ON SCHEMA "
                    f"{SCHEMA} and GRANT SELECT ON {SCHEMA}.{table} to it."
                )
            return con.execute(f"SELECT {columns} FROM {SCHEMA}.{table}".encode()).fetchall()  # noqa: S608 (names of ours)
    except psycopg.Error as error:
        message = (str(error).splitlines() or [type(error).__name__])[0].replace(url, address)
        raise DeliveryError(f"The ledger of deliveries in {address} cannot be read ({message}).") from None


POSTGRES = ("postgres://", "postgresql://")


def ledger_place(settings: Settings) -> Path | str:
    """Return the ledger's file, or the URL of the Postgres database that has it."""
    url = settings.ledger_url.get_secret_value()
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite://"))
    candidates = (url, settings.warehouse_url, settings.postgres_url.get_secret_value())
    return next((address for address in candidates if address.startswith(POSTGRES)), default_file(settings))


def default_file(settings: Settings) -> Path:
    """Return the ledger's file, used if no database is configured."""
    return settings.home / "ledger.sqlite"


def open_store(settings: Settings) -> Store:
    """Open the ledger's database.

    Raises:
        DeliveryError: It cannot be opened, or it is new and an earlier ledger exists in another place.
    """
    address = ledger_place(settings)
    if isinstance(address, Path):
        return SqliteStore(address)
    store = PostgresStore(address)
    if not settings.ledger_url.get_secret_value():
        _refuse_second_ledger(store, default_file(settings))
    return store


def _refuse_second_ledger(store: Store, earlier: Path) -> None:
    """Refuse to start a new ledger if an earlier one exists: all its records would be sent again."""
    if not earlier.exists() or _has_batches(store):
        return
    with contextlib.closing(SqliteStore(earlier)) as before:
        if not _has_batches(before):
            return
    store.close()
    raise DeliveryError(
        f"The ledger of deliveries is {before.address}, and {store.address} has none yet, so everything would be sent "
        f"again; set ECOM_LEDGER_URL={before.address} to keep it, or to the address of that Postgres to begin again."
    )


def _has_batches(store: Store) -> bool:
    create_tables(store)
    return bool(store.rows("SELECT 1 FROM batches LIMIT 1"))
