"""What is noted of every request: an id, a line of JSON, the metrics. Not here: how lines are written (`logs.py`)."""

import os
import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.api.answer_cache import CACHE, ROUTE
from ecom_assets.api.callers import name_of_caller
from ecom_assets.api.logs import write_line
from ecom_assets.api.metrics import ApiMetrics
from ecom_assets.api.refusals import REFUSED
from ecom_assets.api.security_headers import security_headers

REQUEST_ID = "ecom.request_id"
_USABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SERVER_ERROR = 500
_CLIENT_GONE = 499
"""As nginx notes a client that hung up before it was answered."""


class RequestLog:
    """ASGI middleware; the outermost, so that what others refuse is noted too.

    The query is not noted: people put secrets there. Nor is a header.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        """Take the app and the metrics."""
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger("ecom_assets.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = _request_id(scope)
        noted = _Noted(send, [(b"x-request-id", request_id.encode()), *security_headers(scope["path"])])
        began = time.perf_counter()
        self._metrics.in_progress += 1
        try:
            await self._app(scope, receive, noted.send)
        except Exception:
            noted.status = noted.status or _SERVER_ERROR
            self._log.exception("request_failed", request_id=request_id)
            raise
        finally:
            self._metrics.in_progress -= 1
            self._note(scope, noted.status or _CLIENT_GONE, noted.bytes, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, sent_bytes: int, took_s: float) -> None:
        route = scope.get(ROUTE) or getattr(scope.get("route"), "path", "") or "unmatched"
        refused, cache = scope.get(REFUSED, ""), scope.get(CACHE, "")
        self._metrics.request(scope["method"], route, status, took_s)
        self._metrics.before_the_app(cache, refused)
        write_line(
            {
                "event": "request",
                "level": "info",
                "request_id": scope[REQUEST_ID],
                "method": scope["method"],
                "path": scope["path"],
                "route": route,
                "status": status,
                "took_ms": round(took_s * 1000, 3),
                "sent_bytes": sent_bytes,
                "caller": name_of_caller(scope),
                "address": (scope.get("client") or ("",))[0],
                "cache": cache,
                "refused": refused,
            }
        )


class _Noted:
    """Passes an answer on with more headers, and notes its status and size."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0
        self.bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(one for one in self._headers if one[0] not in own)]
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _USABLE_ID.fullmatch(value):
            given: str = value.decode()
            return given
    return os.urandom(16).hex()
