"""Decompositions of a change that add up exactly: by part, into mix and rate, and by factor.

METRICS "Weekly report" has the formulas. Everything is computed in fractions and rounded at the end, so that the
rounded parts add up to the rounded change: each is rounded down, and the largest remainders take what is left.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Final

CENT: Final = Decimal("0.01")
NONE_YET: Final = Fraction(0)


def rounded(parts: Sequence[Fraction], total: Decimal, quantum: Decimal) -> list[Decimal]:
    """Return parts rounded to a quantum so that they add up to a total that is rounded to it.

    Args:
        parts: The exact parts.
        total: Their sum; as a difference of rounded numbers it may differ from it by a quantum.
        quantum: The unit to round to, such as a cent.

    Raises:
        ValueError: The total is not that of the parts.
    """
    unit = Fraction(quantum)
    if abs(sum(parts, NONE_YET) - Fraction(total)) > unit:
        raise ValueError(f"{total} is not the sum of the {len(parts)} parts")
    floors = [math.floor(part / unit) for part in parts]
    largest_first = sorted(range(len(parts)), key=lambda place: (floors[place] - parts[place] / unit, place))
    left = int(Fraction(total) / unit) - sum(floors)
    for number in range(abs(left)):
        place = largest_first[number % len(parts)] if left > 0 else largest_first[-1 - number % len(parts)]
        floors[place] += 1 if left > 0 else -1
    return [number * quantum for number in floors]


@dataclass(frozen=True)
class Ratio:
    """The numerator and the denominator of a part: revenue of so many orders, purchases of so many sessions."""

    numerator: Fraction = NONE_YET
    denominator: Fraction = NONE_YET

    @property
    def rate(self) -> Fraction | None:
        """Return numerator ÷ denominator; None without a denominator."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True)
class MixAndRate:
    """What a part adds to the change of a whole rate: because its share changed, and because its own rate did."""

    mix: Fraction
    rate: Fraction


def mix_and_rate(now: Mapping[str, Ratio], before: Mapping[str, Ratio]) -> dict[str, MixAndRate]:
    """Return the mix and rate effect of each part; together they are the change of Σ numerators ÷ Σ denominators.

    This is Kitagawa's decomposition (1955) with mean weights: a share that grows adds to the whole as far as the part's
    mean rate is above the whole's, and a rate that grows adds by the part's mean share.

    Raises:
        ValueError: One of the periods has no denominator.
    """
    totals = [sum((part.denominator for part in parts.values()), NONE_YET) for parts in (now, before)]
    if not all(totals):
        raise ValueError("a period without a denominator has no rate")
    rates = [
        sum((part.numerator for part in parts.values()), NONE_YET) / total
        for parts, total in zip((now, before), totals, strict=True)
    ]
    middle = (rates[0] + rates[1]) / 2
    names = {**now, **before}
    return {name: _effects(now.get(name, Ratio()), before.get(name, Ratio()), totals, middle) for name in names}


def _effects(here: Ratio, there: Ratio, totals: Sequence[Fraction], middle: Fraction) -> MixAndRate:
    share_change = here.denominator / totals[0] - there.denominator / totals[1]
    whole = here.numerator / totals[0] - there.numerator / totals[1] - middle * share_change
    # A part that is there in one period only has no change of its own rate: all that it adds is mix.
    known = [rate for rate in (here.rate, there.rate) if rate is not None]
    mix = (sum(known, NONE_YET) / len(known) - middle) * share_change if known else NONE_YET
    return MixAndRate(mix, whole - mix)


def factor_contributions(now: Sequence[Fraction], before: Sequence[Fraction]) -> list[Fraction]:
    """Return what each factor adds to the change of the product of all; these add up to it exactly.

    It is the Shapley value: a factor's effect when the factors change one after another, in the mean of all orders.
    For two factors this is the decomposition above.
    """
    count = len(now)
    sums = [NONE_YET] * count
    for order in permutations(range(count)):
        values = list(before)
        for place in order:
            earlier = math.prod(values)
            values[place] = now[place]
            sums[place] += math.prod(values) - earlier
    return [one / math.factorial(count) for one in sums]
