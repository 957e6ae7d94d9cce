"""Contracts of advertising: spend as received, quarantined, by the loads that count, and by day."""

from decimal import Decimal
from typing import Any, Final

from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.core.tables.contract import (
    UNIT_COST,
    Column,
    SmallChange,
    Table,
    count,
    day,
    flag,
    instant,
    text,
)

AD_SPEND_REJECT_REASONS = (
    "malformed_row",
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
    "total_line": "that are the total of others, which would count twice",
    "missing_account": "without an account, whose days they would replace",
    "unparseable_spend_date": "whose day is no date",
    "several_days": "of several days, such as weeks; export them by day",
    "missing_campaign": "without a campaign",
    "missing_spend": "without an amount",
    "unparseable_spend": "whose amount is no number",
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
    left_out = text("The condition of the mapping that leaves the row out", nullable=True)
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
    restated_by_source = SmallChange("account_spend_amount", Decimal("0.01"), Decimal("1.00"))

    spend_date = OfCampaign.spend_date
    platform = OfCampaign.platform
    account_id = OfCampaign.account_id
    campaign_key = OfCampaign.campaign_key
    campaign_id = OfCampaign.campaign_id
    campaign_name = OfCampaign.campaign_name
    currency = OfCampaign.currency
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
