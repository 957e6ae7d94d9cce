"""Gamma-Gamma against what is published, and against the integral that it is the solution of."""

from collections import defaultdict

import numpy as np
import pytest
import scipy  # loads scipy.stats where it is called
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from ecom_assets.commerce.customers.value_models import (
    Floats,
    GammaGamma,
    ModelFit,
    NoFit,
    fit_gamma_gamma,
)
from ecom_assets_tests.commerce.customers import cdnow
from ecom_assets_tests.hypothesis_settings import examples

PUBLISHED = GammaGamma(p=6.25, q=3.74, v=15.44)
"""Fader and Hardie 2013, note 025, of the 946 CDNOW customers who came again."""


def of_cdnow() -> tuple[Floats, Floats]:
    """Return the orders after the first, and what they came to, by day and customer,
    in plain Python.
    """
    days: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for bought in cdnow.calibration():
        days[bought.customer_id][bought.day.toordinal()] += float(bought.amount)
    rows = [
        (len(by_day) - 1, sum(by_day.values()) - by_day[min(by_day)]) for by_day in days.values()
    ]
    orders, amount = np.array(rows).T
    return orders, amount


def test_cdnow_comes_out_as_published() -> None:
    orders, amount = of_cdnow()
    assert (orders > 0).sum() == 946
    fitted = fit_gamma_gamma(orders, amount)
    assert isinstance(fitted, ModelFit)
    actual = fitted.model
    assert [round(parameter, 2) for parameter in (actual.p, actual.q, actual.v)] == [
        6.25,
        3.74,
        15.44,
    ]


def test_the_mean_of_all_and_of_one_are_those_of_the_note() -> None:
    # The note: the mean over customers is 35.2; that of somebody who came twice, for 22.35 each, is
    # 24.66.
    means = PUBLISHED.expected_value(np.array([0.0, 2.0]), np.array([0.0, 2 * 22.35]))
    assert means == pytest.approx([35.2, 24.66], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("orders", "amount"), [(1.0, 30.0), (3.0, 45.0), (8.0, 900.0)])
def test_closed_forms_are_the_integrals(orders: float, amount: float) -> None:
    """Over the rates that customers can have: values are gamma(p, rate), and rates gamma(q, v)."""

    def reported(rate: float) -> float:
        # The mean of n gamma values is gamma distributed itself, n times as steep.
        mean = scipy.stats.gamma.pdf(
            amount / orders, PUBLISHED.p * orders, scale=1 / (rate * orders)
        )
        return float(mean * scipy.stats.gamma.pdf(rate, PUBLISHED.q, scale=1 / PUBLISHED.v))

    whole = quad(reported, 0, 20, epsabs=0, epsrel=1e-10, limit=500)[0]
    value = quad(
        lambda rate: reported(rate) * PUBLISHED.p / rate, 0, 20, epsabs=0, epsrel=1e-10, limit=500
    )[0]
    customer = (np.array([orders]), np.array([amount]))
    assert PUBLISHED.log_likelihood(*customer) == pytest.approx(np.log(whole), abs=1e-6)
    assert PUBLISHED.expected_value(*customer)[0] == pytest.approx(value / whole, rel=1e-6)


def test_slopes_are_those_that_steps_to_either_side_measure() -> None:
    orders, amount = (
        numbers[:50] for numbers in (np.arange(1.0, 99.0), np.arange(9.0, 107.0) ** 1.1)
    )
    values = [2.0, 3.0, 12.0]
    for parameter, slope in enumerate(GammaGamma(*values).slope(orders, amount)):
        step = np.eye(3)[parameter] * 1e-5
        higher, lower = (
            GammaGamma(*(values + sign * step)).log_likelihood(orders, amount) for sign in (1, -1)
        )
        assert slope == pytest.approx((higher - lower) / 2e-5, rel=1e-5)


@given(st.randoms(use_true_random=False), st.sampled_from([0.01, 1.0, 1e6]))
@examples(5)
def test_neither_the_order_of_customers_nor_the_currency_matters(
    dice: object, currency: float
) -> None:
    orders, amount = of_cdnow()
    fitted = fit_gamma_gamma(orders, amount)
    permutation = np.arange(len(orders)).tolist()
    dice.shuffle(permutation)  # type: ignore[attr-defined]  # a random.Random, which Hypothesis draws
    again = fit_gamma_gamma(orders[permutation], amount[permutation])
    assert again == fitted
    other = fit_gamma_gamma(orders, amount * currency)
    assert isinstance(fitted, ModelFit)
    assert isinstance(other, ModelFit)
    assert (other.model.p, other.model.q) == pytest.approx(
        (fitted.model.p, fitted.model.q), rel=2e-6
    )
    assert other.model.v == pytest.approx(fitted.model.v * currency, rel=2e-6)


def test_what_cannot_be_estimated_has_a_reason() -> None:
    orders, few = np.arange(1.0, 40.0), np.arange(1.0, 10.0)
    assert fit_gamma_gamma(np.zeros(0), np.zeros(0)) is NoFit.NO_REPEAT_ORDERS
    assert fit_gamma_gamma(np.zeros(40), np.zeros(40)) is NoFit.NO_REPEAT_ORDERS
    assert fit_gamma_gamma(few, few**1.5) is NoFit.TOO_FEW_CUSTOMERS
    assert fit_gamma_gamma(orders, orders * 0) is NoFit.TOO_FEW_CUSTOMERS, "gifts have no value"
    assert fit_gamma_gamma(orders, orders * 20) is NoFit.NO_SPREAD
    # Twelfths of Pareto's distribution with exponent one, the last cut at 10,000: it has no mean.
    assert (
        fit_gamma_gamma(np.full(12, 100.0), 100 / (1 - np.linspace(0, 0.9999, 12)))
        is NoFit.NO_FINITE_MEAN
    )
