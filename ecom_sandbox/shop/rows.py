"""The simulated shop's events and orders in memory, as fixed-width records; and its random numbers.

Records have codes instead of texts, such as the index of an event type.
"""

import zlib
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

EVENT_TYPES = (
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "refund",
    "alias",
)
PAGE, PRODUCT, CATEGORY, SEARCH, ADD, REMOVE, CHECKOUT, PURCHASE, REFUND, ALIAS = range(
    len(EVENT_TYPES)
)
SECOND = 1_000_000
"""Times are integer microseconds since 1970 (UTC)."""
DAY_S = 86_400
DAY = DAY_S * SECOND
NOTHING = -1
"""The code of a null in columns whose codes start at 0."""
NO_MONEY = -(2**62)
"""The code of a null in `cents`."""
CART_LINES = 4
SALES_CHANNELS = ("web", "app", "store", "marketplace")
WEB, APP, STORE, MARKETPLACE = range(len(SALES_CHANNELS))
EVENT = np.dtype(
    [
        ("number", np.int64),  # unique; event_id is derived from it
        ("visitor", np.int64),  # the person, also if user_id is empty
        ("is_known", np.bool_),  # whether user_id is filled
        ("account", np.int8),  # which user id it is then, see `identities.py`
        ("type", np.int8),
        ("at", np.int64),
        ("received", np.int64),
        ("product", np.int64),
        ("category", np.int64),
        ("session", np.int64),
        ("page", np.int64),
        ("referrer", np.int64),
        ("cents", np.int64),
        ("cookie", np.int64),
        ("agent", np.int64),
        ("properties", np.int64),
        ("order", np.int64),  # the number of the purchase event, in purchase and refund rows
        (
            "trial",
            np.int8,
        ),  # of a product view: the experiment's variant, and whether its size guide was opened
        ("flaw", np.int8),  # 0, or 1 + the index of the reason to reject the row
        ("variant", np.int8),  # selects one of several broken values
        ("is_repeated", np.bool_),  # a purchase that is sent again with another event_id
    ]
)
ORDER = np.dtype(
    [
        ("number", np.int64),
        ("visitor", np.int64),
        ("at", np.int64),
        ("placed", np.int64),  # of a refund: when its order was placed
        ("products", np.int64, (CART_LINES,)),
        ("quantities", np.int64, (CART_LINES,)),
        (
            "prices",
            np.int64,
            (CART_LINES,),
        ),  # in cents, on the day of the order; a refund has those of its order
        ("lines", np.int64),
        ("properties", np.int64),
        ("is_refund", np.bool_),
        ("fault", np.int8),  # its difference from the events, see `faults.py`
        ("channel", np.int8),  # the index of its sales channel
        ("source", np.int8),  # the index of the source of the visit in which it was placed
    ]
)
Rows: TypeAlias = Any
"""Records. numpy's types know nothing of a record's fields, and mypy takes 25 seconds to say so."""


def blank(size: int) -> Rows:
    """Return events in which every optional field is null."""
    rows = np.zeros(size, EVENT)
    for name in (
        "product",
        "category",
        "session",
        "page",
        "referrer",
        "cookie",
        "agent",
        "properties",
        "order",
    ):
        rows[name] = NOTHING
    rows["cents"] = NO_MONEY
    return rows


def money_text(cents: int) -> str:
    """Return cents as decimal text, such as `-0.05`."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def joined(parts: list[Rows], dtype: np.dtype[Any] = EVENT) -> Rows:
    """Return the parts as one array, which is empty if there are none."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


class Dice:
    """The random numbers of one simulated shop, which depend only on seed, purpose and key."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, purpose: str, key: Ints | Words) -> Words:
        """Return 64 random bits per key;
        different keys never give the same bits for one purpose.
        """
        start = np.full(1, zlib.crc32(f"{self.seed}/{purpose}".encode()), np.uint64)
        return _mixed(key.astype(np.uint64) * _ODD + _mixed(start + np.uint64(self.seed % 2**32)))

    def unit(self, purpose: str, key: Ints | Words) -> Floats:
        """Return a random number in [0, 1) per key."""
        return (self.bits(purpose, key) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def chance(self, rate: float | Floats, purpose: str, key: Ints | Words) -> Flags:
        """Return per key whether something with this probability happens."""
        happens: Flags = self.unit(purpose, key) < rate
        return happens

    def below(self, limit: int, purpose: str, key: Ints | Words) -> Ints:
        """Return a random integer in [0, limit) per key."""
        return (self.unit(purpose, key) * limit).astype(np.int64)


def cumulative(weights: Sequence[float]) -> Floats:
    """Return the upper bound of each weight's share of [0, 1)."""
    sums = np.cumsum(np.array(weights, dtype=np.float64))
    bounds: Floats = sums / sums[-1]
    bounds[-1] = 1.0
    return bounds


def pick(bounds: Floats, units: Floats) -> Ints:
    """Return, per number in [0, 1), the index of the share that contains it."""
    return np.searchsorted(bounds, units, side="right").astype(np.int64)


def from_table(table: Ints, units: Floats) -> Ints:
    """Return random values from a table; unlike logarithms, they are the same on every machine."""
    result: Ints = table[(units * len(table)).astype(np.int64)]
    return result


def log_normal(median: float, deviation: float, size: int) -> list[float]:
    """Return `size` evenly spread quantiles of a log-normal distribution, in ascending order."""
    normal = NormalDist()
    return [
        median * 2.718281828459045 ** (deviation * normal.inv_cdf((i + 0.5) / size))
        for i in range(size)
    ]


def total_cents(orders: Rows) -> Ints:
    """Return the total of each order in cents."""
    total: Ints = (orders["prices"] * orders["quantities"]).sum(axis=1)
    return total


def _mixed(words: Words) -> Words:
    """Return 64-bit words mixed one-to-one, with the finalizer of splitmix64."""
    for shift, multiplier in _MULTIPLIERS:
        words = (words ^ (words >> np.uint64(shift))) * multiplier
    return words ^ (words >> np.uint64(31))
