"""Events as packed integers; NumPy sorts ten million of them in a tenth of a second.

An event is one integer, `time * scale + code`; with the number of its unit (a visitor, say) in
front, one sort puts everything in its place. Units lie further apart than a window is long, so that
what is looked for within a window never leaks from one unit to the next, and no pass looks at
units.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ecom_assets.core.errors import WorkError

Ints = npt.NDArray[np.int64]
_KEY_BITS = 63
_RESOLUTIONS = (1_000_000, 1_000)
_FIRST_FEW = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """The packing of events.

    Attributes:
        window: The longest time within which events of a unit concern each other, in the unit of
            the packed times; microseconds at first.
        scale_bits: Bits that the code takes in a packed event.
    """

    window: int
    scale_bits: int


P = TypeVar("P", bound=Packing)


@dataclass(frozen=True, slots=True)
class Sorted(Generic[P]):
    """Packed events with their unit in front, in order.

    Attributes:
        keys: Unit, time and code in one number, rising.
        time_bits: Bits that the time takes.
        unit_count: The number of units, which are numbered from 0.
        plan: The packing, with the window in the unit of these times.
        resolution: Microseconds in a unit of these times.
        origin: The time 0, in microseconds.
        first_unit: The number of the first unit among those of all parts.
    """

    keys: Ints
    time_bits: int
    unit_count: int
    plan: P
    resolution: int
    origin: int = 0
    first_unit: int = 0

    def times_us(self, instants: Ints) -> Ints:
        """Return the times of instants (unit and time in one number) in microseconds."""
        return (instants & ((1 << self.time_bits) - 1)) * self.resolution + self.origin


@dataclass(frozen=True, slots=True)
class Keying(Generic[P]):
    """How an event is packed: `unit`, `(time - origin) / resolution` and `code` in one number.

    Attributes:
        origin: The earliest time, in microseconds.
        resolution: Microseconds in a unit of the packed times.
        time_bits: Bits that the time takes.
        plan: The packing, with the window in the unit of these times.
    """

    origin: int
    resolution: int
    time_bits: int
    plan: P

    @classmethod
    def for_span(
        cls, first: int, last: int, resolution: int, unit_count: int, plan: P
    ) -> "Keying[P] | None":
        """Return the packing of events between two times in microseconds; None if none fits."""
        span = (last - first) // resolution
        window = min(plan.window // resolution, span)
        time_bits = (span + window + 1).bit_length()
        if (
            unit_count.bit_length() + time_bits + plan.scale_bits > _KEY_BITS
            or plan.window % resolution
        ):
            return None
        return cls(first, resolution, time_bits, replace(plan, window=window))

    def sorted(self, keys: Ints, unit_count: int) -> Sorted[P]:
        """Return events in order; `keys` is overwritten."""
        keys.sort()
        return Sorted(keys, self.time_bits, unit_count, self.plan, self.resolution, self.origin)


def sorted_parts(packed: Ints, units: Ints, unit_count: int, plan: P) -> Iterator[Sorted[P]]:
    """Yield the sorted events with their units in front, in parts if one number is too small.

    `packed` has events in any order, with times in microseconds, and is overwritten; `units` are
    numbers from 0.

    Raises:
        WorkError: The events of one unit span more time than a 64-bit number holds, which is over a
            century.
    """
    return unit_parts(packed, units, Sorted(packed, 0, unit_count, plan, 1))


def unit_parts(packed: Ints, units: Ints, part: Sorted[P]) -> Iterator[Sorted[P]]:
    """Yield the events as `sorted_parts` does, with the origin and resolution of `part`."""
    plan = part.plan
    if len(packed) == 0:
        yield replace(part, keys=packed)
        return
    origin = int(packed.min()) >> plan.scale_bits
    span = (int(packed.max()) >> plan.scale_bits) - origin
    plan = replace(plan, window=min(plan.window, span))
    packed -= origin << plan.scale_bits
    time_bits = (span + plan.window + 1).bit_length()
    part = replace(part, plan=plan, origin=part.origin + origin * part.resolution)
    if (part.unit_count - 1).bit_length() + time_bits + plan.scale_bits > _KEY_BITS:
        yield from _in_coarser_time_or_halves(packed, units, part)
        return
    packed += units << (time_bits + plan.scale_bits)
    packed.sort()
    yield replace(part, keys=packed, time_bits=time_bits)


def _in_coarser_time_or_halves(packed: Ints, units: Ints, part: Sorted[P]) -> Iterator[Sorted[P]]:
    """Yield the parts of events that do not fit in 64 bits.

    They are in seconds or milliseconds, or of half of the units each.
    """
    plan, unit_count = part.plan, part.unit_count
    times = packed >> plan.scale_bits
    for coarser in _RESOLUTIONS:
        if plan.window % coarser == 0 and _are_multiples(times, coarser):
            codes = packed & ((1 << plan.scale_bits) - 1)
            packed = ((times // coarser) << plan.scale_bits) + codes
            plan = replace(plan, window=plan.window // coarser)
            yield from unit_parts(
                packed, units, replace(part, plan=plan, resolution=part.resolution * coarser)
            )
            return
    if unit_count == 1:
        raise WorkError("The events of one unit span over a century; check the values of event_at.")
    half = unit_count // 2
    is_low = units < half
    # By places, which NumPy takes in half the time of a mask without a pattern.
    low, high = np.flatnonzero(is_low), np.flatnonzero(~is_low)
    yield from unit_parts(packed[low], units[low], replace(part, unit_count=half))
    rest = replace(part, unit_count=unit_count - half, first_unit=part.first_unit + half)
    yield from unit_parts(packed[high], units[high] - half, rest)


def _are_multiples(times: Ints, of: int) -> bool:
    """Return whether all times are multiples of a number; the first few mostly say no."""
    return not (times[:_FIRST_FEW] % of).any() and not (times % of).any()
