"""The Gamma-Gamma model: the expected value of a customer's next order, from the mean of the orders so far.

P. S. Fader and B. G. S. Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), brucehardie.com/notes/025: the values
of a customer's orders are gamma distributed (p) around the customer's mean, and the means vary over customers (q, v).
The model assumes that the value of orders does not depend on how often a customer orders (`customers/bg_nbd.py`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from ecom_assets.customers.likelihood import SCALE, SHAPE, Fitted, NoFit, at_limits, rounded, top_of

Floats = npt.NDArray[np.float64]
LEAST_CUSTOMERS = 10
"""The fewest customers with repeat orders and an amount; three parameters fitted to fewer mean nothing."""
LEAST_Q = 1.01
"""If q is 1 or less, the mean is not finite; just above 1, a single customer determines it."""


@dataclass(frozen=True)
class GammaGamma:
    """The model's parameters; v in the currency."""

    p: float
    q: float
    v: float

    def log_likelihood(self, orders: Floats, amount: Floats) -> float:
        """Return the log-likelihood of customers with these orders and total amounts: the note's equation 1a."""
        p, q, v, gammaln = self.p, self.q, self.v, scipy.special.gammaln
        shape = p * orders
        gammas = gammaln(shape + q) - gammaln(shape) - gammaln(q)
        logs = q * np.log(v) + shape * np.log(amount) - np.log(amount / orders) - (shape + q) * np.log(amount + v)
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


def fit_gamma_gamma(orders: Floats, amount: Floats) -> "Fitted[GammaGamma] | NoFit":
    """Return the maximum-likelihood model of the amounts, or the reason why there is none.

    `orders` are those of each customer after the first, and `amount` their total. Customers without orders or without
    an amount are left out.
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
    place = top_of(lambda here: _uphill(orders, amount / scale, here), (0.0, 1.0, 0.0), bounds, len(orders))
    if place is None:
        return NoFit.NOT_CONVERGED
    p, q, v = _parameters(place)
    model = GammaGamma(rounded(p), rounded(q), rounded(v * scale))
    if model.q < LEAST_Q:
        return NoFit.NO_FINITE_MEAN
    names = ("spread_of_orders", "spread_of_means", "mean")
    return Fitted(model, model.log_likelihood(orders, amount), at_limits(place, bounds, names))


def _parameters(place: Floats) -> tuple[float, float, float]:
    p, q, middle = np.exp(place)
    return float(p), float(q), float(middle * q / p)


def _uphill(orders: Floats, amount: Floats, place: Floats) -> tuple[float, Floats]:
    model = GammaGamma(*_parameters(place))
    by_p, by_q, by_v = model.slope(orders, amount)
    p, q, v = model.p, model.q, model.v
    return model.log_likelihood(orders, amount), np.array([p * by_p - v * by_v, q * by_q + v * by_v, v * by_v])
