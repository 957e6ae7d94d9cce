"""Order lines that do not count: quarantined rows, surplus copies, days that are held back,
and lines that wait.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from ecom_assets.commerce.orders.contracts import (
    ChangedOrderDays,
    DuplicateOrders,
    HeldOrderDays,
    QuarantinedOrders,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.held_days import ORDERS
from ecom_assets.commerce.orders.orders import NONE, changed_days
from ecom_assets.commerce.orders.waiting_days import with_waiting_lines
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.queries import Coverage, KnownDays, Period, Reading, rejected_rows

NOTHING: Final = KnownDays()


def rejected_orders(reading: Reading, period: Period) -> Answer:
    """Return the order lines that arrived in a period and are quarantined, by reason,
    and their surplus copies.
    """
    return rejected_rows(reading, QuarantinedOrders, DuplicateOrders, period)


def held_days(reading: Reading) -> list[Row]:
    """Return the arrival days that are held back, in ascending order."""
    table = reading.table(HeldOrderDays)
    return [dict(row) for row in reading.state(table.order_by("held_date"))]


def waiting_days(reading: Reading) -> list[Row]:
    """Return the days of arrival and of order whose lines wait, in ascending order."""
    waiting = with_waiting_lines(reading.table(WaitingOrderDays))
    return [dict(row) for row in reading.state(waiting)]


def held_order_dates(reading: Reading, period: Period) -> tuple[date, ...]:
    """Return the order days of a period that have held order lines."""
    return reading.known.get(ORDERS, NOTHING).within(period.start_date, period.end_date).held


def days_of_run(reading: Reading, days: Days) -> Days:
    """Return the days of a run, and those on which lines that arrived on them were ordered,
    in any version.
    """
    changed = reading.state(changed_days(reading.table(ChangedOrderDays), days).order_by("day"))
    return Days.from_dates([*days.dates, *(row["day"] for row in changed)])


def coverage(rows: Iterable[tuple[str, Row]]) -> Coverage | None:
    """Return the share of sales that have a channel or a category; None without sales.

    Args:
        rows: Names with their numbers; `(none)` is the row of sales without a name.
    """
    has_orders = [name != NONE for name, row in rows if row["order_count"] or row["revenue_amount"]]
    if not has_orders:
        return None
    return "whole" if all(has_orders) else "part" if any(has_orders) else "none"
