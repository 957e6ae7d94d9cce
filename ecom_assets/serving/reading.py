"""The open warehouse as a `Reading`, the days of its sources, and days of which nothing came."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

import ibis.expr.types as ir

from ecom_assets.events.contracts import CleanEvents, EventAccountingDaily, RawEvents
from ecom_assets.orders.contracts import OrderAccountingDaily, RawUserOrderLog
from ecom_assets.orders.held_days import ORDERS, held_dates, released_days
from ecom_assets.orders.orders import OrderRule
from ecom_assets.products.contracts import InventoryAlerts, RawStock
from ecom_assets.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.sessions.contracts import EngagementDaily
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.tables.queries import KnownDays, Period, Row
from ecom_assets.warehouse.engine import Engine

EmptyDayMeaning = Literal["auto", "unknown", "zero"]


def missing_days(engine: Engine, source: str, seen: Iterable[date], empty_days: EmptyDayMeaning = "auto") -> list[date]:
    """Return the days between the first and the last of `seen` of which nothing is known, in order.

    Args:
        engine: The open warehouse.
        source: `events` or `orders`; no other source misses days.
        seen: The days on which the source has rows that count.
        empty_days: Whether all other days are missing (`unknown`), or none (`zero`), or those that the source would
            have had rows of.
    """
    days_with_data = set(seen)
    if len(days_with_data) < 2 or source not in RECEIVED or empty_days == "zero":  # noqa: PLR2004 (a gap is between two)
        return []
    between = set(Days.between(min(days_with_data), max(days_with_data) + ONE_DAY).dates) - days_with_data
    # A day of which only rows came that do not count was received; a released day has all that there is, says somebody.
    between -= days_with_rows(engine, *RECEIVED[source]) if between else set()
    between -= released_days(engine) if between and source == ORDERS else set()
    if between and empty_days == "auto":
        sold, by_day_since = days_with_rows(engine, *SOLD[source]), _by_day_since(engine, RAW[source])
        between = {day for day in between if day in sold or (by_day_since and day >= by_day_since)}
    return sorted(between)


def days_with_rows(engine: Engine, contract: type[Table], column: str) -> set[date]:
    """Return the days in a column of a table; none if there is no such table."""
    if not engine.has(contract):
        return set()
    day = engine.quoted(column)
    rows = engine.query(f"SELECT DISTINCT {day} AS seen_day FROM {engine.name_of(contract)}")  # noqa: S608 (names come from contracts)
    return {row["seen_day"] for row in rows if row["seen_day"]}


RECEIVED: dict[str, tuple[type[Table], str]] = {
    "events": (EventAccountingDaily, "accounted_date"),
    "orders": (OrderAccountingDaily, "received_date"),
}
"""The table of each source that has a row for every day of which anything was received."""


RAW: dict[str, type[Table]] = {"events": RawEvents, "orders": RawUserOrderLog}
SOLD: dict[str, tuple[type[Table], str]] = {
    "events": (RevenueDaily, "order_date"),
    "orders": (PurchaseRevenueDaily, "event_date"),
}
"""Where the other source says that the shop sold on a day."""


def _by_day_since(engine: Engine, contract: type[Table]) -> date | None:
    """Return the first day of arrival of rows in a folder with the name of that day, or of an address; None without."""
    if not engine.has(contract):
        return None
    raw = engine.table(contract)
    in_folder = raw.source_file.contains("_date=" + raw.received_date.cast("string"))
    by_day = raw.filter(in_folder | raw.source.contains("://"))
    # Not the least of them: Ibis takes it for one that is never null, and refuses the null of Postgres without rows.
    days: list[dict[str, date]] = (
        by_day.select("received_date").order_by("received_date").limit(1).to_pyarrow().to_pylist()
    )
    return days[0]["received_date"] if days else None


@dataclass
class WarehouseReading:
    """Tables of the open warehouse, as they are right now; see `Reading`."""

    engine: Engine
    newest_date: date
    timezone: str = "UTC"
    currency: str = ""
    known: Mapping[str, KnownDays] = field(default_factory=dict)

    @classmethod
    def from_engine(cls, engine: Engine, settings: Settings, order_rule: OrderRule, today: date) -> "WarehouseReading":
        """Return a reading that knows which days the data of each source hold; without data the newest is `today`."""
        days_by_source = {
            source: KnownDays.from_texts(*days) for source, days in source_days(engine, settings.empty_days).items()
        }
        for source, held in held_dates(engine, order_rule).items():
            days_by_source[source] = days_by_source.get(source, KnownDays()).with_held(held)
        newest = max(
            (days.last for source, days in days_by_source.items() if days.last and source != "stock"), default=today
        )
        return cls(engine, newest, settings.timezone, settings.known_currency, days_by_source)

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table, lazily."""
        return self.engine.readable(contract)

    def events(self) -> ir.Table:
        """Return clean events."""
        return self.table(CleanEvents)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a small result by column name, in its order."""
        rows: list[Row] = question.to_pyarrow(params=period.parameters if period else {}).to_pylist()
        return rows

    def state(self, question: ir.Table) -> list[Row]:
        """Return the same of a question that is about no days."""
        return self.rows(question)


SourceDays = tuple[str | None, str | None, list[str]]
"""The first and the last day, as YYYY-MM-DD, None where there are none, and the missing days between."""
DAYS_OF: Final[Mapping[str, tuple[type[Table], str]]] = {
    "events": (EngagementDaily, "event_date"),
    "orders": (RevenueDaily, "order_date"),
    "stock": (RawStock, "received_date"),
}
"""The table of each source that has its first and its last day."""
PUBLISHED_DAYS_OF: Final[Mapping[str, tuple[type[Table], str]]] = {**DAYS_OF, "stock": (InventoryAlerts, "as_of_date")}
"""The same among published tables, for publications that noted no days."""


def source_days(engine: Engine, empty_days: EmptyDayMeaning = "auto") -> dict[str, SourceDays]:
    """Return the first, the last and the missing days of each source; `empty_days` says which days are missing."""
    result = {}
    for source, (contract, column) in DAYS_OF.items():
        seen = days_with_rows(engine, contract, column)
        missing = missing_days(engine, source, seen, empty_days)
        first, last = (end(seen).isoformat() if seen else None for end in (min, max))
        result[source] = (first, last, [day.isoformat() for day in missing])
    return result
