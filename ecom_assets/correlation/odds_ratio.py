"""The odds ratio of a two by two table with its interval, and whether there are enough data for it.

The interval is Woolf's: J. M. Bland and D. G. Altman, "The odds ratio", BMJ 320 (2000), page 1468. If a cell is
empty, a half is added to each (Haldane and Anscombe). There are enough data if at least five visitors would be expected
in each cell by chance: W. G. Cochran, "Some methods for strengthening the common chi-squared tests", Biometrics (1954).
"""

import math
from dataclasses import dataclass
from typing import Final

from scipy.special import ndtri

LEAST_EXPECTED: Final = 5


@dataclass(frozen=True)
class OddsRatio:
    """The ratio of the odds to convert with something and without it.

    Attributes:
        value: The ratio; 1 if it makes no difference.
        low: The lower end of its interval.
        high: The upper end.
        is_enough: Whether there are enough data for the interval to hold.
    """

    value: float
    low: float
    high: float
    is_enough: bool


def odds_ratio(having: tuple[int, int], lacking: tuple[int, int], confidence: float) -> OddsRatio:
    """Return the odds ratio.

    Args:
        having: How many of those who have it converted, and how many did not.
        lacking: The same of those who lack it.
        confidence: The confidence level of the interval.
    """
    cells = [float(count) for count in (*having, *lacking)]
    if not all(cells):
        cells = [count + 0.5 for count in cells]
    logarithm = math.log(cells[0]) - math.log(cells[1]) - math.log(cells[2]) + math.log(cells[3])
    width = float(ndtri((1 + confidence) / 2)) * math.sqrt(math.fsum(1 / count for count in cells))
    low, high = math.exp(logarithm - width), math.exp(logarithm + width)
    return OddsRatio(math.exp(logarithm), low, high, _least_expected(having, lacking) >= LEAST_EXPECTED)


def _least_expected(having: tuple[int, int], lacking: tuple[int, int]) -> float:
    """Return the count of the smallest cell if it made no difference."""
    total = sum(having) + sum(lacking)
    sides = (min(sum(having), sum(lacking)), min(having[0] + lacking[0], having[1] + lacking[1]))
    return sides[0] * sides[1] / total if total else 0.0
