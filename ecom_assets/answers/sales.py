"""Revenue, orders and items of a period, in total and by channel, city and category: METRICS "Sales".

Sums of `mart.revenue_daily`: an order is the lines of one order id on one day, so the days add up to the range; without
order lines, of `mart.purchase_revenue_daily`. Not here: trends (`trend.py`), which of both (`sources.py`).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.answers.change import CHANGE, compared, if_known, revenue_compared, share
from ecom_assets.answers.period import Period, with_previous
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sources import DEFINITION as SOURCE
from ecom_assets.answers.sources import ORDERS, sales_source
from ecom_assets.contracts.sales import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.orders import ALL
from ecom_assets.transforms.purchase_revenue import DIMENSIONS as PURCHASE_DIMENSIONS
from ecom_assets.transforms.sales import DIMENSIONS

COUNTS: Final = ("order_count", "refund_count", "sold_item_count", "refunded_item_count")
AMOUNTS: Final = ("shipped_amount", "refunded_amount", "revenue_amount")
NUMBERS: Final = (*COUNTS, *AMOUNTS, "average_order_value")
ZERO: Final = Decimal("0.00")
Dimension = Literal["item_category", "sales_channel"]
"""What sales are told apart by; purchase events tell categories only."""
SALES_DEFINITION: Final = (
    {name: RevenueDaily.columns[name].description for name in (*COUNTS, *AMOUNTS, "average_order_value")}
    | {"change": CHANGE}
    | SOURCE
)


def sales(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the numbers of a period, of the one before, and how they changed.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    rows = with_previous(daily_revenue(reading), "order_date")
    found = {row["is_current"]: row for row in reading.rows(added(rows, ["is_current"]), period)}
    now, before = numbers(found.get(1)), numbers(found.get(0))
    return {
        "source": sales_source(reading),
        "sales": if_known(now, period),
        **compared(now, before, NUMBERS, period),
    }


def category_sales(reading: Reading, period: Period) -> dict[str, Row]:
    """Return the numbers of each category, and the change of its revenue.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    return sales_by(reading, period, "item_category")


def sales_by(reading: Reading, period: Period, dimension: Dimension) -> dict[str, Row]:
    """Return the numbers of each value of a dimension, and the change of its revenue.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    rows = with_previous(daily_revenue(reading, dimension), "order_date")
    found = reading.rows(added(rows, [dimension, "is_current"]), period)
    before = {row[dimension]: row for row in found if not row["is_current"]}
    here = {row[dimension]: row for row in found if row["is_current"]}
    whole = revenue_of(here.values())
    answers = {}
    for value in {**here, **before}:
        now, then = numbers(here.get(value)), numbers(before.get(value))
        answers[value] = {
            **if_known(now, period),
            "revenue_share": share(now["revenue_amount"], whole),
            **revenue_compared(now["revenue_amount"], then["revenue_amount"], period),
        }
    return answers


def daily_revenue(reading: Reading, dimension: Dimension | None = None) -> ir.Table:
    """Return daily rows of sales, in total or by a dimension, with the columns of `RevenueDaily`.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    if sales_source(reading) == ORDERS:
        table, dimensions = reading.table(RevenueDaily), list(DIMENSIONS)
    else:
        purchases = reading.table(PurchaseRevenueDaily)
        table = purchases.rename(order_date="event_date", item_category="product_category")
        dimensions = ["item_category" if one == "product_category" else one for one in PURCHASE_DIMENSIONS]
    rows = table.filter([table[name] == ALL for name in dimensions if name != dimension])
    return rows if dimension is None else rows.filter(rows[dimension] != ibis.literal(ALL))


def added(rows: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return the sums of daily rows per unit; amounts that no row tells are null."""
    counts = {name: rows[name].sum().cast("int64") for name in COUNTS}
    amounts = {name: rows[name].sum().cast(MONEY) for name in AMOUNTS}
    return rows.group_by(*unit).agg(**counts, **amounts)


def numbers(row: Row | None) -> Row:
    """Return the sums of a row with their mean; zeros where there was no row, as nothing was sold or refunded."""
    found: Row = {name: int(row[name]) if row else 0 for name in COUNTS}
    found |= {name: row[name] if row else ZERO for name in AMOUNTS}
    return found | {"average_order_value": mean(found["revenue_amount"], found["order_count"])}


def revenue_of(rows: Iterable[Row]) -> Decimal:
    """Return the revenue of all rows that tell one."""
    return sum((row["revenue_amount"] for row in rows if row["revenue_amount"] is not None), ZERO)


def by_revenue(row: Row) -> Decimal:
    """Return what brings the rows with most revenue first; those whose revenue is unknown come with those without."""
    return -(row["revenue_amount"] or ZERO)


def mean(amount: Decimal | None, count: int) -> Decimal | None:
    """Return an amount per unit to the cent, None without units or amount."""
    return (amount / count).quantize(Decimal("0.01")) if count and amount is not None else None
