"""Routes for sales: totals, trend, channels and places."""

from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Money, definition_of, field_of, number
from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.attribution.queries import DEFAULT_MODEL, Model
from ecom_assets.commerce.sales import queries as sales_queries
from ecom_assets.commerce.sales.contracts import City
from ecom_assets.commerce.sales.coverage import sales_source
from ecom_assets.commerce.sales.measures import DiscountMeasures, SalesMeasures
from ecom_assets.commerce.sales.queries import Granularity, Level
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.measures import measures_of, summable
from ecom_assets.core.tables.queries import CHANGE, Coverage
from ecom_assets.interfaces.api.auth.callers import may_see_people
from ecom_assets.interfaces.api.csv_files import add_file
from ecom_assets.interfaces.api.parameters import (
    PREVIOUS,
    Context,
    OfDays,
    PagedDaysParameters,
    SlicedOfDays,
    SoldAnswer,
    change_of,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented

router = APIRouter(tags=["sales"], responses=documented(409))


class SalesNumbers(row_of(summable(SalesMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """The numbers of sales; null if unknown."""


SalesChange = change_of("SalesChange", SalesNumbers, order_count=0.12)


class SalesAnswer(SoldAnswer):
    """The sales of a period."""

    sales: SalesNumbers = Field(description="Of the period")
    previous: SalesNumbers | None = Field(description=PREVIOUS)
    change: SalesChange = Field(description=CHANGE)  # type: ignore[valid-type]  # a model of a function


class Point(SalesNumbers):
    """The sales of a part of the period."""

    start_date: date = Field(title="From", description="First day of the part")
    end_date: date = Field(title="To", description="Last day of it")
    data: Coverage = Field(
        description=(
            "How many days of the part the data hold; where it is `none`, its numbers are null"
        ),
        examples=["whole"],
    )
    started_at: datetime | None = Field(
        description="Start of the hour, with the zone's offset; null for days"
    )


class TrendParameters(SlicedOfDays):
    """The days of a trend, and its granularity."""

    granularity: Granularity = Field(
        "day",
        description=f"Length of a part; `hour` for at most {sales_queries.MOST_HOURLY_DAYS} days",
    )


class RevenueTrendAnswer(SoldAnswer):
    """The sales over time."""

    granularity: Granularity = Field(description="Length of a part")
    total_count: int = Field(description="How many parts there are", examples=[30])
    points: list[Point] = Field(
        description="Every hour, day, ISO week or calendar month of the period in order, those "
        "without a sale too; weeks and months that the period cuts hold only its days"
    )


class Channel(BaseModel):
    """The orders and revenue credited to a channel."""

    channel: str = Field(
        title="Channel",
        description=(
            "GA4's default channel group of the visits before the order; `(none)` without one"
        ),
        examples=["Organic Search"],
    )
    order_count: float | None = number(
        "Orders",
        "decimal",
        (
            "Orders credited, some of them in parts; over channels they add up to the orders of "
            "the period"
        ),
        examples=[62.0],
    )
    revenue_amount: Money | None = number(
        "Revenue",
        "money",
        "Revenue credited, net of refunds; over channels it adds up to the revenue of the period",
        examples=["6938.00"],
    )
    revenue_share: float | None = number(
        "Share", "rate", "Its part of the revenue of all channels", examples=[0.195]
    )
    previous_revenue_amount: Money | None = number("Before", "money", PREVIOUS)
    revenue_change: float | None = number("Change", "change", CHANGE, examples=[0.1])


SOLD_THERE: Final = {
    "channel": (
        "Where it was sold, as the order line says: web, app, store, marketplace, or the "
        "shop's own names"
    ),
    "order_count": "Orders with a line sold there; an order of two sales channels counts in both",
    "revenue_amount": (
        "Revenue, net of refunds; over sales channels it adds up to the revenue of the period"
    ),
}
"""What the fields of a channel mean where it is a sales channel."""


class ChannelsParameters(SlicedOfDays):
    """Which kind of channels, and which attribution model for marketing channels."""

    dimension: sales_queries.ChannelDimension = Field(
        sales_queries.MARKETING_CHANNEL,
        description="What led to the order, or where it was sold (web, app, store, …)",
    )
    model: Model = Field(
        DEFAULT_MODEL, description=f"How credit is shared among touches: {', '.join(MODELS)}"
    )


class ChannelsAnswer(SoldAnswer):
    """The revenue by channel."""

    dimension: sales_queries.ChannelDimension = Field(description="Which channels these are")
    model: str | None = Field(
        description="How credit is shared; null for sales channels", examples=["last_non_direct"]
    )
    visit_coverage_rate: float | None = number(
        "Orders with visits",
        "rate",
        "Share of the revenue of orders of whose buyers any visit is known; `(none)` has the rest, "
        "and below 20 % no channel is known; null of sales channels, and without orders",
        examples=[0.62],
    )
    channel_data: Coverage | None = Field(
        description="How much of the period names a channel: all of it (whole), some, or nothing; "
        "`(none)` has the rest; null where nothing was sold",
        examples=["whole"],
    )
    unit: str = Field(
        description="What is credited: orders; where there are none in the data, purchase events",
        examples=["order"],
    )
    total_count: int | None = total_of("channels", 9)
    channels: list[Channel] = Field(
        description="Most revenue first; they add up to the revenue of the period"
    )


class SalesPlace(SalesNumbers):
    """The sales of a place; fields that are finer than the level are null."""

    region: str | None = field_of(City.region)
    city_id: str | None = field_of(City.city_id)
    city_name: str | None = field_of(City.city_name)
    country: str = field_of(City.country)
    revenue_share: float | None = number(
        "Share", "rate", "Its part of the revenue of all places", examples=[0.2]
    )


class PlacesParameters(PagedDaysParameters):
    """Which places to return, and at which level."""

    level: Level = Field("country", description="What a place is")


class PlacesAnswer(SoldAnswer):
    """The sales by place."""

    level: Level = Field(description="What a place is")
    total_count: int | None = total_of("places", 9)
    places: list[SalesPlace] = Field(description="Most revenue first")


class DiscountNumbers(row_of(measures_of(DiscountMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """What was sold with discounts; null if unknown."""


class Discount(DiscountNumbers):
    """What was sold with a code."""

    discount_code: str = Field(
        title="Code",
        description=(
            "The code in capitals; `(none)` for discounts without one. Without the scope "
            "`personal`, codes of fewer than five customers are one row"
        ),
        examples=["WELCOME10"],
    )


class DiscountsAnswer(SoldAnswer):
    """The discounts of a period."""

    total: DiscountNumbers = Field(description="All discounted lines, each once")
    total_count: int | None = total_of("codes", 7)
    discounts: list[Discount] = Field(
        description="Most discounted first; a line with two codes counts for both"
    )


DEFINITION: Final = definition_of(SalesAnswer, *SalesNumbers.model_fields, "change", "source")


@router.get("/analytics/sales", response_model=SalesAnswer, summary="Revenue, orders and items")
def sales(context: Context, parameters: OfDays) -> Answer:
    """Return gross and net revenue, orders,
    items and average order value of a period and of the period before.
    """
    period = context.period(parameters, "sales")
    return context.answer(
        parameters, DEFINITION, sales_queries.sales(context.reading, period), period
    )


@router.get(
    "/analytics/revenue/trend",
    response_model=RevenueTrendAnswer,
    summary="Sales by hour, day, week or month",
)
def revenue_trend(context: Context, parameters: Annotated[TrendParameters, Query()]) -> Answer:
    """Return the sales over time, including parts of the period without a sale."""
    period = context.period(parameters, "sales")
    points = sales_queries.revenue_trend(context.reading, period, parameters.granularity)
    result = {
        "source": sales_source(context.reading),
        "granularity": parameters.granularity,
        "points": points,
    }
    definition = {
        **definition_of(RevenueTrendAnswer, "points", "data"),
        "hour": (
            "From the start of the day in the reporting time zone; days on which clocks "
            "change have 23 or 25"
        ),
    }
    return context.answer(
        parameters, definition | DEFINITION, parameters.cut(result, "points"), period
    )


@router.get(
    "/analytics/revenue/by-channel", response_model=ChannelsAnswer, summary="Revenue by channel"
)
def revenue_by_channel(
    context: Context, parameters: Annotated[ChannelsParameters, Query()]
) -> Answer:
    """Return the revenue credited to each marketing channel by one of eight models,
    or that of each sales channel.
    """
    definition = definition_of(
        ChannelsAnswer, *SOLD_THERE, "revenue_change", "channel_data", "unit", "source"
    )
    if parameters.dimension == sales_queries.SALES_CHANNEL:
        period, definition = context.period(parameters, "sales"), definition | SOLD_THERE
        result = sales_queries.by_sales_channel(context.reading, period)
    else:
        period = context.period(parameters, "sales", "events")
        result = sales_queries.by_channel(context.reading, period, parameters.model)
    return context.answer(parameters, definition, parameters.cut(result, "channels"), period)


@router.get(
    "/analytics/discounts", response_model=DiscountsAnswer, summary="Sales by discount code"
)
def discounts(context: Context, parameters: Annotated[SlicedOfDays, Query()]) -> Answer:
    """Return what was sold with discounts, by code; codes of few customers need the scope
    `personal`.
    """
    context.do_not_keep()  # what one caller may see, another may not
    period = context.period(parameters, "sales")
    result = sales_queries.discounts(
        context.reading, period, may_see_people=may_see_people(context.request.scope)
    )
    definition = definition_of(DiscountsAnswer, *DiscountNumbers.model_fields, "source")
    return context.answer(parameters, definition, parameters.cut(result, "discounts"), period)


@router.get(
    "/analytics/geographic", response_model=PlacesAnswer, summary="Sales by country, region or city"
)
def geographic(context: Context, parameters: Annotated[PlacesParameters, Query()]) -> Answer:
    """Return the sales of each place."""
    period = context.period(parameters, "sales")
    result = parameters.cut(
        sales_queries.geography(context.reading, period, parameters.level), "places"
    )
    return context.answer(parameters, DEFINITION, result, period)


add_file("/analytics/discounts", discounts, DiscountsAnswer, "discounts")
add_file("/analytics/geographic", geographic, PlacesAnswer, "places")
