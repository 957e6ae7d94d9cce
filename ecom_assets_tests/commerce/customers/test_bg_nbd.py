"""BG/NBD against what is published, against the integrals that it is the solution of,
and for every parameter there is.

Not here: how orders become histories (`customers/test_value.py`).
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, gammaln, roots_genlaguerre, roots_jacobi

from ecom_assets.commerce.customers.value_models import (
    BgNbd,
    Floats,
    Histories,
    ModelFit,
    NoFit,
    fit_bg_nbd,
    grouped,
)
from ecom_assets_tests.commerce.customers import cdnow
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""Fader, Hardie and Lee 2005, table 2; its log-likelihood is -9582.4."""


def array_of(number: float) -> Floats:
    return np.array([float(number)])


def story(orders: int, first_to_last: float, observed: float) -> Histories:
    return Histories(array_of(orders), array_of(first_to_last), array_of(observed), array_of(1))


def alive(model: BgNbd, orders: int, first_to_last: float, observed: float) -> float:
    return float(
        model.alive_probability(array_of(orders), array_of(first_to_last), array_of(observed))[0]
    )


def expected(
    model: BgNbd, orders: int, first_to_last: float, observed: float, ahead: float
) -> float:
    chance = alive(model, orders, first_to_last, observed)
    return chance * float(model.expected_if_alive(array_of(orders), array_of(observed), ahead)[0])


def cdnow_histories() -> Histories:
    """Count days with a purchase in plain Python."""
    days: dict[str, set[int]] = {}
    for bought in cdnow.calibration():
        days.setdefault(bought.customer_id, set()).add(bought.day.toordinal())
    end = cdnow.CALIBRATION_END.toordinal()
    rows = [(len(seen) - 1, max(seen) - min(seen), end - min(seen)) for seen in days.values()]
    return grouped(*np.array(rows).T)


# What is published


def test_cdnow_comes_out_as_published() -> None:
    answer = cdnow_histories()
    assert answer.customers.sum() == 2357
    fitted = fit_bg_nbd(answer)
    assert isinstance(fitted, ModelFit)
    actual = fitted.model
    assert [round(parameter, 3) for parameter in (actual.r, actual.alpha, actual.a, actual.b)] == [
        0.243,
        4.414,
        0.793,
        2.426,
    ]
    assert round(fitted.log_likelihood, 1) == -9582.4
    assert fitted.at_limit == ()
    assert np.abs(actual.slope(answer)).max() < 0.02, (
        "the top is flat, even where parameters are rounded"
    )


def test_the_first_customer_of_the_published_spreadsheet_is_expected_to_order_as_printed() -> None:
    # Fader, Hardie and Lee, "Implementing the BG/NBD Model" (2005): customer 0001, the 39 weeks to
    # come.
    assert expected(PUBLISHED, 2, 30.43, 38.86, 39) == pytest.approx(1.226, abs=0.001)


def test_orders_to_come_are_those_that_came() -> None:
    # Of the half year after the calibration the paper shows the expected total close to the true
    # one.
    answer = cdnow_histories()
    came = {
        (bought.customer_id, bought.day)
        for bought in cdnow.purchases()
        if bought.day > cdnow.CALIBRATION_END
    }
    chance = PUBLISHED.alive_probability(answer.orders, answer.first_to_last, answer.observed)
    to_come = (
        chance * PUBLISHED.expected_if_alive(answer.orders, answer.observed, 39) @ answer.customers
    )
    assert to_come == pytest.approx(len(came), rel=0.15)


# The integrals that the closed forms solve


def by_integration(
    model: BgNbd, orders: int, first_to_last: float, observed: float, ahead: float
) -> list[float]:
    """Return log-likelihood, chance to be alive and expected orders,
    added up over rates and chances to leave.

    Straight from the assumptions: a rate is gamma distributed, a chance beta, both held for the
    customer's whole story.
    """
    rate_nodes, rate_weights = roots_genlaguerre(150, model.r - 1)
    leave_nodes, leave_weights = roots_jacobi(100, model.b - 1, model.a - 1)
    rates, leaves = np.meshgrid(rate_nodes / model.alpha, (1 + leave_nodes) / 2)
    weights = np.outer(leave_weights / leave_weights.sum(), rate_weights / rate_weights.sum())
    stayed = (1 - leaves) ** orders * rates**orders * np.exp(-rates * observed)
    left = np.zeros_like(stayed)
    if orders:
        left = (
            leaves * (1 - leaves) ** (orders - 1) * rates**orders * np.exp(-rates * first_to_last)
        )
    ordered = (1 - np.exp(-rates * leaves * ahead)) / leaves
    everything = (weights * (stayed + left)).sum()
    is_alive = (weights * stayed).sum() / everything
    return [
        float(np.log(everything)),
        float(is_alive),
        float((weights * stayed * ordered).sum() / everything),
    ]


@each(
    "model",
    [BgNbd(1.7, 4.0, 1.4, 2.6), BgNbd(0.243, 4.414, 0.793, 2.426), BgNbd(3.0, 9.0, 1.0, 0.6)],
)
@each(
    "orders, first_to_last, observed",
    [(0, 0.0, 12.0), (1, 3.0, 12.0), (4, 11.5, 12.0), (7, 2.0, 20.0)],
)
def test_closed_forms_are_the_integrals(
    model: BgNbd, orders: int, first_to_last: float, observed: float
) -> None:
    likelihood, is_alive, to_come = by_integration(model, orders, first_to_last, observed, 13)
    assert model.log_likelihood(story(orders, first_to_last, observed)) == pytest.approx(
        likelihood, abs=1e-6
    )
    assert alive(model, orders, first_to_last, observed) == pytest.approx(is_alive, abs=1e-6)
    assert expected(model, orders, first_to_last, observed, 13) == pytest.approx(to_come, rel=1e-5)


def test_slopes_are_those_that_steps_to_either_side_measure() -> None:
    answer = cdnow_histories()
    values = [0.4, 3.0, 0.6, 1.5]
    for parameter, slope in enumerate(BgNbd(*values).slope(answer)):
        step = np.eye(4)[parameter] * 1e-5
        higher, lower = (BgNbd(*(values + sign * step)).log_likelihood(answer) for sign in (1, -1))
        assert slope == pytest.approx((higher - lower) / 2e-5, rel=1e-6)


def test_the_likelihood_is_the_paper_s_product() -> None:
    # Equation 6 as printed, with powers and gamma functions instead of their logarithms.
    r, alpha, a, b, x, last, observed = 0.5, 3.0, 1.2, 2.0, 3, 5.0, 8.0
    beta = np.exp([betaln(a, b + x), betaln(a + 1, b + x - 1), betaln(a, b)])
    first = beta[0] / beta[2] * (alpha + observed) ** -(r + x)
    second = beta[1] / beta[2] * (alpha + last) ** -(r + x)
    printed = np.exp(gammaln(r + x) - gammaln(r)) * alpha**r * (first + second)
    assert BgNbd(r, alpha, a, b).log_likelihood(story(x, last, observed)) == pytest.approx(
        np.log(printed)
    )


# Every parameter and history there is

SHAPES = st.floats(1e-3, 1e3)
MODELS = st.builds(BgNbd, SHAPES, st.floats(1e-2, 1e4), SHAPES, SHAPES)
AGES = st.floats(0, 600)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, float, float]:
    observed = draw(AGES)
    orders = draw(st.integers(0, 3000))
    return orders, draw(st.floats(0, observed)) if orders else 0.0, observed


@given(MODELS, histories(), st.floats(0.1, 500))
@examples(300)
def test_chances_are_chances_and_all_are_numbers(
    model: BgNbd, answer: tuple[int, float, float], ahead: float
) -> None:
    assert np.isfinite(model.log_likelihood(story(*answer)))
    assert np.isfinite(model.slope(story(*answer))).all()
    assert 0 <= alive(model, *answer) <= 1
    if answer[0] == 0:
        assert alive(model, *answer) == 1
    to_come = expected(model, *answer, ahead)
    most = (model.r + answer[0]) / (model.alpha + answer[2]) * ahead
    assert -1e-6 * most <= to_come <= most * (1 + 1e-6) + 1e-9, (
        "nobody orders more than without leaving"
    )


@given(MODELS, histories(), st.floats(0.1, 100))
@examples(100)
def test_the_longer_the_silence_the_less_alive(
    model: BgNbd, answer: tuple[int, float, float], silence: float
) -> None:
    orders, last, observed = answer
    assert (
        alive(model, orders, last, observed + silence)
        <= alive(model, orders, last, observed) + 1e-12
    )


@given(MODELS, histories(), st.floats(0.1, 200), st.floats(1.001, 3))
@examples(100)
def test_farther_ahead_more_orders(
    model: BgNbd, answer: tuple[int, float, float], ahead: float, times: float
) -> None:
    near, far = (expected(model, *answer, span) for span in (ahead, ahead * times))
    assert far >= near * (1 - 1e-6) - 1e-9


@each("a", [0.5, 1.0, 1 + 1e-9])
@each("b", [0.5, 0.0999999])
def test_where_the_formula_divides_nothing_by_nothing_it_goes_on_smoothly(
    a: float, b: float
) -> None:
    value = expected(BgNbd(0.7, 4.0, a, b), 0, 0.0, 10.0, 13)
    beside = expected(BgNbd(0.7, 4.0, a + 1e-4, b + 1e-4), 0, 0.0, 10.0, 13)
    assert value == pytest.approx(beside, rel=1e-3)


# Histories


def test_equal_histories_are_counted_once_in_any_order() -> None:
    rows = [(0, 0, 20), (2, 14, 20), (0, 0, 20), (2, 7, 21), (0, 0, 7)]
    answer, backwards = grouped(*np.array(rows).T), grouped(*np.array(rows[::-1]).T)
    for name in ("orders", "first_to_last", "observed", "customers"):
        assert (getattr(answer, name) == getattr(backwards, name)).all()
    stories = zip(answer.orders, answer.first_to_last * 7, answer.observed * 7, strict=True)
    assert dict(
        zip(((x, last, age) for x, last, age in stories), answer.customers, strict=True)
    ) == Counter(rows)


def test_nobody_who_came_again_or_too_few_give_a_reason() -> None:
    none = np.zeros(0, dtype=int)
    assert fit_bg_nbd(grouped(none, none, none)) is NoFit.NO_REPEAT_ORDERS
    once = np.zeros(500, dtype=int)
    assert fit_bg_nbd(grouped(once, once, np.arange(500))) is NoFit.NO_REPEAT_ORDERS
    again = np.where(np.arange(500) < 9, 1, 0)
    assert fit_bg_nbd(grouped(again, again * 7, np.full(500, 30))) is NoFit.TOO_FEW_CUSTOMERS
    assert isinstance(
        fit_bg_nbd(grouped(np.where(np.arange(500) < 10, 1, 0), again * 7, np.arange(500) + 30)),
        ModelFit,
    )


def test_customers_with_one_and_the_same_history_have_no_spread() -> None:
    same = np.ones(50, dtype=int)
    assert fit_bg_nbd(grouped(same, same * 7, same * 30)) is NoFit.NO_SPREAD


def test_customers_of_one_rate_who_never_leave_end_at_the_limits_and_are_predicted_right() -> None:
    # Poisson: two orders in 10 weeks on average, everybody alike.
    dice = np.random.default_rng(1)
    orders = dice.poisson(4.0, 3000)
    last = np.array([int(dice.uniform(0, 140, n).max()) if n else 0 for n in orders])
    fitted = fit_bg_nbd(grouped(orders, last, np.full(3000, 140)))
    assert isinstance(fitted, ModelFit)
    assert set(fitted.at_limit) & {"spread_of_rates", "spread_of_chances"}
    assert fitted.model.r / fitted.model.alpha == pytest.approx(0.2, rel=0.05)
    assert expected(fitted.model, 4, 18, 20, 10) == pytest.approx(2, rel=0.1)
