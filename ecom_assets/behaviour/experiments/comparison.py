"""Comparison of two variants: an interval that is valid however often one looks,
and a Bayesian one.

- `sequential`: the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H.
  Kennedy and A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences",
  Annals of Statistics 52 (2024), equation 9, arXiv:2103.06476, for the difference of two means.
- `beta_posterior`: successes out of trials with a uniform prior. E. Miller, "Formulas for Bayesian
  A/B Testing", evanmiller.org/bayesian-ab-testing.html, has the probability that one is better in
  closed form; integration gives the same, for any number of variants and units.
- `sample_ratio`: Pearson's chi-squared test of the number of units in each variant. A. Fabijan et
  al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import (
    betainc,
    betaincinv,
    betaln,
    chdtrc,
    ndtr,
    ndtri,
    roots_legendre,
    xlog1py,
    xlogy,
)

Floats = npt.NDArray[np.float64]
MISMATCH_BELOW: Final = 0.001
"""The p-value of the sample ratio below which the split is not the planned one."""
TAIL: Final = 1e-14
"""The probability at either end of a distribution that integrals leave out."""
PANELS, NODES = 24, 16


@dataclass(frozen=True)
class Interval:
    """A range of values, both ends included."""

    low: float
    high: float

    def clipped(self, most: float) -> "Interval":
        """Return the part of it from `-most` to `most`."""
        return Interval(max(self.low, -most), min(self.high, most))


@dataclass(frozen=True)
class Sample:
    """The mean of a number over units, and the variance of the number."""

    count: int
    mean: float
    variance: float

    @classmethod
    def from_successes(cls, successes: int, count: int) -> "Sample":
        """Return the sample of a number that is 1 for a success and 0 otherwise."""
        share = successes / count
        return cls(count, share, share * (1 - share))

    @classmethod
    def from_sums(cls, total: Fraction, square_total: Fraction, count: int) -> "Sample":
        """Return the sample of a number from its sum and the sum of its squares; both exact,
        as they nearly cancel.
        """
        spread = square_total - total * total / count
        return cls(
            count, float(total / count), float(spread / (count - 1)) if count > 1 else math.nan
        )


@dataclass(frozen=True)
class Sequential:
    """The difference of two means, with intervals that are valid at every look,
    and the always-valid p-value.
    """

    difference: Interval
    relative: Interval | None
    p_value: float


def sequential(
    control: Sample, other: Sample, confidence: float, planned_units: int
) -> Sequential | None:
    """Return the sequential comparison of two samples; None if nothing varies,
    so that nothing can be estimated.

    The relative difference is by the delta method. For fewer than about 100 units the intervals are
    too narrow.

    Args:
        control: The control.
        other: The variant that is compared with it.
        confidence: The share of experiments in which the interval holds the true difference at
            every look.
        planned_units: The number of units at which the interval is narrowest.
    """
    own, base = other.variance / other.count, control.variance / control.count
    if not own + base > 0:
        return None
    count, rho_squared = control.count + other.count, _rho_squared(1 - confidence, planned_units)
    width = _width(count, rho_squared, 1 - confidence)
    difference = other.mean - control.mean
    relative = None
    if control.mean:
        ratio = other.mean / control.mean
        spread = math.sqrt(own + base * ratio**2) / abs(control.mean)
        relative = _interval_around(difference / control.mean, width * spread)
    return Sequential(
        _interval_around(difference, width * math.sqrt(own + base)),
        relative,
        _p_value(difference**2 / (own + base), count * rho_squared),
    )


def _interval_around(middle: float, width: float) -> Interval:
    return Interval(middle - width, middle + width)


def _rho_squared(alpha: float, planned_units: int) -> float:
    """Return the tuning parameter for which the interval is narrowest at a number of units."""
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / planned_units


def _width(count: int, rho_squared: float, alpha: float) -> float:
    """Return half the width of the interval, in standard errors of the difference;
    equation 9 of the paper.
    """
    grown = count * rho_squared + 1
    return math.sqrt(2 * grown / (count * rho_squared) * math.log(math.sqrt(grown) / alpha))


def _p_value(squared: float, grown: float) -> float:
    """Return the smallest alpha whose interval leaves out zero,
    for a squared difference in standard errors.
    """
    evidence = squared * grown / (2 * (grown + 1)) - math.log(grown + 1) / 2
    return min(1.0, math.exp(-evidence))


@dataclass(frozen=True)
class Posterior:
    """The posterior distribution of a variant, after the data.

    Attributes:
        density: Returns the probability density at some values.
        cdf: Returns the probability of values smaller than these.
        quantiles: Returns the values below which these shares of probability lie.
    """

    density: Callable[[Floats], Floats]
    cdf: Callable[[Floats], Floats]
    quantiles: Callable[[Floats], Floats]


def beta_posterior(successes: int, count: int, prior: tuple[float, float] = (1, 1)) -> Posterior:
    """Return the posterior of a share; with the prior Beta(1, 1), all shares are equally likely."""
    a, b = prior[0] + successes, prior[1] + count - successes

    def density(at: Floats) -> Floats:
        inside = np.clip(at, 0, 1)
        result = np.exp(xlogy(a - 1, inside) + xlog1py(b - 1, -inside) - betaln(a, b))
        return np.where(inside == at, result, 0.0)

    def cdf(at: Floats) -> Floats:
        result: Floats = betainc(a, b, np.clip(at, 0, 1))
        return result

    def quantiles(shares: Floats) -> Floats:
        result: Floats = betaincinv(a, b, shares)
        return result

    return Posterior(density, cdf, quantiles)


def normal_posterior(mean: float, deviation: float) -> Posterior:
    """Return the posterior of a mean of many units: normal, after a flat prior."""

    def density(at: Floats) -> Floats:
        scaled: Floats = np.exp(-(((at - mean) / deviation) ** 2) / 2)
        return scaled / (deviation * math.sqrt(math.tau))

    def cdf(at: Floats) -> Floats:
        result: Floats = ndtr((at - mean) / deviation)
        return result

    def quantiles(shares: Floats) -> Floats:
        result: Floats = mean + deviation * ndtri(shares)
        return result

    return Posterior(density, cdf, quantiles)


def posterior_of_mean(sample: Sample) -> Posterior | None:
    """Return the posterior of a mean; None if the number does not vary."""
    deviation = math.sqrt(sample.variance / sample.count) if sample.variance > 0 else 0.0
    return normal_posterior(sample.mean, deviation) if deviation > 0 else None


def probability_best(posteriors: Sequence[Posterior]) -> list[float]:
    """Return for each posterior the probability that it is the greatest of all."""
    at, weight = _grid([_edges(posterior) for posterior in posteriors])
    cdfs = [posterior.cdf(at) for posterior in posteriors]
    probabilities = []
    for position, posterior in enumerate(posteriors):
        others_are_less = np.prod([*cdfs[:position], *cdfs[position + 1 :]], axis=0)
        probabilities.append(float(np.sum(weight * posterior.density(at) * others_are_less)))
    return probabilities


def credible_interval(posterior: Posterior, confidence: float) -> Interval:
    """Return the range with the given probability, with equal probability on either side of it."""
    low, high = posterior.quantiles(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    return Interval(float(low), float(high))


def credible_difference(control: Posterior, other: Posterior, confidence: float) -> Interval:
    """Return the range in which the difference of two variants lies with the given probability."""
    own, base = _edges(other), _edges(control)
    least, most = float(own[0] - base[-1]), float(own[-1] - base[0])

    def quantile(share: float) -> float:
        def excess(difference: float) -> float:
            return _difference_below(control, other, difference) - share

        root: float = brentq(excess, least, most, xtol=1e-15)
        return root

    return Interval(quantile((1 - confidence) / 2), quantile((1 + confidence) / 2))


def _difference_below(control: Posterior, other: Posterior, difference: float) -> float:
    at, weight = _grid([_edges(control), _edges(other) - difference])
    return float(np.sum(weight * control.density(at) * other.cdf(at + difference)))


def _edges(posterior: Posterior) -> Floats:
    """Return quantiles at which panels of an integral end: fine where the posterior changes."""
    return posterior.quantiles(ndtr(np.linspace(ndtri(TAIL), -ndtri(TAIL), PANELS + 1)))


def _grid(edges: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the points and weights of Gauss-Legendre quadrature between all of the edges."""
    ends = np.unique(np.concatenate(edges))
    points, weights = roots_legendre(NODES)
    half = np.diff(ends) / 2
    middle = ends[:-1] + half
    at = (middle[:, None] + half[:, None] * points).ravel()
    return at, (half[:, None] * weights).ravel()


@dataclass(frozen=True)
class SampleRatio:
    """Pearson's chi-squared statistic of the split,
    and the probability of one at least as large by chance.
    """

    chi_squared: float
    p_value: float

    @property
    def is_mismatch(self) -> bool:
        """Whether the split is not the planned one."""
        return self.p_value < MISMATCH_BELOW


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio | None:
    """Return whether the numbers of units fit their planned shares;
    None without units or with one variant only.
    """
    total = sum(counts)
    if not total or len(counts) == 1:
        return None
    expected = [total * part / math.fsum(shares) for part in shares]
    statistic = math.fsum(
        (count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True)
    )
    return SampleRatio(statistic, float(chdtrc(len(counts) - 1, statistic)))
