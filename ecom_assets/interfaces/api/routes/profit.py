"""The route of profit: what is left of sales, for callers who may see costs."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import AnswerFields, Money, definition_of, number
from ecom_assets.commerce.costs import queries
from ecom_assets.commerce.costs.measures import ProfitMeasures
from ecom_assets.commerce.marketing.queries import steps_after_ads
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.measures import summable
from ecom_assets.core.tables.queries import CHANGE
from ecom_assets.interfaces.api.auth.callers import require_costs
from ecom_assets.interfaces.api.csv_files import add_file
from ecom_assets.interfaces.api.parameters import (
    PREVIOUS,
    Context,
    SlicedOfDays,
    change_of,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented

router = APIRouter(tags=["profit"], responses=documented(403, 409))


class ProfitNumbers(row_of(summable(ProfitMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """The numbers of profit; null if unknown."""


ProfitChange = change_of("ProfitChange", ProfitNumbers, gross_profit_amount=0.12)


class ProfitStep(BaseModel):
    """A step on the way from gross sales to the contribution, before advertising and after it."""

    step: str = Field(title="Step", description="Its name", examples=["discounts"])
    label: str = Field(description="Its name for people", examples=["Discounts"])
    measure: str = Field(
        description="The number of `profit` that it is made from", examples=["discount_amount"]
    )
    is_total: bool = Field(description="Whether it is the sum of the steps before it")
    is_shared: bool = Field(
        description="Whether it is of whole orders, of which lines have parts by net sales"
    )
    step_amount: Money | None = number(
        "Amount",
        "money",
        "What it adds; below zero for what is taken off; rounded so that steps add up to totals",
    )
    estimated_amount: Money | None = number(
        "Estimated", "money", "What of it is estimated: by rules, or before a cost is known"
    )


class ProfitPart(ProfitNumbers):
    """The profit of a value of the dimension."""

    value: str = Field(
        title="Value", description="The value, such as a channel, or the Monday of a week"
    )
    name: str | None = Field(title="Name", description="The name of an item or a city")


class OtherCost(BaseModel):
    """What the shop pays whatever is ordered, by a rule."""

    cost_name: str = Field(title="Cost", description="What it is for", examples=["Shop software"])
    estimated_amount: Money = number("Other costs", "money", "The period's part of its months")


class ProfitParameters(SlicedOfDays):
    """The days, and by what profit is broken down."""

    dimension: queries.Dimension | None = Field(
        None, description="By what profit is broken down; default not at all"
    )
    sort_by: queries.Order = Field(
        "profit", description="Whether the highest gross profit of the parts comes first, or losses"
    )


class ProfitAnswer(AnswerFields):
    """The profit of a period."""

    profit: ProfitNumbers = Field(description="Of the period")
    previous: ProfitNumbers | None = Field(description=PREVIOUS)
    change: ProfitChange = Field(description=CHANGE)  # type: ignore[valid-type]  # a model of a function
    steps: list[ProfitStep] = Field(
        description="From gross sales to the contribution before advertising, and after it where "
        "there is ad spend; each total is the sum of what is before it"
    )
    estimated_other_cost_amount: Money | None = number(
        "Other costs", "money", "What rules say is paid whatever is ordered; in no step"
    )
    other_costs: list[OtherCost] = Field(description="The same by name")
    dimension: queries.Dimension | None = Field(description="By what the parts are")
    category_source: queries.CategorySource | None = Field(
        description="Where categories are from: `lines` if each order line of the period has its "
        "own, or none is known of items either; `items` if lines without one have that of the "
        "catalogue, of a list of costs, or of the item's views; null of other dimensions",
        examples=["lines"],
    )
    total_count: int | None = total_of("parts", 9)
    parts: list[ProfitPart] = Field(
        description="Highest gross profit first, or the lowest; days and weeks in their order"
    )


DEFINITION: Final = definition_of(
    ProfitAnswer, *ProfitNumbers.model_fields, "change", "steps", "estimated_other_cost_amount"
)


@router.get(
    "/analytics/profit",
    response_model=ProfitAnswer,
    summary="Profit, contribution and their steps",
)
def profit(context: Context, parameters: Annotated[ProfitParameters, Query()]) -> Answer:
    """Return what is left of sales after discounts, returns and the cost of what was sold, and
    before advertising, after what shipping and payments cost.

    The key needs the scope `costs`.
    """
    require_costs(context.request.scope)
    period = context.period(parameters, "sales")
    result = queries.profit(context.reading, period, parameters.dimension, parameters.sort_by)
    if result["steps"]:
        result["steps"] += steps_after_ads(context.reading, period)
    return context.answer(parameters, DEFINITION, parameters.cut(result, "parts"), period)


add_file("/analytics/profit", profit, ProfitAnswer, "parts")
