"""What talking to an API cost: requests, retries by cause, waits, bytes. Not here: the talking (`http_session.py`)."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True)
class HttpCosts:
    """The sums of a conversation with an API."""

    request_count: int
    """Requests sent, retries included."""
    retry_counts: dict[str, int]
    """Retries by cause: rate_limited, server_error, dropped, timeout, truncated."""
    rate_limit_wait_s: float
    """Seconds in which nothing was sent because the API had said so."""
    received_bytes: int
    """Bytes of bodies as they came over the network."""
    unchanged_count: int
    """Answers that said that what is in the cache still holds."""


@dataclass
class HttpTally:
    """Counts while many threads talk."""

    _lock: Lock = field(default_factory=Lock, repr=False)
    _requests: int = 0
    _unchanged: int = 0
    _bytes: int = 0
    _wait_s: float = 0.0
    _retries: Counter[str] = field(default_factory=Counter)

    def add_request(self) -> None:
        """Count a request that is about to be sent."""
        with self._lock:
            self._requests += 1

    def add_answer(self, received_bytes: int, *, is_unchanged: bool) -> None:
        """Count what came back."""
        with self._lock:
            self._bytes += received_bytes
            self._unchanged += is_unchanged

    def add_retry(self, cause: str) -> None:
        """Count a retry."""
        with self._lock:
            self._retries[cause] += 1

    def add_wait(self, seconds: float) -> None:
        """Count seconds that the API asked for, once for all threads that wait."""
        with self._lock:
            self._wait_s += seconds

    def costs(self) -> HttpCosts:
        """Return the sums up to now."""
        with self._lock:
            retries = dict(sorted(self._retries.items()))
            return HttpCosts(self._requests, retries, round(self._wait_s, 3), self._bytes, self._unchanged)
