"""The NumPy half of the fast kernel:
from arrays of packed events to the attempts of units and their times.

How events are packed and sorted is in `tables/packed.py`. The arrays come from
`funnels/kernel/counts.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecom_assets.core.tables.packed import Ints, Packing, Sorted, sorted_parts

StepAttempts = list[tuple[Ints, Ints]]
"""Per step, the numbers of the attempts that took it (from 0, rising), and when."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """How long units took, in microseconds, in no particular order.

    Attributes:
        from_previous: Per step, the time from the step before for each unit that took it; zeros at
            step 1.
        from_start: Per step, the time from step 1.
    """

    from_previous: tuple[Ints, ...]
    from_start: tuple[Ints, ...]

    @property
    def counts(self) -> list[int]:
        """Return the number of units that took each step."""
        return [len(times) for times in self.from_start]


@dataclass(frozen=True, slots=True)
class Overlap:
    """A set of overlapping conditions that has a step's: the place of its count,
    and its steps up to this one.

    The steps are in descending order. `funnels/matching.py` explains these sets.
    """

    count: int
    overlapping_steps: tuple[int, ...]


Flags = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FunnelPlan(Packing):
    """The definition of a funnel as the passes need it.

    Attributes:
        steps: Number of steps.
        is_descending: Whether code 1 is the last step instead of the first, so that at one instant
            an event comes before those it could follow: times must increase.
        is_in_any_order: Whether steps count in whichever order they come; each event then matches
            one step only.
        weights: Per set of overlapping conditions, 1 for each code that matches one of them and 0
            for the others (code 0 included); empty if each event matches one step only and its code
            is that step.
        owns: Per step, the number of the set that has only its own condition.
        overlaps_of: Per step, the sets that have its condition.
    """

    steps: int
    is_descending: bool = False
    is_in_any_order: bool = False
    weights: tuple[Flags, ...] = ()
    owns: tuple[int, ...] = ()
    overlaps_of: tuple[tuple[Overlap, ...], ...] = ()


Part = Sorted[FunnelPlan]


def step_times(packed: Ints, units: Ints, unit_count: int, plan: FunnelPlan) -> StepTimes:
    """Return the times of each unit's longest attempt.

    Args:
        packed: The packed events in any order. Overwritten.
        units: The unit of each event, a number from 0.
        unit_count: The number of units.
        plan: The funnel.

    Raises:
        WorkError: The events of one unit span more time than a 64-bit number holds, which is over a
            century.
    """
    return concatenated(
        [_times_of_part(part) for part in sorted_parts(packed, units, unit_count, plan)], plan.steps
    )


def times_by_period(
    packed: Ints, units: Ints, unit_count: int, plan: FunnelPlan, bounds: Sequence[int]
) -> list[StepTimes]:
    """Return the times of attempts that begin in a range, then in each period of it,
    if events match one step only.

    All attempts are followed once; then the longest ones of each period are selected.

    Other arguments and errors are those of `step_times`. `bounds` has the times at which the
    periods begin, rising, and at which the last one ends, in microseconds.
    """
    parts = [
        _times_by_period(part, bounds) for part in sorted_parts(packed, units, unit_count, plan)
    ]
    return [concatenated(times, plan.steps) for times in zip(*parts, strict=True)]


def taken_steps(
    packed: Ints, units: Ints, unit_count: int, plan: FunnelPlan
) -> tuple[int, StepAttempts]:
    """Return the number of units, and per step those that took it, rising, with the time at which
    their longest attempt did, in microseconds.

    Arguments and errors are those of `step_times`.
    """
    taken: list[list[tuple[Ints, Ints]]] = [[] for _ in range(plan.steps)]
    for part in sorted_parts(packed, units, unit_count, plan):
        for step, (_, at) in enumerate(longest_attempts(part) if len(part.keys) else ()):
            taken[step].append(((at >> part.time_bits) + part.first_unit, part.times_us(at)))
    return unit_count, [joined(parts) for parts in taken]


def joined(parts: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Concatenate pairs of arrays."""
    none = np.zeros(0, np.int64)
    first, second = ([none, *(part[n] for part in parts)] for n in (0, 1))
    return np.concatenate(first), np.concatenate(second)


def _times_by_period(part: Part, bounds: Sequence[int]) -> list[StepTimes]:
    """Return what `times_by_period` does, of the units of a part."""
    codes, times = event_codes(part.keys, part.plan), part.keys >> part.plan.scale_bits
    starts, periods = _starts_in_periods(codes, times, part, bounds)
    units = starts >> part.time_bits
    step_attempts = followed(starts, codes, times, part.plan)
    longest_in_range = _longest_by_unit(step_attempts, units)
    # Each unit in each period counts as a unit of its own: one number, rising with the starts.
    longest_in_periods = _longest_by_unit(step_attempts, units * len(bounds) + periods)
    periods_by_step = [periods[attempts] for attempts, _ in longest_in_periods]
    return [
        times_of_attempts(longest_in_range, part.resolution),
        *times_by_group(
            times_of_attempts(longest_in_periods, part.resolution), periods_by_step, len(bounds) - 1
        ),
    ]


def _starts_in_periods(
    codes: npt.NDArray[np.int8], times: Ints, part: Part, bounds: Sequence[int]
) -> tuple[Ints, Ints]:
    """Return the starts of attempts that begin in a period, and the number of each one's period."""
    starts = times[codes == step_codes(part.plan)[0]]
    periods = np.searchsorted(np.array(bounds), part.times_us(starts), side="right") - 1
    is_inside = (periods >= 0) & (periods < len(bounds) - 1)
    return starts[is_inside], periods[is_inside]


class _Cut(NamedTuple):
    """How the values of a step's attempts are cut into groups.

    `order` has the positions of the values in the order of their groups, `ends` where in that order
    each group but the last ends.
    """

    order: Ints
    ends: Ints

    @classmethod
    def by(cls, groups: Ints, group_count: int) -> "_Cut":
        """Return the cut by the group of each attempt."""
        ends = np.bincount(groups, minlength=group_count).cumsum()[:-1]
        return cls(np.argsort(groups, kind="stable"), ends)


def times_by_group(
    times: StepTimes, groups_by_step: Sequence[Ints], group_count: int
) -> list[StepTimes]:
    """Return the times of each group; `groups_by_step` has, per step, the number of the group of
    each of its attempts, such as the period in which it began.
    """
    cuts = [_Cut.by(groups, group_count) for groups in groups_by_step]
    from_previous = _values_by_group(times.from_previous, cuts)
    from_start = _values_by_group(times.from_start, cuts)
    return [StepTimes(*values) for values in zip(from_previous, from_start, strict=True)]


def _values_by_group(
    values_by_step: Sequence[Ints], cuts: Sequence[_Cut]
) -> Iterator[tuple[Ints, ...]]:
    """Yield, per group, the values of each step."""
    groups_by_step = [
        np.split(values[cut.order], cut.ends)
        for values, cut in zip(values_by_step, cuts, strict=True)
    ]
    return zip(*groups_by_step, strict=True)


def _times_of_part(part: Part) -> StepTimes:
    """Return the times of the longest attempt of each unit in a part."""
    if not len(part.keys):
        return concatenated([], part.plan.steps)
    return times_of_attempts(longest_attempts(part), part.resolution)


def concatenated(parts: Sequence[StepTimes], steps: int) -> StepTimes:
    """Concatenate the times of several sets of units."""
    none = np.zeros(0, np.int64)
    from_previous, from_start = [], []
    for step in range(steps):
        from_previous.append(np.concatenate([none, *(part.from_previous[step] for part in parts)]))
        from_start.append(np.concatenate([none, *(part.from_start[step] for part in parts)]))
    return StepTimes(tuple(from_previous), tuple(from_start))


def longest_attempts(part: Part) -> StepAttempts:
    """Return the longest attempt of each unit."""
    if part.plan.is_in_any_order:
        return _sets_of_steps(part)
    return _attempts_by_moment(part) if part.plan.weights else _attempts_by_event(part)


def _sets_of_steps(part: Part) -> StepAttempts:
    """Find the window in which each unit took the most steps, the earliest such window; its steps
    are numbered in the order in which they were first taken.

    A window ends at an event. Units lie further apart than a window, so that the latest event of a
    step up to then is either inside of it or of no concern.
    """
    codes, times = event_codes(part.keys, part.plan), part.keys >> part.plan.scale_bits
    last_of_instant = np.flatnonzero(np.diff(times, append=np.iinfo(np.int64).max))
    instants = times[last_of_instant]
    level = np.zeros(len(instants), np.int64)
    never = -part.plan.window - 1
    for code in step_codes(part.plan):
        latest = np.maximum.accumulate(np.where(codes == code, times, never))[last_of_instant]
        level += instants - latest <= part.plan.window
    firsts = np.flatnonzero(np.diff(instants >> part.time_bits, prepend=-1))
    best = np.repeat(np.maximum.reduceat(level, firsts), np.diff(firsts, append=len(level)))
    is_best = np.flatnonzero(level == best)
    ended = is_best[np.flatnonzero(np.diff(instants[is_best] >> part.time_bits, prepend=-1))]
    return _first_times_within(instants[ended], codes, times, part.plan)


def _first_times_within(
    ended: Ints, codes: npt.NDArray[np.int8], times: Ints, plan: FunnelPlan
) -> StepAttempts:
    """Return the first event of each step in the window before each end, in order of time."""
    taken = np.empty((len(ended), plan.steps), np.int64)
    for step, code in enumerate(step_codes(plan)):
        candidates = times[codes == code]
        first = _at_or_never(candidates, np.searchsorted(candidates, ended - plan.window))
        taken[:, step] = np.where(first <= ended, first, np.iinfo(np.int64).max)
    taken.sort(axis=1)
    is_taken = taken <= ended[:, np.newaxis]
    attempts = (np.flatnonzero(is_taken[:, step]) for step in range(plan.steps))
    return [(rows, taken[rows, step]) for step, rows in enumerate(attempts)]


def _attempts_by_event(part: Part) -> StepAttempts:
    """Follow only the attempts that are counted:
    their starts are known from where the longest chains end first.
    """
    codes, times = event_codes(part.keys, part.plan), part.keys >> part.plan.scale_bits
    return followed(_counted_starts(codes, times, part), codes, times, part.plan)


def followed(
    starts: Ints, codes: npt.NDArray[np.int8], times: Ints, plan: FunnelPlan
) -> StepAttempts:
    """Return which attempts take each step, and when:
    at the first event of the step after the previous one.
    """
    _, *later_codes = step_codes(plan)
    attempts, at = np.arange(len(starts)), starts
    step_attempts = [(attempts, at)]
    for code in later_codes:
        candidates = times[codes == code]
        result = np.searchsorted(candidates, at, side="right" if plan.is_descending else "left")
        attempts, at = _in_time(attempts, _at_or_never(candidates, result), starts, plan)
        step_attempts.append((attempts, at))
    return step_attempts


def _counted_starts(codes: npt.NDArray[np.int8], times: Ints, part: Part) -> Ints:
    """Return the start of the earliest of each unit's longest attempts.

    No equally long attempt of a unit can end before the first event that ends a longest chain. An
    attempt that starts in the window before that event ends at it or earlier, because a later
    attempt never overtakes an earlier one. So the first start in that window is the one.
    """
    first_ends = np.full(part.unit_count, -1, np.int64)
    for ends in chain_ends(codes, times, part.plan):
        backwards = ends[::-1]
        first_ends[backwards >> part.time_bits] = (
            backwards  # of several, the last one written stays
        )
    starts = times[codes == step_codes(part.plan)[0]]
    starts_counted: Ints = starts[
        np.searchsorted(starts, first_ends[first_ends >= 0] - part.plan.window)
    ]
    return starts_counted


def _attempts_by_moment(part: Part) -> StepAttempts:
    """Follow attempts where events match several steps:
    simultaneous events serve several steps if they suffice.

    `funnels/chains.py` has the definition.
    """
    plan = part.plan
    moments, counts = count_by_moment(part.keys, plan)
    starts = at = moments[counts[plan.owns[0]] > 0]
    attempts = np.arange(len(starts))
    served = np.zeros(len(starts), np.int64)
    step_attempts = [(attempts, at)]
    for step in range(2, plan.steps + 1):
        positions = np.searchsorted(moments, at)
        can_stay = np.ones(len(at), bool)
        for overlap in plan.overlaps_of[step - 1]:
            can_stay &= _needed(counts[overlap.count][positions], overlap) <= served
        candidates = moments[counts[plan.owns[step - 1]] > 0]
        later = _at_or_never(candidates, np.searchsorted(candidates, at, side="right"))
        served = np.where(can_stay, served, step - 1)
        kept, now = _in_time(
            np.arange(len(at)), np.where(can_stay, at, later), starts[attempts], plan
        )
        attempts, at, served = attempts[kept], now, served[kept]
        step_attempts.append((attempts, at))
    return _longest_by_unit(step_attempts, starts >> part.time_bits)


def _needed(counts: Ints, overlap: Overlap) -> Ints:
    """Return the step that must be served already:
    n events serve the n latest of the overlapping steps.
    """
    latest_first = np.array([*overlap.overlapping_steps, 0], np.int64)
    return latest_first[np.minimum(counts, len(overlap.overlapping_steps))]


def _longest_by_unit(step_attempts: StepAttempts, units: Ints) -> StepAttempts:
    """Return the first of each unit's longest attempts;
    attempts are sorted by their `units` and starts.
    """
    level = np.zeros(len(units), np.int64)
    for attempts, _ in step_attempts:
        level[attempts] += 1
    firsts = np.flatnonzero(np.diff(units, prepend=-1))
    sizes = np.diff(firsts, append=len(units))
    is_longest = level == np.repeat(np.maximum.reduceat(level, firsts), sizes)
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(is_longest)))[firsts]
    is_counted = is_longest & (np.cumsum(is_longest) - np.repeat(before, sizes) == 1)
    return [
        (attempts[is_counted[attempts]], times[is_counted[attempts]])
        for attempts, times in step_attempts
    ]


def times_of_attempts(step_attempts: StepAttempts, resolution: int = 1) -> StepTimes:
    """Return how long attempts took, all of which are counted.

    `resolution` says how many microseconds the times of `step_attempts` are in.
    """
    attempts, starts = step_attempts[0]
    at = np.zeros(int(attempts.max(initial=-1)) + 1, np.int64)
    at[attempts] = starts
    began, from_previous, from_start = at.copy(), [], []
    for every, now in step_attempts:
        from_previous.append((now - at[every]) * resolution)
        from_start.append((now - began[every]) * resolution)
        at[every] = now
    return StepTimes(tuple(from_previous), tuple(from_start))


def _in_time(attempts: Ints, at: Ints, starts: Ints, plan: FunnelPlan) -> tuple[Ints, Ints]:
    is_in_time = at - starts[attempts] <= plan.window
    return attempts[is_in_time], at[is_in_time]


def _at_or_never(candidates: Ints, positions: Ints) -> Ints:
    return np.append(candidates, np.iinfo(np.int64).max)[positions]


def chain_ends(codes: npt.NDArray[np.int8], times: Ints, plan: FunnelPlan) -> Iterator[Ints]:
    """Yield, per step, the times of the events that can end a chain of so many steps;
    each event matches one step.

    In each pass a candidate continues the last chain before it. Starts never decrease along the
    events, so that chain has the latest start and is the best one; counting the chains before a
    candidate finds it.
    """
    never = np.array([-plan.window - 1], dtype=np.int64)
    first, *later_codes = step_codes(plan)
    is_chain = codes == first
    ends = starts = times[is_chain]
    yield ends
    for code in later_codes:
        candidates = np.flatnonzero(codes == code)
        chains_before = np.cumsum(is_chain, dtype=np.int32)[candidates]
        latest = np.concatenate((never, starts))[chains_before]
        ends = times[candidates]
        kept = np.flatnonzero(ends - latest <= plan.window)
        is_chain = np.zeros(len(codes), bool)
        is_chain[candidates[kept]] = True
        ends, starts = ends[kept], latest[kept]
        yield ends


def event_codes(keys: Ints, plan: FunnelPlan) -> npt.NDArray[np.int8]:
    """Return the code of each event."""
    return (keys & ((1 << plan.scale_bits) - 1)).astype(np.int8)


def step_codes(plan: FunnelPlan) -> range:
    """Return the codes of the steps, in order of the steps."""
    return range(plan.steps, 0, -1) if plan.is_descending else range(1, plan.steps + 1)


def count_by_moment(keys: Ints, plan: FunnelPlan) -> tuple[Ints, list[Ints]]:
    """Return the distinct times,
    and per set of overlapping conditions the number of events that match one of them.
    """
    codes = keys & ((1 << plan.scale_bits) - 1)
    times = keys >> plan.scale_bits
    firsts = np.flatnonzero(np.diff(times, prepend=-1))
    return times[firsts], [
        np.add.reduceat(weight[codes].astype(np.int64), firsts) for weight in plan.weights
    ]
