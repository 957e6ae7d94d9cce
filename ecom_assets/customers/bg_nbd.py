"""The BG/NBD model: how often customers order and whether they are still active, estimated from their orders so far.

P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005) 275:
active customers order at a rate that is gamma distributed over customers (r, alpha); after each order they leave for
good with a probability that is beta distributed (a, b). The code uses logarithms, so that thousands of orders do not
overflow.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from ecom_assets.customers.likelihood import SCALE, SHAPE, Fitted, NoFit, at_limits, rounded, top_of

Floats = npt.NDArray[np.float64]
LEAST_REPEAT_CUSTOMERS = 10
"""The fewest customers with repeat orders; four parameters fitted to fewer mean nothing."""
NODES = 100
"""Nodes of the numerical integration: ten correct digits for hundreds of expected orders, six for ten thousand."""


@dataclass(frozen=True)
class Histories:
    """Distinct histories of orders, with the number of customers who have each; times are in weeks.

    `orders` (x): orders after the first. `first_to_last` (t_x): from the first order to the last. `observed` (T): from
    the first order until now.
    """

    orders: Floats
    first_to_last: Floats
    observed: Floats
    customers: Floats


@dataclass(frozen=True)
class BgNbd:
    """The model's parameters; alpha in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, histories: Histories) -> float:
        """Return the log-likelihood of the histories: the sum of the paper's equation 6 over customers."""
        return float(self._log_likelihoods(histories) @ histories.customers)

    def alive_probability(self, orders: Floats, first_to_last: Floats, observed: Floats) -> Floats:
        """Return the probability that each customer is still active; 1 for those without a repeat order."""
        return np.asarray(scipy.special.expit(-self._log_odds_left(orders, first_to_last, observed)), dtype=np.float64)

    def expected_if_alive(self, orders: Floats, observed: Floats, ahead: float) -> Floats:
        """Return the expected orders in the next `ahead` weeks of customers who are still active.

        Multiply it by `alive_probability` to get the expected orders of any customer. This is equation 10 of the paper
        without its denominator, computed as an integral over the probability to leave. The paper's hypergeometric
        function overflows, or gives 0 ÷ 0, for parameters that real shops have; the integral never does.
        """
        result = np.empty(len(orders))
        for x in np.unique(orders):
            here = orders == x
            leave, weights = _beta_nodes(self.a, self.b + float(x))
            span = ahead / (self.alpha + observed[here])
            result[here] = weights @ (-np.expm1(-(self.r + x) * np.log1p(np.outer(leave, span))) / leave[:, np.newaxis])
        return result

    def _log_odds_left(self, orders: Floats, first_to_last: Floats, observed: Floats) -> Floats:
        """Return the log-odds that a customer has left; minus infinity for those without a repeat order."""
        again = np.maximum(orders, 1)
        waited = np.log(self.alpha + observed) - np.log(self.alpha + first_to_last)
        log_odds = np.log(self.a) - np.log(self.b + again - 1) + (self.r + again) * waited
        return np.where(orders > 0, log_odds, -np.inf)

    def _log_likelihoods(self, histories: Histories) -> Floats:
        r, alpha, a, b, x = self.r, self.alpha, self.a, self.b, histories.orders
        gammaln = scipy.special.gammaln
        rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + histories.observed)
        stay = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        left = np.logaddexp(0, self._log_odds_left(x, histories.first_to_last, histories.observed))
        return np.asarray(rate + stay + left, dtype=np.float64)

    def slope(self, histories: Histories) -> Floats:
        """Return the derivatives of the log-likelihood with respect to r, alpha, a and b."""
        r, alpha, a, b, x = self.r, self.alpha, self.a, self.b, histories.orders
        until_now, until_last = alpha + histories.observed, alpha + histories.first_to_last
        left = scipy.special.expit(self._log_odds_left(x, histories.first_to_last, histories.observed))
        digamma = scipy.special.digamma
        together = digamma(a + b) - digamma(a + b + x)
        by_r = digamma(r + x) - digamma(r) + np.log(alpha / until_now) + left * np.log(until_now / until_last)
        by_alpha = r / alpha - (r + x) / until_now + left * (r + x) * (1 / until_now - 1 / until_last)
        by_a = together + left / a
        by_b = together + digamma(b + x) - digamma(b) - left / (b + np.maximum(x, 1) - 1)
        return np.array([by @ histories.customers for by in (by_r, by_alpha, by_a, by_b)])


def fit_bg_nbd(histories: Histories) -> "Fitted[BgNbd] | NoFit":
    """Return the maximum-likelihood model of the histories, or the reason why there is none.

    The search is over the mean rate, the mean probability to leave, and the spread of both. If all customers are alike,
    the spread has no best value and ends at a bound.
    """
    again = histories.orders > 0
    if not again.any():
        return NoFit.NO_REPEAT_ORDERS
    if histories.customers[again].sum() < LEAST_REPEAT_CUSTOMERS:
        return NoFit.TOO_FEW_CUSTOMERS
    if len(histories.customers) == 1:
        return NoFit.NO_SPREAD
    bounds = (SCALE, SHAPE, SCALE, SHAPE)
    rate = float(histories.orders @ histories.customers / (histories.observed @ histories.customers))
    start = (math.log(rate), 0.0, -1.0, 0.0)
    place = top_of(lambda here: _uphill(histories, here), start, bounds, float(histories.customers.sum()))
    if place is None:
        return NoFit.NOT_CONVERGED
    model = BgNbd(*(rounded(one) for one in _parameters(place)))
    names = ("mean_rate", "spread_of_rates", "mean_chance_to_leave", "spread_of_chances")
    return Fitted(model, model.log_likelihood(histories), at_limits(place, bounds, names))


def _parameters(place: Floats) -> tuple[float, float, float, float]:
    rate, r, leave, total = np.exp(place[0]), np.exp(place[1]), scipy.special.expit(place[2]), np.exp(place[3])
    return float(r), float(r / rate), float(leave * total), float((1 - leave) * total)


def _uphill(histories: Histories, place: Floats) -> tuple[float, Floats]:
    model = BgNbd(*_parameters(place))
    by_r, by_alpha, by_a, by_b = model.slope(histories)
    leave, total = scipy.special.expit(place[2]), model.a + model.b
    slope = [
        -model.alpha * by_alpha,
        model.r * by_r + model.alpha * by_alpha,
        leave * (1 - leave) * total * (by_a - by_b),
        model.a * by_a + model.b * by_b,
    ]
    return model.log_likelihood(histories), np.array(slope)


@lru_cache(maxsize=4096)
def _beta_nodes(a: float, b: float) -> tuple[Floats, Floats]:
    """Return nodes and weights to integrate over a beta-distributed number: Gauss-Jacobi quadrature.

    After Golub and Welsch (1969), the nodes are the eigenvalues of the matrix of the polynomials' recurrence, and the
    weights are the squared first components of its eigenvectors.
    """
    sizes = 2 * np.arange(1, NODES) + a + b - 2
    n = np.arange(2, NODES)
    over = (sizes[1:] ** 2) * (sizes[1:] ** 2 - 1)
    middle = np.array([(a - b) / (a + b), *(a - b) * (a + b - 2) / (sizes * (sizes + 2))])
    first = 4 * a * b / ((a + b) ** 2 * (a + b + 1))
    squares = np.array([first, *4 * n * (n + a - 1) * (n + b - 1) * (n + a + b - 2) / over])
    places, vectors = scipy.linalg.eigh_tridiagonal(middle, np.sqrt(squares))
    leave = (1 + places) / 2
    return np.where(leave == 0, np.finfo(np.float64).tiny, leave), vectors[0] ** 2


def grouped(
    orders: npt.NDArray[Any], first_to_last_days: npt.NDArray[Any], observed_days: npt.NDArray[Any]
) -> Histories:
    """Return the distinct histories of customers, sorted, so that the order of customers does not matter."""
    days = int(observed_days.max(initial=0)) + 1
    keys = (orders.astype(np.int64) * days + first_to_last_days) * days + observed_days
    result, customers = np.unique(keys, return_counts=True)
    orders, first_to_last, observed = result // days // days, result // days % days / 7.0, result % days / 7.0  # weeks
    return Histories(orders.astype(np.float64), first_to_last, observed, customers.astype(np.float64))
