"""The measures of sales."""

from typing import Final

from ecom_assets.core.tables.contract import (
    Aggregate,
    Ratio,
    amount,
    count,
    item_quantity,
    per_unit,
    rate,
)

SHIPPED: Final = {"status": "shipped"}
REFUNDED: Final = {"status": "refunded"}
HEADLINES: Final = ("revenue_amount", "order_count", "average_order_value")
"""The sales of a shop in three numbers: what its overview and its first board begin with."""


class ChargeMeasures:
    """What orders cost beside their items, net of refunds; null where no line says it."""

    shipping_amount = amount(
        "What customers paid for shipping, less what was paid back",
        "Shipping",
        Aggregate("shipping_amount", is_sum=True),
        nullable=True,
        example="1840.00",
    )
    tax_amount = amount(
        "What customers paid in taxes beside the revenue, less what was paid back",
        "Taxes",
        Aggregate("tax_amount", is_sum=True),
        nullable=True,
        example="6762.08",
    )
    tip_amount = amount(
        "What customers paid as tips, less what was paid back",
        "Tips",
        Aggregate("tip_amount", is_sum=True),
        nullable=True,
        example="0.00",
    )


class DiscountMeasures:
    """What was sold with discounts, before refunds."""

    order_count = count(
        "Orders with the discount; one with two codes counts for each",
        "Orders with discounts",
        Aggregate("order_key"),
        unit="orders",
        example=41,
    )
    customer_count = count(
        "Customers who used it",
        "Customers with discounts",
        Aggregate("customer_id"),
        unit="customers",
        is_additive=False,
        example=38,
    )
    gross_sales_amount = amount(
        "Their prices before discounts",
        "Gross sales of discounted lines",
        Aggregate("gross_amount", is_sum=True),
        nullable=True,
        example="4100.00",
    )
    discount_amount = amount(
        "What all discounts of these lines took off",
        "Discounts",
        Aggregate("discount_amount", is_sum=True),
        nullable=True,
        better=None,
        example="410.00",
    )
    shipped_amount = amount(
        "What was paid for these lines, before refunds",
        "Gross revenue of discounted lines",
        Aggregate("revenue_amount", is_sum=True),
        example="3690.00",
    )
    discount_rate = rate(
        "Discounts divided by gross sales",
        "Discount rate of discounted lines",
        Ratio("discount_amount", "gross_sales_amount"),
        nullable=True,
        better=None,
        example=0.1,
    )


class SalesMeasures:
    """What was sold and paid back, by order lines, or by purchase and refund events."""

    order_count = count(
        "How many orders were placed; what is ordered under one number on one day is one order",
        "Orders",
        Aggregate("order_key", SHIPPED),
        unit="orders",
        example=331,
    )
    refund_count = count(
        "How many orders had something paid back, each on the day of the refund",
        "Refunds",
        Aggregate("order_key", REFUNDED),
        unit="refunds",
        better="down",
        example=19,
    )
    customer_count = count(
        "How many customers ordered something",
        "Customers",
        Aggregate("customer_id", SHIPPED),
        unit="customers",
        is_additive=False,
        example=280,
    )
    sold_item_count = item_quantity(
        "How many items were sold; metres and kilograms count as such",
        "Items sold",
        Aggregate("quantity", SHIPPED, is_sum=True),
        nullable=True,
        at_least=0,
        example=530,
    )
    refunded_item_count = item_quantity(
        "How many items were paid back",
        "Items refunded",
        Aggregate("quantity", REFUNDED, is_sum=True, sign=-1),
        nullable=True,
        at_least=0,
        better="down",
        example=29,
    )
    shipped_amount = amount(
        "What customers paid, before refunds",
        "Gross revenue",
        Aggregate("revenue_amount", SHIPPED, is_sum=True),
        example="37730.00",
    )
    refunded_amount = amount(
        "What was paid back, as a negative amount",
        "Refunded",
        Aggregate("revenue_amount", REFUNDED, is_sum=True),
        at_most=0,
        example="-2140.10",
    )
    revenue_amount = amount(
        "What customers paid, less what was paid back",
        "Revenue",
        Aggregate("revenue_amount", is_sum=True),
        example="35589.90",
    )
    average_order_value = per_unit(
        "Revenue divided by the number of orders",
        "Average order value",
        Ratio("revenue_amount", "order_count"),
        unit="money per order",
        format="money",
        example="107.52",
    )
