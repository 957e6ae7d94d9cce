"""Security headers that every response gets, unless it sets them itself; and HEAD."""

from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.api.auth.callers import VERSION_PREFIX

Headers = list[tuple[bytes, bytes]]
_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_NOTHING_MAY_LOAD: Final = "default-src 'none'; frame-ancestors 'none'"
_DOCUMENTS_MAY_LOAD: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src blob:; frame-ancestors 'none'"
)
"""Swagger UI and ReDoc need inline scripts and styles, and nothing from other sites."""
_DOCUMENTS: Final = {"/docs", "/redoc"}


def _encoded(headers: dict[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


_OF_ANSWERS: Final = _encoded({**_COMMON, "content-security-policy": _NOTHING_MAY_LOAD})
_OF_DOCUMENTS: Final = _encoded({**_COMMON, "content-security-policy": _DOCUMENTS_MAY_LOAD})


def security_headers(path: str) -> Headers:
    """Return the headers for a path; only the documentation pages may load scripts and styles."""
    return _OF_DOCUMENTS if path.removeprefix(VERSION_PREFIX) in _DOCUMENTS else _OF_ANSWERS


@dataclass(frozen=True)
class Head:
    """ASGI middleware that answers HEAD as GET, so that each route need not; RFC 9110 requires both of a server."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a HEAD request on as GET, and its response without the body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        inner = {**scope, "method": "GET"}
        try:
            await self.app(inner, receive, without_body)
        finally:
            scope.update({name: value for name, value in inner.items() if name != "method"})  # for the request log
