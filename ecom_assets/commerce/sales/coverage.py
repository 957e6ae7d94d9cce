"""The sources that an answer is counted from, and the known days of each source.

Sales are counted from order lines, or from purchase events if a shop has no order lines. Each
answer names its source.
"""

from collections.abc import Iterable
from typing import Final, Literal

from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily
from ecom_assets.core.tables.queries import EVENTS, NOTHING, KnownDays, NoOrdersError, Reading

SalesSource = Literal["orders", "purchase_events"]
Source = Literal["sales", "events", "stock"]
"""`sales` are order lines, or purchase events if there are none."""
ORDERS: Final[SalesSource] = "orders"
PURCHASES: Final[SalesSource] = "purchase_events"


def sales_source(reading: Reading) -> SalesSource:
    """Return the source of sales.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    result = find_sales_source(reading)
    if result is None:
        raise NoOrdersError(
            "There are neither order lines nor purchase events to take sales from; set "
            "ECOM_ORDERS or ECOM_ORDER_API_URL, and run `ecom run`."
        )
    return result


def find_sales_source(reading: Reading) -> SalesSource | None:
    """Return the source of sales; None if there are neither order lines nor purchase events."""
    if reading.known.get(ORDERS, NOTHING).first is not None:
        return ORDERS
    days = reading.table(PurchaseRevenueDaily).select("event_date").limit(1)
    return PURCHASES if reading.state(days) else None


def knows_revenue(reading: Reading) -> bool:
    """Return whether sales have amounts: those of events only if one of them has an amount.

    For what purchases alone come to, see `has_paid_events`: a refund's amount does not make it
    known.
    """
    if sales_source(reading) == ORDERS:
        return True
    days = reading.table(PurchaseRevenueDaily)
    return bool(
        reading.state(days.filter(days.revenue_amount.notnull()).select("event_date").limit(1))
    )


def require_orders(reading: Reading) -> None:
    """Refuse a shop without order lines, for numbers that events cannot give.

    Raises:
        NoOrdersError: There are no order lines.
    """
    if reading.known.get(ORDERS, NOTHING).first is None:
        raise NoOrdersError(
            "There are no order lines to count this from; set ECOM_ORDERS or ECOM_ORDER_API_URL, "
            "and run `ecom run`."
        )


def known_days(reading: Reading, sources: Iterable[Source]) -> dict[str, KnownDays]:
    """Return the known days of sources, by the source's name; a source without data has no days."""
    names: dict[str, str] = {}
    for source in sources:
        result = (find_sales_source(reading) or ORDERS) if source == "sales" else source
        names[result] = EVENTS if result == PURCHASES else result
    return {name: reading.known.get(days_of, NOTHING) for name, days_of in names.items()}
