"""The models of the value of customers, fitted by maximum likelihood: BG/NBD and Gamma-Gamma."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import scipy

Model = TypeVar("Model")
Bounds = tuple[float, float]
Floats = npt.NDArray[np.float64]
LIMIT = float(np.log(1000))
"""Logarithm of the bound of a shape parameter: beyond it, customers are practically alike."""
SHAPE: Bounds = (-LIMIT, LIMIT)
SCALE: Bounds = (-2 * LIMIT, 2 * LIMIT)
STEEPEST = 1e-9
"""A point counts as the maximum if its slope per customer is below this."""
NEWTON_STEPS = 50
NUDGE = 1e-5
DIGITS = 6
"""Significant digits kept of a parameter: far fewer than the search finds,
so that all machines agree.
"""


class NoFit(StrEnum):
    """Why there is no model."""

    TOO_FEW_CUSTOMERS = "too_few_customers"
    NO_REPEAT_ORDERS = "no_repeat_orders"
    NO_SPREAD = "no_spread"
    NO_FINITE_MEAN = "no_finite_mean"
    NOT_CONVERGED = "not_converged"


@dataclass(frozen=True)
class ModelFit(Generic[Model]):
    """A model, the log-likelihood of the data that it was fitted to,
    and the names of the parameters at a bound.
    """

    model: Model
    log_likelihood: float
    at_limit: tuple[str, ...] = ()


def top_of(
    likelihood: Callable[[Floats], tuple[float, Floats]],
    start: Sequence[float],
    bounds: Sequence[Bounds],
    weight: float,
) -> Floats | None:
    """Return the point where a log-likelihood is largest; None if the search does not converge.

    Args:
        likelihood: Returns the value and the gradient at a point.
        start: The starting point.
        bounds: The lower and upper bound of each coordinate.
        weight: The number of customers.
    """

    def downhill(point: Floats) -> tuple[float, Floats]:
        height, slope = likelihood(point)
        return -height / weight, -slope / weight

    options: Any = {"maxiter": 1000, "ftol": 1e-15, "gtol": STEEPEST}
    point: Floats = scipy.optimize.minimize(
        downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    free = np.array(
        [low < number < high for number, (low, high) in zip(point, bounds, strict=True)]
    )
    point = _on_top(lambda candidate: downhill(candidate)[1], point, free)
    inside = all(low <= number <= high for number, (low, high) in zip(point, bounds, strict=True))
    return point if inside and np.abs(downhill(point)[1][free]).max(initial=0) < STEEPEST else None


def at_limits(point: Floats, bounds: Sequence[Bounds], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the coordinates that lie on a bound."""
    return tuple(
        name for name, number, limits in zip(names, point, bounds, strict=True) if number in limits
    )


def rounded(parameter: float) -> float:
    """Return a parameter rounded to `DIGITS` significant digits."""
    return float(f"{parameter:.{DIGITS}g}")


def _on_top(
    slope_at: Callable[[Floats], Floats], point: Floats, free: npt.NDArray[np.bool_]
) -> Floats:
    """Refine the maximum with Newton's method,
    because the search stops where the likelihood is flat to rounding.
    """
    steps = NUDGE * np.eye(len(point))[free]
    for _ in range(NEWTON_STEPS):
        slope = slope_at(point)[free]
        if np.abs(slope).max(initial=0) < STEEPEST / 1000:
            break
        bend = np.array(
            [
                (slope_at(point + step) - slope_at(point - step))[free] / (2 * NUDGE)
                for step in steps
            ]
        )
        move = np.linalg.lstsq(bend, -slope, rcond=None)[0]
        if np.abs(move).max() > 1:
            break
        point = point + move @ np.eye(len(point))[free]
    return point


LEAST_REPEAT_CUSTOMERS = 10
"""The fewest customers with repeat orders; four parameters fitted to fewer mean nothing."""
NODES = 100
"""Nodes of the numerical integration: ten correct digits for hundreds of expected orders,
six for ten thousand.
"""


@dataclass(frozen=True)
class Histories:
    """Distinct histories of orders, with the number of customers who have each; times are in weeks.

    `orders` (x): orders after the first. `first_to_last` (t_x): from the first order to the last.
    `observed` (T): from the first order until now.
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
        """Return the log-likelihood of the histories:
        the sum of the paper's equation 6 over customers.
        """
        r, alpha, a, b, x = self.r, self.alpha, self.a, self.b, histories.orders
        gammaln = scipy.special.gammaln
        rate = (
            gammaln(r + x)
            - gammaln(r)
            + r * np.log(alpha)
            - (r + x) * np.log(alpha + histories.observed)
        )
        stay = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        left = np.logaddexp(0, self._log_odds_left(x, histories.first_to_last, histories.observed))
        return float(np.asarray(rate + stay + left, dtype=np.float64) @ histories.customers)

    def alive_probability(self, orders: Floats, first_to_last: Floats, observed: Floats) -> Floats:
        """Return the probability that each customer is still active;
        1 for those without a repeat order.
        """
        return np.asarray(
            scipy.special.expit(-self._log_odds_left(orders, first_to_last, observed)),
            dtype=np.float64,
        )

    def expected_if_alive(self, orders: Floats, observed: Floats, ahead: float) -> Floats:
        """Return the expected orders in the next `ahead` weeks of customers who are still active.

        Multiply it by `alive_probability` to get the expected orders of any customer. This is
        equation 10 of the paper without its denominator, computed as an integral over the
        probability to leave. The paper's hypergeometric function overflows, or gives 0 ÷ 0, for
        parameters that real shops have; the integral never does.
        """
        result = np.empty(len(orders))
        for x in np.unique(orders):
            mask = orders == x
            leave, weights = _beta_nodes(self.a, self.b + float(x))
            span = ahead / (self.alpha + observed[mask])
            result[mask] = weights @ (
                -np.expm1(-(self.r + x) * np.log1p(np.outer(leave, span))) / leave[:, np.newaxis]
            )
        return result

    def _log_odds_left(self, orders: Floats, first_to_last: Floats, observed: Floats) -> Floats:
        """Return the log-odds that a customer has left;
        minus infinity for those without a repeat order.
        """
        again = np.maximum(orders, 1)
        waited = np.log(self.alpha + observed) - np.log(self.alpha + first_to_last)
        log_odds = np.log(self.a) - np.log(self.b + again - 1) + (self.r + again) * waited
        return np.where(orders > 0, log_odds, -np.inf)

    def slope(self, histories: Histories) -> Floats:
        """Return the derivatives of the log-likelihood with respect to r, alpha, a and b."""
        r, alpha, a, b, x = self.r, self.alpha, self.a, self.b, histories.orders
        until_now, until_last = alpha + histories.observed, alpha + histories.first_to_last
        left = scipy.special.expit(
            self._log_odds_left(x, histories.first_to_last, histories.observed)
        )
        digamma = scipy.special.digamma
        together = digamma(a + b) - digamma(a + b + x)
        by_r = (
            digamma(r + x)
            - digamma(r)
            + np.log(alpha / until_now)
            + left * np.log(until_now / until_last)
        )
        by_alpha = (
            r / alpha - (r + x) / until_now + left * (r + x) * (1 / until_now - 1 / until_last)
        )
        by_a = together + left / a
        by_b = together + digamma(b + x) - digamma(b) - left / (b + np.maximum(x, 1) - 1)
        return np.array([by @ histories.customers for by in (by_r, by_alpha, by_a, by_b)])


def fit_bg_nbd(histories: Histories) -> "ModelFit[BgNbd] | NoFit":
    """Return the maximum-likelihood model of the histories, or the reason why there is none.

    The search is over the mean rate, the mean probability to leave, and the spread of both. If all
    customers are alike, the spread has no best value and ends at a bound.
    """
    again = histories.orders > 0
    if not again.any():
        return NoFit.NO_REPEAT_ORDERS
    if histories.customers[again].sum() < LEAST_REPEAT_CUSTOMERS:
        return NoFit.TOO_FEW_CUSTOMERS
    if len(histories.customers) == 1:
        return NoFit.NO_SPREAD
    bounds = (SCALE, SHAPE, SCALE, SHAPE)
    rate = float(
        histories.orders @ histories.customers / (histories.observed @ histories.customers)
    )
    start = (math.log(rate), 0.0, -1.0, 0.0)
    point = top_of(
        partial(_bg_nbd_objective, histories), start, bounds, float(histories.customers.sum())
    )
    if point is None:
        return NoFit.NOT_CONVERGED
    model = BgNbd(*(rounded(number) for number in _parameters(point)))
    names = ("mean_rate", "spread_of_rates", "mean_chance_to_leave", "spread_of_chances")
    return ModelFit(model, model.log_likelihood(histories), at_limits(point, bounds, names))


def _parameters(point: Floats) -> tuple[float, float, float, float]:
    rate, r, leave, total = (
        np.exp(point[0]),
        np.exp(point[1]),
        scipy.special.expit(point[2]),
        np.exp(point[3]),
    )
    return float(r), float(r / rate), float(leave * total), float((1 - leave) * total)


def _bg_nbd_objective(histories: Histories, point: Floats) -> tuple[float, Floats]:
    model = BgNbd(*_parameters(point))
    by_r, by_alpha, by_a, by_b = model.slope(histories)
    leave, total = scipy.special.expit(point[2]), model.a + model.b
    slope = [
        -model.alpha * by_alpha,
        model.r * by_r + model.alpha * by_alpha,
        leave * (1 - leave) * total * (by_a - by_b),
        model.a * by_a + model.b * by_b,
    ]
    return model.log_likelihood(histories), np.array(slope)


@lru_cache(maxsize=4096)
def _beta_nodes(a: float, b: float) -> tuple[Floats, Floats]:
    """Return nodes and weights to integrate over a beta-distributed number:
    Gauss-Jacobi quadrature.

    After Golub and Welsch (1969), the nodes are the eigenvalues of the matrix of the polynomials'
    recurrence, and the weights are the squared first components of its eigenvectors.
    """
    sizes = 2 * np.arange(1, NODES) + a + b - 2
    n = np.arange(2, NODES)
    over = (sizes[1:] ** 2) * (sizes[1:] ** 2 - 1)
    middle = np.array([(a - b) / (a + b), *(a - b) * (a + b - 2) / (sizes * (sizes + 2))])
    first = 4 * a * b / ((a + b) ** 2 * (a + b + 1))
    squares = np.array([first, *4 * n * (n + a - 1) * (n + b - 1) * (n + a + b - 2) / over])
    nodes, vectors = scipy.linalg.eigh_tridiagonal(middle, np.sqrt(squares))
    leave = (1 + nodes) / 2
    return np.where(leave == 0, np.finfo(np.float64).tiny, leave), vectors[0] ** 2


def grouped(
    orders: npt.NDArray[Any], first_to_last_days: npt.NDArray[Any], observed_days: npt.NDArray[Any]
) -> Histories:
    """Return the distinct histories of customers, sorted,
    so that the order of customers does not matter.
    """
    days = int(observed_days.max(initial=0)) + 1
    keys = (orders.astype(np.int64) * days + first_to_last_days) * days + observed_days
    result, customers = np.unique(keys, return_counts=True)
    orders, first_to_last, observed = (
        result // days // days,
        result // days % days / 7.0,
        result % days / 7.0,
    )  # weeks
    return Histories(
        orders.astype(np.float64), first_to_last, observed, customers.astype(np.float64)
    )


LEAST_CUSTOMERS = 10
"""The fewest customers with repeat orders and an amount;
three parameters fitted to fewer mean nothing.
"""
LEAST_Q = 1.01
"""If q is 1 or less, the mean is not finite; just above 1, a single customer determines it."""


@dataclass(frozen=True)
class GammaGamma:
    """The model's parameters; v in the currency."""

    p: float
    q: float
    v: float

    def log_likelihood(self, orders: Floats, amount: Floats) -> float:
        """Return the log-likelihood of customers with these orders and total amounts:
        the note's equation 1a.
        """
        p, q, v, gammaln = self.p, self.q, self.v, scipy.special.gammaln
        shape = p * orders
        gammas = gammaln(shape + q) - gammaln(shape) - gammaln(q)
        logs = (
            q * np.log(v)
            + shape * np.log(amount)
            - np.log(amount / orders)
            - (shape + q) * np.log(amount + v)
        )
        return float((gammas + logs).sum())

    def slope(self, orders: Floats, amount: Floats) -> Floats:
        """Return the derivatives of the log-likelihood with respect to p, q and v."""
        p, q, v, digamma = self.p, self.q, self.v, scipy.special.digamma
        shape = p * orders
        by_p = orders * (digamma(shape + q) - digamma(shape) + np.log(amount) - np.log(amount + v))
        by_q = digamma(shape + q) - digamma(q) + np.log(v) - np.log(amount + v)
        by_v = q / v - (shape + q) / (amount + v)
        return np.array([by_p.sum(), by_q.sum(), by_v.sum()])

    def expected_value(self, orders: Floats, amount: Floats) -> Floats:
        """Return the expected mean value of the next orders of customers: the note's equation 5.

        For a customer without repeat orders, it is the mean of all customers.
        """
        return self.p * (self.v + amount) / (self.p * orders + self.q - 1)


def fit_gamma_gamma(orders: Floats, amount: Floats) -> "ModelFit[GammaGamma] | NoFit":
    """Return the maximum-likelihood model of the amounts, or the reason why there is none.

    `orders` are those of each customer after the first, and `amount` their total. Customers without
    orders or without an amount are left out.
    """
    has_amount = (orders > 0) & (amount > 0)
    if has_amount.sum() < LEAST_CUSTOMERS:
        return NoFit.TOO_FEW_CUSTOMERS if (orders > 0).any() else NoFit.NO_REPEAT_ORDERS
    orders, amount = orders[has_amount], amount[has_amount]
    in_order = np.lexsort((amount, orders))
    orders, amount = orders[in_order], amount[in_order]
    means = amount / orders
    scale = float(means.mean())
    if np.ptp(means) < scale / 1e9:
        return NoFit.NO_SPREAD
    bounds = (SHAPE, SHAPE, SCALE)
    # Divided by the mean, amounts of all currencies have the same scale.
    point = top_of(
        partial(_gamma_gamma_objective, orders, amount / scale),
        (0.0, 1.0, 0.0),
        bounds,
        len(orders),
    )
    if point is None:
        return NoFit.NOT_CONVERGED
    p, q, v = _gamma_gamma_parameters(point)
    model = GammaGamma(rounded(p), rounded(q), rounded(v * scale))
    if model.q < LEAST_Q:
        return NoFit.NO_FINITE_MEAN
    names = ("spread_of_orders", "spread_of_means", "mean")
    return ModelFit(model, model.log_likelihood(orders, amount), at_limits(point, bounds, names))


def _gamma_gamma_parameters(point: Floats) -> tuple[float, float, float]:
    p, q, middle = np.exp(point)
    return float(p), float(q), float(middle * q / p)


def _gamma_gamma_objective(orders: Floats, amount: Floats, point: Floats) -> tuple[float, Floats]:
    model = GammaGamma(*_gamma_gamma_parameters(point))
    by_p, by_q, by_v = model.slope(orders, amount)
    p, q, v = model.p, model.q, model.v
    return model.log_likelihood(orders, amount), np.array(
        [p * by_p - v * by_v, q * by_q + v * by_v, v * by_v]
    )
