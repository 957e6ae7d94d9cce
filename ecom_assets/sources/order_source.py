"""The order lines that the platform is set to take in: the shop's own files, or the sandbox shop's.

Not here: how files are read (`record_files.py`), how an order report is fetched into files.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Protocol

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.errors import SourceError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_source import SANDBOX, received_rows
from ecom_assets.sources.file_formats import in_landing_folders
from ecom_assets.sources.order_mapping import load_order_mapping
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.sources.sql_text import select, text
from ecom_assets.transforms.days import Days

VIEW = "received_orders"
DEFAULT_MAPPING = "user_order_log"


def has_events(settings: Settings) -> bool:
    """Tell whether there are events to take in: own ones, or the sandbox shop's where nothing own was given."""
    return bool(settings.events) or not settings.orders


def has_orders(settings: Settings) -> bool:
    """Tell whether there are orders to take in: own ones, or the sandbox shop's where nothing own was given."""
    return bool(settings.orders) or not settings.events


def orders_place(settings: Settings) -> list[str]:
    """Return the paths that orders are taken from: those set, separated by commas, or the sandbox shop's file."""
    given = [part.strip() for part in settings.orders.split(",") if part.strip()]
    return given or [str(settings.sandbox_folder / "orders.parquet")]


def comes_daily(settings: Settings) -> bool:
    """Tell whether all orders come as a file a day: in landing folders that are named by the day."""
    return all(in_landing_folders(place) for place in orders_place(settings))


def open_orders(con: duckdb.DuckDBPyConnection, settings: Settings) -> RecordFiles:
    """Find the files of orders and check them against their mapping."""
    mapping = load_order_mapping(settings.orders_mapping if settings.orders else DEFAULT_MAPPING)
    return RecordFiles.open(con, orders_place(settings), mapping, settings.timezone)


class OrderSource(Protocol):
    """Order lines by arrival day."""

    def received(self, days: Days) -> ir.Table:
        """Rows of `RawUserOrderLog` that arrived on `days`."""


class FileOrders:
    """Order lines by arrival day, as an Ibis table of the DuckDB connection that reads the files."""

    def __init__(self, reader: Backend, settings: Settings, prepare: Callable[[Settings], None]) -> None:
        """Take the DuckDB connection that reads files; `prepare` makes the sandbox's where asked for and missing."""
        self._reader = reader
        self._settings = settings
        self._prepare = prepare

    @cached_property
    def files(self) -> RecordFiles:
        """The files, checked against their mapping."""
        if not self._settings.orders:
            self._prepare(self._settings)
        return open_orders(self._reader.con, self._settings)

    def received(self, days: Days) -> ir.Table:
        """Rows of `RawUserOrderLog` that arrived on `days`."""
        rows = received_rows(self.files, days, self._settings.orders or SANDBOX, "order_date")
        if categories := categories_sql(self._reader.con, self._settings):
            found = f"({rows}) AS l LEFT JOIN ({categories}) AS c ON l.item_id = c.product_id"
            rows = select("l.* REPLACE (coalesce(l.item_category, c.category) AS item_category)", found)
        self._reader.raw_sql(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {rows}")
        return self._reader.table(VIEW, database=("temp", "main"))


def categories_sql(con: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    """SELECT of each product's category in the catalogue; empty where there is no catalogue.

    Raises:
        SourceError: The catalogue is missing, unreadable, or lacks a column.
    """
    is_own = bool(settings.orders)
    place = str(settings.catalogue or "") if is_own else str(settings.sandbox_folder / "catalogue.parquet")
    if not place or not (is_own or Path(place).exists()):
        return ""
    is_parquet = place.endswith((".parquet", ".pq"))
    source = f"read_parquet({text(place)})" if is_parquet else f"read_csv({text(place)}, all_varchar=true)"
    columns = "product_id::VARCHAR AS product_id, min(category::VARCHAR) AS category"
    sql = select(columns, source, group_by="product_id")
    try:
        con.cursor().execute(f"DESCRIBE {sql}")
    except duckdb.Error as error:
        raise SourceError(
            f"The catalogue {place} cannot be read; give ECOM_CATALOGUE a CSV or Parquet file with the columns "
            "product_id and category."
        ) from error
    return sql
