"""From orders to what is expected of each customer: histories by story,
and answers for data that are not enough.
"""

import random
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ecom_assets.commerce.customers.contracts import LifetimeValue
from ecom_assets.commerce.customers.value import (
    ValueModels,
    ValueRule,
    histories,
    lifetime_value,
    value_correlation,
)
from ecom_assets.commerce.customers.value_models import BgNbd, GammaGamma, ModelFit, NoFit
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.customers import cdnow
from ecom_assets_tests.commerce.customers.customer_stories import (
    Ordered,
    answer,
    by_customer,
    sold,
    visited,
)
from ecom_assets_tests.each import each

HISTORY = ("repeat_order_count", "first_to_last_days", "observed_days", "repeat_amount")
ORDERS = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
VALUES = GammaGamma(p=6.25, q=3.74, v=15.44)
MODELS = ValueModels(ModelFit(ORDERS, -9582.4), ModelFit(VALUES, -4055.9))
EXPECTED = (
    "alive_probability",
    "expected_order_count",
    "expected_order_value",
    "lifetime_value_amount",
)


def reported_of(orders: list[Ordered]) -> dict[str, tuple[Any, ...]]:
    actual = by_customer(answer(histories, sold(orders)))
    return {who: tuple(row[name] for name in HISTORY) for who, row in actual.items()}


def valued(sales: list[Row], rule: ValueRule | None = None) -> list[Row]:
    reported = answer(histories, sales)
    rows: list[Row] = lifetime_value(
        reported, ValueModels.fit(reported), rule or ValueRule()
    ).to_pylist()
    return sorted(rows, key=lambda row: str(row["customer_id"]))


# Histories


def test_orders_of_one_day_count_once_and_the_first_day_s_do_not() -> None:
    orders: list[Ordered] = [
        ("ann", 0, 10),
        ("ann", 0, 5),
        ("ann", 7, 20),
        ("ann", 7, "1.50"),
        ("ann", 9, 3),
        ("ben", 4, 8),
    ]
    assert reported_of(orders) == {
        "ann": (2, 9, 9, Decimal("24.50")),
        "ben": (0, 0, 5, Decimal("0.00")),
    }


def test_refunds_move_the_newest_day_and_nothing_else() -> None:
    assert reported_of([("ann", 0, 10), ("ann", 3, 10), ("ann", 8, -10), ("ben", 9, -1)]) == {
        "ann": (1, 3, 9, Decimal("10.00"))
    }


def test_purchase_events_are_taken_where_there_are_no_orders() -> None:
    visits = visited([("v1", 0, 1, 30), ("v1", 2, 2, 40), ("v1", 2, 1, 5), ("v2", 5, 0, 0)])
    (row,) = answer(histories, (), visits).to_pylist()
    assert tuple(row[name] for name in HISTORY) == (1, 2, 5, Decimal("45.00"))


# What is expected


def test_rows_have_the_contract_s_columns_and_say_what_they_were_made_by() -> None:
    reported = answer(histories, sold([("ann", 0, 10), ("ann", 7, 20), ("ben", 14, 5)]))
    rows = lifetime_value(reported, MODELS, ValueRule(30, 6, 0.2))
    assert set(rows.column_names) == set(LifetimeValue.columns)
    ann = by_customer(rows)["ann"]
    assert [ann[name] for name in ("r", "alpha", "a", "b", "p", "q", "v")] == [
        0.243,
        4.414,
        0.793,
        2.426,
        6.25,
        3.74,
        15.44,
    ]
    assert (ann["horizon_days"], ann["value_months"], ann["discount_rate"]) == (30, 6, 0.2)
    assert (ann["no_model_reason"], ann["no_order_value_reason"]) == (None, None)


def test_value_is_the_sum_of_months_discounted_to_today() -> None:
    reported = answer(histories, sold([("ann", 0, 10), ("ann", 7, 20), ("ben", 14, 5)]))
    (ann,) = (
        row
        for row in lifetime_value(reported, MODELS, ValueRule(60, 2, 0.21)).to_pylist()
        if row["customer_id"] == "ann"
    )
    x, age = np.array([1.0]), np.array([2.0])
    chance = float(ORDERS.alive_probability(x, np.array([1.0]), age)[0])
    first, both = (
        chance * float(ORDERS.expected_if_alive(x, age, days / 7)[0]) for days in (30, 60)
    )
    # (6.25 x (15.44 + 20)) / (6.25 x 1 + 3.74 - 1)
    value = 221.5 / 8.99
    assert ann["alive_probability"] == pytest.approx(chance, abs=1e-6)
    assert ann["expected_order_count"] == pytest.approx(both, abs=1e-6)
    assert ann["expected_order_value"] == pytest.approx(value, abs=1e-6)
    discounted = first / 1.21 ** (30 / 365) + (both - first) / 1.21 ** (60 / 365)
    assert float(ann["lifetime_value_amount"]) == pytest.approx(discounted * value, abs=0.006)


def test_a_rate_of_zero_leaves_months_as_they_are() -> None:
    reported = answer(histories, sold([("ann", 0, 10), ("ann", 7, 20), ("ben", 14, 5)]))
    for row in lifetime_value(reported, MODELS, ValueRule(60, 2, 0.0)).to_pylist():
        assert float(row["lifetime_value_amount"]) == pytest.approx(
            row["expected_order_count"] * row["expected_order_value"], abs=0.006
        )


def test_cdnow_through_the_tables_comes_out_as_published() -> None:
    bought = cdnow.calibration()
    first = min(purchase.day for purchase in bought)
    orders: list[Ordered] = [
        (purchase.customer_id, (purchase.day - first).days, str(purchase.amount))
        for purchase in bought
    ]
    reported = answer(histories, sold(orders, first=first))
    assert reported.num_rows == 2357
    fitted = ValueModels.fit(reported)
    assert isinstance(fitted.orders, ModelFit)
    assert isinstance(fitted.values, ModelFit)
    model, values = fitted.orders.model, fitted.values.model
    assert [round(parameter, 3) for parameter in (model.r, model.alpha, model.a, model.b)] == [
        0.243,
        4.414,
        0.793,
        2.426,
    ]
    assert [round(parameter, 2) for parameter in (values.p, values.q, values.v)] == [
        6.25,
        3.74,
        15.44,
    ]
    # The note states a correlation of 0.11 between how often and how much, and takes that for none.
    assert value_correlation(reported) == pytest.approx(0.11, abs=0.01)
    permutation = list(range(reported.num_rows))
    random.Random(3).shuffle(permutation)  # noqa: S311 (an order, no secret)
    assert ValueModels.fit(reported.take(permutation)) == fitted


# Data that are not enough


def test_nobody_gives_no_rows_and_a_reason() -> None:
    reported = answer(histories)
    models = ValueModels.fit(reported)
    assert (models.orders, models.values) == (NoFit.NO_REPEAT_ORDERS, NoFit.NO_REPEAT_ORDERS)
    assert lifetime_value(reported, models, ValueRule()).num_rows == 0
    assert value_correlation(reported) is None


@each(
    "orders, orders_reason, values_reason",
    [
        ([("ann", 0, 10)], "no_repeat_orders", "no_repeat_orders"),
        ([(f"c{n}", n, 10) for n in range(50)], "no_repeat_orders", "no_repeat_orders"),
        (
            [(f"c{n}", day, 9 + n + day) for n in range(9) for day in (0, n + 1)],
            "too_few_customers",
            "too_few_customers",
        ),
        ([(f"c{n}", day, 9 + n + day) for n in range(20) for day in (0, 5)], "no_spread", None),
        ([(f"c{n}", day, 20) for n in range(20) for day in (0, n % 4 + 1)], None, "no_spread"),
        (
            [(f"c{n}", day, 0) for n in range(20) for day in (0, n % 4 + 1)],
            None,
            "too_few_customers",
        ),
    ],
)
def test_no_estimate_has_a_reason(
    orders: list[Ordered], orders_reason: str | None, values_reason: str | None
) -> None:
    for row in valued(sold(orders)):
        assert (row["no_model_reason"], row["no_order_value_reason"]) == (
            orders_reason,
            values_reason,
        )
        missing = {name for name in EXPECTED if row[name] is None}
        expected = set(EXPECTED[:2]) if orders_reason else set()
        expected |= {"expected_order_value"} if values_reason else set()
        expected |= {"lifetime_value_amount"} if expected else set()
        assert missing == expected
        assert all(value == value for value in row.values()), "nothing is not a number"  # noqa: PLR0124 (only NaN differs)


@pytest.mark.slow
@each("seed", range(6))
def test_whatever_was_ordered_each_number_is_one_or_has_a_reason(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    days, people, most = (
        dice.choice((2, 20, 400)),
        dice.choice((12, 40, 200)),
        dice.choice((1, 50, 10**9)),
    )
    orders: list[Ordered] = [
        (f"c{int(dice.random() ** 3 * people)}", dice.randrange(days), dice.randint(-1, most))
        for _ in range(dice.choice((20, 300)))
    ]
    rows = valued(sold(orders))
    for row in rows:
        for name in EXPECTED:
            reasons = (row["no_model_reason"], row["no_order_value_reason"])
            assert row[name] is not None or any(reasons)
            assert row[name] is None or 0 <= row[name] < 10**13
    dice.shuffle(orders)
    again = valued(sold(orders))
    assert again == rows


@each(
    "rule, sentence",
    [
        ((0, 12, 0.1), "The horizon in days is 0; give a number from 1 to 3650"),
        ((90, 121, 0.1), "The months of value is 121; give a number from 1 to 120"),
        ((90, 12, -0.1), "The discount rate is -0.1; give a share per year from 0 to 1"),
        ((90, 12, float("nan")), "The discount rate is nan; give a share per year from 0 to 1"),
    ],
)
def test_spans_and_rates_that_mean_nothing_are_refused(
    rule: tuple[int, int, float], sentence: str
) -> None:
    with pytest.raises(DefinitionError, match=sentence):
        ValueRule(*rule)


@each("currency, digits", [("EUR", 2), ("JPY", 0), ("KWD", 3), ("", 2)])
def test_the_expected_value_is_in_the_digits_of_the_currency(currency: str, digits: int) -> None:
    reported = answer(histories, sold([("ann", 0, 10), ("ann", 7, 20), ("ben", 14, 5)]))
    rows = lifetime_value(reported, MODELS, ValueRule(), currency)
    amounts = rows["lifetime_value_amount"].to_pylist()
    assert [amount == round(amount, digits) for amount in amounts] == [True] * len(amounts)
    assert any(amount != round(amount, digits - 1) for amount in amounts)


def test_money_is_exact_to_the_cent() -> None:
    reported = answer(
        histories, sold([("ann", 0, 10), ("ann", 7, "12345678901.23"), ("ben", 14, 5)])
    )
    rows = lifetime_value(reported, MODELS, ValueRule())
    assert rows.schema.field("lifetime_value_amount").type == pa.decimal128(38, 4)
    assert by_customer(rows)["ann"]["repeat_amount"] == Decimal("12345678901.23")
    most = [("ann", day, "90000000000000") for day in (7, 14, 21)]
    bought: list[tuple[str, int, int | str]] = [("ann", 0, 10), *most, ("ben", 14, 5)]
    rows = lifetime_value(answer(histories, sold(bought)), MODELS, ValueRule())
    assert by_customer(rows)["ann"]["lifetime_value_amount"] > 10**14  # more than 18 digits
