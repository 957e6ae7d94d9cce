"""Sales: totals, trend, channels, geography. Not here: the numbers (`answers/`)."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ecom_assets.answers import sales as selling
from ecom_assets.api.asking import Ask, OfDays
from ecom_assets.api.models import Answer, Money, of
from ecom_assets.contracts.sales import RevenueDaily

router = APIRouter(tags=["sales"])


class SalesNumbers(BaseModel):
    """What was sold."""

    order_count: int = of(RevenueDaily.order_count, 331)
    refund_count: int = of(RevenueDaily.refund_count, 19)
    sold_item_count: int = of(RevenueDaily.sold_item_count, 530)
    refunded_item_count: int = of(RevenueDaily.refunded_item_count, 27)
    shipped_amount: Money = of(RevenueDaily.shipped_amount)
    refunded_amount: Money = of(RevenueDaily.refunded_amount)
    revenue_amount: Money = of(RevenueDaily.revenue_amount)
    average_order_value: Money | None = of(RevenueDaily.average_order_value)


class SalesChange(BaseModel):
    """How each number changed, as a share of its size before; null where that was zero."""

    order_count: float | None = of(RevenueDaily.order_count, 0.12)
    refund_count: float | None = of(RevenueDaily.refund_count)
    sold_item_count: float | None = of(RevenueDaily.sold_item_count)
    refunded_item_count: float | None = of(RevenueDaily.refunded_item_count)
    shipped_amount: float | None = of(RevenueDaily.shipped_amount)
    refunded_amount: float | None = of(RevenueDaily.refunded_amount)
    revenue_amount: float | None = of(RevenueDaily.revenue_amount)
    average_order_value: float | None = of(RevenueDaily.average_order_value)


class SalesAnswer(Answer):
    """Sales of a period."""

    sales: SalesNumbers = Field(description="Of the period")
    previous: SalesNumbers = Field(description="Of the period before")
    change: SalesChange = Field(description="From that to this")


@router.get("/analytics/sales", response_model=SalesAnswer, summary="Revenue, orders and items")
def sales(ask: Ask, asked: OfDays) -> dict[str, Any]:
    """Revenue gross and net, orders, items and the average order value, beside the period before."""
    period = ask.period(asked)
    return ask.answer(asked, selling.DEFINITION, selling.sales(ask.reading, period), period)
