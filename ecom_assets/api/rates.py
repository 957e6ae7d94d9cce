"""How often a caller and an address may ask. Not here: who asks (`guard.py`).

The window ends with each request, so that nobody gets twice the rate across the end of a minute. What was refused does
not count.
Counts are of this process: behind several processes each caller has the rate that many times.
"""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ecom_assets.serving_settings import NO_LIMIT


@dataclass(frozen=True)
class TooMany:
    """A rate that is used up."""

    rate: str
    retry_after_s: int


class Rates:
    """Counts requests of a kind by name."""

    def __init__(self, per_key: str, per_address: str) -> None:
        """Take rates such as 600/minute, or `none`."""
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._items = {
            kind: parse(rate) for kind, rate in (("key", per_key), ("address", per_address)) if rate != NO_LIMIT
        }

    def count(self, kind: str, name: str) -> TooMany | None:
        """Count a request; return when to come again if it is one too many."""
        item = self._items.get(kind)
        if item is None or self._limiter.hit(item, kind, name):
            return None
        return TooMany(_rate_of(item), self._wait_s(item, kind, name))

    def _wait_s(self, item: RateLimitItem, kind: str, name: str) -> int:
        left = self._limiter.get_window_stats(item, kind, name).reset_time - time.time()
        return max(1, math.ceil(left))


def _rate_of(item: RateLimitItem) -> str:
    return f"{item.amount} per {item.GRANULARITY.name}"
