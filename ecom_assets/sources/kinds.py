"""The kinds of sources that Dagster's graph shows: csv, parquet, json, file, snowflake, api, sandbox."""

from itertools import islice
from pathlib import Path

from ecom_assets.errors import SourceError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import SANDBOX, is_table
from ecom_assets.sources.files.places import files_below, split_places

KIND_OF = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".json": "json", ".jsonl": "json",
    ".ndjson": "json"}  # fmt: skip
LOOKED_AT = 20
"""Number of files that decide the kind of a folder; a landing folder can have thousands."""


def event_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of events."""
    if is_table(settings):
        return {"snowflake"}
    return _file_kinds(split_places(settings.events)) if settings.events else {SANDBOX}


def order_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of order lines."""
    if settings.orders:
        return _file_kinds(split_places(settings.orders))
    return {"api"} if settings.order_api_url or not settings.has_own_data else set()


def stock_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of stock."""
    if settings.catalogue and not settings.catalogue_api_url:
        return _file_kinds([str(settings.catalogue)])
    return {"api"} if settings.catalogue_api_url else {"parquet"} if not settings.has_own_data else set()


def _file_kinds(places: list[str]) -> set[str]:
    result = {KIND_OF[ending] for place in places for ending in _endings(Path(place)) if ending in KIND_OF}
    return result if len(result) == 1 else {"file"}  # Dagster shows three kinds, two of which are engine and table


def _endings(place: Path) -> set[str]:
    """Return the file extensions in a place, without the one of compression."""
    try:
        files = [*islice(files_below(place), LOOKED_AT)] if place.is_dir() else [place]
    except (OSError, SourceError):  # the asset that reads it raises the error
        return set()
    return {Path(path.name.lower().removesuffix(".gz")).suffix for path in files}
