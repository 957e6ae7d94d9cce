"""Orders beside purchase and refund events, day by day, and why they differ. Not here: the single differences."""

from typing import Any, Final

from ecom_assets.reconciliation.contracts import OrderEventReconciliationDaily
from ecom_assets.sales.coverage import require_orders
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.queries import ZERO, Page, Period, Reading, Row, if_known, in_period, page_of

COLUMNS: Final = tuple(OrderEventReconciliationDaily.columns)
NUMBERS: Final = OrderEventReconciliationDaily.numbers()
DEFINITION: Final = {name: one.description for name, one in OrderEventReconciliationDaily.columns.items()} | {
    "reconciliation": "Sums over the days of the range",
    "days": "Days with an order or a purchase or refund event, in order",
}


def reconciliation(reading: Reading, period: Period, page: Page) -> dict[str, Any]:
    """Return the sums of a period, each of its days, and how many these are.

    Raises:
        NoOrdersError: There is not a single order line, so that every purchase would count as missing there.
    """
    require_orders(reading)
    table = reading.table(OrderEventReconciliationDaily)
    mine = table.filter(in_period(table.reconciled_date)).select(*COLUMNS)
    sums = mine.agg(**{name: mine[name].sum().cast(_kind(name)) for name in NUMBERS})
    (row,) = reading.rows(sums, period)
    days, total = page_of(reading, mine, ["reconciled_date"], page, period)
    return {"reconciliation": if_known(_numbers(row), period), "total_count": total, "days": days}


def _kind(name: str) -> Any:  # noqa: ANN401 (a type of Ibis)
    return MONEY if name.endswith("_amount") else "int64"


def _numbers(row: Row) -> Row:
    return {name: row[name] or (ZERO if name.endswith("_amount") else 0) for name in NUMBERS}
