"""A shop that buys ads: its spend, visits and orders, and what is made of them."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.marketing.assets import COHORT_ASSETS, MARKETING_ASSETS
from ecom_assets.commerce.marketing.contracts import AdSpendDaily, MarketingDaily
from ecom_assets.commerce.sales.contracts import Calendar, City, Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import CostShop, day, sale

DEFAULT: Final = "last_non_direct"
NOTHING: Final = {
    "source": "",
    "medium": "",
    "campaign": "(not set)",
    "source_lists_version": "1",
    "is_bot": False,
}
PROFIT_LINE: Final = {
    **dict.fromkeys(("item_category", "channel", "city_id", "sales_channel"), "(none)"),
    "customer_type": "unknown",
    "status": "shipped",
    "is_restock_assumed": False,
    "item_id": "hat",
}


def spent(on: str, platform: str, campaign: str, amount: str, **more: Any) -> Row:
    """Return a row of `mart.ad_spend_daily`: campaign `7:Brand` has an id and a name."""
    campaign_id, _, name = campaign.rpartition(":")
    return {
        "spend_date": day(on),
        "platform": platform,
        "account_id": "1",
        "campaign_key": campaign_id or name.lower(),
        "campaign_id": campaign_id or None,
        "campaign_name": name,
        "currency": "EUR",
        "account_spend_amount": Decimal(amount),
        "spend_amount": Decimal(amount),
        "is_conflict": False,
        **more,
    }


def visit(who: str, at: str, channel: str, **said: Any) -> Row:
    """Return a row of `mart.touches`."""
    started_at = datetime.fromisoformat(at)
    return {
        **NOTHING,
        "session_id": f"{who} {at}",
        "visitor_id": who,
        "started_at": started_at,
        "started_date": started_at.date(),
        "channel": channel,
        **said,
    }


class AdShop(CostShop):
    """One warehouse in memory, with every asset of what ads bring."""

    def assets_of(self, settings: Settings) -> list[TableAsset]:  # noqa: ARG002 (these depend on none)
        """Return every asset, in order."""
        return [*MARKETING_ASSETS, *COHORT_ASSETS]

    def order(  # noqa: PLR0913 (what an order says)
        self,
        order: str,
        at: str,
        revenue: str,
        *,
        customer: str,
        left: str | None = None,
        is_renewal: bool | None = None,
    ) -> None:
        """Let an order be placed, or a part of it be paid back (below zero), which leaves so much
        before advertising.
        """
        is_refund = Decimal(revenue) < 0
        number = len(self.sold)
        row = sale(f"{order}-{number}", at[:10], "hat", "1", revenue, customer=customer)
        row |= {"ordered_at": datetime.fromisoformat(at), "is_renewal": is_renewal}
        self.sold.append(row)
        self.bought.append(
            {
                "unit": "order",
                "conversion_id": order,
                "visitor_id": customer,
                "is_refund": is_refund,
                "converted_at": row["ordered_at"],
                "converted_date": row["order_date"],
                "revenue_amount": Decimal(revenue),
                "is_renewal": is_renewal,
            }
        )
        if left is not None:
            same = ("uniq_id", "order_id", "order_date", "customer_id", "status", "revenue_amount")
            self.lines.append(
                {
                    **PROFIT_LINE,
                    **{name: row[name] for name in same},
                    "placed_date": row["order_date"],
                    "contribution_revenue_amount": row["revenue_amount"],
                    "contribution_before_ads_amount": Decimal(left),
                }
            )

    def __init__(self, **settings: Any) -> None:
        """Open an empty warehouse."""
        super().__init__(**settings)
        self.sold: list[Row] = []
        self.bought: list[Row] = []
        self.lines: list[Row] = []

    def fill(
        self, spend: Iterable[Row], visits: Iterable[Row], *, first: str, last: str
    ) -> "AdShop":
        """Store all of the shop, and run over its days, from the first to the last."""
        days = Days.between(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY)
        self.hold(AdSpendDaily, spend)
        self.hold(Touches, visits)
        self.hold(Conversions, self.bought)
        self.hold(ProfitLines, self.lines)
        self.hold(Sales, self.sold)
        self.hold(Calendar, [calendar_row(on) for on in days.dates])
        self.hold(City, [dict.fromkeys(City.columns, "(none)")])
        self.run(days)
        return self

    def marketing(self, model: str = DEFAULT) -> dict[tuple[str, str], Row]:
        """Return the sums of all days by platform and campaign."""
        sums: dict[tuple[str, str], Row] = {}
        for row in self.rows(MarketingDaily):
            if row["model"] != model:
                continue
            numbers = sums.setdefault((row["platform"], row["campaign_key"]), {})
            for name in MarketingDaily.numbers():
                if MarketingDaily.columns[name].type != "float64" and row[name] is not None:
                    numbers[name] = numbers.get(name, 0) + row[name]
        return sums


def calendar_row(on: date) -> Row:
    """Return a day of the calendar."""
    return {
        **dict.fromkeys(Calendar.columns, 1),
        "calendar_date": on,
        "month_start_date": on.replace(day=1),
        "week_start_date": on - timedelta(days=on.weekday()),
        "is_weekend": False,
    }
