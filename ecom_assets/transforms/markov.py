"""Removal effects: how many conversions a first-order Markov chain of channels would lose without each of them.

States are the start, the channels, the conversion and nothing; a step's weight is how often it was taken. Without a
channel, every step to it leads to nothing. Pure arithmetic on small numbers: not here is how steps are counted
(`channel_steps.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

START, CONVERTED, NOTHING = "(start)", "(conversion)", "(null)"
Steps = Mapping[tuple[str, str], int]
"""How often each step, from one state to another, was taken."""


@dataclass(frozen=True)
class RemovalEffect:
    """What a chain says of a channel: the share of conversions lost without it, and its units of all credit."""

    channel: str
    effect: float
    units: int


def conversion_rate(steps: Steps, without: str | None = None) -> float:
    """Return the chance to get from the start to a conversion, with steps to one channel leading to nothing.

    States are taken out one by one, their comings led on to where they go. There is no subtraction in it, so that
    nothing is lost to rounding (Grassmann, Taksar and Heyman 1985), and no order that a machine could choose.
    """
    flow: dict[str, dict[str, float]] = {}
    for (here, there), count in sorted(steps.items()):
        if here not in {there, without}:
            reached = NOTHING if there == without else there
            row = flow.setdefault(here, {})
            row[reached] = row.get(reached, 0.0) + count
    for state in sorted(set(flow) - {START}):
        _take_out(flow, state)
    start = flow.get(START, {})
    total = sum(start.values())
    return start.get(CONVERTED, 0.0) / total if total else 0.0


def _take_out(flow: dict[str, dict[str, float]], state: str) -> None:
    onward = flow.pop(state)
    total = sum(onward.values())
    for here, row in flow.items():
        come = row.pop(state, 0.0)
        if come:
            for there, weight in onward.items():
                if there != here:
                    row[there] = row.get(there, 0.0) + come * weight / total


def removal_effects(steps: Steps, units: int) -> list[RemovalEffect]:
    """Return each channel's effect and its share of `units`, greatest first; nothing if nobody converted.

    Shares are proportional to effects, rounded down; what is left goes to those who lost most by that.
    """
    whole = conversion_rate(steps)
    if not whole:
        return []
    channels = sorted({state for step in steps for state in step} - {START, CONVERTED, NOTHING})
    effects = {one: max(1.0 - conversion_rate(steps, one) / whole, 0.0) for one in channels}
    shares = _whole_shares(effects, units)
    ranked = sorted(channels, key=lambda one: (-shares[one], one))
    return [RemovalEffect(one, effects[one], shares[one]) for one in ranked]


def _whole_shares(effects: Mapping[str, float], units: int) -> dict[str, int]:
    total = sum(effects.values())
    exact = {one: units * effect / total for one, effect in effects.items()}
    shares = {one: int(part) for one, part in exact.items()}
    by_loss: Iterable[str] = sorted(exact, key=lambda one: (shares[one] - exact[one], one))
    left = units - sum(shares.values())
    for one, _ in zip(by_loss, range(left), strict=False):
        shares[one] += 1
    return shares
