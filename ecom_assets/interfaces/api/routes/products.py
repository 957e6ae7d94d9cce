"""Routes for products, categories and stock."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Annotated, Final, cast

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.journeys.contracts import CategoryPerformance
from ecom_assets.behaviour.journeys.measures import CategoryMeasures
from ecom_assets.behaviour.questions.answer import AnswerFields, definition_of, field_of, number
from ecom_assets.commerce.costs import queries as costs
from ecom_assets.commerce.costs.measures import HEADLINES, ProfitMeasures
from ecom_assets.commerce.products import contracts
from ecom_assets.commerce.products import queries as product_queries
from ecom_assets.commerce.products.contracts import InventoryAlerts, ProductPerformance
from ecom_assets.commerce.products.measures import ProductMeasures
from ecom_assets.commerce.products.queries import AlertOrder, SortBy
from ecom_assets.commerce.products.stock import InventoryRule
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.commerce.sales.coverage import SalesSource
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.measures import meanings, measures_of, summable
from ecom_assets.core.tables.queries import CHANGE, Coverage, Period
from ecom_assets.interfaces.api.auth.callers import may_see_costs, require_costs
from ecom_assets.interfaces.api.csv_files import add_file
from ecom_assets.interfaces.api.parameters import (
    PREVIOUS,
    SOURCE,
    AnyDays,
    Context,
    DaysSliced,
    Paged,
    PagedDaysParameters,
    RequestContext,
    SlicedAnyDays,
    change_of,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.routes.sales import SalesNumbers
from ecom_assets.interfaces.api.store.store import NothingPublishedError

router = APIRouter(tags=["products"])
ANY_CART = ("any_cart_session_count", "any_cart_rate")
"""Measures of categories that few ask for."""


class MaybeSoldAnswer(AnswerFields):
    """The fields of every answer about products, which may be without sales."""

    source: SalesSource | None = Field(
        description=f"{SOURCE}; null where there are neither, and sales are null"
    )


class ProductsAnswer(MaybeSoldAnswer):
    """The fields of every answer about what was viewed and sold of products."""

    view_coverage_rate: float | None = number(
        "Sold of products with views",
        "rate",
        "Share of what was paid, before refunds, for products that events know by their id, on "
        "days with events; below 20 % views of products that are only known as sold, and sales of "
        "those only known as viewed, are null; null where nothing was sold, and without orders",
        examples=[0.97],
    )


class ProductNumbers(
    row_of(summable(ProductMeasures), without=("purchases_per_cart",), are_known=False)  # type: ignore[misc]  # a model of a function
):
    """The numbers of a product; null if unknown."""


ProductChange = change_of("ProductChange", ProductNumbers, product_view_count=0.2)


class ProductName(BaseModel):
    """The id, name and category of a product."""

    product_id: str = field_of(ProductPerformance.product_id)
    product_category: str | None = field_of(ProductPerformance.product_category)
    product_name: str | None = Field(
        description="Its name, where an order line has it", examples=["Black boots"]
    )


class ProductProfit(row_of(summable(ProfitMeasures), only=HEADLINES, are_known=False)):  # type: ignore[misc]  # a model of a function
    """The profit of a product; null if unknown, and without the scope `costs`."""


class TopProduct(ProductName, ProductNumbers, ProductProfit):
    """A product with its rank."""

    rank_number: int = Field(description="Its place, from 1", examples=[1])


class TopAnswer(ProductsAnswer):
    """The top products by a number."""

    sort_by: SortBy = Field(description="By which number")
    total_count: int | None = total_of("products", 480)
    products: list[TopProduct] = Field(
        description="The highest first, of losses the lowest profit, ties by id"
    )


class TopParameters(PagedDaysParameters):
    """Which products to return, and how to rank them."""

    limit: int = Field(5, ge=1, le=1_000, description="Most products to return")
    sort_by: SortBy = Field(
        "revenue",
        description="By which number; conversion is purchases per view; loss is the lowest profit "
        "first; profit, margin and loss need the scope `costs`",
    )
    category: str | None = Field(None, max_length=500, description="Only products of this category")
    search: str = Field(
        "", max_length=200, description="Only products whose name or id contains this, in any case"
    )


class ProductDay(ProductNumbers):
    """The numbers of a product on one day."""

    event_date: date = field_of(ProductPerformance.event_date)


class Related(ProductName):
    """A product that is bought together with another one."""

    product_category: str | None = field_of(Item.item_category)
    order_count: int = number("Orders with both", "count", "Orders with both", examples=[4])
    order_share: float | None = number(
        "Of its orders", "rate", "These among the orders of the product", examples=[0.33]
    )


class ProductAnswer(ProductsAnswer, ProductName):
    """One product."""

    product: ProductNumbers = Field(description="Of the period")
    previous: ProductNumbers | None = Field(description=PREVIOUS)
    change: ProductChange = Field(description=CHANGE)  # type: ignore[valid-type]  # a model of a function
    profit: ProductProfit = Field(description="Of the period; null without the scope `costs`")
    total_count: int = Field(description="How many days the period has", examples=[30])
    trend: list[ProductDay] = Field(description="Every day of the period")
    related: list[Related] = Field(
        description="Products in the same orders, of all time, as pairs of products are counted; "
        "the most frequent first"
    )


class Pair(ProductName):
    """A product that is bought with another one, counted since both were on sale."""

    product_category: str | None = field_of(Item.item_category)
    since_date: date = Field(description="The day from which on both were on sale")
    joint_count: int = number("Orders with both", "count", "Orders with both")
    product_order_count: int = number(
        "Orders with it", "count", "Orders with the product asked for"
    )
    other_order_count: int = number("Orders with the other", "count", "Orders with this product")
    order_count: int = number("Orders", "count", "All orders since then")
    support_rate: float = number("Support", "rate", "Orders with both among all orders")
    confidence_rate: float = number(
        "Of its orders", "rate", "Orders with both among those with the product asked for"
    )
    lift: float = number(
        "Lift", "decimal", "How many times as often as if one said nothing of the other"
    )
    leverage: float = number(
        "Leverage", "rate", "Support less what it would be if one said nothing of the other"
    )


class BoughtTogetherAnswer(AnswerFields):
    """What is bought with a product."""

    product_id: str = Field(description="The product asked for", examples=["P-0042"])
    fewest_joint_count: int = Field(description="The fewest orders of a pair that is listed")
    most_product_count: int = Field(description="The most products of an order that counts")
    total_count: int = Field(description="How many products there are", examples=[4])
    pairs: list[Pair] = Field(description="The highest leverage first")


class Category(
    SalesNumbers,
    row_of(measures_of(CategoryMeasures), without=ANY_CART, are_known=False),  # type: ignore[misc]  # a model of a function
):
    """The sales and the traffic of a category."""

    product_category: str = field_of(CategoryPerformance.product_category)
    product_name: str | None = Field(
        description="The name of the item that stands for the category of order lines without one; "
        "its id is the category, and its views are not known",
        examples=["Black boots"],
    )
    revenue_share: float | None = Field(description="Its part of all revenue", examples=[0.2])
    revenue_change: float | None = Field(description=CHANGE)


class CategoriesAnswer(MaybeSoldAnswer):
    """The categories of a period."""

    total_count: int | None = total_of("categories", 12)
    category_data: Coverage | None = Field(
        description="How much of what was sold has a category: all of it (whole), some, or "
        "nothing, where neither the orders nor ECOM_CATALOGUE nor views gave one; null where "
        "nothing was sold",
        examples=["whole"],
    )
    category_coverage_rate: float | None = number(
        "Sold with a category",
        "rate",
        "Share of what was paid, before refunds, for order lines whose category is known: their "
        "own, the catalogue's, or that of the item's views; below 20 % the sales of categories "
        "that were only looked at are null; null where nothing was sold",
        examples=[0.98],
    )
    categories: list[Category] = Field(
        description="Categories as events carry them, and of what was sold. Of order lines without "
        "one the item stands for it, as in mart.customer_retention; `(none)` has purchase events "
        "without one. Most revenue first, then most looked at"
    )


class Alert(row_of(InventoryAlerts.columns)):  # type: ignore[misc]  # a model of a function
    """A product whose stock needs attention."""

    alert: contracts.Alert = field_of(InventoryAlerts.alert)


class AlertsParameters(AnyDays, Paged):
    """Which alerts to return, in which order."""

    alert: contracts.Alert | None = Field(None, description="Only alerts of this kind")
    to_reorder: bool = Field(
        default=False,
        description="Only products to order again: of which some are to be ordered, or which are "
        "low or out of stock and nobody knows how many",
    )
    sort_by: AlertOrder = Field(
        "urgency",
        description="By kind and days of cover, or by what a day without stock costs, the most "
        "first",
    )


class AlertsAnswer(AnswerFields):
    """The stock that needs attention."""

    counts: dict[str, int] = Field(
        description="Alerts of each kind", examples=[{"out_of_stock": 23, "low": 15}]
    )
    total_count: int = Field(description="How many there are of those asked for", examples=[66])
    alerts: list[Alert] = Field(
        description="The most urgent kind first, within it what lasts shortest; or by `sort_by`"
    )


PAIRS: Final = definition_of(
    BoughtTogetherAnswer,
    "joint_count",
    "support_rate",
    "confidence_rate",
    "lift",
    "leverage",
)
DEFINED_OF_ALERTS: Final = ("alert", "reorder_item_count", "day_without_stock_amount")
DEFINITION: Final = {
    **meanings(summable(ProductMeasures)),
    "conversion": "Purchases per view; products without a view come last",
    **definition_of(ProductAnswer, "change", "source", "related", "view_coverage_rate"),
    **{name: summable(ProfitMeasures)[name].description for name in HEADLINES},
}


def profits_of(context: RequestContext, period: Period, product_ids: Sequence[str]) -> list[Row]:
    """Return the profit of some products; of all null for callers who may not see costs, and over
    what was published before there was profit.
    """
    profits: dict[str, Row] = {}
    if may_see_costs(context.request.scope):
        with suppress(NothingPublishedError):
            profits = costs.profit_of_items(context.reading, period, product_ids)
    return [profits.get(product_id) or dict.fromkeys(HEADLINES) for product_id in product_ids]


@router.get(
    "/analytics/products/top",
    response_model=TopAnswer,
    summary="Top products by a chosen number",
    responses=documented(403, 409),
)
def top_products(context: Context, parameters: Annotated[TopParameters, Query()]) -> Answer:
    """Return the top products by revenue, units, conversion, views, profit, margin or loss."""
    period = context.period(parameters, "sales", "events")
    numbers = None
    if parameters.sort_by in costs.SORTED_BY:
        require_costs(context.request.scope, f"Products by {parameters.sort_by}")
        by_profit = cast("costs.SortedBy", parameters.sort_by)  # as tested above
        numbers = costs.items_sorted(context.reading, by_profit)
    result = product_queries.top_products(
        context.reading,
        period,
        parameters.sort_by,
        parameters.category,
        parameters.page,
        search=parameters.search,
        numbers=numbers,
    )
    profits = profits_of(context, period, [row["product_id"] for row in result["products"]])
    result["products"] = [
        row | profit for row, profit in zip(result["products"], profits, strict=True)
    ]
    return context.answer(parameters, DEFINITION, result, period)


@router.get(
    "/analytics/products/{product_id}",
    response_model=ProductAnswer,
    summary="One product, day by day",
    responses=documented(404),
)
def product(
    context: Context,
    product_id: Annotated[str, Path(max_length=500, description="The product")],
    parameters: DaysSliced,
) -> Answer:
    """Return a product in a period and in the period before, by day,
    and the products bought together with it.
    """
    period = context.period(parameters, "sales", "events")
    result = product_queries.product(context.reading, period, product_id)
    if result is None:
        raise HTTPException(
            404,
            (
                f"No event and no order has the product {product_id!r}; look at "
                "/analytics/products/top."
            ),
        )
    (result["profit"],) = profits_of(context, period, [product_id])
    return context.answer(parameters, DEFINITION, parameters.cut(result, "trend"), period)


@router.get(
    "/analytics/products/{product_id}/bought-together",
    response_model=BoughtTogetherAnswer,
    summary="What is bought with a product",
    responses=documented(404, 409),
)
def bought_together(
    context: Context,
    product_id: Annotated[str, Path(max_length=500, description="The product")],
    parameters: SlicedAnyDays,
) -> Answer:
    """Return the products that are in the same orders, by leverage, over all days."""
    result = product_queries.bought_together(context.reading, product_id)
    if result is None:
        sentence = f"No order has the product {product_id!r}; look at /analytics/products/top."
        raise HTTPException(404, sentence)
    definition = PAIRS | {"time_range": "Pairs are of all days, whatever days are asked for"}
    return context.answer(parameters, definition, parameters.cut(result, "pairs"), "sales")


@router.get(
    "/analytics/categories",
    response_model=CategoriesAnswer,
    summary="Categories: looked at and sold",
)
def categories(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> Answer:
    """Return the views, carts and sales of each category."""
    period = context.period(parameters, "sales", "events")
    result = parameters.cut(product_queries.categories(context.reading, period), "categories")
    definition = {
        **meanings(measures_of(CategoryMeasures)),
        **definition_of(
            CategoriesAnswer,
            "revenue_change",
            "categories",
            "category_data",
            "category_coverage_rate",
            "source",
        ),
    }
    return context.answer(parameters, definition, result, period)


@router.get(
    "/analytics/inventory/alerts",
    response_model=AlertsAnswer,
    responses=documented(409),
    summary="Stock that needs attention",
)
def inventory_alerts(context: Context, parameters: Annotated[AlertsParameters, Query()]) -> Answer:
    """Return the products that are out of stock, low,
    overstocked or without a sale for a long time.
    """
    result = product_queries.inventory_alerts(
        context.reading,
        parameters.alert,
        parameters.page,
        sort_by=parameters.sort_by,
        to_reorder=parameters.to_reorder,
    )
    of_settings = {"reorder_days", "delivery_days", "vendor_days"}  # which stand in each row
    rule = {name: days for name, days in vars(InventoryRule()).items() if name not in of_settings}
    definition = {
        **definition_of(AlertsAnswer, *DEFINED_OF_ALERTS),
        **rule,
        "time_range": "Alerts are of the newest stock, whatever days are asked for",
    }
    return context.answer(parameters, definition, result, "stock")


add_file("/analytics/products/top", top_products, TopAnswer, "products")
add_file("/analytics/categories", categories, CategoriesAnswer, "categories")
add_file("/analytics/inventory/alerts", inventory_alerts, AlertsAnswer, "alerts")
