"""The answer about basket sizes: orders by their number of lines."""

from typing import Any, Final

import ibis
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.core.tables.columns import holds
from ecom_assets.core.tables.days import days_definition
from ecom_assets.core.tables.portable import NO, first_of_each, rows_of
from ecom_assets_tests.recipes.basket_sizes.question import BasketSizesQuestion
from ecom_assets_tests.recipes.basket_sizes.text import lines


class BasketSize(BaseModel):
    """A number of lines that orders have."""

    line_count: int = number("Lines", "count", "Lines of an order")
    order_count: int = number("Orders", "count", "Orders with so many lines")
    first_order_count: int = number(
        "First orders", "count", "Those of them that are the customer's first, of all days"
    )


class BasketSizesAnswer(QuestionAnswer):
    """How many lines orders have."""

    sizes: list[BasketSize] = Field(description="The smallest first")


def compute(question: BasketSizesQuestion, data: QuestionData) -> dict[str, Any]:
    """Return how many orders have how many lines, and how many of these are the customer's first.

    `data.events` are of the days that are asked about. A customer's first order may be earlier, so
    it is looked for in `data.all_events`, which are of all days.
    """
    order = ["visitor_id", "order_date", "order_id"]
    ever = data.all_events.filter(data.all_events.event_type == "purchase")
    firsts = first_of_each(ever, "visitor_id", ["event_at", "event_id"])
    firsts = firsts.select(*order, is_first=ibis.literal(value=True))
    asked = data.events.filter(holds(data.events, question.where))
    sold = asked.filter(asked.event_type == "purchase")
    orders = sold.group_by(order).agg(line_count=sold.count()).left_join(firsts, order)
    sizes = orders.group_by("line_count").agg(
        order_count=orders.count(),
        first_order_count=orders.is_first.fill_null(NO).ifelse(1, 0).sum(),
    )
    return {
        "definition": question.to_mapping() | days_definition(data.days),
        "sizes": rows_of(sizes.order_by("line_count")),
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
