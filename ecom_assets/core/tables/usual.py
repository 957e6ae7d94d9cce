"""How far numbers usually are from what is usual, robust against the few that are not.

The spread is the median distance times 1.4826, which is the standard deviation of normal values
(Rousseeuw and Croux 1993); where more than half of the distances are 0, their mean times 1.2533
(Iglewicz and Hoaglin 1993).
"""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Final

USUAL_WEEKS: Final = 8
"""How many weeks before are looked at for what is usual."""
FEWEST_WEEKS: Final = 4
"""Without so many of these that are known, nothing is expected."""
AS_NORMAL: Final = 1.4826
MEAN_AS_NORMAL: Final = 1.2533


def usual_spread(deviations: Sequence[float]) -> float:
    """Return the spread of numbers by their deviations from what is usual, of either sign."""
    distances = [abs(deviation) for deviation in deviations]
    return AS_NORMAL * median(distances) or MEAN_AS_NORMAL * fmean(distances)
