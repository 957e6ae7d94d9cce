"""Opening the store that the settings name."""

from ecom_assets.api.store.snapshot import SnapshotStore
from ecom_assets.api.store.store import Store
from ecom_assets.serving.places import serves_postgres
from ecom_assets.settings.settings import Settings


def open_store(settings: Settings) -> Store:
    """Return the store: the schema published in Postgres, or else the snapshot."""
    if serves_postgres(settings):
        from ecom_assets.api.store.postgres import PostgresStore  # noqa: PLC0415 (needs the extra `postgres`)

        return PostgresStore(settings)
    return SnapshotStore(settings)
