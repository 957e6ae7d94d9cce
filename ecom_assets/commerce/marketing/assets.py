"""Assets of advertising: spend as received, the loads that count, and spend by day and campaign.

Platforms restate what they said of the last weeks, so a load changes any day: each table computes
the days of the run, and those whose rows are not as they would be computed now.
"""

from typing import Protocol

import ibis.expr.types as ir

from ecom_assets.commerce.costs.profit import days_that_differ
from ecom_assets.commerce.marketing import spend as spends
from ecom_assets.commerce.marketing.contracts import (
    AdSpend,
    AdSpendDaily,
    QuarantinedAdSpend,
    RawAdSpend,
)
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.asset import (
    Reads,
    asset_key,
    has_rows,
    invalidation,
    presence,
    table_asset,
)
from ecom_assets.core.tables.days import Days, OtherDays
from ecom_assets.core.tables.received import SliceOutput

EVERY_SPEND = Reads(RawAdSpend, whole=True)


class AdSpendSource(Protocol):
    """A source of what was spent on ads."""

    def received(self, days: Days) -> SliceOutput:
        """Return the rows of spend, on the days on which they arrived, or an output that leaves
        the table unchanged.
        """


# After the orders, whose lines may say in which currency the shop's amounts are.
@table_asset(RawAdSpend, deps=(asset_key(UserOrderLog),))
def raw_ad_spend(ad_spend_source: AdSpendSource, days: Days) -> SliceOutput:
    """Load spend from its sources; rows of other days do not change."""
    return ad_spend_source.received(days)


quarantined_ad_spend = table_asset(QuarantinedAdSpend, raw=EVERY_SPEND)(spends.quarantined_ad_spend)


@presence(raw=RawAdSpend)
def knows_spend(raw: ir.Table) -> bool:
    """Return whether anything was received about advertising."""
    return has_rows(raw)


@invalidation(raw=RawAdSpend, stored=AdSpend)
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


@invalidation(spend=AdSpend, stored=AdSpendDaily)
def days_of_other_campaigns(spend: ir.Table, stored: ir.Table, days: Days) -> ir.Table:
    """Return the other days on which a campaign cost something else now."""
    others = OtherDays(days)
    return days_that_differ(stored, spends.ad_spend_daily(spend, others), AdSpendDaily, others)


@presence(spend=AdSpend)
def has_spend(spend: ir.Table) -> bool:
    """Return whether anything was spent."""
    return has_rows(spend)


ad_spend_daily = table_asset(
    AdSpendDaily,
    spend=Reads(AdSpend, whole=True),
    invalidated_by=days_of_other_campaigns,
    empty_unless=has_spend,
)(spends.ad_spend_daily)
AD_SPEND_ASSETS = (raw_ad_spend, quarantined_ad_spend, ad_spend, ad_spend_daily)
"""The assets that need `ECOM_AD_SPEND`."""
