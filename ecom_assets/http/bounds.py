"""Bounds on responses: how long one may take, from its first header to its last byte, and its size once unpacked.

A timeout of `requests` is the longest time between two bytes, so a service that sends a byte now and then never ends.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any, ClassVar

from requests import PreparedRequest, Response, exceptions
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class ResponseBounds:
    """The most seconds that a response may take, and the most megabytes that it may have."""

    most_s: float
    most_mb: float


class EndlessResponseError(exceptions.RequestException):
    """A response exceeds its bounds; the message is the second half of a sentence."""


class BoundedAdapter(HTTPAdapter):
    """An adapter for `requests` sessions that reads each response completely, within its bounds."""

    def __init__(self, bounds: ResponseBounds, *, connections: int) -> None:
        """Keep so many connections to the one host, without retries."""
        self._bounds = bounds
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (what `requests` hands on)
        """Make connections that give up on headers without an end."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._bounds.most_s)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as above)
        """Return the manager of a proxy, with the same connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._bounds.most_s)
        return manager

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 (as above)
        """Return the response with its whole body.

        Raises:
            EndlessResponseError: It takes longer, or is larger, than the bounds allow.
        """
        began = time.monotonic()
        try:
            response = super().send(request, *args, **kwargs)
            with _limited(max(0.0, self._bounds.most_s - (time.monotonic() - began)), response.raw.shutdown):
                body = self._body(response)
        except _TooSlow:
            raise EndlessResponseError(
                f"did not end its answer within the {self._bounds.most_s:g} s of ECOM_SOURCE_RESPONSE_TIMEOUT_S"
            ) from None
        response._content = body  # noqa: SLF001 (what `Response.content` sets, which reads without bounds)
        return response

    def _body(self, response: Response) -> bytes:
        blocks, left = [], int(self._bounds.most_mb * 1_000_000)
        for block in response.iter_content(_BLOCK_BYTES):
            blocks.append(block)
            left -= len(block)
            if left < 0:
                response.close()
                raise EndlessResponseError(
                    f"answers with more than the {self._bounds.most_mb:g} MB of ECOM_SOURCE_MAX_RESPONSE_MB (unpacked)"
                )
        return b"".join(blocks)


class _TooSlow(Exception):  # noqa: N818 (it is caught where it becomes an EndlessResponseError)
    """The time is over; no `OSError`, which urllib3 would take for a lost connection."""


@contextmanager
def _limited(seconds: float, stop: Callable[[], Any]) -> Iterator[None]:
    """Call `stop` in another thread, and raise `_TooSlow`, if the block takes longer."""
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
            raise _TooSlow from None
        raise
    finally:
        timer.cancel()
    if is_over.is_set():  # a body without a length looks complete
        raise _TooSlow


class _Http(HTTPConnection):
    most_s: ClassVar[float]

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        sock = self.sock
        with _limited(self.most_s, lambda: sock.shutdown(socket.SHUT_RDWR)):
            return super().getresponse()


class _Https(_Http, HTTPSConnection):
    pass


def _pools(most_s: float) -> dict[str, type[HTTPConnectionPool]]:
    """Return classes of pools whose connections wait so long for the headers of a response."""
    pools = {"http": (HTTPConnectionPool, _Http), "https": (HTTPSConnectionPool, _Https)}
    return {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": type(one.__name__, (one,), {"most_s": most_s})})
        for scheme, (pool, one) in pools.items()
    }
