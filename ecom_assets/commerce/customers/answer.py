"""The answers about customers: their segments, and what they are expected to be worth."""

from dataclasses import asdict
from datetime import date
from typing import Any, Final

from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, field_of, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.sessions.queries import has_paid_events
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import whole_sessions
from ecom_assets.commerce.customers.contracts import LifetimeValue
from ecom_assets.commerce.customers.measures import ValueMeasures
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.customers.queries import segment_totals, value_totals
from ecom_assets.commerce.customers.question import (
    CustomerQuestion,
    SegmentsQuestion,
    ValueQuestion,
)
from ecom_assets.commerce.customers.segments import customer_segments
from ecom_assets.commerce.customers.text import lines
from ecom_assets.commerce.customers.value import (
    ValueModels,
    ValueRule,
    histories,
    lifetime_value,
    value_correlation,
)
from ecom_assets.commerce.customers.value_models import ModelFit, NoFit
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.portable import arrow_of, rows_of, stored

WRITES: Final = ("--out", "Write a row per customer to this .parquet or .csv file.")


class BuyersAnswer(QuestionAnswer):
    """The fields of both answers."""

    as_of_date: date | None = Field(
        description="The day at whose end customers are looked at; null without any data"
    )
    customers: int | None = number("Customers", "count", "Those with an order")


class SegmentCustomers(BaseModel):
    """A segment and its customers."""

    segment: str = Field(description="Its name", examples=["Champions"])
    customers: int | None = number("Customers", "count", "Customers in it")
    share: float | None = number("Share", "rate", "Its part of all customers; null without any")
    orders: int | None = field_of(SalesMeasures.order_count)
    revenue_amount: str | None = field_of(SalesMeasures.revenue_amount)
    mean_recency_days: float | None = number(
        "Recency", "decimal", "Mean days since the last order; null without any"
    )


class CustomerSegmentsAnswer(BuyersAnswer):
    """The customers of each segment."""

    segments: list[SegmentCustomers] = Field(description="All eleven, the best first")


class FittedModel(BaseModel):
    """A model of customers as it was fitted."""

    model: str = Field(description="Its name", examples=["bg_nbd"])
    parameters: dict[str, float | None] = Field(
        description="Its parameters; null where it could not be fitted"
    )
    log_likelihood: float | None = Field(description="How well it fits")
    at_limit: list[str] = Field(description="Parameters that are at a limit of what is searched")
    reason: str | None = Field(description="Why there is no model; null if there is one")


class OrderValue(FittedModel):
    """The model of what an order is worth."""

    frequency_value_correlation: float | None = Field(
        description="Correlation of the number and the mean value of repeat orders, of which the "
        "model assumes none"
    )


class ValueAnswer(FittedModel, BuyersAnswer):
    """What to expect of customers; the model is that of their orders."""

    order_value: OrderValue = Field(description="The model of what an order is worth")
    repeat_customers: int | None = number(
        "Came again", "count", "Those of them with an order on another day"
    )
    expected_alive: float | None = number(
        "Alive", "decimal", "How many are expected to order again"
    )
    expected_orders: float | None = number(
        "Orders", "decimal", "Orders that are expected within the horizon"
    )
    lifetime_value_amount: str | None = number(
        ValueMeasures.lifetime_value_amount.label,
        "money",
        (
            "The revenue that they are expected to bring in the time ahead, discounted; the sum "
            "over customers"
        ),
    )


def compute_segments(question: SegmentsQuestion, data: QuestionData) -> Answer:
    """Return the customers of each segment."""
    purchases, facts = _purchases(question, data, {"scores": question.scores})
    result = customer_segments(purchases, question.scores)
    if data.keep:
        data.keep(result.order_by("customer_id"))
    currency = data.source.settings.known_currency
    # Whether revenue is known: order lines always have amounts, purchase events if at least
    # one has one.
    has_money = data.source.of_orders or has_paid_events(data.all_events, rows_of)
    return {
        **facts,
        **segment_totals(result, rows_of, has_money=has_money, currency=currency),
    }


def compute_value(question: ValueQuestion, data: QuestionData) -> Answer:
    """Return the models that fit the customers, and what these expect."""
    settings = data.source.settings
    usual = {"value_months": settings.value_months, "discount_rate": settings.value_discount_rate}
    rule = ValueRule(**{**usual, **question.options})
    named = {**asdict(rule), "time_unit": "week", "order": "day_with_an_order"}
    purchases, facts = _purchases(question, data, named)
    histories_table = arrow_of(histories(purchases))
    models = ValueModels.fit(histories_table)
    rows = lifetime_value(histories_table, models, rule, settings.known_currency).select(
        list(LifetimeValue.columns)
    )
    if data.keep:
        data.keep(data.con.create_table("lifetime_value", rows, temp=True).order_by("customer_id"))
    correlation = {"frequency_value_correlation": value_correlation(histories_table)}
    return {
        **facts,
        **_of_model("bg_nbd", models.orders, ("r", "alpha", "a", "b")),
        "order_value": _of_model("gamma_gamma", models.values, ("p", "q", "v")) | correlation,
        **value_totals(rows, settings.known_currency),
    }


def _purchases(
    question: CustomerQuestion, data: QuestionData, rule: dict[str, Any]
) -> tuple[Purchases, Answer]:
    """Return the purchases until the day that is asked about, and what the answer says of them."""
    events, until = data.all_events, data.days[1]
    if data.source.of_orders:
        source = {"source": "orders"}
        purchases = Purchases.from_sales(events.mutate(revenue_amount=events.amount), until)
    else:
        source = {"source": "purchase_events", "session_rule": question.session_rule}
        purchases = Purchases.from_sessions(
            whole_sessions(events, SessionRule.preset(question.session_rule)), until
        )
    # Stored, because an answer asks several times.
    orders, as_of = (
        stored(data.con, f"purchase_{name}", rows)
        for name, rows in (("orders", purchases.orders), ("as_of", purchases.as_of))
    )
    (newest,) = rows_of(as_of)
    return Purchases(orders, as_of), {
        "definition": rule | source,
        "as_of_date": newest["as_of_date"],
    }


def _of_model(name: str, fitted: ModelFit[Any] | NoFit, names: tuple[str, ...]) -> Answer:
    """Return parameters, fit and reason of a model; None for those that do not exist."""
    model = fitted.model if isinstance(fitted, ModelFit) else None
    return {
        "model": name,
        "parameters": {parameter: getattr(model, parameter, None) for parameter in names},
        "log_likelihood": fitted.log_likelihood if isinstance(fitted, ModelFit) else None,
        "at_limit": list(fitted.at_limit) if isinstance(fitted, ModelFit) else [],
        "reason": fitted.value if isinstance(fitted, NoFit) else None,
    }


SEGMENTS: Final = Kind(
    "segments",
    SegmentsQuestion,
    CustomerSegmentsAnswer,
    compute_segments,
    "Customers in eleven segments by recency, frequency and money",
    of_orders=True,
    takes_empty=True,
    has_route=False,
    writes=WRITES,
    lines=lines,
)
VALUE: Final = Kind(
    "value",
    ValueQuestion,
    ValueAnswer,
    compute_value,
    "What to expect of customers, by BG/NBD and Gamma-Gamma",
    of_orders=True,
    takes_empty=True,
    has_route=False,
    writes=WRITES,
    lines=lines,
)
