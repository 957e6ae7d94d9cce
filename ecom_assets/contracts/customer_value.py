"""Contracts of customers by what they are worth: segments by recency, frequency and money, and expected value.

Not here: what they bought (`sales.py`), who they are (`customers.py`).
"""

from ecom_assets.contracts.table import Column, Table, amount, count, day, rate, text

SEGMENTS = (
    "Champions",
    "Loyal",
    "Potential Loyalist",
    "New",
    "Promising",
    "Need Attention",
    "About To Sleep",
    "At Risk",
    "Can't Lose",
    "Hibernating",
    "Lost",
)
NO_MODEL_REASONS = ("too_few_customers", "no_repeat_orders", "no_spread", "not_converged")
NO_ORDER_VALUE_REASONS = (*NO_MODEL_REASONS, "no_finite_mean")


def _score(description: str) -> Column:
    return Column("int64", description, unit="points", at_least=1, at_most=5)


def _parameter(description: str, unit: str | None = None) -> Column:
    return Column("float64", description, unit=unit, nullable=True, at_least=0)


class CustomerSegments(Table):
    """One row per customer with an order, as of the newest day in the data."""

    layer = "mart"
    group = "customers"
    key = ("customer_id",)

    customer_id = text(
        "The customer of the orders; the visitor of the purchase events where there are no orders", pii=True
    )
    as_of_date = day("The newest day in the data, from whose end the row looks back")
    last_order_date = day("Day of the last order")
    recency_days = count("From last_order_date to as_of_date", unit="days")
    order_count = count("Orders", unit="orders")
    revenue_amount = amount("Shipped less refunded")
    recency_score = _score("5 for those who ordered last; ties share a score")
    frequency_score = _score("5 for those with most orders; likewise")
    monetary_score = _score("5 for those with most revenue; likewise")
    segment = text("By the three scores", one_of=SEGMENTS)


class LifetimeValue(Table):
    """One row per customer with an order: what to expect of them, as of the newest day in the data."""

    layer = "mart"
    group = "customers"
    key = ("customer_id",)

    customer_id = text(
        "The customer of the orders; the visitor of the purchase events where there are no orders", pii=True
    )
    as_of_date = day("The newest day in the data: models are fitted to everything until its end")
    repeat_order_count = count("x: days with an order, after the first such day", unit="days")
    first_to_last_days = count("t_x: from the first such day to the last", unit="days")
    observed_days = count("T: from the first such day to as_of_date", unit="days")
    repeat_amount = amount("Shipped on these days, the first left out", at_least=0)
    alive_probability = rate("Chance that they will ever order again; null without a model", nullable=True)
    expected_order_count = Column(
        "float64",
        "Days with an order to expect within horizon_days; null without a model",
        "days",
        nullable=True,
        at_least=0,
    )
    expected_order_value = Column(
        "float64",
        "Mean to expect of such a day; null without a model of values",
        "money per day",
        nullable=True,
        at_least=0,
    )
    lifetime_value_amount = amount(
        "Orders to expect within value_months, at their expected value, discounted; null without both models",
        nullable=True,
    )
    no_model_reason = text("Why there is no model of orders; null if there is", nullable=True, one_of=NO_MODEL_REASONS)
    no_order_value_reason = text(
        "Why there is no model of values; null if there is", nullable=True, one_of=NO_ORDER_VALUE_REASONS
    )
    r = _parameter("BG/NBD: shape of the rates of orders over customers")
    alpha = _parameter("BG/NBD: their scale", "weeks")
    a = _parameter("BG/NBD: first shape of the chances to leave after an order")
    b = _parameter("BG/NBD: second shape of these")
    p = _parameter("Gamma-Gamma: shape of the values of a customer's orders")
    q = _parameter("Gamma-Gamma: shape of the means over customers")
    v = _parameter("Gamma-Gamma: their scale", "money")
    horizon_days = count("Days that expected_order_count looks ahead", unit="days")
    value_months = count("Months of 30 days that lifetime_value_amount looks ahead", unit="months")
    discount_rate = Column("float64", "By which money is worth less a year later", unit="share per year", at_least=0)
