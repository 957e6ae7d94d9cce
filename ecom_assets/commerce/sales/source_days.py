"""The first, last and unknown days of events and of orders in the open warehouse.

Answers, publications and inventory alerts all take them from here.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, Literal

from ecom_assets.behaviour.events.contracts import EventAccountingDaily, RawEvents
from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.orders.contracts import OrderAccountingDaily, RawUserOrderLog
from ecom_assets.commerce.orders.held_days import ORDERS, held_dates, released_days
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import EVENTS, KnownDays
from ecom_assets.core.warehouse.engine import Engine

EmptyDayMeaning = Literal["auto", "unknown", "zero"]
DAYS_OF: Final[Mapping[str, tuple[Contract, str]]] = {
    EVENTS: (EngagementDaily, "event_date"),
    ORDERS: (RevenueDaily, "order_date"),
}
"""The table of each source that has its first and its last day."""
RECEIVED: Final[Mapping[str, tuple[Contract, str]]] = {
    EVENTS: (EventAccountingDaily, "accounted_date"),
    ORDERS: (OrderAccountingDaily, "received_date"),
}
"""The table of each source that has a row for every day of which anything was received."""
RAW: Final[Mapping[str, Contract]] = {EVENTS: RawEvents, ORDERS: RawUserOrderLog}
SOLD: Final[Mapping[str, tuple[Contract, str]]] = {
    EVENTS: (RevenueDaily, "order_date"),
    ORDERS: (PurchaseRevenueDaily, "event_date"),
}
"""Where the other source says that the shop sold on a day."""
KNOWN_FROM: Final = tuple(
    dict.fromkeys(table for tables in (DAYS_OF, RECEIVED, SOLD) for table, _ in tables.values())
)
"""The computed tables that say which days are known."""


def missing_days(
    engine: Engine, source: str, seen: Iterable[date], empty_days: EmptyDayMeaning = "auto"
) -> list[date]:
    """Return the days between the first and the last of `seen` of which nothing is known, in order.

    Args:
        engine: The open warehouse.
        source: `events` or `orders`; no other source misses days.
        seen: The days on which the source has rows that count.
        empty_days: Whether all other days are missing (`unknown`), or none (`zero`), or those that
            the source would have had rows of.
    """
    days_with_data = set(seen)
    if len(days_with_data) < 2 or source not in RECEIVED or empty_days == "zero":  # noqa: PLR2004 (a gap is between two)
        return []
    between = set(Days.through(min(days_with_data), max(days_with_data)).dates) - days_with_data
    # A day of which only rows came that do not count was received; a released day has all that
    # there is, says somebody.
    between -= days_with_rows(engine, *RECEIVED[source]) if between else set()
    between -= released_days(engine) if between and source == ORDERS else set()
    if between and empty_days == "auto":
        sold, by_day_since = (
            days_with_rows(engine, *SOLD[source]),
            _by_day_since(engine, RAW[source]),
        )
        between = {day for day in between if day in sold or (by_day_since and day >= by_day_since)}
    return sorted(between)


def days_with_rows(engine: Engine, contract: Contract, column: str) -> set[date]:
    """Return the days in a column of a table; none if there is no such table."""
    if not engine.has(contract):
        return set()
    day = engine.quoted(column)
    rows = engine.query(f"SELECT DISTINCT {day} AS seen_day FROM {engine.name_of(contract)}")  # noqa: S608 (names come from contracts)
    return {row["seen_day"] for row in rows if row["seen_day"]}


def days_of_sales(engine: Engine, order_rule: OrderRule, empty_days: EmptyDayMeaning) -> set[date]:
    """Return the days whose sales are known, by orders, or by events if there are no orders.

    Args:
        engine: The open warehouse.
        order_rule: Which order lines are clean.
        empty_days: What days without a row mean, see `missing_days`.
    """
    of_orders = days_of_source(engine, ORDERS, order_rule, empty_days)
    return of_orders or days_of_source(engine, EVENTS, order_rule, empty_days)


def days_of_source(
    engine: Engine, source: str, order_rule: OrderRule, empty_days: EmptyDayMeaning
) -> set[date]:
    """Return the days of which `events` or `orders` are known; the others as `days_of_sales`."""
    seen = days_with_rows(engine, *DAYS_OF[source])
    if not seen:
        return set()
    held = held_dates(engine, order_rule).get(ORDERS, {}) if source == ORDERS else {}
    missing = tuple(missing_days(engine, source, seen, empty_days))
    return KnownDays(min(seen), max(seen), missing=missing).with_held(held).dates


def _by_day_since(engine: Engine, contract: Contract) -> date | None:
    """Return the first day of arrival by folders or addresses; None without one."""
    if not engine.has(contract):
        return None
    raw = engine.table(contract)
    in_folder = raw.source_file.contains("_date=" + raw.received_date.cast("string"))
    by_day = raw.filter(in_folder | raw.source.contains("://"))
    # Not the least of them: Ibis takes it for one that is never null, and refuses the null of
    # Postgres without rows.
    days: list[dict[str, date]] = rows_of(
        by_day.select("received_date").order_by("received_date").limit(1)
    )
    return days[0]["received_date"] if days else None
