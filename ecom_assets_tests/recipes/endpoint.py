"""The smallest endpoint: a query, which is a subject's, and a route,
which renders what it returns.
"""

from typing import Any

from fastapi import APIRouter

from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.core.tables.queries import Reading
from ecom_assets.interfaces.api.parameters import Context

router = APIRouter(tags=["sales"])


def sold_days(reading: Reading) -> dict[str, Any]:
    """Return how many days have sales."""
    days = reading.table(RevenueDaily).select("order_date").distinct()
    return {"day_count": len(reading.state(days))}


@router.get("/analytics/sold-days", summary="Days with sales")
def get_sold_days(context: Context) -> dict[str, Any]:
    """How many days have sales."""
    return sold_days(context.reading)
