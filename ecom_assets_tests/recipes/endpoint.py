"""The smallest endpoint: a query, which is a subject's, and a route,
which renders what it returns.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from ecom_assets.behaviour.questions.answer import AnswerFields, definition_of, number
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.coverage import require_orders
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.queries import Period, Reading, rows_in_period
from ecom_assets.interfaces.api.parameters import Context, DaysParameters

router = APIRouter(tags=["sales"])


def sold_days(reading: Reading, period: Period) -> Answer:
    """Return how many days of a period have sales.

    Raises:
        NoOrdersError: There are no order lines, so that nobody knows.
    """
    require_orders(reading)
    days = rows_in_period(reading, RevenueDaily).select("order_date").distinct()
    return {"day_count": len(reading.rows(days, period))}


class SoldDays(AnswerFields):
    """The days with sales."""

    day_count: int | None = number("Days", "count", "Days on which anything was sold or paid back")


@router.get("/analytics/sold-days", response_model=SoldDays, summary="Days with sales")
def get_sold_days(context: Context, parameters: Annotated[DaysParameters, Query()]) -> Answer:
    """Return how many days have sales."""
    period = context.period(parameters, "sales")
    numbers = sold_days(context.reading, period)
    return context.answer(parameters, definition_of(SoldDays, "day_count"), numbers, period)
