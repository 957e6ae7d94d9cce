"""Retention limits: data older than ECOM_RETENTION_DAYS are removed from
landing folders and raw tables.

Days before the limit have no partition any more, so no run computes them from rows that are gone:
`load_settings`.
"""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ecom_assets.behaviour.events.contracts import (
    QuarantinedEvents,
    QuarantinedEventSamples,
    RawEvents,
)
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.core.warehouse.raw_losses import declared_loss
from ecom_assets.core.warehouse.raw_slices import note_withdrawn
from ecom_assets.ingestion.sources.files.manifest import forget_empty
from ecom_assets.orchestration.privacy.landing_files import landing_files
from ecom_assets.orchestration.privacy.other_files import letter_files

LIMITED: tuple[Contract, ...] = (RawEvents, QuarantinedEvents, QuarantinedEventSamples)
"""The tables whose old rows are removed: what came, word for word.

All others keep numbers, or are needed for them.
"""


@dataclass(frozen=True)
class Expired:
    """What is older than the limit: days of tables with their row counts,
    and files of landing folders.
    """

    first_kept: date
    """The first day that still has a partition."""
    before: date
    """Rows and files of days before this one are removed:
    runs over the first kept days look back so far.
    """
    rows: dict[Contract, dict[date, int]]
    files: list[Path]

    def as_json(self) -> dict[str, Any]:
        """Return the days and numbers."""
        return {
            "first_kept_date": self.first_kept.isoformat(),
            "removed_before_date": self.before.isoformat(),
            "rows": {
                table.qualified_name(): sum(days.values()) for table, days in self.rows.items()
            },
            "files": [str(path) for path in self.files],
        }


def expired(settings: Settings, engine: Engine) -> Expired:
    """Find what is older than the limit; nothing is removed.

    Raises:
        UsageError: There is no limit.
    """
    if settings.retention_days is None:
        raise UsageError(
            "There is no limit of how long rows are kept; set ECOM_RETENTION_DAYS to a number of "
            "days."
        )
    # A day reads arrivals of up to late_days + 2 days before it to find copies, and these look back
    # as far again.
    before = settings.first_day - timedelta(days=2 * settings.late_days + 3)
    rows = {
        table: {day: count for day, count in engine.day_counts(table, None).items() if day < before}
        for table in LIMITED
        if engine.has(table)
    }
    return Expired(settings.first_day, before, rows, sorted(_files(settings, before)))


def remove(engine: Engine, result: Expired) -> None:
    """Remove files and rows, and the bytes of the rows; this is idempotent,
    so it can be repeated after a kill.
    """
    for path in result.files:
        path.unlink(missing_ok=True)
        forget_empty(path.parent)
        with suppress(OSError):  # other files are in the folder
            path.parent.rmdir()
    for table, counts in result.rows.items():
        if counts:
            days = Days.from_dates(counts)
            older = f"{engine.quoted(str(table.day_column))} < DATE '{result.before}'"
            with declared_loss(engine, table, days):
                engine.remove(table, [older], engine.table(table).limit(0), days)
            if table is RawEvents:
                note_withdrawn(engine, table, counts, "retention")
    if any(result.rows.values()):
        engine.purge(list(result.rows))


def _files(settings: Settings, before: date) -> Iterator[Path]:
    """Yield the files of landing folders of old days; other files have no reliable day."""
    with closing(plain_connection(limit_of_run(settings))) as con:
        for files in landing_files(con, settings):
            for file in files.files():
                if file.received_date and file.received_date < before:
                    yield Path(file.path)
    yield from (path for path, day in letter_files(settings) if day < before)
