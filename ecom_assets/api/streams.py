"""Which requests are answered by a stream of events, which ends when the client leaves, not after a time."""

from typing import Final

from starlette.types import Scope

STREAM: Final = "/analytics/realtime/stream"


def is_stream(scope: Scope) -> bool:
    """Return whether a request asks for a stream of server-sent events."""
    path: str = scope.get("path", "")
    return path.endswith(STREAM)
