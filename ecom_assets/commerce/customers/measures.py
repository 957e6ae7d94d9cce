"""The measures of customers: how many ordered, came back and are worth what."""

from typing import Final

from ecom_assets.core.tables.contract import amount, count, rate

AT_RISK_BELOW: Final = 0.5
"""Customers with a lower probability to order again are at risk:
they are more likely gone than not.
"""


class CustomerMeasures:
    """Who ordered in a period; customers are those of order lines,
    or the visitors of purchase events.
    """

    customer_count = count(
        "How many customers ordered", "Customers", unit="customers", is_additive=False, example=276
    )
    new_customer_count = count(
        "Of these, those whose first paid order, no renewal of a subscription, was in these days; "
        "who has paid for nothing yet is neither new nor returning",
        "New customers",
        unit="customers",
        is_additive=False,
        example=250,
    )
    returning_customer_count = count(
        "Of these, those who had paid for an order before these days, or began with a renewal of a "
        "subscription",
        "Returning customers",
        unit="customers",
        is_additive=False,
        example=26,
    )
    retention_rate = rate(
        "The share of the customers of the period before who ordered again in this one; not known "
        "where the data do not hold all days of both",
        "Retained",
        nullable=True,
        example=0.21,
    )


class ValueMeasures:
    """What all customers brought, and are expected to bring."""

    revenue_per_customer_amount = amount(
        "Revenue of all time divided by the number of customers",
        "Revenue per customer",
        is_additive=False,
    )
    lifetime_value_amount = amount(
        "The revenue that a customer is expected to bring in the time ahead, discounted; the mean "
        "over customers",
        "Expected lifetime value",
        is_additive=False,
    )
    churn_risk_rate = rate(
        "How likely it is that a customer will not order again; the mean over customers",
        "Risk of losing one",
        better="down",
        example=0.48,
    )
    at_risk_customer_count = count(
        f"Customers who are less likely than {AT_RISK_BELOW:.0%} to order again",
        "Customers at risk",
        unit="customers",
        is_additive=False,
        better="down",
        example=120,
    )
