"""Order lines that do not count: quarantined rows, surplus copies and days that are held back."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from ecom_assets.orders.contracts import DuplicateOrders, HeldOrderDays, QuarantinedOrders
from ecom_assets.orders.held_days import ORDERS
from ecom_assets.orders.orders import NONE
from ecom_assets.tables.queries import Coverage, KnownDays, Period, Reading, Row, rejected_rows

NOTHING: Final = KnownDays()


def rejected_orders(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the order lines that arrived in a period and are quarantined, by reason, and their surplus copies."""
    return rejected_rows(reading, QuarantinedOrders, DuplicateOrders, period)


def held_days(reading: Reading) -> list[Row]:
    """Return the days of arrival that are held back, the first day first."""
    table = reading.table(HeldOrderDays)
    return reading.state(table.order_by("held_date"))


def held_order_dates(reading: Reading, period: Period) -> tuple[date, ...]:
    """Return the days of a period on which order lines that are held back were ordered."""
    return reading.known.get(ORDERS, NOTHING).within(period.start_date, period.end_date).held


def coverage(rows: Iterable[tuple[str, Row]]) -> Coverage | None:
    """Return how much of what was sold names a channel, or a category; None where nothing was sold.

    Args:
        rows: Names with their numbers; `(none)` has what names none.
    """
    known = [name != NONE for name, row in rows if row["order_count"] or row["revenue_amount"]]
    if not known:
        return None
    return "whole" if all(known) else "part" if any(known) else "none"
