"""Where marts are published, and what is there: the Postgres of ECOM_POSTGRES_URL,
and the folder of snapshots.
"""

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecom_assets.core.errors import EcomError, SettingError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.rows import without_none
from ecom_assets.core.settings.settings import OWN_DATA, Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.sandbox_shop import is_made
from ecom_assets.outputs.serving.contracts import Publication

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine


def publication_target(settings: Settings) -> "PostgresEngine":
    """Return the Postgres database to which the marts are published, not yet opened.

    Raises:
        SettingError: The address is not one of Postgres, or its packages are not installed.
    """
    url = settings.postgres_url.get_secret_value()
    if url.partition("://")[0] not in {"postgres", "postgresql"}:
        raise SettingError(
            "ECOM_POSTGRES_URL is not an address of a Postgres; write "
            "postgres://user:password@host/database."
        )
    with packages_of("postgres", "ECOM_POSTGRES_URL"):
        from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine  # noqa: PLC0415 (needs packages of the extra `postgres`)
    return PostgresEngine(
        settings.model_copy(update={"warehouse": url}), setting="ECOM_POSTGRES_URL"
    )


def newest_publication(target: "PostgresEngine") -> dict[str, Any] | None:
    """Return the row of the newest publication, None if there is none."""
    if not target.has(Publication):
        return None
    name = target.name_of(Publication)
    result = target.query(f"SELECT * FROM {name} ORDER BY publication_number DESC LIMIT 1")  # noqa: S608 (names come from contracts)
    return result[0] if result else None


def last_published_at(settings: Settings) -> datetime | None:
    """Return when what the HTTP API reads was published last, in UTC; None if nothing is.

    Raises:
        EcomError: It cannot be read.
    """
    if not serves_postgres(settings):
        from ecom_assets.outputs.serving.snapshot import Snapshot  # noqa: PLC0415 (loads Ibis)

        snapshot = Snapshot.read(serving_folder(settings.home))
        return (
            datetime.fromisoformat(snapshot.published_at).replace(tzinfo=UTC) if snapshot else None
        )
    with closing(publication_target(settings).open()) as target:
        newest = newest_publication(target)
    at: datetime | None = newest["published_at"] if newest else None
    return at.replace(tzinfo=UTC) if at else None


def serves_postgres(settings: Settings) -> bool:
    """Return whether the HTTP API reads what is published in Postgres:
    where that is not the warehouse itself.
    """
    url = settings.postgres_url.get_secret_value()
    return bool(url) and url != settings.warehouse


def serving_folder(home: Path) -> Path:
    """Return the folder of the snapshot that the HTTP API reads without Postgres."""
    return home / "serving"


SAMPLE_MARK: Final = "sample_shop"
"""The file beside a snapshot that is there while it shows the simulated shop."""


def mark_sample(settings: Settings) -> None:
    """Note, after a publication, whether it shows the simulated shop."""
    mark = serving_folder(settings.home) / SAMPLE_MARK
    if settings.has_own_data:
        mark.unlink(missing_ok=True)
    else:
        mark.touch()


def shows_sample(settings: Settings) -> bool:
    """Return whether what is published is the simulated shop, also while own data are loaded whose
    numbers are not published yet.
    """
    if (serving_folder(settings.home) / SAMPLE_MARK).exists():
        return True
    # Published by a release that left no mark; of own data every run leaves a note.
    return is_made(settings) and not (settings.home / OWN_DATA).exists()


@dataclass(frozen=True)
class PublicationStatus:
    """A sentence about the newest publication (empty where none is set), and its rows by table."""

    ok: bool
    found: str
    row_counts: dict[str, int] = field(default_factory=dict)


def published_state(settings: Settings, marts: Iterable[Contract]) -> PublicationStatus:
    """Inspect the published marts; a database that cannot be reached is a finding, not an error."""
    if not settings.postgres_url.get_secret_value():
        return PublicationStatus(ok=True, found="")
    try:
        return _inspected(settings, marts)
    except EcomError as error:
        return PublicationStatus(ok=False, found=str(error))


def _inspected(settings: Settings, marts: Iterable[Contract]) -> PublicationStatus:
    with closing(publication_target(settings).open()) as target:
        warehouse = new_engine(settings)
        if isinstance(warehouse, type(target)):
            with closing(warehouse.open()):
                if target.is_same_database(warehouse):
                    return PublicationStatus(
                        ok=True,
                        found="ECOM_POSTGRES_URL is the warehouse itself: nothing to publish.",
                    )
        newest = newest_publication(target)
    if newest is None:
        return PublicationStatus(
            ok=True, found=f"{target.address} opens; nothing is published there yet."
        )
    counts = json.loads(newest["table_row_counts"])
    shown = {contract.qualified_name(): counts.get(contract.qualified_name()) for contract in marts}
    when = newest["published_at"].isoformat(sep=" ", timespec="seconds")
    result = (
        f"Published in {target.address}: version {newest['data_version']}, at {when} UTC by run "
        f"{newest['run_id']}."
    )
    return PublicationStatus(ok=True, found=result, row_counts=without_none(shown))
