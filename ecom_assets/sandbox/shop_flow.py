"""How likely each next step of a visit is, and how long people pause before it.

A table of weights, so that the funnel can be tuned by reading. Not here: the walk itself (`shop_visits`).
"""

from statistics import NormalDist

import numpy as np

from ecom_assets.sandbox import shop_rows as r
from ecom_assets.sandbox.shop_dice import Floats, Ints, cumulative

EXIT = len(r.EVENT_TYPES)
"""The pseudo action of leaving."""

# After this event: weights of what comes next, with an empty cart and with a filled one.
_EMPTY: dict[int, dict[int, float]] = {
    r.PAGE: {r.PAGE: 10, r.CATEGORY: 25, r.SEARCH: 9, r.PRODUCT: 29, EXIT: 24},
    r.CATEGORY: {r.PAGE: 4, r.CATEGORY: 22, r.SEARCH: 4, r.PRODUCT: 58, EXIT: 12},
    r.SEARCH: {r.PAGE: 3, r.CATEGORY: 8, r.SEARCH: 20, r.PRODUCT: 56, EXIT: 13},
    r.PRODUCT: {r.PAGE: 5, r.CATEGORY: 25, r.SEARCH: 6, r.PRODUCT: 46, r.ADD: 1.3, EXIT: 9.7},
    r.REMOVE: {r.PAGE: 10, r.CATEGORY: 20, r.SEARCH: 5, r.PRODUCT: 25, EXIT: 40},
    r.PURCHASE: {r.PAGE: 30, r.CATEGORY: 6, EXIT: 64},
}
_FILLED: dict[int, dict[int, float]] = {
    r.PAGE: {r.PAGE: 10, r.CATEGORY: 20, r.PRODUCT: 25, r.REMOVE: 5, r.CHECKOUT: 20, EXIT: 20},
    r.CATEGORY: {r.PAGE: 4, r.CATEGORY: 22, r.SEARCH: 4, r.PRODUCT: 56, r.CHECKOUT: 6, EXIT: 8},
    r.SEARCH: {r.PAGE: 3, r.CATEGORY: 8, r.SEARCH: 18, r.PRODUCT: 58, r.CHECKOUT: 4, EXIT: 9},
    r.PRODUCT: {
        r.PAGE: 5,
        r.CATEGORY: 19,
        r.SEARCH: 5,
        r.PRODUCT: 41,
        r.ADD: 9,
        r.REMOVE: 2,
        r.CHECKOUT: 6,
        EXIT: 13,
    },
    r.ADD: {r.PAGE: 12, r.CATEGORY: 19, r.SEARCH: 3, r.PRODUCT: 28, r.REMOVE: 4, r.CHECKOUT: 14, EXIT: 18},
    r.REMOVE: {r.PAGE: 10, r.CATEGORY: 20, r.SEARCH: 5, r.PRODUCT: 25, r.CHECKOUT: 20, EXIT: 20},
    r.CHECKOUT: {r.PAGE: 12, r.PRODUCT: 5, r.REMOVE: 3, r.PURCHASE: 44, EXIT: 36},
}
# Those who came to buy do these more (or less) often.
_WARM = {r.ADD: 2.2, r.CHECKOUT: 1.4, r.PURCHASE: 1.4, EXIT: 0.75}


def _bounds(weights: dict[int, float], factors: dict[int, float]) -> Floats:
    """Return the upper bounds of each action's share; a state that cannot occur leads to the exit."""
    full = [weights.get(action, 0.0) * factors.get(action, 1.0) for action in range(EXIT + 1)]
    return cumulative(full if weights else [0.0] * EXIT + [1.0])


def _flow(factors: dict[int, float]) -> Floats:
    states = [action for action in range(EXIT) if action <= r.REFUND]
    return np.array([[_bounds(cart.get(s, {}), factors) for cart in (_EMPTY, _FILLED)] for s in states])


FLOW: Floats = np.array([_flow({}), _flow(_WARM)])
"""Indexed by warmth (0 or 1), last event type, and whether something is in the cart."""


def _pauses() -> Ints:
    """Pauses in microseconds: log-normal around 22 s, 25 minutes at most; a few events share an instant."""
    size, normal = 65536, NormalDist()
    seconds = [22 * 2.718281828459045 ** (1.15 * normal.inv_cdf((i + 0.5) / size)) for i in range(size)]
    table = np.array([min(int(s * r.SECOND), 1500 * r.SECOND) for s in seconds], np.int64)
    table[: size // 500] = 0
    return table


GAPS: Ints = _pauses()
