"""The source of events: the shop's own, in files or a table, or the sandbox shop's files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.stated_currency import note_currencies
from ecom_assets.core.settings.uploaded import is_of_uploads
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.received import FileRows
from ecom_assets.core.warehouse.factory import event_table_kind
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.core.warehouse.sql_text import day_in_zone, select, text
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.formats import split_paths
from ecom_assets.ingestion.sources.files.mapping import EventMapping, load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.landing import NATIVE, has_landed, is_stream, landing_folder
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES, are_activities, other_files
from ecom_assets.ingestion.sources.uploaded_rows import (
    open_uploads,
    stand_beside,
    with_uploads,
)


def arrival_days(files: RecordFiles) -> Days:
    """Return every day from the first to the last on which rows of the files arrived.

    Raises:
        SourceError: The files hold no rows.
    """
    covered = files.received_days()
    if covered is None:
        files_read = ", ".join(sorted({file.path for file in files.files()})[:3])
        raise SourceError(f"{files_read} holds no rows; give files that do.")
    return Days.between(covered[0], covered[1] + ONE_DAY)


def days_to_compute(files: RecordFiles, late_days: int) -> Days:
    """Return every day from the first to the last that the rows of event files belong to,
    including arrival days.

    Only rows of the first `late_days` arrival days can belong to an earlier day, and only rows of
    the last arrival day to a later one, so only these rows are read.

    Raises:
        SourceError: The files hold no rows.
    """
    received_days = arrival_days(files)
    first, last = received_days.first, received_days.dates[-1]
    own = day_in_zone("event_at", files.timezone)
    parts = [
        files.received_sql(first, first + (late_days + 1) * ONE_DAY),
        files.received_sql(last, last + ONE_DAY),
    ]
    rows = " UNION ALL ".join(f"SELECT event_at, received_date FROM ({part})" for part in parts)  # noqa: S608 (quoted by sql_text)
    result = files.con.execute(
        f"SELECT min(own), max(own) FROM (SELECT {own} AS own, received_date FROM ({rows})) "  # noqa: S608 (quoted by sql_text)
        f"WHERE own <= received_date + 1 AND received_date <= own + {late_days}"
    ).fetchone()
    days = [first, last, *(day for day in result or () if day)]
    return Days.between(min(days), max(days) + ONE_DAY)


SANDBOX = "sandbox"
VIEW = "received_events"


def event_paths(settings: Settings) -> list[str]:
    """Return the configured paths of event files, the folder where a stream lands,
    or that of the sandbox shop.
    """
    if is_stream(settings):
        return [str(landing_folder(settings))]
    if settings.events and are_activities(settings.events):
        increments = other_files(settings.home, ACTIVITIES)[1:]
        return [settings.events, *map(str, increments)]
    return split_paths(settings.events) or [str(settings.sandbox_folder / "events")]


def mapping_name(settings: Settings) -> str:
    """Return the name of the mapping of event files; what landed, and the sandbox shop,
    have the native one.
    """
    is_native = not settings.events or is_stream(settings)
    is_native |= is_of_uploads(settings.home, settings.events)
    return NATIVE if is_native else settings.events_mapping


def is_table(settings: Settings) -> bool:
    """Return whether events come from a table of an engine (see
    `event_table.py`) instead of files.
    """
    return event_table_kind(settings.events) is not None


def open_events(
    con: duckdb.DuckDBPyConnection, settings: Settings, paths: Sequence[str]
) -> RecordFiles:
    """Find the event files below some paths, and check them against their mapping.

    Raises:
        SourceError: There are none.
    """
    if not has_landed(settings):
        raise SourceError(
            "No event of the stream in ECOM_EVENTS has landed yet; run `ecom stream` first."
        )
    mapping = load_mapping(mapping_name(settings))
    return RecordFiles.open(con, paths, mapping, settings.timezone, settings.first_plausible_day)


def open_all_events(con: duckdb.DuckDBPyConnection, settings: Settings) -> RecordFiles:
    """Find the event files of the settings, and uploads beside them.

    Raises:
        SourceError: There are none.
    """
    if settings.events and not has_landed(settings) and stand_beside(settings, "events"):
        return open_uploads(con, settings, "events", EventMapping)
    files = open_events(con, settings, event_paths(settings))
    return with_uploads(files, settings, "events", EventMapping) if settings.events else files


@dataclass(frozen=True)
class ReceivedEventFiles:
    """Events by arrival day, as an Ibis table of the DuckDB connection that reads the files."""

    reader: Backend
    settings: Settings
    prepare: Callable[[Settings], None]
    """Creates the sandbox's files if they are missing."""

    @cached_property
    def files(self) -> RecordFiles:
        """Return the files, checked against their mapping."""
        if not self.settings.events:
            self.prepare(self.settings)
        return open_all_events(self.reader.con, self.settings)

    def received(self, days: Days) -> ir.Table:
        """Return the rows of `RawEvents` that arrived on `days`."""
        files = Currencies.from_settings(self.settings).convert_events(self.files, days)
        names = {files.currency} - {""}
        note_currencies(self.settings.home, "events", days.dates, names)
        sql = received_rows(files, days, self.settings.events or SANDBOX, "event_date")
        self.files.log_malformed()
        return temporary(self.reader, VIEW, sql, "VIEW")

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the files, from when they were checked."""
        return self.files.file_rows(days)


def received_rows(files: RecordFiles, days: Days, origin: str, day_column: str) -> str:
    """Return the SELECT of the records that arrived on `days`,
    with their own day and their source.
    """
    selects = [files.received_sql(first, end) for first, end in days.runs()] or [
        files.no_rows_sql()
    ]
    rows = " UNION ALL ".join(selects)
    own_day = day_in_zone(files.mapping.kind.at, files.timezone)
    return select(f"*, {own_day} AS {day_column}, {text(origin)} AS source", f"({rows})")


def sandbox_is_missing(settings: Settings) -> bool:
    """Return whether the sandbox shop has no data yet."""
    return not (settings.sandbox_folder / "truth.json").exists()
