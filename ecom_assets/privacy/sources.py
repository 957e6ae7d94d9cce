"""The landing files of a shop: events, order files, and the increments that the order report API delivered."""

from collections.abc import Iterator

import duckdb

from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import events_place, is_table, open_events, sandbox_is_missing
from ecom_assets.sources.files.kinds import load_order_mapping
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.order_reports.api import FOLDER
from ecom_assets.sources.order_reports.source import has_events, open_orders


def landing_files(con: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[RecordFiles]:
    """Yield the files of each source that is files, checked against their mapping.

    Raises:
        MappingError: A file does not match its mapping.
        SourceError: A path does not exist.
    """
    has_own = bool(settings.events) and not is_table(settings)
    if has_events(settings) and (has_own or not (settings.has_own_data or sandbox_is_missing(settings))):
        yield open_events(con, settings, events_place(settings))
    if settings.orders:
        yield open_orders(con, settings)
    homes = [settings.home] if settings.has_own_data else [settings.home, settings.sandbox_folder]
    increments = [path for home in homes for path in sorted((home / FOLDER).glob("increment_date=*/*"))]
    if increments:
        yield RecordFiles.open(con, increments, load_order_mapping("user_order_log"), settings.timezone)
