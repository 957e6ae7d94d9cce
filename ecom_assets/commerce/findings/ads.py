"""Which campaigns cost more than the orders that they are credited with leave, beyond chance.

They are no rows of `mart.findings`, as only keys that may see costs may see them.
METRICS "What to look at"; docs/metrics/findings.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import sqrt
from statistics import NormalDist
from typing import Final

from ecom_assets.commerce.findings.chance import FALSE_ALARMS, WEEK
from ecom_assets.commerce.findings.contracts import NO_CAUSE, NO_FUNNEL
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.days import ONE_DAY

WEEKS_BEFORE: Final = 4
LOOKED_AT_DAYS: Final = (WEEKS_BEFORE + 1) * WEEK
"""The newest week, and the weeks from which the worth of an order is known, too."""
LEAST_DUE: Final = 10
"""Spend that fewer orders would pay for is not looked at."""
DECIMALS: Final = 4
CENT_OF_CENT: Final = Decimal("0.0001")


@dataclass
class CampaignWeeks:
    """What a campaign cost and was credited with in the newest week, and in all weeks."""

    name: str
    spend: float = 0.0
    orders: float = 0.0
    revenue: float = 0.0
    all_orders: float = 0.0
    all_revenue: float = 0.0
    contribution_revenue: float = 0.0
    contribution: float = 0.0

    @property
    def break_even(self) -> float | None:
        """Return the ROAS at which orders pay for ads; None where it is not known, or there is
        none, as orders leave nothing.
        """
        if self.contribution <= 0 or self.contribution_revenue <= 0:
            return None
        return self.contribution_revenue / self.contribution

    @property
    def due(self) -> float:
        """Return how many orders would have paid for the newest week's spend."""
        if self.break_even is None or self.all_orders <= 0 or self.all_revenue <= 0:
            return 0.0
        return self.spend * self.break_even / (self.all_revenue / self.all_orders)


def looked_at(rows: Iterable[NamedValues], last: date) -> list[CampaignWeeks]:
    """Return the campaigns whose newest week's spend takes enough orders to pay for.

    Args:
        rows: Rows of `MarketingDaily` of `LOOKED_AT_DAYS` up to `last`, under one model, with the
            `campaign_name`.
        last: The newest day.
    """
    campaigns: dict[tuple[str, ...], CampaignWeeks] = {}
    for row in rows:
        key = tuple(str(row[name]) for name in ("platform", "account_id", "campaign_key"))
        named = f"{row['campaign_name']} ({row['platform']})"
        weeks = campaigns.setdefault(key, CampaignWeeks(named))
        if row["marketing_date"] > last - WEEK * ONE_DAY:
            weeks.spend += float(row["spend_amount"])
            weeks.orders += float(row["credited_order_count"])
            weeks.revenue += float(row["credited_revenue_amount"])
        weeks.all_orders += float(row["credited_order_count"])
        weeks.all_revenue += float(row["credited_revenue_amount"])
        weeks.contribution_revenue += float(row["contribution_revenue_amount"] or 0)
        weeks.contribution += float(row["contribution_before_ads_amount"] or 0)
    return [weeks for _, weeks in sorted(campaigns.items()) if weeks.due >= LEAST_DUE]


def least_orders(due: float, looks: int) -> float:
    """Return how few orders chance leaves of those that are due, of so many campaigns looked at.

    The root of a Poisson count has the same spread, one half, whatever it is.
    """
    far = NormalDist().inv_cdf(1 - FALSE_ALARMS / looks)
    return max(sqrt(due) - far / 2, 0.0) ** 2


def ad_findings(campaigns: list[CampaignWeeks], last: date) -> Iterator[Row]:
    """Yield a finding, as rows of `ShopFindings`, of each campaign below its break-even."""
    for weeks in campaigns:
        bound, break_even = least_orders(weeks.due, len(campaigns)), weeks.break_even
        if break_even is None or weeks.orders >= bound:
            continue
        roas = weeks.revenue / weeks.spend
        lost = Decimal(str(weeks.spend - weeks.revenue / break_even))
        yield {
            "kind": "ads",
            "funnel_name": NO_FUNNEL,
            "step": 0,
            "dimension": "campaign",
            "subject": weeks.name,
            "first_date": last - (WEEK - 1) * ONE_DAY,
            "last_date": last,
            "observed_number": round(roas, DECIMALS),
            "expected_number": round(break_even, DECIMALS),
            "bound_number": round(break_even * bound / weeks.due, DECIMALS),
            "weekly_amount": lost.quantize(CENT_OF_CENT),
            **NO_CAUSE,
        }
