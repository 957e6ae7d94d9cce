"""Which requests are answered by a stream of events, which ends when the client leaves,
and how many one caller has.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from ecom_assets.core.http_server.addresses import counted_address
from ecom_assets.core.http_server.callers import name_of_caller
from ecom_assets.core.http_server.problems import RETRY_S, RequestRefusal

STREAM: Final = "/analytics/realtime/stream"
STREAMS_PER_CALLER: Final = 20
"""Real-time streams that one key, or address without keys, may have open."""


def is_stream(scope: Scope) -> bool:
    """Return whether a request asks for a stream of server-sent events."""
    path: str = scope.get("path", "")
    return path.endswith(STREAM)


@dataclass
class OpenStreams:
    """The streams, or other requests that stay open, by caller: a key, or an address where no keys
    are used. `noun` and `remedy` say in a refusal what they are, and what to do.
    """

    most_per_caller: int
    noun: str = "streams"
    remedy: str = "close one"
    _open: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def opened(self, scope: Scope) -> Iterator[RequestRefusal | None]:
        """Count a stream while it is open;
        yield the refusal if its caller has as many as one may have.
        """
        key = name_of_caller(scope)
        caller = key or counted_address((scope.get("client") or ("",))[0])
        if self._open[caller] >= self.most_per_caller:
            yield self._refusal("key" if key else "address")
            return
        self._open[caller] += 1
        try:
            yield None
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    def _refusal(self, kind: str) -> RequestRefusal:
        detail = (
            f"This {kind} has {self.most_per_caller} {self.noun} open, as many as one may have; "
            f"{self.remedy}."
        )
        return RequestRefusal(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too_many_{self.noun}",
            detail,
            {"retry-after": RETRY_S},
        )
