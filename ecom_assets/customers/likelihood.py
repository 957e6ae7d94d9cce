"""Maximum likelihood inside bounds, the same to six digits wherever it is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Model = TypeVar("Model")
Bounds = tuple[float, float]
LIMIT = float(np.log(1000))
"""Logarithm of where a parameter of shape ends: beyond it, customers are as good as alike."""
SHAPE: Bounds = (-LIMIT, LIMIT)
SCALE: Bounds = (-2 * LIMIT, 2 * LIMIT)
STEEPEST = 1e-9
"""Slope per customer of a place that counts as the top."""
NEWTON_STEPS = 50
NUDGE = 1e-5
DIGITS = 6
"""Significant digits that are kept of a parameter: far fewer than the search finds, so that all machines agree."""


class NoFit(StrEnum):
    """Why there is no model."""

    TOO_FEW_CUSTOMERS = "too_few_customers"
    NO_REPEAT_ORDERS = "no_repeat_orders"
    NO_SPREAD = "no_spread"
    NO_FINITE_MEAN = "no_finite_mean"
    NOT_CONVERGED = "not_converged"


@dataclass(frozen=True)
class Fitted(Generic[Model]):
    """A model, the log-likelihood of what it was fitted to, and which parameters would go on growing or shrinking."""

    model: Model
    log_likelihood: float
    at_limit: tuple[str, ...] = ()


def top_of(
    likelihood: Callable[[Floats], tuple[float, Floats]],
    start: Sequence[float],
    bounds: Sequence[Bounds],
    weight: float,
) -> Floats | None:
    """Return where a log-likelihood is largest; None if the search does not come to an end.

    Args:
        likelihood: Its height at a place, with its slope there.
        start: Where to begin.
        bounds: The least and greatest that each coordinate may be.
        weight: How many customers it is of.
    """

    def downhill(place: Floats) -> tuple[float, Floats]:
        height, slope = likelihood(place)
        return -height / weight, -slope / weight

    options: Any = {"maxiter": 1000, "ftol": 1e-15, "gtol": STEEPEST}
    place: Floats = minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    free = np.array([low < one < high for one, (low, high) in zip(place, bounds, strict=True)])
    place = _on_top(lambda here: downhill(here)[1], place, free)
    inside = all(low <= one <= high for one, (low, high) in zip(place, bounds, strict=True))
    return place if inside and np.abs(downhill(place)[1][free]).max(initial=0) < STEEPEST else None


def at_limits(place: Floats, bounds: Sequence[Bounds], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the coordinates that are on a bound."""
    return tuple(name for name, one, limits in zip(names, place, bounds, strict=True) if one in limits)


def rounded(parameter: float) -> float:
    """Return the parameter as it is kept."""
    return float(f"{parameter:.{DIGITS}g}")


def _on_top(slope_at: Callable[[Floats], Floats], place: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """Go the last bit by Newton's method, since the search stops where the height no longer tells a difference."""
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
