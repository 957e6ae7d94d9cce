"""Customers week by week: new, returning and refunded ones. Not here: customers of a period (`customers.py`)."""

from typing import Any, Final

from ecom_assets.answers.paging import Page, page_of
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading
from ecom_assets.answers.sources import require_orders
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.transforms.orders import ALL

CUSTOMER_WEEK_COLUMNS: Final = tuple(CustomerRetention.columns)
CUSTOMER_WEEKS_DEFINITION: Final = {name: one.description for name, one in CustomerRetention.columns.items()} | {
    "weeks": "Weeks whose Monday is in the range, each as a whole, in order; weeks without an order line have no row",
}


def customer_weeks(
    reading: Reading, period: Period, category: str | None, city_id: str | None, page: Page
) -> dict[str, Any]:
    """Return weeks of a period, of one category or city or of all, and how many there are.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    table = reading.table(CustomerRetention)
    rows = table.filter(
        in_period(table.week_start_date), table.item_category == (category or ALL), table.city_id == (city_id or ALL)
    ).select(*CUSTOMER_WEEK_COLUMNS)
    found, total = page_of(reading, rows, ["week_start_date"], page, period)
    if not found:
        require_orders(reading)
    return {"total_count": total, "weeks": found}
