"""The stock that the platform is set to take in: from a catalogue's file, its API, the sandbox's, or none.

A catalogue tells what there is now, not what there was, so what it tells belongs to one day: the newest of the run.
Not here: how the API is asked (`catalogue_api.py`), what a line says (`stock_rows.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.settings import Settings
from ecom_assets.sources.catalogue_api import CatalogueFetch, fetch_catalogue
from ecom_assets.sources.received import Received
from ecom_assets.sources.sql_text import ident, select, text
from ecom_assets.sources.stock_rows import OPTIONAL, REQUIRED, stock_rows
from ecom_assets.transforms.days import ONE_DAY, Days


def stock_of(records: Iterable[Mapping[str, Any]], day: date, source: str) -> Received:
    """Return what a file told, in the place of what was told earlier of the same day."""
    return Received(stock_rows(records, day, source), Days((day,)), {"stock_day": str(day)})


def fetched_stock(fetch: CatalogueFetch, day: date, source: str) -> Received:
    """Return what an API told, likewise."""
    told = {"fetched": True, "stock_day": str(day), **asdict(fetch.costs)}
    return Received(stock_rows(fetch.products, day, source), Days((day,)), told)


def no_stock(reason: str) -> Received:
    """Return no rows for no days: what the table has stays."""
    return Received.nothing(stock_rows((), date.min, ""), reason)


class StockSource(Protocol):
    """How much there is."""

    def received(self, days: Days) -> Received:
        """Return the stock of the newest of the days, or nothing, so that all stays as it is."""


class NoStock:
    """For a shop that has set no catalogue."""

    def received(self, _days: Days) -> Received:
        """Leave all as it is."""
        return no_stock("neither ECOM_CATALOGUE_API_URL nor ECOM_CATALOGUE is set")


class FileStock:
    """The stock in the file of `ECOM_CATALOGUE`; without a column `stock` it is a catalogue of categories only."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings, which name the file."""
        self._place = str(settings.catalogue)

    def received(self, days: Days) -> Received:
        """Return the file's lines as of the newest of the days.

        Raises:
            SourceError: The file is missing, unreadable, or has stock of no product.
        """
        rows = duckdb.connect()
        is_parquet = self._place.endswith((".parquet", ".pq"))
        source = (
            f"read_parquet({text(self._place)})" if is_parquet else f"read_csv({text(self._place)}, all_varchar=true)"
        )
        try:
            columns = [row[0] for row in rows.execute(f"DESCRIBE {select('*', source)}").fetchall()]
            if "stock" not in columns:
                return no_stock(f"{self._place} has no column stock")
            if "product_id" not in columns:
                raise SourceError(
                    f"The catalogue {self._place} has a column stock and none called product_id; name the column that "
                    "says which product it is of product_id."
                )
            told = [name for name in (*REQUIRED, *OPTIONAL) if name in columns]
            listed = [f"{ident(name)}::VARCHAR AS {ident(name)}" for name in told]
            found = rows.execute(select(listed, source)).fetchall()
        except duckdb.Error as error:
            raise SourceError(
                f"The catalogue {self._place} cannot be read; give ECOM_CATALOGUE a CSV or Parquet file with the "
                "columns product_id and stock."
            ) from error
        finally:
            rows.close()
        records = (dict(zip(told, row, strict=True)) for row in found)
        return stock_of(records, days.dates[-1], self._place)


def _now() -> datetime:
    return datetime.now(UTC)


class ApiStock:
    """The stock that the catalogue API tells; the night's run takes it for the day that has just ended."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = _now) -> None:
        """Take the settings, and the clock that says what day it is."""
        self._settings = settings
        self._now = now

    def received(self, days: Days) -> Received:
        """Fetch, if the newest of the days is today or yesterday; else leave all as it is.

        Raises:
            SourceError: The API cannot be reached, refuses, or does not speak the protocol.
        """
        today = self._now().astimezone(ZoneInfo(self._settings.timezone)).date()
        newest = days.dates[-1]
        if newest not in {today, today - ONE_DAY}:
            return no_stock(f"stock is told as it is now, {today}, and these days end with {newest}")
        return fetched_stock(fetch_catalogue(self._settings), newest, self._settings.catalogue_api_url)


def has_stock(settings: Settings) -> bool:
    """Tell whether there is stock to take in: from an API, a file, or the sandbox's where nothing own was given."""
    return bool(settings.catalogue_api_url or settings.catalogue) or not settings.has_own_data
