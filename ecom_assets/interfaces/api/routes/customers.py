"""Routes for customers: new, returning and retained customers, their value,
segments and profiles.
"""

from datetime import date
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import (
    AnswerFields,
    Money,
    definition_of,
    field_of,
    number,
)
from ecom_assets.commerce.customers import queries as customer_queries
from ecom_assets.commerce.customers.contracts import (
    PROFILE_DIMENSIONS,
    CustomerProfiles,
    Customers,
    CustomerSegments,
    LifetimeValue,
    ProfileDimension,
)
from ecom_assets.commerce.customers.due_again import (
    DueOrder,
    due_again,
    due_customers,
    due_state,
)
from ecom_assets.commerce.customers.measures import CustomerMeasures, ValueMeasures
from ecom_assets.commerce.sales import queries as sales_queries
from ecom_assets.commerce.sales.contracts import CustomerRetention
from ecom_assets.commerce.sales.coverage import SalesSource, sales_source
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.queries import CHANGE
from ecom_assets.interfaces.api.auth.callers import may_see_people, require_personal
from ecom_assets.interfaces.api.csv_files import FileParameters, add_file, file_of_table
from ecom_assets.interfaces.api.csv_files import router as files
from ecom_assets.interfaces.api.parameters import (
    PREVIOUS,
    SOURCE,
    AnyDays,
    Context,
    OfDays,
    Paged,
    PagedDaysParameters,
    Sliced,
    SlicedAnyDays,
    SoldAnswer,
    change_of,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented

COUNTS_OF_DUE: Final = (
    "median_days_to_second_order",
    "came_back_customer_count",
    "once_customer_count",
    "due_customer_count",
)
router = APIRouter(tags=["customers"], responses=documented(409))


class CustomerNumbers(row_of(measures_of(CustomerMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """The counts of customers in a period; null if unknown."""


CustomerChange = change_of("CustomerChange", CustomerNumbers, customer_count=0.1)


class CustomerValue(row_of(measures_of(ValueMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """The value of all customers as of the newest day."""

    customer_count: int = Field(description="Customers with an order, of all time", examples=[276])
    no_model_reason: str | None = field_of(LifetimeValue.no_model_reason)
    no_order_value_reason: str | None = field_of(LifetimeValue.no_order_value_reason)


class CustomerNumbersAnswer(SoldAnswer):
    """The customers of a period."""

    customers: CustomerNumbers = Field(description="Of the period")
    previous: CustomerNumbers | None = Field(description=PREVIOUS)
    change: CustomerChange = Field(description=CHANGE)  # type: ignore[valid-type]  # a model of a function
    value: CustomerValue = Field(description="Of all customers, whatever the period")


class Segment(BaseModel):
    """Customers with similar recency, frequency and value of their orders (RFM)."""

    segment: str = Field(
        title="Segment",
        description=(
            "By scores of recency, frequency and money (RFM), from 1 to 5 by percent "
            "rank: 125 codes in 11 segments"
        ),
        examples=["Champions"],
    )
    order_count: int | None = field_of(CustomerSegments.order_count)
    revenue_amount: Money | None = field_of(
        CustomerSegments.revenue_amount, null_where="no purchase of the data has an amount"
    )
    customer_count: int = number("Customers", "count", "Its customers", examples=[17])
    customer_share: float | None = number(
        "Share", "rate", "Its part of all customers", examples=[0.06]
    )
    revenue_share: float | None = number(
        "Share of revenue", "rate", "Its part of all revenue", examples=[0.2]
    )
    mean_recency_days: float | None = number(
        "Days since last order", "decimal", "Days since the last order, the mean", examples=[4.5]
    )


class CurrentSegmentsAnswer(SoldAnswer):
    """The customers by segment, as of the newest day."""

    total_count: int = Field(description="How many segments there are", examples=[11])
    segments: list[Segment] = Field(
        description="All eleven, the best first, those without a customer too"
    )


class Profile(row_of(CustomerProfiles.columns, without=("as_of_date",))):  # type: ignore[misc]  # a model of a function
    """A value of a dimension, and the customers who have it."""

    customer_share: float = number(
        "Share", "rate", "Its part of all current customers", examples=[0.11]
    )


class ProfilesParameters(Sliced):
    """Which dimension to return, and which rows."""

    dimension: ProfileDimension | None = Field(None, description="Only this dimension")


class ProfilesAnswer(AnswerFields):
    """The current customers by tier, engagement, market and data quality."""

    as_of_date: date = field_of(CustomerProfiles.as_of_date)
    visit_coverage_rate: float | None = number(
        "Orders with visits",
        "rate",
        "Share of the revenue of orders of all days of whose buyers any visit is known: below 20 % "
        "the engagement of who has no known visit is unknown, from there it is low; null of other "
        "dimensions, and without orders or events",
        examples=[0.62],
    )
    total_count: int = Field(description="How many rows there are", examples=[14])
    profiles: list[Profile] = Field(
        description="By dimension; known values that no customer has are 0"
    )


class CustomerWeek(row_of(CustomerRetention.columns)):  # type: ignore[misc]  # a model of a function
    """The customers of an ISO week."""


class WeeksParameters(PagedDaysParameters):
    """Which weeks to return, and for which category or city."""

    category: str | None = Field(None, max_length=500, description="Only lines of this category")
    city_id: str | None = Field(None, max_length=500, description="Only lines of this city")


class CustomerWeeksAnswer(AnswerFields):
    """The customers by week."""

    total_count: int | None = total_of("weeks", 5)
    weeks: list[CustomerWeek] = Field(
        description="Weeks whose Monday is in the period, each as a whole, in order; weeks "
        "without an order line have no row"
    )


class DueCustomer(BaseModel):
    """A customer who bought once and is due again."""

    customer_id: str = Field(title="Customer", description="The customer")
    order_id: str = Field(title="Order", description="Their only order")
    order_date: date = Field(title="Bought on", description="Its day")
    days_since_count: int = number(
        "Days ago", "count", "From that day to the newest day of sales", examples=[75]
    )
    revenue_amount: Money | None = number(
        "Revenue", "money", "What they brought, without what was paid back; null if not known"
    )
    product_names: str | None = Field(
        title="Products",
        description="What they bought, by name, in the order of the alphabet; null where purchase "
        "events are counted",
        examples=["Black boots, Hat"],
    )


class DueAgainAnswer(AnswerFields):
    """Who bought once and is due again, as of the newest day of sales."""

    source: SalesSource = Field(description=SOURCE)
    as_of_date: date = Field(description="The newest day of sales, from whose end is looked back")
    median_days_to_second_order: float | None = number(
        "Median days to a second order",
        "decimal",
        "The median of the days from the first order to the second, of those who came back; null "
        "if nobody did",
        examples=[31.0],
    )
    came_back_customer_count: int = number(
        "Came back", "count", "Customers with a second order", examples=[120]
    )
    once_customer_count: int = number(
        "Bought once", "count", "Customers with a single order", examples=[300]
    )
    due_customer_count: int | None = number(
        "Due again",
        "count",
        "Of these, those whose order is longer ago than the median time to a second order of those "
        "who came back; null if nobody came back",
        examples=[90],
    )
    total_count: int = Field(description="How many are due", examples=[90])
    customers: list[DueCustomer] = Field(
        description="Those who are due; none without the scope `personal`"
    )


class DueParameters(BaseModel):
    """In which order customers come."""

    sort_by: DueOrder = Field(
        "revenue",
        description="Who brought most first, or whose order is `longest` ago, or `newest`",
    )


class DueAgainParameters(DueParameters, AnyDays, Paged):
    """Which customers to return, in which order."""


class DueAgainFileParameters(DueParameters, FileParameters):
    """In which order a file has customers."""


@router.get(
    "/analytics/customers",
    response_model=CustomerNumbersAnswer,
    summary="New, returning and retained customers",
)
def customers(context: Context, parameters: OfDays) -> Answer:
    """Return the customers of a period and of the period before,
    with their lifetime value and churn risk.
    """
    period = context.period(parameters, "sales")
    names = ("source", *CustomerNumbers.model_fields, *measures_of(ValueMeasures), "change")
    definition = definition_of(CustomerNumbersAnswer, *names)
    return context.answer(
        parameters, definition, customer_queries.customers(context.reading, period), period
    )


@router.get(
    "/analytics/customers/segments",
    response_model=CurrentSegmentsAnswer,
    summary="Customers by RFM segment",
)
def customer_segments(context: Context, parameters: SlicedAnyDays) -> Answer:
    """Return the customers, orders and revenue of each of eleven segments."""
    result = {
        "source": sales_source(context.reading),
        "segments": customer_queries.segments(context.reading),
    }
    definition = {
        **definition_of(CurrentSegmentsAnswer, "segment", "revenue_amount"),
        "time_range": "Segments are as of the newest day of sales, whatever days are asked for",
    }
    return context.answer(parameters, definition, parameters.cut(result, "segments"), "sales")


@router.get(
    "/analytics/customers/profiles",
    response_model=ProfilesAnswer,
    summary="Customers by tier, engagement, market and data quality",
)
def customer_profiles(
    context: Context, parameters: Annotated[ProfilesParameters, Query()]
) -> Answer:
    """Return how many current customers have each tier, level of engagement,
    market segment and band of quality.
    """
    result = customer_queries.customer_profiles(context.reading, parameters.dimension)
    definition: dict[str, str] = {
        name: Customers.columns[name].description for name in PROFILE_DIMENSIONS
    }
    definition |= definition_of(
        ProfilesAnswer, "customer_count", "customer_share", "visit_coverage_rate"
    )
    return context.answer(parameters, definition, parameters.cut(result, "profiles"), "sales")


@router.get(
    "/analytics/customers/retention",
    response_model=CustomerWeeksAnswer,
    summary="Customers by week: first order ever, ordered before, refunded",
)
def customer_retention(context: Context, parameters: Annotated[WeeksParameters, Query()]) -> Answer:
    """Return the customers of each ISO week, in total or for one category or city."""
    period = context.period(parameters, "sales")
    result = sales_queries.customer_weeks(
        context.reading, period, parameters.category, parameters.city_id, parameters.page
    )
    definition = definition_of(CustomerWeeksAnswer, *CustomerWeek.model_fields, "weeks")
    return context.answer(parameters, definition, result, period)


@router.get(
    "/analytics/customers/due-again",
    response_model=DueAgainAnswer,
    summary="Who bought once and is due again",
)
def customers_due_again(
    context: Context, parameters: Annotated[DueAgainParameters, Query()]
) -> Answer:
    """Return how many customers bought once, longer ago than others take to come back, and, with
    the scope `personal`, who they are.
    """
    result = due_again(
        context.reading,
        parameters.sort_by,
        parameters.page,
        with_people=may_see_people(context.request.scope),
    )
    definition = {
        **definition_of(DueAgainAnswer, *COUNTS_OF_DUE, "customers"),
        "time_range": "As of the newest day of sales, whatever days are asked for",
    }
    return context.answer(parameters, definition, result, "sales")


@files.get(
    "/analytics/customers/due-again.csv",
    response_class=Response,
    summary="Everybody who bought once and is due again, as CSV",
)
def every_customer_due_again(
    context: Context, parameters: Annotated[DueAgainFileParameters, Query()]
) -> Response:
    """Return all customers who are due again, without a limit, as a CSV file that is sent block by
    block; it needs the scope `personal`.
    """
    require_personal(context.request.scope, ["customer_id"])
    state = due_state(context.reading)
    rows = partial(due_customers, source=state["source"], state=state, sort_by=parameters.sort_by)
    return file_of_table(context, "due_again.csv", DueCustomer, rows)


add_file("/analytics/customers/retention", customer_retention, CustomerWeeksAnswer, "weeks")
