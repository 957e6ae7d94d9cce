"""Waiting times between attempts of a request, and pauses that apply to every thread."""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock

from requests import Response, Session
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from ecom_assets.errors import SourceError


def backoff_s(base_s: float, failures: int, most_s: float = float("inf")) -> float:
    """Return the seconds before the next attempt: base, twice, four times that; 0 without failures."""
    return min(base_s * 2.0 ** (failures - 1), most_s) if failures else 0.0


def retry_after_s(response: Response) -> float | None:
    """Return the seconds in Retry-After, which is a number or a date; None if it is missing or invalid."""
    text = response.headers.get("Retry-After")
    try:
        return None if text is None else max(0.0, Retry().parse_retry_after(text))
    except (InvalidHeader, ValueError, OverflowError):
        return None


class Pause:
    """A pause that a service asked for; it applies to every thread, and `stop` ends it early."""

    def __init__(self, add_wait: Callable[[float], None] = lambda _seconds: None) -> None:
        """Report the seconds of pauses to `add_wait`, once for all waiting threads."""
        self._add_wait = add_wait
        self._stop, self._lock, self._until = Event(), Lock(), 0.0

    def ask(self, seconds: float) -> None:
        """Pause all threads for so many seconds from now."""
        with self._lock:
            now = time.monotonic()
            until = max(self._until, now + seconds)
            self._add_wait(until - max(self._until, now))
            self._until = until

    def wait(self, seconds: float = 0.0) -> None:
        """Wait for so many seconds, and until the pause is over.

        Raises:
            SourceError: `stop` was called.
        """
        until = time.monotonic() + seconds
        while not self._stop.is_set():
            left = max(until, self._until) - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)
        raise SourceError("This request was given up because another one failed; see that one.")

    def stop(self) -> None:
        """End all waiting; nothing more is sent."""
        self._stop.set()


def through(session: Session, adapter: HTTPAdapter) -> Session:
    """Return the session after mounting the adapter for every URL."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


class _WithoutQueries(logging.Filter):
    """A log filter that removes queries: urllib3 logs each URL in full, which can include keys and signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove what follows a question mark from the arguments of a log record."""
        if isinstance(record.args, tuple):
            record.args = tuple(one.partition("?")[0] if isinstance(one, str) else one for one in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())
