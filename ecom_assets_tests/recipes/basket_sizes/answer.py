"""The answer about basket sizes: orders by their number of lines."""

from typing import Any, Final

from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.core.tables.columns import holds
from ecom_assets.core.tables.days import days_definition
from ecom_assets.core.tables.portable import rows_of
from ecom_assets_tests.recipes.basket_sizes.question import BasketSizesQuestion
from ecom_assets_tests.recipes.basket_sizes.text import lines


class BasketSize(BaseModel):
    """A number of lines that orders have."""

    line_count: int = number("Lines", "count", "Lines of an order")
    order_count: int = number("Orders", "count", "Orders with so many lines")


class BasketSizesAnswer(QuestionAnswer):
    """How many lines orders have."""

    sizes: list[BasketSize] = Field(description="The smallest first")


def compute(question: BasketSizesQuestion, data: QuestionData) -> dict[str, Any]:
    """Return how many orders have how many lines."""
    asked = data.events.filter(holds(data.events, question.where))
    sold = asked.filter(asked.event_type == "purchase")
    orders = sold.group_by("order_date", "order_id").agg(line_count=sold.count())
    sizes = orders.group_by("line_count").agg(order_count=orders.count()).order_by("line_count")
    return {
        "definition": question.to_mapping() | days_definition(data.days),
        "sizes": rows_of(sizes),
    }


BASKET_SIZES: Final = Kind(
    "basket-sizes",
    BasketSizesQuestion,
    BasketSizesAnswer,
    compute,
    "Orders by their number of lines",
    tool="basket_sizes",
    lists=("sizes",),
    only_orders=True,
    lines=lines,
)
