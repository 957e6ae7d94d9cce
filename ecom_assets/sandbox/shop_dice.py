"""Chance for the simulated shop: numbers that depend on the seed and on what they are for, on nothing else.

A draw is a hash of (seed, purpose, key), so it is the same in whatever order, chunk or thread it is made, and
the same with every numpy release, which a numpy Generator does not promise. Not here: what they decide.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


class Dice:
    """All the chance of one simulated shop."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, purpose: str, key: Ints | Words) -> Words:
        """Return 64 random bits per key; different keys never give the same bits for one purpose."""
        start = np.full(1, zlib.crc32(f"{self.seed}/{purpose}".encode()), np.uint64)
        return _mixed(key.astype(np.uint64) * _ODD + _mixed(start + np.uint64(self.seed % 2**32)))

    def unit(self, purpose: str, key: Ints | Words) -> Floats:
        """Return a number in [0, 1) per key."""
        return (self.bits(purpose, key) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def chance(self, rate: float | Floats, purpose: str, key: Ints | Words) -> Flags:
        """Return per key whether something that happens at this rate happens."""
        happens: Flags = self.unit(purpose, key) < rate
        return happens

    def below(self, limit: int, purpose: str, key: Ints | Words) -> Ints:
        """Return a whole number in [0, limit) per key."""
        return (self.unit(purpose, key) * limit).astype(np.int64)


def cumulative(weights: Sequence[float]) -> Floats:
    """Turn weights into the upper bounds of their shares of [0, 1)."""
    sums = np.cumsum(np.array(weights, dtype=np.float64))
    bounds: Floats = sums / sums[-1]
    bounds[-1] = 1.0
    return bounds


def pick(bounds: Floats, units: Floats) -> Ints:
    """Return, per number in [0, 1), the index of the share that it falls into."""
    return np.searchsorted(bounds, units, side="right").astype(np.int64)


def from_table(table: Ints, units: Floats) -> Ints:
    """Read a table of equally likely values: a distribution without logarithms is alike on every machine."""
    found: Ints = table[(units * len(table)).astype(np.int64)]
    return found


def _mixed(words: Words) -> Words:
    """Scramble 64-bit words one to one (the finalizer of splitmix64)."""
    for shift, multiplier in _MULTIPLIERS:
        words = (words ^ (words >> np.uint64(shift))) * multiplier
    return words ^ (words >> np.uint64(31))
