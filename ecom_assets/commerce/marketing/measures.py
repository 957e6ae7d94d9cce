"""The measures of advertising: what was spent, what platforms claim, and what orders are credited.

METRICS "Advertising"; docs/metrics/marketing.md.
"""

from functools import partial
from typing import Any, Final

from ecom_assets.behaviour.events.recorded import ADDRESSES, ORDER_VISITS
from ecom_assets.commerce.attribution.contracts import CREDIT
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.core.tables.contract import MONEY, Aggregate, Column, Ratio, count, per_unit


def _summed(name: str, kind: str, description: str, label: str, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    options: dict[str, Any] = {"unit": "money", "nullable": True, "is_cost": True} | more
    return Column(
        kind, description, label=label, counted_as=Aggregate(name, is_sum=True), **options
    )


PLATFORM_CLAIMS: Final = "platform_claims"
"""What every account with spend says that its ads brought."""
_credited = partial(_summed, needs=(ADDRESSES, ORDER_VISITS))
"""Returns a column of what orders are credited with, by where visits came from."""


def _shared(name: str, description: str, label: str, unit: str) -> Column:
    """Return a column of counts of which campaigns have parts."""
    return _credited(name, CREDIT, description, label, unit=unit, nullable=False, format="quantity")


def _times(part: str, whole: str, description: str, label: str, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    ratio = Ratio(part, whole, above_zero=True)
    return per_unit(description, label, ratio, unit="times", is_cost=True, **more)


class SpendMeasures:
    """What campaigns cost, what they brought to the shop, and what their platforms claim."""

    spend_amount = _summed(
        "spend_amount",
        PROFIT,
        "What was spent on ads, in the shop's currency",
        "Ad spend",
        nullable=False,
        better=None,
        example="100.000000",
    )
    impression_count = count(
        "How often ads were shown",
        "Impressions",
        Aggregate("impression_count", is_sum=True),
        unit="impressions",
        nullable=True,
        is_cost=True,
        better=None,
    )
    click_count = count(
        "How often ads were clicked, as the platform says",
        "Clicks",
        Aggregate("click_count", is_sum=True),
        unit="clicks",
        nullable=True,
        is_cost=True,
        better=None,
    )
    session_count = count(
        "Visits of people from these ads",
        "Visits",
        Aggregate("session_count", is_sum=True),
        needs=(ADDRESSES,),
        unit="sessions",
        is_cost=True,
    )
    platform_conversion_count = _summed(
        "platform_conversion_count",
        PROFIT,
        "Orders that the platform claims",
        "Orders claimed by the platform",
        unit="orders",
        format="quantity",
        better=None,
    )
    platform_conversion_amount = _summed(
        "platform_conversion_amount",
        PROFIT,
        "What the platform says that these brought",
        "Revenue claimed by the platform",
        better=None,
    )


class CreditMeasures:
    """What orders are credited to campaigns by a model."""

    credited_order_count = _shared(
        "credited_order_count",
        "Orders credited to ads by the model, on the day of the order; renewals are apart",
        "Orders credited",
        "orders",
    )
    credited_revenue_amount = _credited(
        "credited_revenue_amount",
        MONEY,
        "What they brought, less refunds, on the day of the order or refund",
        "Revenue credited",
        nullable=False,
        example="400.00",
    )
    renewal_order_count = _shared(
        "renewal_order_count",
        "Orders that subscriptions made by themselves, credited in the same way",
        "Renewals credited",
        "orders",
    )
    renewal_revenue_amount = _credited(
        "renewal_revenue_amount",
        MONEY,
        "What these brought, less refunds; no other number of ads has it",
        "Revenue of renewals credited",
        nullable=False,
    )
    touched_order_count = _shared(
        "touched_order_count",
        "The same orders on the day of the visit that is credited, to compare with platforms",
        "Orders by day of visit",
        "orders",
    )
    touched_revenue_amount = _credited(
        "touched_revenue_amount",
        MONEY,
        "What these brought, less refunds, on the day of the visit that is credited",
        "Revenue by day of visit",
        nullable=False,
    )
    new_customer_count = _shared(
        "new_customer_count",
        "Customers whose first paid order, no renewal, is credited to ads by the model",
        "New customers by ads",
        "customers",
    )
    first_order_revenue_amount = _credited(
        "first_order_revenue_amount",
        MONEY,
        "What these orders brought, before refunds",
        "Revenue of first paid orders by ads",
        nullable=False,
    )
    contribution_revenue_amount = _credited(
        "contribution_revenue_amount",
        PROFIT,
        "Net sales credited, of orders whose contribution is known",
        "Revenue with a contribution",
    )
    contribution_before_ads_amount = _credited(
        "contribution_before_ads_amount",
        PROFIT,
        "What credited orders leave before advertising, where it is known",
        "Contribution before advertising, by ads",
    )


class MarketingMeasures(SpendMeasures, CreditMeasures):
    """Both, and their ratios."""

    roas = _times(
        "credited_revenue_amount",
        "spend_amount",
        "Revenue credited by the model divided by spend",
        "ROAS",
        example=4.0,
    )
    platform_roas = _times(
        "platform_conversion_amount",
        "spend_amount",
        "Revenue that the platform claims divided by spend; null where an account claims nothing",
        "ROAS claimed by the platform",
        needs=(PLATFORM_CLAIMS,),
        example=5.0,
        better=None,
    )
    first_order_roas = _times(
        "first_order_revenue_amount",
        "spend_amount",
        "Revenue of credited first paid orders divided by spend",
        "ROAS of first paid orders",
        example=2.0,
    )
    break_even_roas = _times(
        "contribution_revenue_amount",
        "contribution_before_ads_amount",
        "Net sales divided by the contribution before advertising of the same orders: a ROAS below "
        "loses money; null where they leave nothing",
        "Break-even ROAS",
        better="down",
        example=2.86,
    )
    cost_per_new_customer = per_unit(
        "Spend divided by customers whose first paid order is credited to it",
        "Cost per new customer by ads",
        Ratio("spend_amount", "new_customer_count"),
        unit="money",
        is_cost=True,
        better="down",
        example="20.00",
    )


AD_HEADLINES: Final = (
    "spend_amount",
    "credited_revenue_amount",
    "roas",
    "platform_roas",
    "cost_per_new_customer",
)
"""The numbers of ads that stand beside others, such as those of a week."""
