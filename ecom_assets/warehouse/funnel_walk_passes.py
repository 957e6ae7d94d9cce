"""The funnel kernel's walks: each unit's longest try, the earliest such, and how long its steps took.

The same as `transforms/funnel_walks.py` and `funnel_instant_walks.py` on packed numbers: a try finds its next step by a
binary search among the times of that step, and units lie so far apart that it finds its own unit's or is out of time.
Not here: packing (`funnel_passes.py`), SQL (`funnel_kernel.py`), exclusions and totals (the expression alone has them).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecom_assets.warehouse.funnel_passes import (
    Contest,
    Ints,
    Plan,
    Sorted,
    chain_ends,
    codes_of,
    instants_of,
    order_of,
    sorted_parts,
)

Taken = list[tuple[Ints, Ints]]
"""Per step, which tries took it (numbers from 0, rising) and when."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """How long units took, in microseconds, in no order.

    Attributes:
        from_previous: Per step, the time from the step before for each unit that took it; zeros at step 1.
        from_start: Per step, the time from step 1.
    """

    from_previous: tuple[Ints, ...]
    from_start: tuple[Ints, ...]


def step_times(packed: Ints, units: Ints, unit_count: int, plan: Plan) -> StepTimes:
    """The times of each unit's longest try; arguments and errors are those of `levels_of`."""
    parts = []
    for part in sorted_parts(packed, units, unit_count, plan):
        if len(part.keys):
            walk = _walk_by_instant(part) if plan.weights else _walk_by_event(part)
            parts.append(_told(walk, part.resolution))
    return together(parts, plan.steps)


def together(parts: Sequence[StepTimes], steps: int) -> StepTimes:
    """The times of several sets of units as those of one."""
    none = np.zeros(0, np.int64)
    return StepTimes(
        tuple(np.concatenate([none, *(part.from_previous[step] for part in parts)]) for step in range(steps)),
        tuple(np.concatenate([none, *(part.from_start[step] for part in parts)]) for step in range(steps)),
    )


def _walk_by_event(part: Sorted) -> Taken:
    """Walk only from the starts that are told; they follow from where the longest chains end first."""
    plan = part.plan
    codes, times = codes_of(part.keys, plan), part.keys >> plan.scale_bits
    _, *others = order_of(plan)
    starts = at = _told_starts(codes, times, part)
    tries = np.arange(len(starts))
    taken = [(tries, at)]
    for code in others:
        candidates = times[codes == code]
        found = np.searchsorted(candidates, at, side="right" if plan.is_descending else "left")
        tries, at = _in_time(tries, _at_or_never(candidates, found), starts, plan)
        taken.append((tries, at))
    return taken


def _told_starts(codes: npt.NDArray[np.int8], times: Ints, part: Sorted) -> Ints:
    """The start of the earliest of each unit's longest tries.

    No try of a unit can be as long and end before the first event that ends a longest chain. A try from within the
    window before that event ends there or earlier, since of two tries the later one never overtakes: so the first start
    in that window is it.
    """
    first_ends = np.full(part.unit_count, -1, np.int64)
    for ends in chain_ends(codes, times, part.plan):
        backwards = ends[::-1]
        first_ends[backwards >> part.time_bits] = backwards  # of several, the last one written stays
    starts = times[codes == order_of(part.plan)[0]]
    told: Ints = starts[np.searchsorted(starts, first_ends[first_ends >= 0] - part.plan.window)]
    return told


def _walk_by_instant(part: Sorted) -> Taken:
    """As `transforms/funnel_instant_walks.py` explains: a step is taken at the same instant if its events suffice."""
    plan = part.plan
    instants, counts = instants_of(part.keys, plan)
    starts = at = instants[counts[plan.owns[0]] > 0]
    tries = np.arange(len(starts))
    served = np.zeros(len(starts), np.int64)
    taken = [(tries, at)]
    for step in range(2, plan.steps + 1):
        here = np.searchsorted(instants, at)
        can_stay = np.ones(len(at), bool)
        for contest in plan.contests[step - 1]:
            can_stay &= _needed(counts[contest.count][here], contest) <= served
        candidates = instants[counts[plan.owns[step - 1]] > 0]
        later = _at_or_never(candidates, np.searchsorted(candidates, at, side="right"))
        served = np.where(can_stay, served, step - 1)
        kept, now = _in_time(np.arange(len(at)), np.where(can_stay, at, later), starts[tries], plan)
        tries, at, served = tries[kept], now, served[kept]
        taken.append((tries, at))
    return _of_longest(taken, part)


def _needed(counts: Ints, contest: Contest) -> Ints:
    """The latest step that must be served before: with n events, the one before the n latest contested ones."""
    lately = np.array([*contest.contested, 0], np.int64)
    return lately[np.minimum(counts, len(contest.contested))]


def _of_longest(taken: Taken, part: Sorted) -> Taken:
    """The first of each unit's longest tries; tries are in order of unit and start."""
    starts = taken[0][1]
    level = np.zeros(len(starts), np.int64)
    for tries, _ in taken:
        level[tries] += 1
    firsts = np.flatnonzero(np.diff(starts >> part.time_bits, prepend=-1))
    sizes = np.diff(firsts, append=len(starts))
    is_longest = level == np.repeat(np.maximum.reduceat(level, firsts), sizes)
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(is_longest)))[firsts]
    is_told = is_longest & (np.cumsum(is_longest) - np.repeat(before, sizes) == 1)
    return [(tries[is_told[tries]], times[is_told[tries]]) for tries, times in taken]


def _told(taken: Taken, resolution: int) -> StepTimes:
    """The times of tries that are all told."""
    tries, starts = taken[0]
    at = np.zeros(int(tries.max(initial=-1)) + 1, np.int64)
    at[tries] = starts
    began, from_previous, from_start = at.copy(), [], []
    for every, now in taken:
        from_previous.append((now - at[every]) * resolution)
        from_start.append((now - began[every]) * resolution)
        at[every] = now
    return StepTimes(tuple(from_previous), tuple(from_start))


def _in_time(tries: Ints, at: Ints, starts: Ints, plan: Plan) -> tuple[Ints, Ints]:
    kept = at - starts[tries] <= plan.window
    return tries[kept], at[kept]


def _at_or_never(candidates: Ints, places: Ints) -> Ints:
    return np.append(candidates, np.iinfo(np.int64).max)[places]
