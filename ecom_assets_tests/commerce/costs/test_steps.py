"""The steps from gross sales to gross profit add up in the digits of any currency."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.costs.queries import steps
from ecom_assets.core.tables.currencies import unit_of
from ecom_assets_tests.hypothesis_settings import examples

Row = dict[str, Any]
SOLD = st.decimals(0, 1_000, places=4)
COSTS = st.decimals(-1_000, 1_000, places=6)
PART = st.none() | COSTS


PARTS = {
    "shipping": ("shipping_amount", 1),
    "shipping_cost": ("shipping_cost_amount", -1),
    "payment_fees": ("payment_fee_amount", -1),
    "commissions": ("estimated_commission_amount", -1),
    "goodwill": ("goodwill_amount", -1),
}
"""The steps of amounts of whole orders: the measure of each, and whether it is added."""
NOT_ESTIMATED = dict.fromkeys(
    f"estimated_{name}" for name in ("cost_amount", "shipping_cost_amount", "payment_fee_amount")
)


def numbers_of(
    gross: Decimal, discount: Decimal | None, returns: Decimal, uncosted: Decimal, cost: Decimal
) -> Row:
    """Return the numbers of a period in which sales for `uncosted` have no cost, and nothing is
    known of what orders cost.
    """
    revenue = gross - (discount or 0) - returns
    return {
        "gross_sales_amount": gross,
        "discount_amount": discount,
        "returns_amount": returns,
        "revenue_amount": revenue,
        "costed_revenue_amount": revenue - uncosted,
        "cost_amount": cost,
        "gross_profit_amount": revenue - uncosted - cost,
        "contribution_before_ads_amount": None,
        "contribution_shipped_amount": None,
        **dict.fromkeys(measure for measure, _ in PARTS.values()),
        **NOT_ESTIMATED,
    }


def with_parts(numbers: Row, amounts: list[Decimal | None], unknown: Decimal) -> Row:
    """Return the numbers with what orders cost; of `unknown`, a part is unknown."""
    parts = dict(zip(PARTS.values(), amounts, strict=True))
    known = sum((sign * (amount or 0) for (_, sign), amount in parts.items()), Decimal(0))
    contribution = numbers["gross_profit_amount"] + known - unknown
    return (
        numbers
        | {measure: amount for (measure, _), amount in parts.items()}
        | {"contribution_before_ads_amount": contribution}
    )


NUMBERS = st.builds(numbers_of, SOLD, st.none() | SOLD, SOLD, SOLD, COSTS)


def half_up(amount: Fraction, unit: Fraction) -> Fraction:
    """Return an amount rounded to units, half away from zero."""
    whole = (abs(amount) / unit + Fraction(1, 2)).__floor__()
    return (whole if amount >= 0 else -whole) * unit


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", ""])
@examples(60)
@given(
    numbers=NUMBERS | st.builds(with_parts, NUMBERS, st.lists(PART, min_size=5, max_size=5), COSTS)
)
def test_steps_add_up_to_totals_that_are_rounded_by_themselves(currency: str, numbers: Row) -> None:
    unit, discount = Fraction(unit_of(currency)), numbers["discount_amount"]
    exact = {
        "gross_sales": numbers["gross_sales_amount"],
        "discounts": None if discount is None else -discount,
        "returns": -numbers["returns_amount"],
        "net_sales": numbers["revenue_amount"],
        "unknown_cost": numbers["costed_revenue_amount"] - numbers["revenue_amount"],
        "cost": -numbers["cost_amount"],
        "gross_profit": numbers["gross_profit_amount"],
        **{
            step: None if numbers[measure] is None else sign * numbers[measure]
            for step, (measure, sign) in PARTS.items()
        },
        "unknown_parts": None,
        "contribution_before_ads": numbers["contribution_before_ads_amount"],
    }
    if exact["contribution_before_ads"] is not None:
        known = [exact["gross_profit"], *(exact[step] or 0 for step in PARTS)]
        exact["unknown_parts"] = exact["contribution_before_ads"] - sum(known)
    level = Fraction(0)
    rows = steps(numbers, currency)
    assert [row["step"] for row in rows] == list(exact)
    for row in rows:
        amount, value = row["step_amount"], exact[row["step"]]
        if value is None:
            assert amount is None
        elif row["is_total"]:
            assert Fraction(amount) == half_up(Fraction(value), unit)
            assert level in {0, Fraction(amount)}, "the steps before it add up to it"
            level = Fraction(amount)
        else:
            assert abs(Fraction(amount) - Fraction(value)) <= unit
            level += Fraction(amount)


def test_cents_go_to_the_steps_that_lose_most_by_rounding() -> None:
    """90 - 49.995 - 22.335001 = 17.669999: rounded one by one, steps were 90 - 50.00 - 22.34."""
    rows = steps(
        numbers_of(Decimal(90), None, Decimal(0), Decimal("49.995"), Decimal("22.335001")), "EUR"
    )
    amounts = {row["step"]: str(row["step_amount"]) for row in rows[4:7]}
    assert amounts == {"unknown_cost": "-49.99", "cost": "-22.34", "gross_profit": "17.67"}


def test_a_step_says_what_of_it_is_estimated() -> None:
    numbers = numbers_of(Decimal(90), None, Decimal(0), Decimal(0), Decimal(30))
    rows = steps(numbers | {"estimated_cost_amount": Decimal(12)}, "EUR")
    assert {row["step"]: row["estimated_amount"] for row in rows if row["estimated_amount"]} == {
        "cost": Decimal(-12)
    }


def test_without_any_cost_nothing_is_known_below_net_sales() -> None:
    numbers = numbers_of(Decimal(90), None, Decimal(0), Decimal(90), Decimal(0))
    rows = steps(numbers | {"cost_amount": None, "gross_profit_amount": None}, "EUR")
    assert [row["step_amount"] for row in rows[4:7]] == [Decimal("-90.00"), None, None]


def test_steps_of_what_was_published_without_some_numbers_are_rounded_by_themselves() -> None:
    numbers = numbers_of(Decimal(90), None, Decimal("0.005"), Decimal(0), Decimal(30))
    rows = steps(numbers | {"gross_sales_amount": None}, "EUR")
    amounts = {row["step"]: row["step_amount"] for row in rows[:4]}
    assert (amounts["gross_sales"], amounts["returns"]) == (None, Decimal("-0.01"))
    assert amounts["net_sales"] == Decimal("90.00")
    nothing = steps(dict.fromkeys(numbers), "EUR")
    assert {row["step_amount"] for row in nothing} == {None}
