"""Small lines beside a number, as SVG that needs no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

WIDTH, HEIGHT, MARGIN = 120, 32, 3
FEWEST: Final = 2
"""The fewest known values that make a line."""
Number = int | float | Decimal | None


@dataclass(frozen=True)
class Sparkline:
    """Lines through known values, `lines` as the points of polylines; unknown values leave gaps."""

    lines: tuple[str, ...]
    last: tuple[float, float] | None

    @classmethod
    def of(cls, values: Sequence[Number]) -> "Sparkline | None":
        """Return the line of some values in the order of time; None if too few are known."""
        known = [float(one) for one in values if one is not None]
        if len(known) < FEWEST:
            return None
        low, span = min(known), (max(known) - min(known)) or 1.0
        step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
        points = [
            None
            if one is None
            else (MARGIN + place * step, HEIGHT - MARGIN - (float(one) - low) / span * (HEIGHT - 2 * MARGIN))
            for place, one in enumerate(values)
        ]
        return cls(tuple(_runs(points)), next(one for one in reversed(points) if one))


def _runs(points: Sequence[tuple[float, float] | None]) -> list[str]:
    runs: list[list[str]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(f"{point[0]:.1f},{point[1]:.1f}")
    return [" ".join(run) for run in runs if run]
