"""Funnels and abandoned carts by day. Not here: the numbers (`answers/`), funnels of one's own (`adhoc_routes.py`)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.models import PREVIOUS, Answer, Money, of
from ecom_assets.api.parameters import Ask, SlicedOfDays
from ecom_assets.api.problems import documented
from ecom_assets.funnels import queries as converting
from ecom_assets.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.funnels.queries import By, Unit
from ecom_assets.tables.queries import cut

router = APIRouter(tags=["conversion"])


class Step(BaseModel):
    """How many got to a step."""

    step: int = of(ConversionFunnel.step, 1)
    event_type: str = of(ConversionFunnel.event_type, "page_view")
    unit_count: int = of(ConversionFunnel.unit_count, 10985)
    conversion_from_start_rate: float | None = of(ConversionFunnel.conversion_from_start_rate, 1.0)
    conversion_from_previous_rate: float | None = of(ConversionFunnel.conversion_from_previous_rate, 1.0)


class LeftBehind(BaseModel):
    """Carts and checkouts of sessions, and those without a purchase."""

    cart_count: int | None = of(CartAbandonment.cart_count, 1101)
    abandoned_cart_count: int | None = of(CartAbandonment.abandoned_cart_count, 777)
    cart_abandonment_rate: float | None = of(CartAbandonment.cart_abandonment_rate, 0.706)
    checkout_count: int | None = of(CartAbandonment.checkout_count, 536)
    abandoned_checkout_count: int | None = of(CartAbandonment.abandoned_checkout_count, 212)
    checkout_abandonment_rate: float | None = of(CartAbandonment.checkout_abandonment_rate, 0.396)


class Abandonment(LeftBehind):
    """The same with what they were worth."""

    cart_amount: Money | None = of(CartAbandonment.cart_amount)
    abandoned_cart_amount: Money | None = of(CartAbandonment.abandoned_cart_amount)


class Funnelled(BaseModel):
    """A funnel and the carts of a period."""

    steps: list[Step] = Field(description="The steps in order; none where nobody came")
    conversion_rate: float | None = Field(
        description="Units at the last step among those at the first; null where nobody was", examples=[0.029]
    )
    abandonment: Abandonment = Field(description="Of sessions")


class ConversionChange(BaseModel):
    """How each rate changed, as a share of its size before; null after a zero, and unless the data hold all days."""

    conversion_rate: float | None = Field(description="Of the funnel", examples=[0.1])
    cart_abandonment_rate: float | None = of(CartAbandonment.cart_abandonment_rate)
    checkout_abandonment_rate: float | None = of(CartAbandonment.checkout_abandonment_rate)


class Part(LeftBehind):
    """The funnel and the carts of one device, channel or category; carts are null for visitors."""

    value: str = Field(description="The device, channel or category", examples=["mobile"])
    steps: list[Step] = Field(description="The steps in order")
    conversion_rate: float | None = Field(description="As above", examples=[0.028])


class ConversionAnswer(Answer, Funnelled):
    """A funnel and the carts of a period."""

    funnel_name: str = of(ConversionFunnel.funnel_name, "default")
    unit: Unit = of(ConversionFunnel.unit)
    by: By | None = Field(description="What the breakdown is by")
    previous: Funnelled | None = Field(description=PREVIOUS)
    change: ConversionChange = Field(description="From that to this")
    total_count: int = Field(description="How many values the breakdown has", examples=[4])
    breakdown: list[Part] = Field(description="By device, channel or category, most at step 1 first")


class AskedConversion(SlicedOfDays):
    """Which funnel, of whom, and by what."""

    funnel: str | None = Field(
        None, max_length=200, description="Name of a daily funnel; default `default`, or the first by name"
    )
    unit: Unit = Field("session", description="What is counted")
    by: By | None = Field(None, description="Breakdown; device and channel are of sessions")


@router.get(
    "/analytics/conversion",
    response_model=ConversionAnswer,
    responses=documented(409),
    summary="Funnel and abandoned carts",
)
def conversion(ask: Ask, asked: Annotated[AskedConversion, Query()]) -> dict[str, Any]:
    """How far people get from the first page to the purchase, and what is left in carts."""
    period = ask.period(asked, "events")
    found = converting.conversion(ask.reading, period, asked.funnel, asked.unit, asked.by)
    return ask.answer(asked, converting.DEFINITION, cut(found, "breakdown", asked.limit, asked.offset), period)
