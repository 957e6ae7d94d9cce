"""How long to wait before a request is sent again, and pauses that hold for every thread. Not here: what is sent."""

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
    """Return the seconds before the next attempt: base, twice, four times that; none before the first failure."""
    return min(base_s * 2.0 ** (failures - 1), most_s) if failures else 0.0


def asked_s(response: Response) -> float | None:
    """Return the seconds in Retry-After, given as such or as a date; None without a readable one."""
    text = response.headers.get("Retry-After")
    try:
        return None if text is None else max(0.0, Retry().parse_retry_after(text))
    except (InvalidHeader, ValueError, OverflowError):
        return None


class Pause:
    """A pause that a service asked for: it holds for every thread, and ends early when all is given up."""

    def __init__(self, add_wait: Callable[[float], None] = lambda _seconds: None) -> None:
        """Count the seconds of pauses with `add_wait`, once for all threads that wait."""
        self._add_wait = add_wait
        self._stop, self._lock, self._until = Event(), Lock(), 0.0

    def ask(self, seconds: float) -> None:
        """Let nobody send for so many seconds from now."""
        with self._lock:
            now = time.monotonic()
            until = max(self._until, now + seconds)
            self._add_wait(until - max(self._until, now))
            self._until = until

    def wait(self, seconds: float = 0.0) -> None:
        """Wait so long, and for the pause to be over.

        Raises:
            SourceError: All was given up.
        """
        until = time.monotonic() + seconds
        while not self._stop.is_set():
            left = max(until, self._until) - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)
        raise SourceError("This request was given up because another one failed; see that one.")

    def stop(self) -> None:
        """Give all up: nobody waits any longer, nothing more is sent."""
        self._stop.set()


def through(session: Session, adapter: HTTPAdapter) -> Session:
    """Return the session with every request going through the adapter."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


class _WithoutQueries(logging.Filter):
    """urllib3 logs each request with its query, in which keys and signatures can stand."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take what follows a question mark out of what is logged."""
        if isinstance(record.args, tuple):
            record.args = tuple(one.partition("?")[0] if isinstance(one, str) else one for one in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())
