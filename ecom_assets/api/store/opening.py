"""Where the API reads: the tables of one published state, and the next one once it is published.

Not here: the stores themselves (`snapshot_store.py`, `postgres_store.py`), what is asked of them (`answers/`).
"""

from ecom_assets.api.store.store import Store
from ecom_assets.serving.places import serves_postgres
from ecom_assets.settings.settings import Settings


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name: the published schema in Postgres where it is set, else the snapshot."""
    if serves_postgres(settings):
        from ecom_assets.api.store.postgres import PostgresStore  # noqa: PLC0415 (needs the extra `postgres`)

        return PostgresStore(settings)
    from ecom_assets.api.store.snapshot import SnapshotStore  # noqa: PLC0415 (not needed with Postgres)

    return SnapshotStore(settings)
