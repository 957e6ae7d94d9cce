"""What every response gets: an id, a line of JSON in the log, metrics,
and security headers; and HEAD.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http_server.callers import VERSION_PREFIX, name_of_caller
from ecom_assets.core.http_server.json_log import write_line
from ecom_assets.core.http_server.problems import REFUSED
from ecom_assets.interfaces.api.cache.answers import CACHE, ROUTE

Headers = list[tuple[bytes, bytes]]
_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # with `no-referrer`, browsers send forms of our own pages as of the origin null
    "referrer-policy": "same-origin",
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
    """ASGI middleware that answers HEAD as GET, so that each route need not;
    RFC 9110 requires both of a server.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a HEAD request on as GET, and its response without the body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send(
                {**message, "body": b""} if message["type"] == "http.response.body" else message
            )

        inner = {**scope, "method": "GET"}
        try:
            await self.app(inner, receive, without_body)
        finally:
            scope.update(
                {name: value for name, value in inner.items() if name != "method"}
            )  # for the request log


CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS_S = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class ApiMetrics:
    """The metrics of one running API."""

    def __init__(self, age_s: Callable[[], float]) -> None:
        """Create the metrics; `age_s` returns the age of the served data in seconds,
        or NaN if there are none.
        """
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "ecom_api_request_seconds",
            "Time until a request was answered",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "ecom_api_requests_in_progress", "Requests under way", registry=self.registry
        )
        self._cache = Counter(
            "ecom_api_cache_lookups",
            "Answers by what the cache had: hit, shared, miss",
            ("found",),
            registry=self.registry,
        )
        self._refused = Counter(
            "ecom_api_refused_requests",
            "Requests refused in front of the app",
            ("reason",),
            registry=self.registry,
        )
        age = Gauge(
            "ecom_api_snapshot_age_seconds",
            "Age of the data that are served",
            registry=self.registry,
        )
        age.set_function(age_s)
        for result in ("hit", "shared", "miss"):  # shown before the first, too
            self._cache.labels(result)

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request.

        `route` is a pattern, never a path, so that arbitrary paths create no new series.
        """
        self._seconds.labels(method if method in _METHODS else "other", route, str(status)).observe(
            took_s
        )

    def before_the_app(self, cache: str, refused: str) -> None:
        """Count the result of the cache look-up and the reason of a refusal;
        either may be empty.
        """
        if cache:
            self._cache.labels(cache).inc()
        if refused:
            self._refused.labels(refused).inc()

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


REQUEST_ID = "ecom.request_id"
_USABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SERVER_ERROR = 500
_CLIENT_GONE = 499
"""The status that nginx logs for a client that disconnected before the response."""


@dataclass(frozen=True)
class RequestLog:
    """ASGI middleware that logs requests; it is the outermost,
    so that it also logs refused requests.

    It does not log the query, because people put secrets there, nor any header. `metrics` counts
    the requests.
    """

    app: ASGIApp
    metrics: ApiMetrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log how it ended."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = _request_id(scope)
        noted = _Noted(
            send, [(b"x-request-id", request_id.encode()), *security_headers(scope["path"])]
        )
        began = time.perf_counter()
        try:
            with self.metrics.in_progress.track_inprogress():
                await self.app(scope, receive, noted.send)
        except Exception:
            noted.status = noted.status or _SERVER_ERROR
            structlog.get_logger("ecom_assets.api").exception(
                "request_failed", request_id=request_id
            )
            raise
        finally:
            status = noted.status or _CLIENT_GONE
            took_s = time.perf_counter() - began
            route = scope.get(ROUTE) or getattr(scope.get("route"), "path", "") or "unmatched"
            refused, cache = scope.get(REFUSED, ""), scope.get(CACHE, "")
            self.metrics.request(scope["method"], route, status, took_s)
            self.metrics.before_the_app(cache, refused)
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
                    "sent_bytes": noted.bytes,
                    "caller": name_of_caller(scope),
                    "address": (scope.get("client") or ("",))[0],
                    "cache": cache,
                    "refused": refused,
                }
            )


@dataclass
class _Noted:
    """Passes a response on with more headers, and records its status and size."""

    pass_on: Send
    headers: list[tuple[bytes, bytes]]
    status: int = 0
    bytes: int = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(header for header in self.headers if header[0] not in own),
            ]
        else:
            self.bytes += len(message.get("body", b""))
        await self.pass_on(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _USABLE_ID.fullmatch(value):
            usable: str = value.decode()
            return usable
    return os.urandom(16).hex()
