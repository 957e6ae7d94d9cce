"""Routes for funnels: daily funnels, with abandoned carts."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.behaviour.funnels.measures import CartMeasures, ConversionMeasures
from ecom_assets.behaviour.funnels.queries import Unit
from ecom_assets.behaviour.questions.answer import (
    AnswerFields,
    Money,
    definition_of,
    field_of,
    meaning_of,
)
from ecom_assets.commerce.conversion import queries as conversion_queries
from ecom_assets.commerce.conversion.queries import By
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.queries import CHANGE
from ecom_assets.interfaces.api.parameters import PREVIOUS, Context, SlicedOfDays, row_of, total_of
from ecom_assets.interfaces.api.problems import documented

router = APIRouter(tags=["conversion"])
PARTS: Final = {
    "device": "What the visit was made on; `other` where it is not known",
    "channel": "Where the visit came from; `(none)` where it is not known",
    "category": "The first category that the visit saw; `(none)` without one",
}
"""What the parts of a breakdown are."""


class ConversionStep(
    row_of(  # type: ignore[misc]  # a model of a function
        ConversionFunnel.columns, without=("funnel_name", "cohort_date", "unit", "product_category")
    )
):
    """A step, and the number of units that reached it."""


class LeftBehind(row_of(measures_of(CartMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """The carts and checkouts of sessions, and those of them without a purchase."""


class Abandonment(LeftBehind):
    """The carts and checkouts of sessions, with the amounts of the carts."""

    cart_amount: Money | None = field_of(CartAbandonment.cart_amount)
    abandoned_cart_amount: Money | None = field_of(CartAbandonment.abandoned_cart_amount)


class Funnelled(BaseModel):
    """A funnel and the carts of a period."""

    steps: list[ConversionStep] = Field(
        description="How many visits came to each step, by the day on which they began; of "
        "visitors, each counts once a day. None where nobody came"
    )
    conversion_rate: float | None = field_of(ConversionMeasures.conversion_rate)
    abandonment: Abandonment = Field(
        description="Visits that filled a cart, or began to check out, and those of them that "
        "bought nothing"
    )


class ConversionChange(BaseModel):
    """The relative change of each rate; null after a zero,
    or if not all days of both periods are known.
    """

    cart_abandonment_rate: float | None = field_of(CartAbandonment.cart_abandonment_rate)
    checkout_abandonment_rate: float | None = field_of(CartAbandonment.checkout_abandonment_rate)
    conversion_rate: float | None = Field(description="Of the funnel", examples=[0.1])


class ConversionPart(LeftBehind):
    """The funnel and the carts of one device, channel or category;
    carts are null if the unit is visitors.
    """

    value: str = Field(description="The device, channel or category", examples=["mobile"])
    steps: list[ConversionStep] = Field(description="The steps in order")
    conversion_rate: float | None = field_of(ConversionMeasures.conversion_rate)


class ConversionAnswer(AnswerFields, Funnelled):
    """A funnel and the carts of a period."""

    funnel_name: str = field_of(ConversionFunnel.funnel_name)
    unit: Unit = field_of(ConversionFunnel.unit)
    by: By | None = Field(description="What the breakdown is by")
    previous: Funnelled | None = Field(description=PREVIOUS)
    change: ConversionChange = Field(description=CHANGE)
    total_count: int | None = total_of("values of the breakdown", 4)
    breakdown: list[ConversionPart] = Field(
        description="By device, channel or category, most at step 1 first"
    )


class ConversionParameters(SlicedOfDays):
    """Which funnel to return, with its unit and breakdown."""

    funnel: str | None = Field(
        None,
        max_length=200,
        description="Name of a daily funnel; default `default`, or the first by name",
    )
    unit: Unit = Field("session", description="What is counted")
    by: By | None = Field(None, description="Breakdown; device and channel are of sessions")


@router.get(
    "/analytics/conversion",
    response_model=ConversionAnswer,
    responses=documented(409),
    summary="Funnel and abandoned carts",
)
def conversion(context: Context, parameters: Annotated[ConversionParameters, Query()]) -> Answer:
    """Return the steps of a daily funnel, from the first page to the purchase,
    and the abandoned carts.
    """
    period = context.period(parameters, "events")
    result = conversion_queries.conversion(
        context.reading, period, parameters.funnel, parameters.unit, parameters.by
    )
    definition = {
        **definition_of(
            ConversionAnswer, "conversion_rate", *Abandonment.model_fields, "abandonment", "change"
        ),
        "funnel": meaning_of(ConversionAnswer.model_fields["steps"]),
        **PARTS,
    }
    return context.answer(parameters, definition, parameters.cut(result, "breakdown"), period)
