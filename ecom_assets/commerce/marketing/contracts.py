"""Contracts of advertising: spend as received, quarantined, by the loads that count, and by day;
campaigns and their visits, what orders are credited to them, and what customers are worth.
"""

from decimal import Decimal
from typing import Any, Final

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.contracts import (
    CHANNELS,
    MODELS,
    NO_CHANNEL,
    ConversionCredit,
    Conversions,
    ModelCredit,
)
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.marketing.measures import MarketingMeasures, SpendMeasures
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.contract import (
    MONEY,
    UNIT_COST,
    Column,
    CopiedNumbers,
    Ratio,
    SmallChange,
    Table,
    count,
    day,
    flag,
    instant,
    per_unit,
    text,
)
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.received import BREAK_PROOFS, BROKEN_PROOF

DEFAULT_MODEL: Final = "last_non_direct"
"""The model by which ads are shown where nobody chooses another."""
AD_SPEND_REJECT_REASONS = (
    "malformed_row",
    BROKEN_PROOF,
    "left_out",
    "total_line",
    "missing_account",
    "unparseable_spend_date",
    "several_days",
    "missing_campaign",
    "missing_spend",
    "unparseable_spend",
    "missing_currency",
    "currency_without_rate",
)
"""Why a received row of spend can be quarantined; it carries the first that applies, in this order.
"""
REASON_MEANINGS: Final = {
    "malformed_row": "that cannot be split into columns",
    BROKEN_PROOF: BREAK_PROOFS,
    "total_line": "that are the total of others, which would count twice",
    "missing_account": "without an account, whose days they would replace",
    "unparseable_spend_date": "whose day is not a date",
    "several_days": "of several days, such as weeks; export them by day",
    "missing_campaign": "without a campaign",
    "missing_spend": "without an amount",
    "unparseable_spend": "whose amount is not a number",
    "missing_currency": "without a currency",
    "currency_without_rate": "in a currency for which ECOM_RATES has no rate",
}
"""What to say of rows by their reject reason."""
NO_VALUES: Final = ("", "-", "--", "\N{EM DASH}", "(not set)")
"""What platforms write where there is nothing."""
CAMPAIGN, AD_GROUP = "campaign", "ad_group"
LEVELS = (CAMPAIGN, AD_GROUP)
"""What a row of spend can be of."""
ALL: Final = "(all)"
"""The ad group of a row about a whole campaign."""


def _spend(description: str, *, of_row: bool = False, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """Return a column of spend, in six digits."""
    options = {"is_cost": True, "better": None} | more
    return Column(UNIT_COST if of_row else PROFIT, description, "money", **options)


def _count(description: str, label: str = "", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    return count(description, label, nullable=True, is_cost=True, better=None, **more)


def _conversions(description: str, *, of_row: bool = False) -> Column:
    """Return a column of conversions, of which platforms count parts."""
    kind = UNIT_COST if of_row else PROFIT
    return Column(
        kind, description, "orders", nullable=True, format="quantity", is_cost=True, better=None
    )


class ReceivedAdSpend(Table, abstract=True):
    """What every received row of spend carries: text as it came, and the values read from it.

    Amounts are in the shop's currency by the rate of the day, as those of orders are; those of the
    account begin with `account_`. Days are those of the account, in whose zone they are.
    """

    layer = "raw"

    spend_id = text("A stable hash of what the row says", nullable=True)
    platform = text("Where ads are bought, such as google_ads or meta", nullable=True)
    account_id = text("The account there", nullable=True)
    campaign_id = text("The campaign's id there", nullable=True)
    campaign_name = text("Its name", nullable=True)
    ad_group_id = text("The ad group, or ad set", nullable=True)
    ad_group_name = text("Its name", nullable=True)
    final_url = text("The address that ads lead to", nullable=True)
    received_spend_date = text("The day, as received", nullable=True)
    received_until_date = text("The last day that the row is about, as received", nullable=True)
    received_spend_amount = text("The spend, as received", nullable=True, is_cost=True)
    received_currency = text("The account's currency, as received", nullable=True)
    received_impression_count = text("The impressions, as received", nullable=True)
    received_click_count = text("The clicks, as received", nullable=True)
    received_platform_conversion_count = text(
        "The conversions that the platform claims, as received", nullable=True
    )
    received_platform_conversion_amount = text(
        "What the platform says they are worth, as received", nullable=True
    )
    spend_date = day("The day in received_spend_date; null if there is none", nullable=True)
    until_date = day("The day in received_until_date; null if there is none", nullable=True)
    currency = text("The currency in received_currency", nullable=True)
    account_time_zone = text(
        "The time zone of the account's days, as the source says it", nullable=True
    )
    account_spend_amount = _spend(
        "The number in received_spend_amount, in the account's currency",
        of_row=True,
        nullable=True,
    )
    spend_amount = _spend(
        "The same in the shop's currency; null if the currency has no rate",
        of_row=True,
        nullable=True,
    )
    impression_count = _count("Impressions", unit="impressions")
    click_count = _count("Clicks", unit="clicks")
    platform_conversion_count = _conversions("Conversions that the platform claims", of_row=True)
    account_conversion_amount = _spend(
        "What the platform says they are worth, in the account's currency",
        of_row=True,
        nullable=True,
    )
    platform_conversion_amount = _spend(
        "The same in the shop's currency", of_row=True, nullable=True
    )
    unrated_currency = text("The currency for which ECOM_RATES has no rate", nullable=True)
    left_out = text(
        "The condition of the mapping that leaves the row out, or after `holds: ` what the row is "
        "not as, though the mapping was made by it",
        nullable=True,
    )
    received_at = instant(
        "When the row arrived: as the source says, else when its file was written", nullable=True
    )
    received_date = day("The day on which the row arrived: that of its file")
    source = text("Where it came from: the path that was given")
    source_file = text("The file within the source")
    malformed_row = text("The whole line, where it could not be split into columns", nullable=True)


class RawAdSpend(ReceivedAdSpend):
    """One row per received row of spend, exactly as it came, totals and broken lines included."""

    name = "ad_spend"
    day_column = "received_date"


class QuarantinedAdSpend(ReceivedAdSpend):
    """One row per received row of spend that counts nowhere, with the first reason that applies."""

    layer = "staging"

    reject_reason = text("Why it does not count", one_of=AD_SPEND_REJECT_REASONS)


class OfCampaign:
    """Which campaign of which account and day a row is about."""

    spend_date = day("The day of the account, in its own zone")
    platform = text("Where ads are bought", example="google_ads")
    account_id = text("The account there", example="123-456-7890")
    campaign_key = text(
        "The campaign's id; where no row of it has one, its name in small letters",
        example="1234567",
    )
    campaign_id = text("The campaign's id; null where the source says none", nullable=True)
    campaign_name = text("Its newest name on the day", nullable=True, example="Brand DE")
    currency = text("The account's currency")
    account_time_zone = text(
        "The time zone of the account's days: as the source says, else ECOM_AD_ACCOUNT_TIME_ZONES, "
        "else that of the platform; null if not known",
        nullable=True,
        example="America/New_York",
    )


class AdSpend(Table):
    """One row per day, account, level and campaign (and ad group), of the loads that count.

    A load is the rows of one file that are of one platform, account and level. The newest load
    with a campaign replaces older ones of the account's day; a load that shares none with it is
    another export, and both count, with `is_conflict`.
    """

    layer = "staging"
    key = ("spend_date", "platform", "account_id", "level", "ad_group_key", "campaign_key")
    day_column = "spend_date"

    spend_date = OfCampaign.spend_date
    platform = OfCampaign.platform
    account_id = OfCampaign.account_id
    level = text("What the row is of", one_of=LEVELS)
    campaign_key = OfCampaign.campaign_key
    ad_group_key = text(
        "The ad group's id, else its name in small letters; `(all)` for rows of campaigns"
    )
    campaign_id = OfCampaign.campaign_id
    campaign_name = OfCampaign.campaign_name
    ad_group_id = text("The ad group's id", nullable=True)
    ad_group_name = text("Its name", nullable=True)
    final_url = text("The address that its ads lead to, one of several", nullable=True)
    currency = OfCampaign.currency
    account_time_zone = ReceivedAdSpend.account_time_zone
    account_spend_amount = _spend("What was spent, in the account's currency")
    spend_amount = _spend("The same in the shop's currency, by the rate of the day")
    impression_count = _count("Impressions; null if not known", unit="impressions")
    click_count = _count("Clicks; null if not known", unit="clicks")
    platform_conversion_count = _conversions(
        "Conversions that the platform claims; null if not known"
    )
    account_conversion_amount = _spend(
        "What the platform says they are worth, in the account's currency", nullable=True
    )
    platform_conversion_amount = _spend("The same in the shop's currency", nullable=True)
    is_counted = flag(
        "Whether the account's day is counted by this level: by campaigns where there are any"
    )
    is_conflict = flag(
        "Whether another load of the account's day and level, with other campaigns, counts too"
    )
    row_count = count("Received rows that this adds up", unit="rows")
    received_at = instant("When the load arrived", nullable=True)
    received_date = day("The day on which it arrived")
    source_file = text("The file in which it came")


class AdSpendDaily(Table):
    """One row per day, account and campaign: what was spent, and what the platform says of it."""

    layer = "mart"
    key = ("spend_date", "platform", "account_id", "campaign_key")
    day_column = "spend_date"
    counted_from = (AdSpend,)
    restated_by_source = SmallChange(
        "account_spend_amount",
        Decimal("0.01"),
        Decimal("1.00"),
        currency="currency",
        in_shop_currency=("spend_amount", "platform_conversion_amount"),
    )

    spend_date = OfCampaign.spend_date
    platform = OfCampaign.platform
    account_id = OfCampaign.account_id
    campaign_key = OfCampaign.campaign_key
    campaign_id = OfCampaign.campaign_id
    campaign_name = OfCampaign.campaign_name
    currency = OfCampaign.currency
    account_time_zone = OfCampaign.account_time_zone
    account_spend_amount = _spend(
        "What was spent, in the account's currency",
        label="Spend in the account's currency",
        example="110.000000",
    )
    spend_amount = _spend(
        "What was spent on ads, in the shop's currency", label="Ad spend", example="100.000000"
    )
    impression_count = _count("How often ads were shown", "Impressions", unit="impressions")
    click_count = _count("How often ads were clicked", "Clicks", unit="clicks")
    platform_conversion_count = _conversions("Conversions that the platform claims")
    platform_conversion_amount = _spend(
        "What the platform says that its conversions are worth",
        label="Revenue claimed by the platform",
        nullable=True,
    )
    is_conflict = flag("Whether several loads of the account's day count, with other campaigns")


NO_PLATFORM: Final = "(none)"
"""Of visits from ads of which neither a click id nor a campaign says the platform, and the account
of visits that meet no spend.
"""
NO_CAMPAIGN: Final = "(not set)"
MATCHES = ("campaign_id", "campaign_name", "click_id", "nothing")
"""By what visits meet spend, in this order; by a click id they meet the platform alone."""


class _Tagged:
    """What a visit says of its campaign, without null."""

    channel = text("GA4's channel of the visits", one_of=(*CHANNELS, NO_CHANNEL))
    ad_platform = text("The platform of their click id; `(none)` without one")
    campaign_id = text("As in mart.touches; `(not set)` without one")
    campaign = text("As in mart.touches")


class CampaignCredit(ModelCredit, Table):
    """One row per order or refund and campaign of its touches, with the day of the touch: what each
    model that shares touches gives it; over campaigns it adds up to credit by channel.

    Of shops without order lines, per purchase event. Empty without ad spend.
    """

    layer = "mart"
    day_column = "converted_date"
    key = (*Conversions.key, "touched_date", "channel", "ad_platform", "campaign_id", "campaign")

    converted_date = ConversionCredit.converted_date
    unit = ConversionCredit.unit
    conversion_id = ConversionCredit.conversion_id
    visitor_id = ConversionCredit.visitor_id
    customer_id = ConversionCredit.customer_id
    is_refund = ConversionCredit.is_refund
    bought_date = ConversionCredit.bought_date
    touched_date = day("The day of the touch; without one that of the order or refund")
    channel = _Tagged.channel
    ad_platform = _Tagged.ad_platform
    campaign_id = _Tagged.campaign_id
    campaign = _Tagged.campaign


class CampaignTags(Table):
    """One row per channel, platform of a click id, and campaign that visits from ads say: which
    campaign of the spend they meet.
    """

    layer = "mart"
    key = ("channel", "ad_platform", "campaign_id", "campaign")

    channel = _Tagged.channel
    ad_platform = _Tagged.ad_platform
    campaign_id = _Tagged.campaign_id
    campaign = _Tagged.campaign
    platform = text("The platform; `(none)` if not known")
    account_id = text("The account of the campaign; `(none)` of visits that meet no spend")
    campaign_key = text("The campaign, see mart.ad_campaigns")
    matched_by = text("By what they meet the spend", one_of=MATCHES)
    session_count = count("Visits of people on all days", unit="sessions", is_cost=True)


class AdCampaigns(Table):
    """One row per campaign that was spent on, or that visits from ads name without meeting any."""

    layer = "mart"
    key = ("platform", "account_id", "campaign_key")

    platform = text("Where ads are bought; `(none)` if not known", example="google_ads")
    account_id = text("The account; `(none)` without spend", example="123-456-7890")
    campaign_key = text(
        "Its id, else its name in small letters; without spend what visits say", example="1234567"
    )
    campaign_name = text("Its newest name", "Campaign", example="Brand DE")
    is_brand = flag("Whether its name matches ECOM_BRAND_CAMPAIGNS: who searches for the shop")
    channel = text(
        "The channel of most of its visits; `(none)` without visits",
        "Channel",
        one_of=(*CHANNELS, NO_CHANNEL),
    )
    first_spend_date = day("The first day with spend", nullable=True)
    last_spend_date = day("The last one", nullable=True)


class MarketingDaily(MarketingMeasures, Table):
    """One row per day, campaign and model: what was spent, what the platform claims, and what the
    model credits to it.

    Spend, visits and claims are the same under each model: choose one.
    """

    layer = "mart"
    key = ("marketing_date", "platform", "account_id", "campaign_key", "model")
    day_column = "marketing_date"
    counted_from = (CleanEvents, UserOrderLog, AdSpend)
    copied = CopiedNumbers(
        AdSpendDaily,
        frozenset(measures_of(SpendMeasures)) - {"session_count"},
        ("model", DEFAULT_MODEL),
    )

    marketing_date = day("The day: of spend in the account's zone, of all else in the shop's")
    platform = AdCampaigns.platform
    account_id = AdCampaigns.account_id
    campaign_key = AdCampaigns.campaign_key
    model = text(
        "How credit is shared among touches",
        one_of=tuple(name for name in MODELS if name != "markov"),
        example="last_non_direct",
    )


class SpendReconciliationDaily(Table):
    """One row per day and campaign: clicks beside visits, and what the platform claims beside what
    the last visit that is not direct is credited with, both on the day of the click.
    """

    layer = "mart"
    key = ("marketing_date", "platform", "account_id", "campaign_key")
    day_column = "marketing_date"

    marketing_date = MarketingDaily.marketing_date
    platform = AdCampaigns.platform
    account_id = AdCampaigns.account_id
    campaign_key = AdCampaigns.campaign_key
    spend_amount = MarketingMeasures.spend_amount
    click_count = MarketingMeasures.click_count
    session_count = MarketingMeasures.session_count
    click_without_session_count = Column(
        "int64",
        "Clicks less visits; below zero where there are more visits",
        "clicks",
        nullable=True,
        is_cost=True,
        label="Clicks without a visit",
        better="down",
    )
    platform_conversion_count = MarketingMeasures.platform_conversion_count
    touched_order_count = MarketingMeasures.touched_order_count
    overclaimed_order_count = Column(
        PROFIT,
        "Orders that the platform claims less those credited; below zero where it claims fewer",
        "orders",
        nullable=True,
        format="quantity",
        is_cost=True,
        label="Claimed beyond credit",
        better="down",
    )
    platform_conversion_amount = MarketingMeasures.platform_conversion_amount
    touched_revenue_amount = MarketingMeasures.touched_revenue_amount


CUTS: Final = ("first_channel", "item_category", "discount_code", "country")
"""By what customers are cut, one at a time."""


class CustomerCohortValue(Table):
    """One row per month of first paid orders, months since, and value of one cut: what these
    customers ordered and left in that month, and until its end.

    Who begins with a renewal of a subscription was a customer before, and is in no month.
    The other cuts have `(all)`. Of two codes, a customer counts in each. Empty without costs and ad
    spend.
    """

    layer = "mart"
    key = ("cohort_month_date", "months_since_count", *CUTS)

    cohort_month_date = day("First day of the month of the first paid order", "Month")
    months_since_count = count(
        "Months since: 0 is that month", "Months since", unit="months", is_additive=False
    )
    first_channel = text("Channel of the first paid order, as in mart.sales; `(all)` of all")
    item_category = text("Category of the largest line of that order; `(all)` of all")
    discount_code = text("Code of that order; `(none)` without one, `(all)` of all", pii=True)
    country = text("Country of that order; `(all)` of all")
    is_complete = flag("Whether the month is over")
    customer_count = count(
        "Customers of the cohort", "Customers", unit="customers", is_additive=False
    )
    order_count = count("Orders in the month", "Orders", unit="orders")
    revenue_amount = Column(
        MONEY, "Net sales in the month, refunds off", "money", label="Net sales", example="480.00"
    )
    renewal_order_count = count(
        "Of these orders, those that subscriptions made by themselves", "Renewals", unit="orders"
    )
    renewal_revenue_amount = Column(
        MONEY, "Of net sales, those of renewals", "money", label="Net sales of renewals"
    )
    contribution_revenue_amount = Column(
        PROFIT,
        "Net sales of orders whose contribution is known",
        "money",
        nullable=True,
        is_cost=True,
        label="Net sales with a contribution",
    )
    contribution_before_ads_amount = Column(
        PROFIT,
        "What these leave before advertising; null where nothing is known",
        "money",
        nullable=True,
        is_cost=True,
        label="Contribution before advertising",
        example="480.000000",
    )
    cumulative_order_count = count(
        "Orders from month 0 to the end of this one", unit="orders", is_additive=False
    )
    cumulative_revenue_amount = Column(
        MONEY, "Net sales of the same months", "money", is_additive=False
    )
    cumulative_contribution_amount = Column(
        PROFIT,
        "Contribution before advertising of the same months",
        "money",
        nullable=True,
        is_additive=False,
        is_cost=True,
    )
    revenue_per_customer = per_unit(
        "Net sales of the same months divided by the customers of the cohort",
        "Revenue per customer",
        Ratio("cumulative_revenue_amount", "customer_count"),
        unit="money",
        example="24.00",
    )
    contribution_per_customer = per_unit(
        "Contribution of the same months divided by the customers of the cohort",
        "Value per customer",
        Ratio("cumulative_contribution_amount", "customer_count"),
        unit="money",
        is_cost=True,
        example="12.00",
    )
