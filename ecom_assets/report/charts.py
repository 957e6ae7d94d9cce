"""The geometry of the report's charts, which the template draws as inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

WIDTH: Final = 700
HEIGHT: Final = 220
LEFT: Final = 64
"""Room for the labels of the scale."""
BOTTOM: Final = 26
TOP: Final = 12
BAR_SHARE: Final = 0.34
STEPS: Final = (1, 2, 2.5, 5, 10)
MOST_LINES: Final = 4


@dataclass(frozen=True)
class Bar:
    """A bar, in the units of the drawing; a value that is not known has none."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class DailyChart:
    """The bars of each day, this week's and those of the week before, and the lines of the scale."""

    bars: list[Bar]
    previous: list[Bar]
    lines: list[tuple[float, str]]
    labels: list[tuple[float, str]]
    zero: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def daily_chart(days: Sequence[dict[str, Any]], currency: str) -> DailyChart:
    """Return the chart of revenue by day."""
    names = ("previous_revenue_amount", "revenue_amount")
    amounts = [float(day[name]) for day in days for name in names if day[name] is not None]
    lines = _scale(min(0.0, *amounts, 0.0), max(0.0, *amounts, 0.0))
    low, high = lines[0], lines[-1]

    def y_of(amount: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - amount) / (high - low), 2)

    step = (WIDTH - LEFT) / max(len(days), 1)
    bars: dict[str, list[Bar]] = {name: [] for name in names}
    for place, day in enumerate(days):
        for number, name in enumerate(names):
            if day[name] is None:
                continue
            x = LEFT + step * (place + 0.5 + (number - 1) * BAR_SHARE)
            top, bottom = sorted((y_of(float(day[name])), y_of(0.0)))
            when = day["date"] if number else "the week before"
            label = f"{day['date']:%A}, {when}: {day[name]:,.2f} {currency}"
            bars[name].append(Bar(round(x, 2), top, round(step * BAR_SHARE - 2, 2), round(bottom - top, 2), label))
    middles = [round(LEFT + step * (place + 0.5), 2) for place in range(len(days))]
    labels = [(x, f"{day['date']:%a} {day['date'].day}") for x, day in zip(middles, days, strict=True)]
    shown = [(y_of(line), f"{line:,.0f}") for line in lines]
    return DailyChart(bars[names[1]], bars[names[0]], shown, labels, y_of(0.0))


def _scale(low: float, high: float) -> list[float]:
    """Return the lines of a scale from at most `low` to at least `high`, at round numbers."""
    if low == high:
        return [0.0, 1.0]
    rough = (high - low) / MOST_LINES
    size = 10.0 ** (len(str(int(rough))) - 1) if rough >= 1 else 1.0
    step = next(size * one for one in STEPS if size * one >= rough)
    first, last = int(low // step), int(-(-high // step))
    return [step * place for place in range(first, last + 1)]


def widths(contributions: Sequence[Decimal]) -> list[tuple[float, float]]:
    """Return start and width of each contribution's bar, in percent of a drawing with zero where it has to be."""
    low, high = min([*contributions, Decimal(0)]), max([*contributions, Decimal(0)])
    reach = float(high - low) or 1.0
    zero = -float(low) / reach * 100
    result = []
    for one in contributions:
        size = abs(float(one)) / reach * 100
        result.append((round(zero if one > 0 else zero - size, 2), round(size, 2)))
    return result


def zero_of(contributions: Sequence[Decimal]) -> float:
    """Return where zero is in such a drawing, in percent."""
    low, high = min([*contributions, Decimal(0)]), max([*contributions, Decimal(0)])
    return round(-float(low) / (float(high - low) or 1.0) * 100, 2)
