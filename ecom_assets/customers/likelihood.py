"""Maximum likelihood estimation within bounds, with the same first six digits on every machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import scipy  # loads scipy.optimize where it is called first; most processes fit nothing

Floats = npt.NDArray[np.float64]
Model = TypeVar("Model")
Bounds = tuple[float, float]
LIMIT = float(np.log(1000))
"""Logarithm of the bound of a shape parameter: beyond it, customers are practically alike."""
SHAPE: Bounds = (-LIMIT, LIMIT)
SCALE: Bounds = (-2 * LIMIT, 2 * LIMIT)
STEEPEST = 1e-9
"""A point counts as the maximum if its slope per customer is below this."""
NEWTON_STEPS = 50
NUDGE = 1e-5
DIGITS = 6
"""Significant digits kept of a parameter: far fewer than the search finds, so that all machines agree."""


class NoFit(StrEnum):
    """Why there is no model."""

    TOO_FEW_CUSTOMERS = "too_few_customers"
    NO_REPEAT_ORDERS = "no_repeat_orders"
    NO_SPREAD = "no_spread"
    NO_FINITE_MEAN = "no_finite_mean"
    NOT_CONVERGED = "not_converged"


@dataclass(frozen=True)
class Fitted(Generic[Model]):
    """A model, the log-likelihood of the data that it was fitted to, and the names of the parameters at a bound."""

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

    def downhill(place: Floats) -> tuple[float, Floats]:
        height, slope = likelihood(place)
        return -height / weight, -slope / weight

    options: Any = {"maxiter": 1000, "ftol": 1e-15, "gtol": STEEPEST}
    place: Floats = scipy.optimize.minimize(
        downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    free = np.array([low < one < high for one, (low, high) in zip(place, bounds, strict=True)])
    place = _on_top(lambda here: downhill(here)[1], place, free)
    inside = all(low <= one <= high for one, (low, high) in zip(place, bounds, strict=True))
    return place if inside and np.abs(downhill(place)[1][free]).max(initial=0) < STEEPEST else None


def at_limits(place: Floats, bounds: Sequence[Bounds], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the coordinates that lie on a bound."""
    return tuple(name for name, one, limits in zip(names, place, bounds, strict=True) if one in limits)


def rounded(parameter: float) -> float:
    """Return a parameter rounded to `DIGITS` significant digits."""
    return float(f"{parameter:.{DIGITS}g}")


def _on_top(slope_at: Callable[[Floats], Floats], place: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """Refine the maximum with Newton's method, because the search stops where the likelihood is flat to rounding."""
    steps = NUDGE * np.eye(len(place))[free]
    for _ in range(NEWTON_STEPS):
        slope = slope_at(place)[free]
        if np.abs(slope).max(initial=0) < STEEPEST / 1000:
            break
        bend = np.array([(slope_at(place + step) - slope_at(place - step))[free] / (2 * NUDGE) for step in steps])
        move = np.linalg.lstsq(bend, -slope, rcond=None)[0]
        if np.abs(move).max() > 1:
            break
        place = place + move @ np.eye(len(place))[free]
    return place
