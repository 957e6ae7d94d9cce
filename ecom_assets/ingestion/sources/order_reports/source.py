"""The source of order lines: files, or the order report API."""

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import EcomError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.stated_currency import note_currencies
from ecom_assets.core.settings.uploaded import is_of_uploads
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NO_DAYS, FileRows, SliceOutput
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.events import received_rows
from ecom_assets.ingestion.sources.extraction.landing import STATE
from ecom_assets.ingestion.sources.files.catalogue import (
    ATTRIBUTES,
    categories_sql,
    products_sql,
    titles_sql,
)
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.formats import in_landing_folders, split_paths
from ecom_assets.ingestion.sources.files.mapping import OrderMapping, load_order_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles, landing_days
from ecom_assets.ingestion.sources.landing import (
    NATIVE_ORDERS,
    has_landed,
    is_stream,
    stream_folder,
)
from ecom_assets.ingestion.sources.order_reports.api import (
    fetch_increments,
    history_path,
    metrics_of,
    path_of,
)
from ecom_assets.ingestion.sources.uploaded_rows import (
    open_uploads,
    stand_beside,
    with_uploads,
)

VIEW = "received_orders"
CUSTOMERS_OVER = 3
"""How many customers a daily report must exceed, if no setting says it."""


def has_events(settings: Settings) -> bool:
    """Return whether there are events to load: configured ones,
    or the sandbox's if no own data are configured.
    """
    return bool(settings.events) or not settings.has_own_data


def has_orders(settings: Settings) -> bool:
    """Return whether there are orders to load: configured ones,
    or the sandbox's if no own data are configured.
    """
    return bool(settings.orders or settings.order_api_url) or not settings.has_own_data


def order_paths(settings: Settings) -> list[str]:
    """Return the configured paths of order files, or the folder where a stream lands."""
    if is_stream(settings, "orders"):
        return [str(stream_folder(settings, "orders"))]
    return split_paths(settings.orders)


def checks_days(settings: Settings) -> bool:
    """Return whether each day of orders is checked separately: by default,
    if orders arrive as daily reports.
    """
    if settings.order_gate != "auto":
        return settings.order_gate == "day"
    return not _come_one_by_one(settings) and _are_daily_reports(settings)


def customers_over(settings: Settings) -> int:
    """Return how many customers the orders of a day or run must exceed.

    A daily report of few customers is probably incomplete; a file of few customers, such as an own
    export, is probably a small shop's.
    """
    if settings.order_customers_over is not None:
        return settings.order_customers_over
    by_day = settings.order_gate == "day" or _are_daily_reports(settings)
    return CUSTOMERS_OVER if by_day else 0


def _are_daily_reports(settings: Settings) -> bool:
    return not settings.orders or all(in_landing_folders(path) for path in order_paths(settings))


def has_order_reports(settings: Settings) -> bool:
    """Return whether orders come as reports, which can be incomplete."""
    return settings.order_gate != "auto" or not _come_one_by_one(settings)


def _come_one_by_one(settings: Settings) -> bool:
    """Return whether there is no report of orders: a stream, what has changed in the API of a shop,
    or uploads, whose rows lie on their own days, so that a run may have few of a file or none.
    """
    if is_stream(settings, "orders") or is_of_uploads(settings.home, settings.orders):
        return True
    paths = order_paths(settings)
    return bool(paths) and all((Path(path) / STATE).is_file() for path in paths)


def checked_days(settings: Settings, days: Days, now: Clock = now_utc) -> Days:
    """Return the days of a run whose orders are checked separately.

    These are days that have ended by the clock, from the first report on; no orders are expected
    for earlier days. The result is empty if a run's orders are checked together.
    """
    if not checks_days(settings):
        return NO_DAYS
    ended = ended_days(settings.timezone, days, now)
    first = _first_report(settings) if settings.orders else None
    return Days(tuple(day for day in ended.dates if first is None or day >= first))


def _first_report(settings: Settings) -> date | None:
    """Return the first day on which order files arrived; None if there are no files.

    Files outside of landing folders must be opened for that, and a history is thousands of files.
    """
    try:
        landed = landing_days(
            order_paths(settings), settings.timezone, settings.first_plausible_day
        )
        if landed is not None:
            return landed[0]
        with duckdb.connect() as con:
            result = open_orders(con, settings).received_days()
    except EcomError:  # the asset that reads the files raises it
        return None
    return result[0] if result else None


def ended_days(timezone: str, days: Days, now: Clock = now_utc) -> Days:
    """Return the days that have ended."""
    today = today_in(timezone, now)
    return Days(tuple(day for day in days.dates if day < today))


def open_orders(con: duckdb.DuckDBPyConnection, settings: Settings) -> RecordFiles:
    """Find the configured order files, and check them against their mapping.

    Raises:
        SourceError: There are none.
    """
    if not has_landed(settings, "orders") and stand_beside(settings, "orders"):
        return open_uploads(con, settings, "orders", OrderMapping)
    if not has_landed(settings, "orders"):
        raise SourceError(
            "No order of the stream in ECOM_ORDERS has landed yet; run `ecom stream --kind orders`."
        )
    # What landed has the native mapping.
    is_native = is_stream(settings, "orders") or is_of_uploads(settings.home, settings.orders)
    mapping = load_order_mapping(NATIVE_ORDERS if is_native else settings.orders_mapping)
    files = RecordFiles.open(
        con, order_paths(settings), mapping, settings.timezone, settings.first_plausible_day
    )
    return with_uploads(files, settings, "orders", OrderMapping)


def open_history(con: duckdb.DuckDBPyConnection, settings: Settings) -> RecordFiles:
    """Open the stored file of the report that was loaded whole."""
    mapping = load_order_mapping(NATIVE_ORDERS)
    return RecordFiles.open(
        con, [history_path(settings.home)], mapping, settings.timezone, settings.first_plausible_day
    )


def _with_catalogue(con: duckdb.DuckDBPyConnection, rows: str, catalogue: Path) -> str:
    """Return a SELECT of order lines with what the catalogue says where they do not: of their
    item's id, or of their title where no product has the id. Shopify's orders name a variant after
    its product, as in `Shirt - Red / M`; of two titles that a line may mean, neither counts.
    """
    said = []
    for name in ATTRIBUTES:
        differ = f"t.{name} <> p.{name}"
        of_title = f"CASE WHEN NOT coalesce({differ}, false) THEN coalesce(t.{name}, p.{name}) END"
        of_item = f"CASE WHEN c.product_id IS NULL THEN {of_title} ELSE c.{name} END"
        column = {"category": "item_category"}.get(name, name)
        said.append(f"coalesce(l.{column}, {of_item}) AS {column}")
    products = products_sql(con, catalogue)
    titles = titles_sql(products)
    joined = (
        f"({rows}) AS l LEFT JOIN ({categories_sql(products)}) AS c "
        f"ON l.item_id = c.product_id LEFT JOIN ({titles}) AS t ON l.item_name = t.title "
        f"LEFT JOIN ({titles}) AS p ON regexp_extract(l.item_name, '^(.+) - ', 1) = p.title"
    )
    return select(f"l.* REPLACE ({', '.join(said)})", joined)


@dataclass(frozen=True)
class OrderReader:
    """Reads files as rows of `RawUserOrderLog`."""

    reader: Backend
    """The DuckDB connection that reads files."""
    timezone: str
    origin: str
    """The value of the rows' `source` column."""
    catalogue: Path | None = None
    """File with product categories, for order lines without a category."""
    currencies: Currencies = field(default_factory=Currencies)
    home: Path | None = None
    """Where the currency that lines state is noted; None to note nothing."""
    _landed: list[RecordFiles] = field(default_factory=list, repr=False, compare=False)

    def rows(self, files: RecordFiles, days: Days) -> ir.Table:
        """Return the rows that arrived on `days`."""
        in_one = self.currencies.convert_orders(
            files, received_rows(files, days, self.origin, "order_date")
        )
        rows = in_one.rows
        if self.home is not None:
            note_currencies(self.home, "orders", days.dates, in_one.names)
        if self.catalogue:
            rows = _with_catalogue(self.reader.con, rows, self.catalogue)
        return temporary(self.reader, VIEW, rows, "VIEW")

    def files(self, paths: list[Path]) -> RecordFiles:
        """Check stored files of reports against their mapping; `paths` may be empty."""
        mapping = load_order_mapping(NATIVE_ORDERS)
        if not paths:
            return RecordFiles(self.reader.con, (), mapping, self.timezone)
        return RecordFiles.open(self.reader.con, paths, mapping, self.timezone)

    def nothing(self, reason: str) -> SliceOutput:
        """Return no rows, with a reason."""
        return SliceOutput.nothing(self.rows(self.files([]), NO_DAYS), reason)

    def fetched(self, settings: Settings, days: Days) -> SliceOutput:
        """Fetch and store the increments of the days, and return the rows of all stored files,
        including earlier ones.

        A day of which no file has a row keeps what the table has of it: it may have come from
        elsewhere.

        Raises:
            SourceError: The service cannot be reached, returns an error, or returns no report or no
                complete file.
        """
        path = history_path(settings.home)
        history = self.files([path]).received_days() if path.exists() else None
        increments = list(fetch_increments(settings, days.dates, history[1] if history else None))
        files = self._open_landed(settings.home, days)
        landed = {day for day in days.dates if path_of(settings.home, day).exists()}
        with_rows = {
            day for file in files.file_rows(days) for day in file.by_day if day in days.dates
        }
        return SliceOutput(
            self.rows(files, days),
            Days.from_dates(landed | with_rows),
            {"fetched": True, **metrics_of(increments)},
            absent=Days.from_dates(
                {increment.day for increment in increments if increment.path is None}
                - landed
                - with_rows
            ),
            origin=self.origin,
        )

    def landed_rows(self, home: Path, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the days' stored files below `home`; None if there are none."""
        files = self._landed[0] if self._landed else self._open_landed(home, days or NO_DAYS)
        return files.file_rows(days) or None

    def _open_landed(self, home: Path, days: Days) -> RecordFiles:
        paths = [history_path(home), *(path_of(home, day) for day in days.dates)]
        self._landed[:] = [self.files([path for path in paths if path.exists()])]
        return self._landed[0]


@dataclass(frozen=True)
class _Orders:
    """A source of order lines that a reader reads."""

    reader: OrderReader
    settings: Settings

    @property
    def origin(self) -> str:
        """Return what the rows have in their column `source`."""
        return self.reader.origin


class ReceivedOrderFiles(_Orders):
    """Order lines from files; those that came from an API stay beside them."""

    @cached_property
    def files(self) -> RecordFiles:
        """Return the files, checked against their mapping."""
        return open_orders(self.reader.reader.con, self.settings)

    def received(self, days: Days) -> SliceOutput:
        """Return the rows of `RawUserOrderLog` that arrived on `days`."""
        rows = self.reader.rows(self.files, days)
        self.files.log_malformed()
        return SliceOutput(rows, days, origin=self.reader.origin)

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the files, from when they were checked."""
        return self.files.file_rows(days)

    def arrival_days(self, days: Days) -> Days:
        """Return those of `days` on which lines of the files arrived."""
        return Days.from_dates(self.files.arrival_dates() & set(days.dates))


@dataclass(frozen=True)
class ApiOrders(_Orders):
    """Order lines from the configured order report API;
    their arrival day is the day of their increment.

    The clock decides which days have ended.
    """

    now: Clock = now_utc

    def received(self, days: Days) -> SliceOutput:
        """Fetch and store the increments of the days that have ended;
        rows of the other days are kept.

        Raises:
            SourceError: The service cannot be reached, returns an error, or returns no report or no
                complete file.
        """
        ended = ended_days(self.settings.timezone, days, self.now)
        if not ended.dates:
            return self.reader.nothing("an increment is of a day that has ended")
        return self.reader.fetched(self.settings, ended)

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the stored files."""
        return self.reader.landed_rows(self.settings.home, days)

    def arrival_days(self, days: Days) -> Days:
        """Return those of `days` that can have an increment:
        the API says only of days that it is asked about.

        These have lines in the report that was loaded whole, or come after it.
        """
        path = history_path(self.settings.home)
        in_report = self.reader.files([path]).arrival_dates() if path.exists() else set()
        ended = ended_days(self.settings.timezone, days, self.now)
        return Days(
            tuple(
                day
                for day in ended.dates
                if day in in_report or not in_report or day > max(in_report)
            )
        )
