"""How far chance may have moved a share of so many, and whether two shares differ by more.

The interval of a share is the score interval of E. B. Wilson, "Probable inference, the law of
succession, and statistical inference", JASA 22 (1927): it holds for small counts, and for shares of
0 and 1. That of a difference is made from two of them, as R. G. Newcombe, "Interval estimation for
the difference between independent proportions", Statistics in Medicine 17 (1998), method 10.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
"""How often the interval of a share contains the share that it is a sample of."""
FEW: Final = 30
"""A share of fewer is shown as one of few."""


@lru_cache(maxsize=64)
def _spreads(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def interval_of_share(
    part: float, whole: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the ends of Wilson's interval of the share of `part` in `whole`, from 0 to 1; of
    nothing it is all of that.
    """
    if whole <= 0:
        return 0.0, 1.0
    z = _spreads(confidence)
    share = part / whole
    middle = share + z * z / (2 * whole)
    reach = z * sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    size = 1 + z * z / whole
    low = 0.0 if part <= 0 else max((middle - reach) / size, 0.0)
    high = 1.0 if part >= whole else min((middle + reach) / size, 1.0)
    return low, high


def interval_of_difference(
    first: tuple[float, float], second: tuple[float, float], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the ends of Newcombe's interval of a share less another, of none of the same.

    Args:
        first: Part and whole of the first share; the whole is above 0.
        second: The same of the share that is taken from it.
        confidence: How often it contains the difference.
    """
    share, (low, high) = first[0] / first[1], interval_of_share(*first, confidence)
    against, (its_low, its_high) = second[0] / second[1], interval_of_share(*second, confidence)
    difference = share - against
    return (
        difference - sqrt((share - low) ** 2 + (its_high - against) ** 2),
        difference + sqrt((high - share) ** 2 + (against - its_low) ** 2),
    )


def differs(first: tuple[float, float], second: tuple[float, float], looks: int = 1) -> int:
    """Return 1 if a share is higher than another by more than chance, -1 if it is lower, else 0.

    Args:
        first: Part and whole of the share.
        second: The same of the other, of none of the same.
        looks: How many differences are looked at, so that of 20 tables one has one that is chance
            alone (Bonferroni).
    """
    if min(first[1], second[1]) < FEW:
        return 0
    low, high = interval_of_difference(first, second, 1 - (1 - CONFIDENCE) / max(looks, 1))
    return int(low > 0) - int(high < 0)


def differences_from_rest(shares: Sequence[tuple[float, float]], looks: int) -> list[int]:
    """Return how each share differs from that of all others together, as `differs`.

    Args:
        shares: Part and whole of each, of none of the same.
        looks: How many differences are looked at, these among them.
    """
    parts, wholes = (sum(counts) for counts in zip(*shares, strict=True)) if shares else (0, 0)
    return [differs((part, whole), (parts - part, wholes - whole), looks) for part, whole in shares]
