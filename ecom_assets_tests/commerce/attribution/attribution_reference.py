"""Attribution by the definition, in plain Python and fractions: slow and obvious.

A touch is (instant, channel); instants are seconds. A conversion is an instant with a number of
cents.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from ecom_assets.commerce.attribution.contracts import NO_CHANNEL

LOOKBACK_S = 30 * 86_400
HALF_LIFE_S = 7 * 86_400
Touch = tuple[int, str]
Shares = dict[str, Fraction]


@dataclass(frozen=True)
class Story:
    """What one visitor did."""

    touches: tuple[Touch, ...]
    conversions: tuple[int, ...]

    def path(self, converted_at: int) -> list[Touch]:
        """Return the touches that count for a conversion, oldest first."""
        return sorted(t for t in self.touches if converted_at - LOOKBACK_S <= t[0] <= converted_at)


def shares(model: str, path: Sequence[Touch], converted_at: int) -> Shares:
    """Return which part of one conversion each channel gets."""
    if not path:
        return {NO_CHANNEL: Fraction(1)}
    weights = [Fraction(weight) for weight in _weights(model, path, converted_at)]
    total: Shares = {}
    for (_, channel), weight in zip(path, weights, strict=True):
        if weight:
            total[channel] = total.get(channel, Fraction(0)) + weight / sum(weights)
    return total


def _weights(model: str, path: Sequence[Touch], converted_at: int) -> list[float | Fraction | int]:
    count = len(path)
    not_direct = [n for n, (_, channel) in enumerate(path) if channel != "Direct"]
    chosen = {
        "first": 0,
        "last": count - 1,
        "last_non_direct": not_direct[-1] if not_direct else count - 1,
    }
    if model in chosen:
        return [int(n == chosen[model]) for n in range(count)]
    if model == "linear":
        return [1] * count
    if model == "time_decay":
        return [2.0 ** (-(converted_at - instant) / HALF_LIFE_S) for instant, _ in path]
    first, last = {"position": (40, 40), "j": (20, 60)}[model]
    if count == 1:
        return [1]
    middle = [Fraction(100 - first - last, count - 2)] * (count - 2) if count > 2 else []
    return [first, *middle, last]


def markov_shares(stories: Sequence[Story]) -> Shares:
    """Return each channel's part of all touched conversions,
    by removal effects in exact fractions.
    """
    steps: Counter[tuple[str, str]] = Counter()
    for story in stories:
        for path in _paths(story):
            steps.update(pairwise(path))
    whole = _reaches(steps)
    if not whole:
        return {}
    channels = {state for step in steps for state in step} - {"(start)", "(conversion)", "(null)"}
    effects = {channel: 1 - _reaches(_without(steps, channel)) / whole for channel in channels}
    return {channel: effect / sum(effects.values()) for channel, effect in effects.items()}


def _paths(story: Story) -> list[list[str]]:
    """Return each path from the start to a conversion, or to nothing."""
    paths, used = [], set()
    for converted_at in story.conversions:
        path = story.path(converted_at)
        used |= set(path)
        if path:
            paths.append(["(start)", *(channel for _, channel in path), "(conversion)"])
    run: list[Touch] = []
    for touch in [*sorted(story.touches), None]:
        ends = touch is None or touch in used or (run and touch[0] - run[-1][0] > LOOKBACK_S)
        if run and ends:
            paths.append(["(start)", *(channel for _, channel in run), "(null)"])
            run = []
        if touch is not None and touch not in used:
            run.append(touch)
    return paths


def _without(steps: Mapping[tuple[str, str], int], channel: str) -> Counter[tuple[str, str]]:
    left: Counter[tuple[str, str]] = Counter()
    for (origin, target), count in steps.items():
        if origin != channel:
            left[origin, "(null)" if target == channel else target] += count
    return left


def _reaches(steps: Mapping[tuple[str, str], int]) -> Fraction:
    """Return the chance to get from the start to a conversion: Gauss's elimination of x = P x."""
    states = sorted({origin for origin, _ in steps})
    if "(start)" not in states:
        return Fraction(0)
    totals = {
        state: sum(count for (origin, _), count in steps.items() if origin == state)
        for state in states
    }
    rows = []
    for state in states:
        row = [
            Fraction(int(state == other)) - Fraction(steps.get((state, other), 0), totals[state])
            for other in states
        ]
        rows.append([*row, Fraction(steps.get((state, "(conversion)"), 0), totals[state])])
    for n in range(len(states)):
        pivot = next(m for m in range(n, len(states)) if rows[m][n])
        rows[n], rows[pivot] = rows[pivot], rows[n]
        rows[n] = [value / rows[n][n] for value in rows[n]]
        for m in range(len(states)):
            if m != n and rows[m][n]:
                rows[m] = [a - rows[m][n] * b for a, b in zip(rows[m], rows[n], strict=True)]
    return rows[states.index("(start)")][-1]
