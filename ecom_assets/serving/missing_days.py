"""The days of which nothing was received, between days with rows: what happened on them is unknown, not nothing.

Rows are missing where they arrive by day, as in landing folders, reports and tables that are read by day, and where the
other source says that the shop sold: order lines for events, purchase events for orders. In a single file, a day
without rows had none.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from ecom_assets.events.contracts import EventAccountingDaily, RawEvents
from ecom_assets.orders.contracts import OrderAccountingDaily, RawUserOrderLog
from ecom_assets.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import ONE_DAY, Days
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
    found = set(seen)
    if len(found) < 2 or source not in RECEIVED or empty_days == "zero":  # noqa: PLR2004 (a gap is between two)
        return []
    between = set(Days.between(min(found), max(found) + ONE_DAY).dates) - found
    # A day of which only rows came that do not count was received.
    between -= days_with_rows(engine, *RECEIVED[source]) if between else set()
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
