"""Routes for products, categories and stock."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from ecom_assets.api.parameters import (
    CHANGE,
    PREVIOUS,
    SOURCE,
    Context,
    DaysSliced,
    Paged,
    PagedDaysParameters,
    change_of,
    of,
)
from ecom_assets.api.problems import documented
from ecom_assets.api.routes.sales import SalesNumbers
from ecom_assets.journeys.contracts import CategoryPerformance
from ecom_assets.products import queries as product_queries
from ecom_assets.products.contracts import InventoryAlerts, ProductPerformance
from ecom_assets.products.queries import SortBy
from ecom_assets.questions.answer import Answer, Money
from ecom_assets.sales.contracts import Item
from ecom_assets.sales.coverage import SalesSource
from ecom_assets.tables.queries import Coverage

router = APIRouter(tags=["products"])


class MaybeSoldAnswer(Answer):
    """The fields of every answer about products, which may be without sales."""

    source: SalesSource | None = Field(description=f"{SOURCE}; null where there are neither, and sales are null")


class ProductNumbers(BaseModel):
    """The numbers of a product; null if unknown."""

    product_view_count: int | None = of(ProductPerformance.product_view_count, 812)
    add_to_cart_count: int | None = of(ProductPerformance.add_to_cart_count, 40)
    remove_from_cart_count: int | None = of(ProductPerformance.remove_from_cart_count, 6)
    purchase_count: int | None = of(ProductPerformance.purchase_count, 12)
    sold_item_count: int | None = of(ProductPerformance.sold_item_count, 15)
    refunded_item_count: int | None = of(ProductPerformance.refunded_item_count, 1)
    shipped_amount: Money | None = of(ProductPerformance.shipped_amount, "1197.00")
    refunded_amount: Money | None = of(ProductPerformance.refunded_amount, "-79.80")
    revenue_amount: Money | None = of(ProductPerformance.revenue_amount, "1117.20")
    purchases_per_view: float | None = of(ProductPerformance.purchases_per_view, 0.0148)


ProductChange = change_of("ProductChange", ProductNumbers, product_view_count=0.2)


class ProductName(BaseModel):
    """The id, name and category of a product."""

    product_id: str = of(ProductPerformance.product_id, "P-0042")
    product_name: str | None = Field(description="Its name, where an order line has it", examples=["Black boots"])
    product_category: str | None = of(ProductPerformance.product_category, "shoes")


class TopProduct(ProductName, ProductNumbers):
    """A product with its rank."""

    rank_number: int = Field(description="Its place, from 1", examples=[1])


class TopAnswer(MaybeSoldAnswer):
    """The top products by a number."""

    sort_by: SortBy = Field(description="By which number")
    total_count: int | None = Field(
        description="How many products there are; null where no day is known", examples=[480]
    )
    products: list[TopProduct] = Field(description="The highest first, ties by id")


class TopParameters(PagedDaysParameters):
    """Which products to return, and how to rank them."""

    limit: int = Field(5, ge=1, le=1_000, description="Most products to return")
    sort_by: SortBy = Field("revenue", description="By which number; conversion is purchases per view")
    category: str | None = Field(None, max_length=500, description="Only products of this category")


class ProductDay(ProductNumbers):
    """The numbers of a product on one day."""

    event_date: date = of(ProductPerformance.event_date)


class Related(ProductName):
    """A product that is bought together with another one."""

    product_category: str | None = of(Item.item_category, "shoes")
    order_count: int = Field(description="Orders with both", examples=[4])
    order_share: float | None = Field(description="These among the orders of the product", examples=[0.33])


class ProductAnswer(MaybeSoldAnswer, ProductName):
    """One product."""

    product: ProductNumbers = Field(description="Of the period")
    previous: ProductNumbers | None = Field(description=PREVIOUS)
    change: ProductChange = Field(description="From that to this")  # type: ignore[valid-type]  # a model of a function
    total_count: int = Field(description="How many days the period has", examples=[30])
    trend: list[ProductDay] = Field(description="Every day of the period")
    related: list[Related] = Field(description="What was shipped in the same orders, of all time")


class Category(SalesNumbers):
    """The sales and the traffic of a category."""

    product_category: str = of(CategoryPerformance.product_category, "shoes")
    category_view_count: int | None = of(CategoryPerformance.category_view_count)
    product_view_count: int | None = of(CategoryPerformance.product_view_count)
    add_to_cart_count: int | None = of(CategoryPerformance.add_to_cart_count)
    viewing_session_count: int | None = of(CategoryPerformance.viewing_session_count)
    cart_session_count: int | None = of(CategoryPerformance.cart_session_count)
    purchase_session_count: int | None = of(CategoryPerformance.purchase_session_count)
    cart_rate: float | None = of(CategoryPerformance.cart_rate, 0.09)
    purchase_rate: float | None = of(CategoryPerformance.purchase_rate, 0.03)
    revenue_share: float | None = Field(description="Its part of all revenue", examples=[0.2])
    revenue_change: float | None = Field(description=CHANGE)


class CategoriesAnswer(MaybeSoldAnswer):
    """The categories of a period."""

    total_count: int | None = Field(
        description="How many categories there are; null where no day is known", examples=[12]
    )
    category_data: Coverage | None = Field(
        description="How much of what was sold has a category; null where nothing was sold", examples=["whole"]
    )
    categories: list[Category] = Field(description="Most revenue first, then most looked at")


class Alert(BaseModel):
    """A product whose stock needs attention."""

    product_id: str = of(InventoryAlerts.product_id, "P-0042")
    product_name: str | None = of(InventoryAlerts.product_name)
    product_category: str | None = of(InventoryAlerts.product_category)
    alert: product_queries.Kind = of(InventoryAlerts.alert)
    as_of_date: date = of(InventoryAlerts.as_of_date)
    stock_count: int = of(InventoryAlerts.stock_count, 3)
    reorder_point_count: int | None = of(InventoryAlerts.reorder_point_count, 10)
    lead_time_days: int | None = of(InventoryAlerts.lead_time_days, 7)
    sold_item_count: int = of(InventoryAlerts.sold_item_count)
    sales_days_count: int = of(InventoryAlerts.sales_days_count, 28)
    daily_sold_items: float | None = of(InventoryAlerts.daily_sold_items, 0.5)
    days_of_cover: float | None = of(InventoryAlerts.days_of_cover, 6.0)
    last_sold_date: date | None = of(InventoryAlerts.last_sold_date)


class AlertsParameters(Paged):
    """Which alerts to return."""

    alert: product_queries.Kind | None = Field(None, description="Only alerts of this kind")


class AlertsAnswer(Answer):
    """The stock that needs attention."""

    counts: dict[str, int] = Field(description="Alerts of each kind", examples=[{"out_of_stock": 23, "low": 15}])
    total_count: int = Field(description="How many there are of the requested kind", examples=[66])
    alerts: list[Alert] = Field(description="The most urgent kind first, within it what lasts shortest")


@router.get("/analytics/products/top", response_model=TopAnswer, summary="Top products by a chosen number")
def top_products(context: Context, parameters: Annotated[TopParameters, Query()]) -> dict[str, Any]:
    """Return the top products by revenue, units, conversion or views."""
    period = context.period(parameters, "sales", "events")
    result = product_queries.top_products(
        context.reading,
        period,
        parameters.sort_by,
        parameters.category,
        limit=parameters.limit,
        offset=parameters.offset,
    )
    return context.answer(parameters, product_queries.PRODUCT_DEFINITION, result, period)


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
) -> dict[str, Any]:
    """Return a product in a period and in the period before, by day, and the products bought together with it."""
    period = context.period(parameters, "sales", "events")
    result = product_queries.product(context.reading, period, product_id)
    if result is None:
        raise HTTPException(
            404, f"No event and no order has the product {product_id!r}; look at /analytics/products/top."
        )
    return context.answer(parameters, product_queries.PRODUCT_DEFINITION, parameters.cut(result, "trend"), period)


@router.get("/analytics/categories", response_model=CategoriesAnswer, summary="Categories: looked at and sold")
def categories(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> dict[str, Any]:
    """Return the views, carts and sales of each category."""
    period = context.period(parameters, "sales", "events")
    result = product_queries.categories(context.reading, period, limit=parameters.limit, offset=parameters.offset)
    return context.answer(parameters, product_queries.CATEGORY_DEFINITION, result, period)


@router.get(
    "/analytics/inventory/alerts",
    response_model=AlertsAnswer,
    responses=documented(409),
    summary="Stock that needs attention",
)
def inventory_alerts(context: Context, parameters: Annotated[AlertsParameters, Query()]) -> dict[str, Any]:
    """Return the products that are out of stock, low, overstocked or without a sale for a long time."""
    result = product_queries.inventory_alerts(
        context.reading, parameters.alert, limit=parameters.limit, offset=parameters.offset
    )
    return context.answer(parameters, product_queries.definition(), result, "stock")
