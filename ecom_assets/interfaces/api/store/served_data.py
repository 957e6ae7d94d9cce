"""The published state that the API serves now, for the cache, the health checks and the metrics."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.interfaces.api.store.store import (
    NothingPublishedError,
    PublishedState,
    PublishedStore,
    SnapshotStore,
    lacks_columns,
    public_sentence,
    stamp_of,
)
from ecom_assets.outputs.serving.places import serves_postgres, serving_folder
from ecom_assets.outputs.serving.snapshot import POINTER

LOOK_EVERY_S = 1.0
"""Seconds between reads of the version from Postgres;
the pointer file of a snapshot is checked at each request.
"""


class ServedData:
    """The newest published state, which is read again when it may have changed."""

    def __init__(self, store: PublishedStore, settings: Settings, now: Clock = now_utc) -> None:
        """Set the store that the routes read from; nothing is read yet."""
        self._store = store
        self._now = now
        self._pointer = (
            None if serves_postgres(settings) else serving_folder(settings.home) / POINTER
        )
        self._stamp: object = "not read yet"
        self.published: PublishedState | None = None
        """The state that was read last."""
        self._trouble = ""
        self._fresh_for = timedelta(hours=settings.api_fresh_hours)
        self._looking = asyncio.Lock()

    async def version(self) -> str:
        """Return the version that answers depend on; empty if there is nothing to serve."""
        if self._stamp_now() != self._stamp:
            async with self._looking:
                stamp = (
                    self._stamp_now()
                )  # taken first, so that a change during the read causes another read
                if stamp != self._stamp:
                    self.published, self._trouble = await asyncio.to_thread(
                        self._read
                    )  # may open a new snapshot
                    self._stamp = stamp
        published = self.published
        return f"{published.data_version} {published.published_at.timestamp()}" if published else ""

    @property
    def published_at(self) -> datetime | None:
        """Return when it was published, in UTC; None if nothing is."""
        return self.published.published_at if self.published else None

    @property
    def age_s(self) -> float:
        """Return the seconds since it was published; NaN if nothing is published."""
        if self.published is None:
            return float("nan")
        return (self._now() - self.published.published_at).total_seconds()

    @property
    def complaint(self) -> str:
        """Return a sentence that says why the data are missing or too old;
        empty if they are neither.
        """
        if self.published is None:
            return self._trouble or "Nothing was looked up yet; ask again in a moment."
        if self._now() - self.published.published_at > self._fresh_for:
            return (
                f"The data were published {self.age_s / 3600:.1f} h ago, which is more than "
                f"ECOM_API_FRESH_HOURS={self._fresh_for / timedelta(hours=1):g}; see in Dagster "
                "why no run published since."
            )
        return ""

    def _read(self) -> tuple[PublishedState | None, str]:
        try:
            with self._store.reading() as reading:
                return reading.published, ""
        except EcomError as error:
            import structlog  # noqa: PLC0415 (a twentieth of the time of `ecom doctor`)

            structlog.get_logger("ecom_assets.api").warning("nothing_to_serve", reason=str(error))
            return None, public_sentence(error)
        except Exception as error:  # noqa: BLE001 (a broken store must not break the health check)
            return (
                None,
                f"The store cannot be read ({type(error).__name__}); see the log of the API.",
            )

    def _stamp_now(self) -> object:
        try:
            return (
                stamp_of(self._pointer) if self._pointer else int(time.monotonic() / LOOK_EVERY_S)
            )
        except OSError:  # reading the store fails too, and says why
            return "not readable"


def open_store(settings: Settings) -> PublishedStore:
    """Return the store: the schema published in Postgres, or else the snapshot."""
    if serves_postgres(settings):
        from ecom_assets.interfaces.api.store.postgres import PublishedPostgresStore  # noqa: PLC0415 (needs the extra `postgres`)

        return PublishedPostgresStore(settings)
    return SnapshotStore(settings)


def require_current(settings: Settings, contracts: Iterable[Contract]) -> None:
    """Raise if the snapshot lacks columns that this version has; nothing published yet is no fault.

    Raises:
        OlderPublicationError: An older version has published it.
        WarehouseError: It is damaged.
    """
    if serves_postgres(settings):
        return
    store = SnapshotStore(settings)
    try:
        with suppress(NothingPublishedError), store.reading() as reading:
            for contract in contracts:
                if missing := reading.missing_columns(contract):
                    raise lacks_columns(contract, missing)
    finally:
        store.close()
