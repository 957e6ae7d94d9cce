"""The rows of uploads as a source: alone, or beside what settings, an API or a stream bring."""

import duckdb

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import NATIVE_OF, has_rows, is_of_uploads, rows_folder
from ecom_assets.ingestion.sources.files.mapping import RecordMapping, load
from ecom_assets.ingestion.sources.files.records import RecordFiles


def stand_beside(settings: Settings, kind: str) -> bool:
    """Return whether there are uploads of a kind, and something else names that kind, too."""
    return has_rows(settings.home, kind) and not is_of_uploads(
        settings.home, getattr(settings, kind)
    )


def open_uploads(
    con: duckdb.DuckDBPyConnection, settings: Settings, kind: str, mapping: type[RecordMapping]
) -> RecordFiles:
    """Find the rows of uploads of a kind; `mapping` is the class of its mappings."""
    return RecordFiles.open(
        con,
        [rows_folder(settings.home, kind)],
        load(mapping, NATIVE_OF[kind]),
        settings.timezone,
        settings.first_plausible_day,
    )


def with_uploads(
    files: RecordFiles, settings: Settings, kind: str, mapping: type[RecordMapping]
) -> RecordFiles:
    """Return files with the uploads of their kind beside them, if there are any."""
    if not stand_beside(settings, kind):
        return files
    return files.beside(open_uploads(files.con, settings, kind, mapping))
