"""The time between two steps of a funnel: which steps, and how it is counted in bins.

This module imports nothing heavy, because the `ecom` command reads a definition before it starts an engine.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from ecom_assets.errors import DefinitionError

MAX_BINS: Final = 100


@dataclass(frozen=True, slots=True)
class TimeToConvert:
    """The time between two steps of the units that took both, counted in bins.

    Attributes:
        first: The earlier step.
        last: The later step.
        bins: How many bins of equal width; None to choose.
        edges_s: Where bins end, rising; the last bin has no end. One edge is the width of all bins, from 0 on, with
            `is_width`.
        is_width: Whether `edges_s` is the width of all bins.
    """

    first: int
    last: int
    bins: int | None = None
    edges_s: tuple[int, ...] = ()
    is_width: bool = False

    def check(self, steps: int) -> None:
        """Refuse steps that the funnel does not have, and bins that cannot be.

        Raises:
            DefinitionError: One of them is wrong.
        """
        numbers = (self.first, self.last)
        if any(type(number) is not int for number in numbers) or not 1 <= self.first < self.last <= steps:
            raise DefinitionError(
                f"`time_to_convert` is from step {self.first!r} to step {self.last!r}; name two of the {steps} steps "
                "by their numbers, the earlier one first."
            )
        if self.bins is not None and (type(self.bins) is not int or not 1 <= self.bins <= MAX_BINS):
            raise DefinitionError(f"The bins of `time_to_convert` are 1 to {MAX_BINS}, not {self.bins!r}.")
        is_rising = all(low < high for low, high in pairwise((0, *self.edges_s)))
        if not is_rising or len(self.edges_s) >= MAX_BINS:
            raise DefinitionError(
                f"The ends of the bins of `time_to_convert` have to rise, and be fewer than {MAX_BINS}; write them as "
                "in 1m, 10m, 1h."
            )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        edges = [f"{edge}s" for edge in self.edges_s]
        bins = self.bins or (edges[0] if self.is_width else edges)
        return {"from": self.first, "to": self.last} | ({"bins": bins} if bins else {})
