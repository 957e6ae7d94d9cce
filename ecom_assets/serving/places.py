"""Where marts are published, and what is there: the Postgres of ECOM_POSTGRES_URL, and the folder of snapshots."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecom_assets.errors import SettingError
from ecom_assets.optional_imports import packages_of
from ecom_assets.serving.contracts import Publication
from ecom_assets.settings.settings import Settings

if TYPE_CHECKING:
    from ecom_assets.warehouse.engines.postgres.engine import PostgresEngine


def publication_target(settings: Settings) -> "PostgresEngine":
    """Return the Postgres database to which the marts are published, not yet opened.

    Raises:
        SettingError: The address is not one of Postgres, or its packages are not installed.
    """
    url = settings.postgres_url.get_secret_value()
    if url.partition("://")[0] not in {"postgres", "postgresql"}:
        raise SettingError(
            "ECOM_POSTGRES_URL is not an address of a Postgres; write postgres://user:password@host/database."
        )
    with packages_of("postgres", "ECOM_POSTGRES_URL"):
        from ecom_assets.warehouse.engines.postgres.engine import PostgresEngine  # noqa: PLC0415 (needs packages of the extra `postgres`)
    return PostgresEngine(settings.model_copy(update={"warehouse": url}), setting="ECOM_POSTGRES_URL")


def newest_publication(target: "PostgresEngine") -> dict[str, Any] | None:
    """Return the row of the newest publication, None if there is none."""
    if not target.has(Publication):
        return None
    name = target.name_of(Publication)
    result = target.query(f"SELECT * FROM {name} ORDER BY publication_number DESC LIMIT 1")  # noqa: S608 (names come from contracts)
    return result[0] if result else None


def serves_postgres(settings: Settings) -> bool:
    """Return whether the HTTP API reads what is published in Postgres: where that is not the warehouse itself."""
    url = settings.postgres_url.get_secret_value()
    return bool(url) and url != settings.warehouse


def serving_folder(settings: Settings) -> Path:
    """Return the folder of the snapshot that the HTTP API reads without Postgres."""
    return settings.home / "serving"
