"""HTTP responses within bounds, and retries of requests; all causes of retries share one budget.

A timeout of `requests` is the longest time between two bytes, so a service that sends a byte now
and then never ends.

urllib3's `Retry` reads Retry-After, and cannot do the rest. A body that breaks off is read after
urllib3 has returned. urllib3's backoff does not wait before the first retry. A rate limit that one
thread meets must pause all threads.
"""

import json
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Lock, Timer
from typing import Any, ClassVar, Final

from requests import PreparedRequest, Response, Session, exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import InvalidHeader, ReadTimeoutError
from urllib3.util import Retry

from ecom_assets.core.errors import SourceError
from ecom_assets.core.redact_url import without_secrets

_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class ResponseBounds:
    """The most seconds that a response may take, and the most megabytes that it may have.

    `size_setting` names what sets the megabytes, if anything does.
    """

    most_s: float
    most_mb: float
    size_setting: str = ""

    @property
    def too_slow(self) -> str:
        """Return what a response is that takes too long, as the second half of a sentence."""
        return f"did not end its answer within {self.most_s:g} s"

    @property
    def too_large(self) -> str:
        """Return the same of one that is too large."""
        size = f"answers with more than the {self.most_mb:g} MB"
        if self.size_setting:
            return f"{size} of {self.size_setting} (unpacked; raise it if there are so many)"
        return f"{size} (unpacked)"


class EndlessResponseError(exceptions.RequestException):
    """A response exceeds its bounds; the message is the second half of a sentence.

    `response` is what came of it, if its status and headers did.
    """


class BoundedAdapter(HTTPAdapter):
    """An adapter for `requests` sessions that reads each response completely, within its bounds."""

    def __init__(self, bounds: ResponseBounds, *, connections: int) -> None:
        """Keep so many connections to the one host, without retries."""
        self._bounds = bounds
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as `requests` has it)
        """Return the pool of a request, whose connections give up on headers without an end."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _BoundedSourceConnection):
            bases, most_s = (_BoundedSourceConnection, pool.ConnectionCls), self._bounds.most_s
            pool.ConnectionCls = type("BoundedSourceConnection", bases, {"most_s": most_s})
        return pool

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 (as above)
        """Return the response with its whole body.

        Raises:
            EndlessResponseError: It takes longer, or is larger, than the bounds allow.
        """
        began, response = time.monotonic(), None
        try:
            response = super().send(request, *args, **kwargs)
            with limited(
                max(0.0, self._bounds.most_s - (time.monotonic() - began)), response.raw.shutdown
            ):
                body = self._body(response)
        except TooSlow:
            raise EndlessResponseError(self._bounds.too_slow, response=response) from None
        response._content = body  # noqa: SLF001 (what `Response.content` sets, which reads without bounds)
        return response

    def _body(self, response: Response) -> bytes:
        blocks, left = [], int(self._bounds.most_mb * 1_000_000)
        for block in response.iter_content(_BLOCK_BYTES):
            blocks.append(block)
            left -= len(block)
            if left < 0:
                response.close()
                raise EndlessResponseError(self._bounds.too_large, response=response)
        return b"".join(blocks)


class TooSlow(Exception):  # noqa: N818 (it is caught where it becomes an error of its subject)
    """The time is over; no `OSError`, which urllib3 would take for a lost connection."""


@contextmanager
def limited(seconds: float, stop: Callable[[], Any]) -> Iterator[None]:
    """Call `stop` in another thread, and raise `TooSlow`, if the block takes longer."""
    is_over = Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError, ValueError, RuntimeError):  # it has just ended
            stop()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if is_over.is_set():
            raise TooSlow from None
        raise
    finally:
        timer.cancel()
    if is_over.is_set():  # a body without a length looks complete
        raise TooSlow


class _BoundedSourceConnection(HTTPConnection):
    most_s: ClassVar[float]

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        sock = self.sock
        with limited(self.most_s, lambda: sock.shutdown(socket.SHUT_RDWR)):
            return super().getresponse()


RETRIES = 3
RATE_LIMITED_CAUSE, SERVER_ERROR_CAUSE = "rate_limited", "server_error"
RATE_LIMITED, NOT_MODIFIED, OK = 429, 304, 200
SERVER_ERRORS = frozenset(range(500, 600))
_logger = logging.getLogger(__name__)


def backoff_s(base_s: float, failures: int, most_s: float = float("inf")) -> float:
    """Return the seconds before the next attempt: base, twice, four times that;
    0 without failures.
    """
    return min(base_s * 2.0 ** (failures - 1), most_s) if failures else 0.0


def retry_after_s(response: Response) -> float | None:
    """Return the seconds in Retry-After, which is a number or a date;
    None if it is missing or invalid.
    """
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


MOST_REDIRECTS: Final = 5


def bounded_session(bounds: ResponseBounds, *, connections: int = 1) -> Session:
    """Return a session whose responses come whole, each within its bounds.

    Every request to another machine is sent by such a session, or by `ApiSession`.
    """
    session = through(Session(), BoundedAdapter(bounds, connections=connections))
    session.max_redirects = MOST_REDIRECTS
    return session


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
        self._lock, self._wait_s = Lock(), 0.0
        self._retries: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, *, retry: str = "", **counts: int) -> None:
        """Count a retry by its cause, and what else `HttpCosts` has, by its name."""
        with self._lock:
            self._retries.update([retry] if retry else [])
            self._counts.update(counts)

    def add_wait(self, seconds: float) -> None:
        """Count seconds that the API asked to wait, once for all waiting threads."""
        with self._lock:
            self._wait_s += seconds

    def costs(self) -> HttpCosts:
        """Return the totals so far."""
        with self._lock:
            return HttpCosts(
                request_count=self._counts["request_count"],
                retry_counts=dict(sorted(self._retries.items())),
                rate_limit_wait_s=round(self._wait_s, 3),
                received_bytes=self._counts["received_bytes"],
                unchanged_count=self._counts["unchanged_count"],
            )


@dataclass(frozen=True)
class Attempt:
    """The result of one attempt; it is final if it has no `cause` to retry."""

    response: Response | None = None
    error: exceptions.RequestException | None = None
    cause: str = ""


@dataclass
class Budget:
    """The remaining retries of a request, and its remaining time for rate limits."""

    base_s: float
    max_wait_s: float
    _retry_after_s: float = 0.0
    _failures: int = 0

    def wait_s(self, attempt: Attempt, pause: Pause) -> float | None:
        """Return the seconds before the next attempt; None if there is none.

        Raises:
            SourceError: The API asks to wait longer than `max_wait_s` in total.
        """
        asked_s = None if attempt.response is None else retry_after_s(attempt.response)
        if attempt.cause == RATE_LIMITED_CAUSE and asked_s is not None:
            # A rate limit says when to retry. It does not count as a failed attempt, but the total
            # wait is bounded.
            asked_s = max(asked_s, self.base_s)
            self._retry_after_s += asked_s
            if self._retry_after_s > self.max_wait_s:
                raise SourceError(_too_long(attempt, self._retry_after_s, self.max_wait_s))
            pause.ask(asked_s)
            return 0.0
        self._failures += 1
        if self._failures > RETRIES:
            return None
        return max(backoff_s(self.base_s, self._failures), min(asked_s or 0.0, self.max_wait_s))


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
        cause_in: Callable[[Response], str] = lambda _response: "",
    ) -> None:
        """Retry after base, twice and four times that;
        wait at most `max_wait_s` in total if a request gets 429.

        `cause_in` returns why a complete response is none, or a refusal is to be asked again, such
        as `rate_limited`; see `Attempt.cause`.
        """
        super().__init__(bounds, connections=connections)
        self._pause, self._stats, self._fault_in, self._cause_in = pause, stats, fault_in, cause_in
        self._base_s, self._max_wait_s = base_s, max_wait_s

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 (what `requests` hands on)
        """Return the first response that needs no retry, or the last one."""
        budget = Budget(self._base_s, self._max_wait_s)
        self._pause.wait()
        while (attempt := self._attempt(request, *args, **kwargs)).cause:
            wait_s = budget.wait_s(attempt, self._pause)
            if wait_s is None:
                break
            self._stats.add(retry=attempt.cause)
            _logger.info(
                "%s: %s; trying again in %.3g s",
                without_secrets(request.url or ""),
                attempt.cause,
                wait_s,
            )
            self._pause.wait(wait_s)
        if attempt.error is not None:
            raise attempt.error
        assert attempt.response is not None  # noqa: S101 (an attempt has one of the two)
        return attempt.response

    def _attempt(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Attempt:  # noqa: ANN401 (as above)
        self._stats.add(request_count=1)
        try:
            response = super().send(request, *args, **kwargs)
        except exceptions.SSLError:
            raise  # a retry cannot fix a certificate
        except (exceptions.ChunkedEncodingError, exceptions.ContentDecodingError) as error:
            return Attempt(error=error, cause="truncated")
        except (exceptions.ConnectionError, exceptions.Timeout) as error:
            return Attempt(error=error, cause="timeout" if is_timeout(error) else "dropped")
        is_unchanged = response.status_code == NOT_MODIFIED
        self._stats.add(received_bytes=response.raw.tell(), unchanged_count=int(is_unchanged))
        if response.status_code == RATE_LIMITED:
            return Attempt(response, cause=RATE_LIMITED_CAUSE)
        # Any method may be retried: a POST requests a report, and requesting one twice does no
        # harm.
        if response.status_code in SERVER_ERRORS:
            return Attempt(response, cause=SERVER_ERROR_CAUSE)
        if response.status_code == OK and (fault := self._fault_in(response)):
            return Attempt(response, BrokenBodyError(fault, response=response), "truncated")
        return Attempt(response, cause=self._cause_in(response))


def is_timeout(error: Exception) -> bool:
    """Return whether a request failed because nothing came for too long."""
    # Inside a body, a timeout is a `ConnectionError` that wraps urllib3's error.
    return isinstance(error, exceptions.Timeout) or any(
        isinstance(part, ReadTimeoutError) for part in error.args
    )


def _too_long(attempt: Attempt, retry_after_s: float, max_wait_s: float) -> str:
    assert attempt.response is not None  # noqa: S101 (a response asked to wait)
    address, status = without_secrets(attempt.response.url), attempt.response.status_code
    return (
        f"{address} answers {status} (too many requests) and asks to wait {retry_after_s:.0f} s "
        f"in all, more than the {max_wait_s:.0f} s that a request waits; run again later."
    )


class _WithoutQueries(logging.Filter):
    """A log filter that removes queries: urllib3 logs each URL in full,
    which can include keys and signatures.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove what follows a question mark from the arguments of a log record."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())
