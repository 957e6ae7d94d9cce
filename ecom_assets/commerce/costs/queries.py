"""Queries about profit: what is left of sales, step by step, in total and by dimension."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import OtherCostsDaily, ProfitDaily
from ecom_assets.commerce.costs.measures import PROFIT, ProfitMeasures
from ecom_assets.commerce.costs.profit import DIMENSIONS
from ecom_assets.commerce.orders.orders import ALL
from ecom_assets.commerce.sales.coverage import require_orders
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import completed, summable, sums
from ecom_assets.core.tables.queries import (
    NoSourceError,
    NotPublishedError,
    Period,
    Reading,
    Row,
    compared,
    if_known,
    rows_in_period,
    with_previous,
)

NUMBERS: Final = tuple(summable(ProfitMeasures))
Dimension = Literal["channel", "city_id", "item_category", "sales_channel", "customer_type"]
STEPS: Final[Mapping[str, str]] = {
    "gross_sales": "Gross sales",
    "discounts": "Discounts",
    "returns": "Returns",
    "net_sales": "Net sales",
    "unknown_cost": "Sales whose cost is unknown",
    "cost": "Cost of goods",
    "gross_profit": "Gross profit",
    "shipping": "Shipping charged",
    "shipping_cost": "Shipping paid",
    "payment_fees": "Payment fees",
    "commissions": "Commissions",
    "goodwill": "Goodwill",
    "unknown_parts": "Orders of which a part is unknown",
    "contribution_before_ads": "Contribution before advertising",
}
"""The steps from gross sales to the contribution before advertising: their names and labels."""
TOTALS: Final = ("gross_sales", "net_sales", "gross_profit", "contribution_before_ads")
"""The steps that are sums of those before them."""
OF_ORDERS: Final = ("shipping", "shipping_cost", "payment_fees", "commissions", "goodwill")
"""The steps of amounts of whole orders, which their lines share."""
ESTIMATED: Final[Mapping[str, str]] = {
    "cost": "estimated_cost_amount",
    "shipping_cost": "estimated_shipping_cost_amount",
    "payment_fees": "estimated_payment_fee_amount",
    "commissions": "estimated_commission_amount",
}
"""What of a step is estimated."""


def profit(reading: Reading, period: Period, dimension: Dimension | None = None) -> dict[str, Any]:
    """Return the profit of a period and of the one before, its steps, and its parts by a dimension.

    Raises:
        NoOrdersError: There are no order lines.
        NoSourceError: There are no costs.
    """
    require_orders(reading)
    daily = reading.table(ProfitDaily)
    if not reading.state(daily.select("order_date").limit(1)):
        raise NoSourceError(
            "There are no costs to count profit from; set ECOM_COSTS, or give `ecom run` --costs "
            "PATH."
        )
    rows = with_previous(_rows_by(daily, None), "order_date")
    by_period = {
        row["is_current"]: row
        for row in reading.rows(
            rows.group_by("is_current").agg(**sums(rows, ProfitMeasures)), period
        )
    }
    now, before = (completed(by_period.get(which), ProfitMeasures) for which in (1, 0))
    return {
        "profit": if_known(now, period),
        **compared(now, before, NUMBERS, period),
        "steps": [] if period.is_unknown else steps(now),
        **other_costs(reading, period),
        "dimension": dimension,
        "parts": parts(reading, period, dimension) if dimension else [],
    }


def other_costs(reading: Reading, period: Period) -> dict[str, Any]:
    """Return what rules say of costs of a period that belong to no order, by name; no amount where
    there is no such rule.
    """
    try:
        rows = rows_in_period(reading, OtherCostsDaily)
    except NotPublishedError:  # by a version without it
        return {"estimated_other_cost_amount": None, "other_costs": []}
    amount = rows.estimated_other_cost_amount.sum().cast(PROFIT)
    by_name = reading.rows(
        rows.group_by("cost_name").agg(estimated_amount=amount).order_by("cost_name"), period
    )
    total = sum((row["estimated_amount"] for row in by_name), Decimal(0))
    return {
        "estimated_other_cost_amount": total if by_name else None,
        "other_costs": by_name,
    }


def profit_of_days(reading: Reading, days: Days) -> Row | None:
    """Return the profit of some days, in a row or not; None if no cost of any is known."""
    daily = _rows_by(reading.table(ProfitDaily), None)
    daily = daily.filter(days.contain(daily.order_date))
    (row,) = reading.state(daily.agg(**sums(daily, ProfitMeasures)))
    return completed(row, ProfitMeasures) if row["gross_profit_amount"] is not None else None


def _rows_by(daily: ir.Table, dimension: Dimension | None) -> ir.Table:
    """Return the rows of totals, or those by a dimension."""
    rows = daily.filter(*(daily[name] == ALL for name in DIMENSIONS if name != dimension))
    return rows if dimension is None else rows.filter(rows[dimension] != ALL)


def parts(reading: Reading, period: Period, dimension: Dimension) -> list[Row]:
    """Return the profit of each value of a dimension, the highest first."""
    rows = with_previous(_rows_by(reading.table(ProfitDaily), dimension), "order_date")
    rows = rows.filter(rows.is_current == 1)
    added = rows.group_by(dimension).agg(**sums(rows, ProfitMeasures))
    result = [
        {"value": row[dimension], **completed(row, ProfitMeasures)}
        for row in reading.rows(added, period)
    ]
    return sorted(result, key=_by_profit)


def _by_profit(row: Row) -> tuple[bool, Decimal, Decimal, str]:
    profit_amount = row["gross_profit_amount"]
    return (
        profit_amount is None,
        -(profit_amount or Decimal(0)),
        -row["revenue_amount"],
        row["value"],
    )


def steps(numbers: Row) -> list[Row]:
    """Return the way from gross sales to the contribution; each total is the sum of what is before
    it.

    A step that nothing is known of is null, and subtracts nothing.
    """
    revenue = numbers["revenue_amount"]
    costed = numbers["costed_revenue_amount"] or Decimal(0)
    amounts = {
        "gross_sales": numbers["gross_sales_amount"],
        "discounts": _subtracted(numbers["discount_amount"]),
        "returns": _subtracted(numbers["returns_amount"]),
        "net_sales": revenue,
        "unknown_cost": None if revenue is None else costed - revenue,
        "cost": _subtracted(numbers["cost_amount"]),
        "gross_profit": numbers["gross_profit_amount"],
        "shipping": numbers["shipping_amount"],
        "shipping_cost": _subtracted(numbers["shipping_cost_amount"]),
        "payment_fees": _subtracted(numbers["payment_fee_amount"]),
        "commissions": _subtracted(numbers["estimated_commission_amount"]),
        "goodwill": _subtracted(numbers["goodwill_amount"]),
        "contribution_before_ads": numbers["contribution_before_ads_amount"],
    }
    amounts["unknown_parts"] = _rest(amounts)
    return [
        {
            "step": name,
            "label": label,
            "is_total": name in TOTALS,
            "is_shared": name in OF_ORDERS,
            "step_amount": amounts[name],
            "estimated_amount": _subtracted(numbers[ESTIMATED[name]])
            if name in ESTIMATED
            else None,
        }
        for name, label in STEPS.items()
    ]


def _rest(amounts: Mapping[str, Decimal | None]) -> Decimal | None:
    """Return what orders of which a part is unknown have in the steps after gross profit."""
    contribution = amounts["contribution_before_ads"]
    if contribution is None:
        return None
    return contribution - sum(
        (amounts[name] or Decimal(0) for name in ("gross_profit", *OF_ORDERS)), Decimal(0)
    )


def _subtracted(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else -amount
