"""Paths with a slash too many or too few: where they are meant to go. Not here: other paths (`problems.py`)."""

from urllib.parse import quote

from fastapi import Request
from starlette.routing import Match


def location_without_host(request: Request) -> str | None:
    """Return where a path that is not there is when a slash is taken off or added; None where neither is.

    It is relative: a redirect that repeats the request's Host leads to wherever a forged one says.
    """
    path: str = request.scope["path"]
    other = path[:-1] if path.endswith("/") else f"{path}/"
    if not other.startswith("/") or other.startswith("//"):  # a browser takes what follows two slashes for a host
        return None
    scope = {**request.scope, "path": other}
    if not any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
        return None
    query: bytes = request.scope["query_string"]
    return quote(other) + (f"?{query.decode('latin-1')}" if query else "")
