"""Which sources the numbers of an answer are counted from, and which days of each are known.

Sales are those of order lines; a shop that gave none has those of its purchase events, and each answer says which.
"""

from collections.abc import Iterable
from typing import Final, Literal

from ecom_assets.sales.contracts import PurchaseRevenueDaily
from ecom_assets.tables.queries import EVENTS, NOTHING, KnownDays, NoOrdersError, Reading

SalesSource = Literal["orders", "purchase_events"]
Source = Literal["sales", "events", "stock"]
"""`sales` are order lines, or purchase events where there are none."""
ORDERS: Final[SalesSource] = "orders"
PURCHASES: Final[SalesSource] = "purchase_events"
DEFINITION: Final = {
    "source": "Where sales are counted: `orders` are order lines; `purchase_events`, where there is not a single order "
    "line, are events of type purchase and refund: each purchase is one order of one item, worth its cart_value"
}


def sales_source(reading: Reading) -> SalesSource:
    """Return where sales are counted.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    found = find_sales_source(reading)
    if found is None:
        raise NoOrdersError(
            "There are neither order lines nor purchase events to tell sales from; set ECOM_ORDERS or "
            "ECOM_ORDER_API_URL, and run `ecom run`."
        )
    return found


def find_sales_source(reading: Reading) -> SalesSource | None:
    """Return the same, None where there is neither."""
    if reading.known.get(ORDERS, NOTHING).first is not None:
        return ORDERS
    days = reading.table(PurchaseRevenueDaily).select("event_date").limit(1)
    return PURCHASES if reading.state(days) else None


def knows_revenue(reading: Reading) -> bool:
    """Tell whether sales carry money: order lines do; of purchase events a single one has to."""
    if sales_source(reading) == ORDERS:
        return True
    days = reading.table(PurchaseRevenueDaily)
    return bool(reading.state(days.filter(days.revenue_amount.notnull()).select("event_date").limit(1)))


def require_orders(reading: Reading) -> None:
    """Refuse a shop without order lines, where purchase events cannot stand for them.

    Raises:
        NoOrdersError: It has none.
    """
    if reading.known.get(ORDERS, NOTHING).first is None:
        raise NoOrdersError(
            "There are no order lines to count this from; set ECOM_ORDERS or ECOM_ORDER_API_URL, and run `ecom run`."
        )


def known_days(reading: Reading, sources: Iterable[Source]) -> dict[str, KnownDays]:
    """Return the known days of some sources by their names: none of one that is not there."""
    names: dict[str, str] = {}
    for source in sources:
        found = (find_sales_source(reading) or ORDERS) if source == "sales" else source
        names[found] = EVENTS if found == PURCHASES else found
    return {name: reading.known.get(days_of, NOTHING) for name, days_of in names.items()}
