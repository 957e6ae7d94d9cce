"""Assets of advertising: spend as received, the loads that count, and spend by day and campaign.

Platforms restate what they said of the last weeks, so a load changes any day: each table computes
the days of the run, and those whose rows are not as they would be computed now.
"""

from typing import Protocol

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, SessionDays
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.assets import (
    EVERY_CONVERSION,
    EVERY_TOUCH,
    days_of_changed_attribution,
)
from ecom_assets.commerce.attribution.contracts import ConversionCredit, Conversions, Touches
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.costs.assets import EVERY_PROFIT_LINE
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.costs.profit import days_that_differ
from ecom_assets.commerce.marketing import campaigns, cohorts, performance
from ecom_assets.commerce.marketing import spend as spends
from ecom_assets.commerce.marketing.account_zones import AccountZones
from ecom_assets.commerce.marketing.contracts import (
    AdCampaigns,
    AdSpend,
    AdSpendDaily,
    CampaignCredit,
    CampaignTags,
    CustomerCohortValue,
    MarketingDaily,
    QuarantinedAdSpend,
    RawAdSpend,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.orders.contracts import ChangedOrderDays, UserOrderLog
from ecom_assets.commerce.sales.assets import EVERY_SALE
from ecom_assets.commerce.sales.contracts import Calendar, City
from ecom_assets.core.tables.asset import (
    Reads,
    asset_key,
    has_rows,
    invalidation,
    presence,
    table_asset,
)
from ecom_assets.core.tables.days import Days, OtherDays
from ecom_assets.core.tables.portable import union_distinct
from ecom_assets.core.tables.received import SliceOutput

EVERY_SPEND = Reads(RawAdSpend, whole=True)


class AdSpendSource(Protocol):
    """A source of what was spent on ads."""

    def received(self, days: Days) -> SliceOutput:
        """Return the rows of spend, on the days on which they arrived, or an output that leaves
        the table unchanged.
        """


# After orders and events, which may say in which currency the shop's amounts are.
@table_asset(RawAdSpend, deps=(asset_key(UserOrderLog), asset_key(RawEvents)))
def raw_ad_spend(ad_spend_source: AdSpendSource, days: Days) -> SliceOutput:
    """Load spend from its sources; rows of other days do not change."""
    return ad_spend_source.received(days)


quarantined_ad_spend = table_asset(QuarantinedAdSpend, raw=EVERY_SPEND)(spends.quarantined_ad_spend)


@presence(raw=RawAdSpend)
def knows_spend(raw: ir.Table) -> bool:
    """Return whether anything was received about advertising."""
    return has_rows(raw)


@invalidation(
    only_with_rows_of=(("raw", "spend_date"), ("stored", "spend_date")),
    raw=RawAdSpend,
    stored=AdSpend,
)
def days_of_other_spend(raw: ir.Table, stored: ir.Table, days: Days) -> ir.Table:
    """Return the other days whose spend another load says now."""
    others = OtherDays(days)
    return days_that_differ(stored, spends.ad_spend(raw, others), AdSpend, others)


ad_spend = table_asset(
    AdSpend,
    raw=EVERY_SPEND,
    deps=(quarantined_ad_spend.key,),
    invalidated_by=days_of_other_spend,
    empty_unless=knows_spend,
)(spends.ad_spend)


@invalidation(
    only_with_rows_of=(("spend", "spend_date"), ("stored", "spend_date")),
    spend=AdSpend,
    stored=AdSpendDaily,
)
def days_of_other_campaigns(
    spend: ir.Table, stored: ir.Table, account_zones: AccountZones, days: Days
) -> ir.Table:
    """Return the other days on which a campaign cost something else now."""
    others = OtherDays(days)
    now = spends.ad_spend_daily(spend, account_zones, others)
    return days_that_differ(stored, now, AdSpendDaily, others)


@presence(spend=AdSpend)
def has_spend(spend: ir.Table) -> bool:
    """Return whether anything was spent."""
    return has_rows(spend)


ad_spend_daily = table_asset(
    AdSpendDaily,
    deps=(asset_key(EngagementDaily),),  # of which a check has the first day
    spend=Reads(AdSpend, whole=True),
    invalidated_by=days_of_other_campaigns,
    empty_unless=has_spend,
)(spends.ad_spend_daily)
AD_SPEND_ASSETS = (raw_ad_spend, quarantined_ad_spend, ad_spend, ad_spend_daily)
"""The assets that need `ECOM_AD_SPEND`."""
EVERY_AD_DAY = Reads(AdSpendDaily, whole=True)
EVERY_TAG = Reads(CampaignTags, whole=True)
EVERY_CREDIT = Reads(CampaignCredit, whole=True)


@presence(daily=AdSpendDaily)
def spends_on_ads(daily: ir.Table) -> bool:
    """Return whether any campaign was spent on: no table is about what ads bring, else."""
    return has_rows(daily)


@invalidation(
    conversions=Conversions,
    session_days=SessionDays,
    user_order_log=UserOrderLog,
    changed_order_days=ChangedOrderDays,
    stored=CampaignCredit,
)
def days_of_changed_credit(  # noqa: PLR0913 (each is a table or a definition)
    *,
    conversions: ir.Table,
    session_days: ir.Table,
    user_order_log: ir.Table,
    changed_order_days: ir.Table,
    stored: ir.Table,
    session_rule: SessionRule,
    attribution_rule: AttributionRule,
    not_recorded: frozenset[str],
    days: Days,
) -> ir.Table:
    """Return the days of orders whose credit the run changes, and those without credit by the rule
    of now, as before the first spend.
    """
    changed = days_of_changed_attribution(
        conversions,
        session_days,
        user_order_log,
        changed_order_days,
        session_rule,
        attribution_rule,
        not_recorded,
        days,
    )
    orders = campaigns.of_sold_unit(conversions)
    orders = orders.select(sold_unit="unit", day="converted_date").distinct()
    of_now = stored.definition_hash == attribution_rule.definition_hash
    current = stored.filter(of_now).select("unit", "converted_date").distinct()
    is_same = [orders.sold_unit == current.unit, orders.day == current.converted_date]
    # Of a shop whose orders came later, credit of purchase events goes.
    other = stored.anti_join(orders, stored.unit == orders.sold_unit)
    return union_distinct(
        changed.select("day"),
        orders.anti_join(current, is_same).select("day"),
        other.select(day="converted_date"),
    )


campaign_credit = table_asset(
    CampaignCredit,
    conversions=EVERY_CONVERSION,
    touches=EVERY_TOUCH,
    deps=(asset_key(ConversionCredit),),  # which a check compares it with
    invalidated_by=days_of_changed_credit,
    empty_unless=spends_on_ads,
)(campaigns.campaign_credit)
campaign_tags = table_asset(
    CampaignTags, touches=EVERY_TOUCH, spend=EVERY_AD_DAY, empty_unless=spends_on_ads
)(campaigns.campaign_tags)
ad_campaigns = table_asset(
    AdCampaigns, spend=EVERY_AD_DAY, tags=EVERY_TAG, empty_unless=spends_on_ads
)(campaigns.ad_campaigns)


@invalidation(
    only_with_rows_of=(
        ("spend", "spend_date"),
        ("touches", "started_date"),
        ("credit", "converted_date"),
        ("credit", "touched_date"),
        ("stored", "marketing_date"),
    ),
    spend=AdSpendDaily,
    touches=Touches,
    credit=CampaignCredit,
    conversions=Conversions,
    profit_lines=ProfitLines,
    tags=CampaignTags,
    stored=MarketingDaily,
)
def days_of_other_marketing(  # noqa: PLR0913 (as the table)
    *,
    spend: ir.Table,
    touches: ir.Table,
    credit: ir.Table,
    conversions: ir.Table,
    profit_lines: ir.Table,
    tags: ir.Table,
    stored: ir.Table,
    days: Days,
) -> ir.Table:
    """Return the other days on which a campaign cost or brought something else now."""
    others = OtherDays(days)
    now = performance.marketing_daily(
        spend, touches, credit, conversions, profit_lines, tags, days=others
    )
    return days_that_differ(stored, now, MarketingDaily, others)


marketing_daily = table_asset(
    MarketingDaily,
    spend=EVERY_AD_DAY,
    touches=EVERY_TOUCH,
    credit=EVERY_CREDIT,
    conversions=EVERY_CONVERSION,
    profit_lines=EVERY_PROFIT_LINE,
    tags=EVERY_TAG,
    invalidated_by=days_of_other_marketing,
    empty_unless=spends_on_ads,
)(performance.marketing_daily)


@invalidation(
    only_with_rows_of=(("marketing", "marketing_date"), ("stored", "marketing_date")),
    marketing=MarketingDaily,
    stored=SpendReconciliationDaily,
)
def days_of_other_claims(marketing: ir.Table, stored: ir.Table, days: Days) -> ir.Table:
    """Return the other days on which claims or credit are others now."""
    others = OtherDays(days)
    now = performance.spend_reconciliation_daily(marketing, others)
    return days_that_differ(stored, now, SpendReconciliationDaily, others)


spend_reconciliation_daily = table_asset(
    SpendReconciliationDaily,
    marketing=Reads(MarketingDaily, whole=True),
    deps=(ad_campaigns.key,),  # of which a check has the names
    invalidated_by=days_of_other_claims,
    empty_unless=spends_on_ads,
)(performance.spend_reconciliation_daily)


@presence(daily=AdSpendDaily, lines=ProfitLines)
def knows_worth(daily: ir.Table, lines: ir.Table) -> bool:
    """Return whether customers cost anything, or leave anything, that is known."""
    return has_rows(daily) or has_rows(lines)


customer_cohort_value = table_asset(
    CustomerCohortValue,
    sold=EVERY_SALE,
    profit_lines=EVERY_PROFIT_LINE,
    cities=Reads(City, whole=True),
    calendar=Reads(Calendar, whole=True),
    empty_unless=knows_worth,
)(cohorts.customer_cohort_value)
MARKETING_ASSETS = (
    campaign_credit,
    campaign_tags,
    ad_campaigns,
    marketing_daily,
    spend_reconciliation_daily,
)
"""What ads bring, of shops with visits."""
COHORT_ASSETS = (customer_cohort_value,)
"""The asset that needs orders only."""
