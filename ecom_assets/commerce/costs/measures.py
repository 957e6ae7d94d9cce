"""The measures of costs and profit."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ecom_assets.commerce.sales.measures import SHIPPED
from ecom_assets.core.tables.contract import Aggregate, Column, Ratio, count, item_quantity, rate

PROFIT: Final = "decimal(38, 6)"
"""The type of sums of costs, which keep the six digits of unit costs."""


def _amount(
    description: str,
    label: str,
    column: str,
    where: Mapping[str, object] | None = None,
    *,
    nullable: bool = True,
    **more: Any,  # noqa: ANN401 (as `Column`)
) -> Column:
    """Return the sum of a column of order lines, of all or of those of a status."""
    of = Aggregate(column, where or {}, is_sum=True)
    return Column(
        PROFIT, description, "money", label=label, counted_as=of, nullable=nullable, **more
    )


_cost = partial(_amount, is_cost=True, better="down")
"""Returns a sum of what the shop pays."""


class ProfitSalesMeasures:
    """What was sold, beside its profit."""

    order_count = count(
        "How many orders were placed", "Orders", Aggregate("order_key", SHIPPED), unit="orders"
    )
    sold_item_count = item_quantity(
        "How many items were sold",
        "Items sold",
        Aggregate("quantity", SHIPPED, is_sum=True),
        nullable=True,
        at_least=0,
    )
    shipped_amount = _amount(
        "What customers paid, before refunds",
        "Gross revenue",
        "revenue_amount",
        SHIPPED,
        nullable=False,
        example="37730.00",
    )
    revenue_amount = _amount(
        "What customers paid, less returns",
        "Net sales",
        "revenue_amount",
        nullable=False,
        example="35589.90",
    )


class ProfitMeasures(ProfitSalesMeasures):
    """What sales leave after the cost of what was sold, by order lines."""

    gross_sales_amount = _amount(
        "What was charged before discounts and refunds, without taxes",
        "Gross sales",
        "gross_sales_amount",
        nullable=False,
        example="39810.00",
    )
    discount_amount = _amount(
        "What discounts took off",
        "Discounts",
        "discount_amount",
        better="down",
        example="2080.00",
    )
    returns_amount = _amount(
        "What was paid back, without goodwill",
        "Returns",
        "returns_amount",
        nullable=False,
        better="down",
        example="2140.10",
    )
    costed_shipped_amount = _amount(
        "What customers paid for it, where the cost is known",
        "Gross revenue with a cost",
        "costed_revenue_amount",
        SHIPPED,
        is_cost=True,
        example="33957.00",
    )
    costed_revenue_amount = _amount(
        "Net sales, where the cost is known",
        "Net sales with a cost",
        "costed_revenue_amount",
        is_cost=True,
        example="32030.91",
    )
    cost_amount = _cost(
        "What the items cost when ordered, less what came back",
        "Cost of goods",
        "cost_amount",
        example="19218.55",
    )
    estimated_cost_amount = _cost(
        "What of it was ordered before a cost is known",
        "Estimated cost",
        "estimated_cost_amount",
        example="0.00",
    )
    gross_profit_amount = _amount(
        "Net sales less cost, where it is known",
        "Gross profit",
        "gross_profit_amount",
        is_cost=True,
        example="12812.36",
    )
    gross_margin_rate = Column(
        "float64",
        "Gross profit as a share of net sales with a cost",
        "share",
        nullable=True,  # above 1 where more cost came back than was sold
        is_additive=False,
        label="Gross margin",
        counted_as=Ratio("gross_profit_amount", "costed_revenue_amount", above_zero=True),
        is_cost=True,
        example=0.4,
    )
    cost_coverage_rate = rate(
        "The share of gross revenue with a cost",
        "Cost known",
        Ratio("costed_shipped_amount", "shipped_amount"),
        nullable=True,
        example=0.9,
    )
    shipping_amount = _amount(
        "What customers paid for shipping, less what was paid back",
        "Shipping charged",
        "shipping_amount",
        example="1840.00",
    )
    shipping_cost_amount = _cost(
        "What the shop paid for shipping, as orders state it or a rule says it",
        "Shipping paid",
        "shipping_cost_amount",
        example="1702.40",
    )
    estimated_shipping_cost_amount = _cost(
        "What of it a rule says",
        "Estimated shipping",
        "estimated_shipping_cost_amount",
        example="0.00",
    )
    payment_fee_amount = _cost(
        "What payments cost, as orders state it or a rule says it",
        "Payment fees",
        "payment_fee_amount",
        example="688.12",
    )
    estimated_payment_fee_amount = _cost(
        "What of it a rule says",
        "Estimated fees",
        "estimated_payment_fee_amount",
        example="0.00",
    )
    estimated_commission_amount = _cost(
        "What marketplaces take, by rules",
        "Commissions",
        "estimated_commission_amount",
        example="0.00",
    )
    goodwill_amount = _amount(
        "What was paid back beyond the worth of orders, or for none",
        "Goodwill",
        "goodwill_amount",
        better="down",
        example="35.00",
    )
    contribution_shipped_amount = _amount(
        "What customers paid for it, where all parts of the order are known",
        "Gross revenue with a contribution",
        "contribution_revenue_amount",
        SHIPPED,
        is_cost=True,
        example="33102.00",
    )
    contribution_before_ads_amount = _amount(
        "Gross profit and shipping charged, less shipping paid, fees, commissions and goodwill, of "
        "orders of which all parts are known",
        "Contribution before advertising",
        "contribution_before_ads_amount",
        is_cost=True,
        example="12261.84",
    )
    contribution_coverage_rate = rate(
        "The share of gross revenue with a contribution",
        "Contribution known",
        Ratio("contribution_shipped_amount", "shipped_amount"),
        nullable=True,
        example=0.88,
    )


HEADLINES: Final = ("gross_profit_amount", "gross_margin_rate", "cost_coverage_rate")
"""The numbers of profit that stand beside others, such as those of products."""
