"""Revenue, orders and items of a period, in total and by channel, city and category: METRICS "Sales".

Sums of `mart.revenue_daily`: an order counts on each day on which it has a line. Not here: trends (`trend.py`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.answers.change import CHANGE, compared, revenue_compared, share
from ecom_assets.answers.period import Period, with_previous
from ecom_assets.answers.reading import NoOrdersError, Reading, Row
from ecom_assets.contracts.sales import RevenueDaily
from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.orders import ALL
from ecom_assets.transforms.sales import DIMENSIONS

COUNTS: Final = ("order_count", "refund_count", "sold_item_count", "refunded_item_count")
AMOUNTS: Final = ("shipped_amount", "refunded_amount", "revenue_amount")
NUMBERS: Final = (*COUNTS, *AMOUNTS, "average_order_value")
ZERO: Final = Decimal("0.00")
DEFINITION: Final = {
    name: RevenueDaily.columns[name].description for name in (*COUNTS, *AMOUNTS, "average_order_value")
} | {"change": CHANGE}


def has_orders(reading: Reading) -> bool:
    """Tell whether there is a single order line."""
    return bool(reading.state(reading.table(RevenueDaily).select("order_date").limit(1)))


def require_orders(reading: Reading) -> None:
    """Refuse a shop without order lines.

    Raises:
        NoOrdersError: There is none.
    """
    if not has_orders(reading):
        raise NoOrdersError(
            "There are no order lines to tell sales from; set ECOM_ORDERS or ECOM_ORDER_API_URL, or ask "
            "/analytics/products/top and /analytics/revenue/by-channel, which count purchase events without them."
        )


def sales(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the numbers of a period, of the one before, and how they changed.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    rows = with_previous(_of(reading, None), "order_date")
    found = {row["is_current"]: row for row in reading.rows(added(rows, ["is_current"]), period)}
    if not found:
        require_orders(reading)
    now, before = numbers(found.get(1)), numbers(found.get(0))
    return {"sales": now, **compared(now, before, NUMBERS, period)}


def sales_by(reading: Reading, period: Period, dimension: str) -> list[Row]:
    """Return the numbers of each value of a dimension, and the change of its revenue; most revenue first."""
    rows = with_previous(_of(reading, dimension), "order_date")
    found = reading.rows(added(rows, [dimension, "is_current"]), period)
    before = {row[dimension]: row for row in found if not row["is_current"]}
    here = {row[dimension]: row for row in found if row["is_current"]}
    whole = sum((numbers(row)["revenue_amount"] for row in here.values()), ZERO)
    answers = []
    for value in {**here, **before}:
        now, then = numbers(here.get(value)), numbers(before.get(value))
        answers.append(
            {
                dimension: value,
                **now,
                "revenue_share": share(now["revenue_amount"], whole),
                **revenue_compared(now["revenue_amount"], then["revenue_amount"], period),
            }
        )
    return sorted(answers, key=lambda row: (-row["revenue_amount"], row[dimension]))


def added(rows: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return the sums of daily rows per unit."""
    counts = {name: rows[name].sum().cast("int64") for name in COUNTS}
    amounts = {name: rows[name].sum().cast(MONEY) for name in AMOUNTS}
    return rows.group_by(*unit).agg(**counts, **amounts)


def numbers(row: Row | None) -> Row:
    """Return the sums of a row with their mean; zeros where there was no row, as nothing was sold or refunded."""
    found: Row = {name: int(row[name]) if row else 0 for name in COUNTS}
    found |= {name: row[name] if row else ZERO for name in AMOUNTS}
    return found | {"average_order_value": mean(found["revenue_amount"], found["order_count"])}


def mean(amount: Decimal, count: int) -> Decimal | None:
    """Return an amount per unit to the cent, None without units."""
    return (amount / count).quantize(Decimal("0.01")) if count else None


def _of(reading: Reading, dimension: str | None) -> ir.Table:
    table = reading.table(RevenueDaily)
    others = [name for name in DIMENSIONS if name != dimension]
    rows = table.filter([table[name] == ALL for name in others])
    return rows if dimension is None else rows.filter(rows[dimension] != ibis.literal(ALL))
