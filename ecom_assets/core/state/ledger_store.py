"""The ledger's database: where it is by the settings, and how it is used:
a SQLite file or Postgres.

Not here: the ledger's records (`ledger.py`), whose libraries a question to a file does not need.
"""

import contextlib
from pathlib import Path
from typing import Any, ClassVar, Final

from ecom_assets.core.errors import DeliveryError, first_line
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import (
    Database,
    PostgresDatabase,
    SqliteDatabase,
    StateKind,
    state_address,
)

TABLES = (
    # The token increases with each new writer, so that a paused writer cannot continue after
    # another has taken over.
    """CREATE TABLE IF NOT EXISTS destinations (
        id {serial}, name TEXT NOT NULL, account TEXT NOT NULL, token BIGINT NOT NULL,
          is_free INTEGER NOT NULL,
        holder TEXT, renewed_at TEXT, UNIQUE (name, account))""",
    """CREATE TABLE IF NOT EXISTS batches (
        number {serial}, destination_id BIGINT NOT NULL REFERENCES destinations (id),
          day TEXT NOT NULL,
        token BIGINT NOT NULL, record_count BIGINT NOT NULL, byte_count BIGINT NOT NULL,
          record_ids TEXT NOT NULL,
        payload_hashes {blob} NOT NULL, intended_at TEXT NOT NULL, attempts BIGINT NOT NULL,
          outcome TEXT, reason TEXT,
        words TEXT, answered_at TEXT)""",
    "CREATE INDEX IF NOT EXISTS batches_of_day ON batches (destination_id, day)",
    """CREATE TABLE IF NOT EXISTS exceptions (
        batch BIGINT NOT NULL REFERENCES batches (number), place BIGINT NOT NULL,
          outcome TEXT NOT NULL,
        reason TEXT NOT NULL, words TEXT NOT NULL, attempts BIGINT NOT NULL, PRIMARY KEY (batch,
          place))""",
    """CREATE TABLE IF NOT EXISTS changes (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL,
          record_id TEXT NOT NULL,
        payload_hash BIGINT NOT NULL, found_at TEXT NOT NULL,
        PRIMARY KEY (destination_id, day, record_id, payload_hash))""",
    """CREATE TABLE IF NOT EXISTS days (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL,
          pending_count BIGINT,
        due_count BIGINT NOT NULL, changed_count BIGINT NOT NULL, outcomes TEXT NOT NULL,
        PRIMARY KEY (destination_id, day))""",
    # Ids of people as an account was sent them, where another spelling is thinkable.
    """CREATE TABLE IF NOT EXISTS sent_ids (
        account TEXT NOT NULL, id TEXT NOT NULL, first_sent_at TEXT NOT NULL, PRIMARY KEY (account,
          id))""",
    # Starts of sessions as a destination was sent them first, under the hash of their id.
    """CREATE TABLE IF NOT EXISTS sent_sessions (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), session_hash BIGINT NOT NULL,
        started_ms BIGINT NOT NULL, PRIMARY KEY (destination_id, session_hash))""",
)
VIEW = """{create_view} sendings AS
    SELECT d.name AS destination, d.account, b.day, {record} AS record_id, b.number AS batch,
        coalesce(x.outcome, b.outcome, 'under_way') AS outcome, coalesce(x.reason, b.reason)
          AS reason,
        coalesce(x.words, b.words) AS words, coalesce(x.attempts, b.attempts) AS attempts,
          b.intended_at, b.answered_at
    FROM batches b JOIN destinations d ON d.id = b.destination_id CROSS JOIN {members}
    LEFT JOIN exceptions x ON x.batch = b.number AND x.place = {place}"""
"""Every attempt to send every record; a record's newest attempt has the highest batch number."""
LEDGER: Final = StateKind(
    "The ledger of deliveries",
    "nothing more was sent",
    "ECOM_LEDGER_URL",
    "delivery_ledger",
    DeliveryError,
)
MAY_READ = """SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s
      AND c.relname = %s"""


class SqliteStore(SqliteDatabase):
    """The ledger in a SQLite file."""

    KIND = LEDGER
    spelling: ClassVar = {
        **SqliteDatabase.spelling,
        "own_number": "",
        "next_number": "SELECT 1",
        "create_view": "CREATE VIEW IF NOT EXISTS",
        "members": "json_each(b.record_ids) AS m",
        "place": "m.key",
        "record": "m.value",
    }


class PostgresStore(PostgresDatabase):
    """The ledger in a schema of a Postgres database."""

    KIND = LEDGER
    spelling: ClassVar = {
        **PostgresDatabase.spelling,
        "own_number": "OVERRIDING SYSTEM VALUE",
        "next_number": (
            "SELECT setval(pg_get_serial_sequence('batches', 'number'), (SELECT max(number) "
            "FROM batches))"
        ),
        "create_view": "CREATE OR REPLACE VIEW",
        "members": (
            "json_array_elements_text(b.record_ids::json) WITH ORDINALITY AS m(value, ordinality)"
        ),
        "place": "(m.ordinality - 1)",
        "record": "m.value",
    }


def create_tables(store: Database) -> None:
    """Create the missing tables."""
    store.create((*TABLES, VIEW))


def listed_in_postgres(url: str, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table beside the ledger, without writing anything;
    none if there is no such table.

    Raises:
        DeliveryError: The database is unreachable, or the user may not read the table.
        SettingError: The Postgres packages are not installed.
    """
    with packages_of("postgres", "ECOM_LEDGER_URL"):
        import psycopg  # noqa: PLC0415 (only the ledger in Postgres needs it)
    address, schema = without_secrets(url), LEDGER.schema
    try:
        with psycopg.connect(
            url, autocommit=True, connect_timeout=10, application_name="ecom_assets ledger"
        ) as con:
            row = con.execute(MAY_READ, (schema, table)).fetchone()
            if row is None:
                return []
            if not row[0]:
                raise DeliveryError(
                    f"The user of {address} may not read {schema}.{table}; let its owner run "
                    f"GRANT USAGE ON SCHEMA {schema} and GRANT SELECT ON {schema}.{table} to it."
                )
            return con.execute(f"SELECT {columns} FROM {schema}.{table}".encode()).fetchall()  # noqa: S608 (names of ours)
    except psycopg.Error as error:
        message = first_line(error).replace(url, address)
        raise DeliveryError(
            f"The ledger of deliveries in {address} cannot be read ({message})."
        ) from None


def ledger_address(settings: Settings) -> Path | str:
    """Return the ledger's file, or the URL of the Postgres database that has it."""
    return state_address(
        settings, settings.ledger_url.get_secret_value(), default_file(settings.home)
    )


def ledger_is_there(settings: Settings) -> bool:
    """Return whether anything may have been delivered: the file is there, or Postgres has it."""
    address = ledger_address(settings)
    return not isinstance(address, Path) or address.exists()


def default_file(home: Path) -> Path:
    """Return the ledger's file, used if no database is configured."""
    return home / "ledger.sqlite"


def open_store(settings: Settings) -> Database:
    """Open the ledger's database.

    Raises:
        DeliveryError: It cannot be opened, or it is new and an earlier ledger exists in another
            place.
    """
    address = ledger_address(settings)
    if isinstance(address, Path):
        return SqliteStore(address)
    store = PostgresStore(address)
    if not settings.ledger_url.get_secret_value():
        _refuse_second_ledger(store, default_file(settings.home))
    return store


def _refuse_second_ledger(store: Database, earlier: Path) -> None:
    """Refuse to start a new ledger if an earlier one exists:
    all its records would be sent again.
    """
    if not earlier.exists() or _has_batches(store):
        return
    with contextlib.closing(SqliteStore(earlier)) as before:
        if not _has_batches(before):
            return
    store.close()
    raise DeliveryError(
        f"The ledger of deliveries is {before.address}, and {store.address} has none yet, so "
        f"everything would be sent again; set ECOM_LEDGER_URL={before.address} to keep it, or to "
        "the address of that Postgres to begin again."
    )


def _has_batches(store: Database) -> bool:
    create_tables(store)
    return bool(store.rows("SELECT 1 FROM batches LIMIT 1"))
