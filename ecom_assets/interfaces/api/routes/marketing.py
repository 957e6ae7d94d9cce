"""The routes of advertising and of what customers are worth, for callers who may see costs."""

from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import AnswerFields, Money, definition_of, number
from ecom_assets.commerce.marketing import queries
from ecom_assets.commerce.marketing.contracts import (
    DEFAULT_MODEL,
    AdCampaigns,
    CustomerCohortValue,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.marketing.measures import MarketingMeasures
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.measures import summable
from ecom_assets.core.tables.queries import CHANGE
from ecom_assets.interfaces.api.auth.callers import may_see_people, require_costs
from ecom_assets.interfaces.api.csv_files import add_file
from ecom_assets.interfaces.api.parameters import (
    PREVIOUS,
    Context,
    SlicedOfChosenDays,
    SlicedOfDays,
    change_of,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented

router = APIRouter(tags=["marketing"], responses=documented(403, 409))
WHAT: Final = "Ad spend and what customers are worth"
MEASURES: Final = summable(MarketingMeasures)


class AdNumbers(row_of(MEASURES, are_known=False)):  # type: ignore[misc]  # a model of a function
    """What ads cost and brought by a model; null if unknown."""

    contribution_after_ads_amount: Money | None = number(
        "Contribution after advertising, by ads",
        "money",
        "Contribution before advertising of credited orders, less spend",
    )


AdChange = change_of("AdChange", AdNumbers, roas=0.1)


class ShopNumbers(BaseModel):
    """All revenue of the shop beside all spend."""

    revenue_amount: Money | None = number("Revenue", "money", "Revenue of the whole shop")
    renewal_order_count: int = number(
        "Renewals", "count", "Orders that subscriptions made by themselves"
    )
    renewal_revenue_amount: Money = number(
        "Revenue of renewals", "money", "Of the revenue, that of renewals"
    )
    spend_amount: Money | None = number("Ad spend", "money", "What was spent on ads")
    mer: float | None = number(
        "MER",
        "times",
        "Revenue but that of renewals, divided by all spend; others call the inverse so",
    )
    spend_share: float | None = number(
        "Spend share", "rate", "All spend divided by revenue but that of renewals"
    )
    new_customer_count: int | None = number(
        "New customers",
        "count",
        "Customers whose first paid order, no renewal of a subscription, is in the period",
    )
    first_order_revenue_amount: Money | None = number(
        "Revenue of first paid orders", "money", "What these orders brought, before refunds"
    )
    acquisition_mer: float | None = number(
        "Acquisition MER", "times", "Revenue of first paid orders divided by all spend"
    )
    cost_per_new_customer: Money | None = number(
        "Cost per new customer", "money", "All spend divided by all new customers of the shop"
    )
    payback_months: int | None = number(
        "Payback",
        "count",
        "Months until new customers of these months have left what each cost, 0 is that of their "
        "first paid order; null if not yet",
    )
    contribution_before_ads_amount: Money | None = number(
        "Contribution before advertising", "money", "What all orders left before advertising"
    )
    contribution_after_ads_amount: Money | None = number(
        "Contribution after advertising", "money", "The same less all spend"
    )


class AdModel(row_of(MEASURES, only=queries.OF_MODEL, are_known=False)):  # type: ignore[misc]  # a model of a function
    """What a model credits to ads."""

    model: str = Field(title="Model", description="Its name", examples=["linear"])
    label: str = Field(title="Model", description="Its name for people", examples=["Linear"])


NAMED: Final = row_of(AdCampaigns.columns, only=queries.UNIT_OF["campaign"], are_known=False)


class AdPart(AdNumbers, NAMED):  # type: ignore[misc, valid-type]  # a model of a function
    """What ads of a campaign, a platform or a channel cost and brought."""


class LoneCampaign(BaseModel):
    """Spend without visits, or visits without spend."""

    platform: str = Field(title="Platform", description="The platform; (none) if not known")
    account_id: str = Field(title="Account", description="The account; (none) without spend")
    campaign_key: str = Field(title="Campaign", description="The campaign's id, or its name")
    campaign_name: str | None = Field(title="Name", description="Its name")
    spend_amount: Money | None = number("Ad spend", "money", "What was spent")
    click_count: int | None = number("Clicks", "count", "Clicks that the platform counts")
    session_count: int | None = number("Visits", "count", "Visits of people")
    credited_revenue_amount: Money | None = number(
        "Revenue credited", "money", "What the model credits"
    )


CLAIMED: Final = row_of(
    SpendReconciliationDaily.columns, only=("spend_amount", *queries.CLAIMS), are_known=False
)


class ClaimedCampaign(CLAIMED):  # type: ignore[misc, valid-type]  # a model of a function
    """What a platform says of a campaign, beside what the shop knows of it."""

    platform: str = Field(title="Platform", description="The platform")
    account_id: str = Field(title="Account", description="The account")
    campaign_key: str = Field(title="Campaign", description="The campaign's id, or its name")
    campaign_name: str | None = Field(title="Name", description="Its name")


class AccountZone(BaseModel):
    """In which time zone the days of an account are."""

    platform: str = Field(title="Platform", description="The platform")
    account_id: str = Field(title="Account", description="The account")
    account_time_zone: str = Field(title="Time zone", description="Its time zone")


class MarketingParameters(SlicedOfDays):
    """The days, the model, and by what ads are broken down."""

    model: queries.Model = Field(DEFAULT_MODEL, description="How orders are credited")
    dimension: queries.Dimension = Field("campaign", description="What the parts are")


class MarketingAnswer(AnswerFields):
    """What ads of a period cost and brought."""

    model: queries.Model = Field(description="The model")
    visit_coverage_rate: float | None = number(
        "Orders with visits",
        "rate",
        "Share of the revenue of orders of whose buyers any visit is known; what is credited is a "
        "lower bound by the rest, and not known below 20 %; null without orders or events",
        examples=[0.62],
    )
    ads: AdNumbers = Field(description="Of all ads, by the model")
    previous: AdNumbers | None = Field(description=PREVIOUS)
    change: AdChange = Field(description=CHANGE)  # type: ignore[valid-type]  # a model of a function
    shop: ShopNumbers = Field(description="All revenue beside all spend; no model is in it")
    models: list[AdModel] = Field(description="The same under each model")
    spend_without_visits: list[LoneCampaign] = Field(
        description="Campaigns with spend and no visits: their tags are missing, or others"
    )
    visits_without_spend: list[LoneCampaign] = Field(
        description="What visits from ads say that meets no spend of the period"
    )
    other_zones: list[AccountZone] = Field(
        description="Accounts whose days are those of another zone than the shop's; they are not "
        "moved"
    )
    claims: list[ClaimedCampaign] = Field(
        description="What platforms say of campaigns, beside visits and credit by day of visit"
    )
    dimension: queries.Dimension = Field(description="What the parts are")
    total_count: int | None = total_of("parts", 9)
    parts: list[AdPart] = Field(description="Most spend first")


DEFINITION: Final = definition_of(
    MarketingAnswer, *AdNumbers.model_fields, "shop", "change", "other_zones"
)


@router.get(
    "/analytics/marketing",
    response_model=MarketingAnswer,
    summary="Ad spend, ROAS by model, and cost of new customers",
)
def marketing(context: Context, parameters: Annotated[MarketingParameters, Query()]) -> Answer:
    """Return what ads cost and brought, by a model.

    The key needs the scope `costs`.
    """
    require_costs(context.request.scope, WHAT)
    period = context.period(parameters, "sales")
    result = queries.marketing(context.reading, period, parameters.model, parameters.dimension)
    return context.answer(parameters, DEFINITION, parameters.cut(result, "parts"), period)


class CohortCell(row_of(CustomerCohortValue.columns, only=queries.CELL, are_known=False)):  # type: ignore[misc]  # a model of a function
    """A month of the customers of a month."""

    value: str = Field(title="Value", description="The value of the cut; (all) without one")


class ExpectedCohort(BaseModel):
    """What customers of a month are expected to leave."""

    cohort_month_date: date = Field(title="Month", description="First day of the month")
    customer_count: int = number("Customers", "count", "Customers of the month")
    horizon_days: int = number("Days", "count", "How far is looked ahead, in days")
    contribution_rate: float | None = number(
        "Contribution rate", "rate", "Contribution before advertising of net sales so far"
    )
    expected_contribution_amount: Money | None = number(
        "Expected contribution",
        "money",
        "Orders to expect (BG/NBD) times their expected revenue times the contribution rate",
    )


class CohortParameters(SlicedOfChosenDays):
    """Which months to cover, and by what customers are cut."""

    dimension: queries.Cut | None = Field(
        None, description="By what of their first paid order; default not"
    )


class CohortAnswer(AnswerFields):
    """What customers are worth by the month of their first paid order."""

    dimension: queries.Cut | None = Field(description="By what customers are cut")
    visit_coverage_rate: float | None = number(
        "Orders with visits",
        "rate",
        "By the first channel, the share of the revenue of orders of whose buyers any visit is "
        "known; `(none)` has the rest, and below 20 % no channel is known; null of other cuts, and "
        "without orders or events",
        examples=[0.62],
    )
    total_count: int | None = total_of("cohorts", 9)
    expected: list[ExpectedCohort] = Field(
        description="What they are expected to leave; none with a dimension, or without a model"
    )
    earlier_customer_count: int = number(
        "Customers before",
        "count",
        "Customers whose first known order is a renewal: they were customers before, and are in no "
        "month",
    )
    cohorts: list[CohortCell] = Field(description="By value, month, and months since")


COHORT_DEFINITION: Final = {
    **definition_of(CohortAnswer, *CohortCell.model_fields),
    "time_range": "With days, customers of the months that have one of them, until the end of the "
    "month of the last; what is expected follows from all months until the newest day. Without "
    "days, all months",
}


@router.get(
    "/analytics/customers/cohort-value",
    response_model=CohortAnswer,
    summary="What customers are worth by month of their first paid order",
)
def cohort_value(context: Context, parameters: Annotated[CohortParameters, Query()]) -> Answer:
    """Return what customers of each month left until the end of each month since.

    The key needs the scope `costs`; with `personal`, codes of few customers are values, too.
    """
    require_costs(context.request.scope, WHAT)
    shows_people = may_see_people(context.request.scope)
    period = context.chosen_period(parameters, "sales")
    result = queries.cohort_value(
        context.reading, parameters.dimension, period, shows_people=shows_people
    )
    cut = parameters.cut(result, "cohorts")
    return context.answer(parameters, COHORT_DEFINITION, cut, period or "sales")


add_file("/analytics/marketing", marketing, MarketingAnswer, "parts")
add_file("/analytics/customers/cohort-value", cohort_value, CohortAnswer, "cohorts")
