"""Retries of HTTP requests: which responses are retried, after how long and how often; all causes share one budget.

urllib3's `Retry` counts attempts, decides by status and reads Retry-After. This module adds what it cannot do. A body
that breaks off is read after urllib3 has returned. urllib3's backoff does not wait before the first retry. A rate limit
that one thread meets must pause all threads.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event, Lock
from typing import Any

from requests import PreparedRequest, Response, Session, exceptions
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

from ecom_assets.errors import SourceError
from ecom_assets.http.bounds import BoundedAdapter, ResponseBounds
from ecom_assets.redact_url import without_secrets

RETRIES = 3
RATE_LIMITED, NOT_MODIFIED, OK = 429, 304, 200
SERVER_ERRORS = frozenset(range(500, 600))
_logger = logging.getLogger(__name__)


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


class Backoff(Retry):
    """A `Retry` that waits base, 2 x base, 4 x base; urllib3's own does not wait before the first retry."""

    def get_backoff_time(self) -> float:
        """Return the seconds before the next attempt."""
        return backoff_s(self.backoff_factor, len(self.history))


@dataclass(frozen=True)
class HttpCosts:
    """The totals of all requests to an API."""

    request_count: int
    """Requests sent, retries included."""
    retry_counts: dict[str, int]
    """Retries by cause: rate_limited, server_error, dropped, timeout, truncated."""
    rate_limit_wait_s: float
    """Seconds in which nothing was sent because the API asked to wait."""
    received_bytes: int
    """Bytes of bodies as transferred, before decompression."""
    unchanged_count: int
    """Responses with status 304: the cached body is still valid."""


class HttpStats:
    """Thread-safe counters of requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._retries: Counter[str] = Counter()
        self._costs = HttpCosts(0, {}, 0.0, 0, 0)

    def add(self, *, requests: int = 0, retry: str = "", received_bytes: int = 0, unchanged: int = 0) -> None:
        """Count requests that are about to be sent, a retry by its cause, and what a response brought."""
        with self._lock:
            self._retries.update([retry] if retry else [])
            self._costs = replace(
                self._costs,
                request_count=self._costs.request_count + requests,
                received_bytes=self._costs.received_bytes + received_bytes,
                unchanged_count=self._costs.unchanged_count + unchanged,
            )

    def add_wait(self, seconds: float) -> None:
        """Count seconds that the API asked to wait, once for all waiting threads."""
        with self._lock:
            self._costs = replace(self._costs, rate_limit_wait_s=self._costs.rate_limit_wait_s + seconds)

    def costs(self) -> HttpCosts:
        """Return the totals so far."""
        with self._lock:
            retries = dict(sorted(self._retries.items()))
            return replace(self._costs, retry_counts=retries, rate_limit_wait_s=round(self._costs.rate_limit_wait_s, 3))


@dataclass(frozen=True)
class Attempt:
    """The result of one attempt; it is final if it has no `cause` to retry."""

    response: Response | None = None
    error: exceptions.RequestException | None = None
    cause: str = ""
    fault: str = ""
    """What is wrong with the body, as text for an error message."""


@dataclass
class Budget:
    """The remaining retries of a request, and its remaining time for rate limits."""

    base_s: float
    max_wait_s: float
    _retry_after_s: float = 0.0
    _retry: Backoff = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Any method may be retried: a POST requests a report, and requesting one twice does no harm.
        self._retry = Backoff(
            total=RETRIES, status_forcelist=SERVER_ERRORS, allowed_methods=None, backoff_factor=self.base_s
        )

    def is_worth_another(self, response: Response) -> bool:
        """Return whether a retry may change the status."""
        return self._retry.is_retry(response.request.method or "GET", response.status_code)

    def wait_s(self, attempt: Attempt, pause: Pause) -> float | None:
        """Return the seconds before the next attempt; None if there is none.

        Raises:
            SourceError: The API asks to wait longer than `max_wait_s` in total.
        """
        asked_s = None if attempt.response is None else retry_after_s(attempt.response)
        if attempt.cause == "rate_limited" and asked_s is not None:
            # A rate limit says when to retry. It does not count as a failed attempt, but the total wait is bounded.
            asked_s = max(asked_s, self.base_s)
            self._retry_after_s += asked_s
            if self._retry_after_s > self.max_wait_s:
                raise SourceError(_too_long(attempt, self._retry_after_s, self.max_wait_s))
            pause.ask(asked_s)
            return 0.0
        try:
            raw = attempt.response.raw if attempt.response is not None else None
            self._retry = self._retry.increment(response=raw, error=attempt.error)
        except MaxRetryError:
            return None
        return max(self._retry.get_backoff_time(), min(asked_s or 0.0, self.max_wait_s))


class BrokenBodyError(exceptions.RequestException):
    """The body was invalid on every attempt; the message says what is wrong with it."""


def fault_in_json(response: Response) -> str:
    """Return what is wrong with a JSON body, or an empty string.

    A body without a Content-Length can break off without an error, so it is parsed to find out.
    """
    try:
        json.loads(response.content)
    except ValueError:
        return "answers with something that is not JSON to its end"
    except RecursionError:
        return "answers with JSON of a thousand levels or more, which no list of records has"
    return ""


class PatientAdapter(BoundedAdapter):
    """An adapter for `requests` sessions that retries requests if a retry can help.

    It returns only responses with a complete body, so that no cache stores half a body.
    """

    def __init__(  # noqa: PLR0913 (each is a bound of its own, given by name)
        self,
        pause: Pause,
        stats: HttpStats,
        *,
        base_s: float,
        max_wait_s: float,
        connections: int,
        bounds: ResponseBounds,
        fault_in: Callable[[Response], str] = fault_in_json,
    ) -> None:
        """Retry after base, twice and four times that; wait at most `max_wait_s` in total if a request gets 429."""
        super().__init__(bounds, connections=connections)
        self._pause, self._stats, self._fault_in = pause, stats, fault_in
        self._base_s, self._max_wait_s = base_s, max_wait_s

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 (what `requests` hands on)
        """Return the first response that needs no retry, or the last one."""
        budget = Budget(self._base_s, self._max_wait_s)
        self._pause.wait()
        while (attempt := self._attempt(budget, request, *args, **kwargs)).cause:
            wait_s = budget.wait_s(attempt, self._pause)
            if wait_s is None:
                break
            self._stats.add(retry=attempt.cause)
            _logger.info("%s: %s; trying again in %.3g s", without_secrets(request.url or ""), attempt.cause, wait_s)
            self._pause.wait(wait_s)
        if attempt.response is None:
            assert attempt.error is not None  # noqa: S101 (an attempt has one of the two)
            raise attempt.error
        if attempt.fault:
            raise BrokenBodyError(attempt.fault, response=attempt.response)
        return attempt.response

    def _attempt(self, budget: Budget, request: PreparedRequest, *args: Any, **kwargs: Any) -> Attempt:  # noqa: ANN401 (as above)
        self._stats.add(requests=1)
        try:
            response = super().send(request, *args, **kwargs)
        except exceptions.SSLError:
            raise  # a retry cannot fix a certificate
        except (exceptions.ChunkedEncodingError, exceptions.ContentDecodingError) as error:
            return Attempt(error=error, cause="truncated")
        except (exceptions.ConnectionError, exceptions.Timeout) as error:
            # Inside a body, a timeout is a `ConnectionError` that wraps urllib3's error.
            is_inner = any(isinstance(part, ReadTimeoutError) for part in error.args)
            is_timeout = is_inner or isinstance(error, exceptions.Timeout)
            return Attempt(error=error, cause="timeout" if is_timeout else "dropped")
        is_unchanged = response.status_code == NOT_MODIFIED
        self._stats.add(received_bytes=response.raw.tell(), unchanged=int(is_unchanged))
        if response.status_code == RATE_LIMITED:
            return Attempt(response, cause="rate_limited")
        if budget.is_worth_another(response):
            return Attempt(response, cause="server_error")
        fault = self._fault_in(response) if response.status_code == OK else ""
        return Attempt(response, cause="truncated" if fault else "", fault=fault)


def _too_long(attempt: Attempt, retry_after_s: float, max_wait_s: float) -> str:
    place = without_secrets(attempt.response.url) if attempt.response is not None else "The API"
    return (
        f"{place} answers 429 (too many requests) and asks to wait {retry_after_s:.0f} s in all, more than the "
        f"{max_wait_s:.0f} s of ECOM_SOURCE_MAX_WAIT_S; run again later, or raise that."
    )


class _WithoutQueries(logging.Filter):
    """A log filter that removes queries: urllib3 logs each URL in full, which can include keys and signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove what follows a question mark from the arguments of a log record."""
        if isinstance(record.args, tuple):
            record.args = tuple(one.partition("?")[0] if isinstance(one, str) else one for one in record.args)
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())
