"""Where the ledger is, by the settings, and its database.

Not here: the ledger's records (`ledger.py`), whose libraries a question to a file does not need.
"""

from pathlib import Path

from ecom_assets.delivery.ledger.store import PostgresStore, SqliteStore, Store, create_tables
from ecom_assets.errors import DeliveryError
from ecom_assets.settings.settings import Settings

POSTGRES = ("postgres://", "postgresql://")


def ledger_place(settings: Settings) -> Path | str:
    """Return the ledger's file, or the URL of the Postgres database that has it."""
    named = settings.ledger_url.get_secret_value()
    if named.startswith("sqlite:///"):
        return Path(named.removeprefix("sqlite://"))
    candidates = (named, settings.warehouse_url, settings.postgres_url.get_secret_value())
    return next((url for url in candidates if url.startswith(POSTGRES)), default_file(settings))


def default_file(settings: Settings) -> Path:
    """Return the ledger's file, used if no database is configured."""
    return settings.home / "ledger.sqlite"


def open_store(settings: Settings) -> Store:
    """Open the ledger's database.

    Raises:
        DeliveryError: It cannot be opened, or it is new and an earlier ledger exists in another place.
    """
    place = ledger_place(settings)
    if isinstance(place, Path):
        return SqliteStore(place)
    store = PostgresStore(place)
    if not settings.ledger_url.get_secret_value():
        _refuse_second_ledger(store, default_file(settings))
    return store


def _refuse_second_ledger(store: Store, earlier: Path) -> None:
    """Refuse to start a new ledger if an earlier one exists: all its records would be sent again."""
    if not earlier.exists() or _has_batches(store):
        return
    before = SqliteStore(earlier)
    try:
        if not _has_batches(before):
            return
    finally:
        before.close()
    store.close()
    raise DeliveryError(
        f"The ledger of deliveries is {before.address}, and {store.address} has none yet, so everything would be sent "
        f"again; set ECOM_LEDGER_URL={before.address} to keep it, or to the address of that Postgres to begin again."
    )


def _has_batches(store: Store) -> bool:
    create_tables(store)
    return bool(store.rows("SELECT 1 FROM batches LIMIT 1"))
