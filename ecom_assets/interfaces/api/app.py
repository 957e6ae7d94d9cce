"""The FastAPI application of the HTTP API, its store, and the middleware in front of it.

From the outside in that is: log, tracing, CORS, guard, cache, bounds, questions.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http_server.callers import VERSION_PREFIX
from ecom_assets.core.http_server.credentials import Credentials
from ecom_assets.core.http_server.problems import RequestRefusal
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.interfaces.api import csv_files
from ecom_assets.interfaces.api.adhoc.questions import AdHoc, AdHocQuestions, question_paths
from ecom_assets.interfaces.api.auth.access import credentials_of, refuse_open_access
from ecom_assets.interfaces.api.auth.callers import DOCUMENTATION, PAGE_FILES, document_security
from ecom_assets.interfaces.api.auth.guard import AuditLog, Guard, RateLimits
from ecom_assets.interfaces.api.cache.answers import AnswerCache, AnswersInMemory, RedisAnswers
from ecom_assets.interfaces.api.daemon_state import DaemonMetrics
from ecom_assets.interfaces.api.middleware.bounds import RequestBounds
from ecom_assets.interfaces.api.middleware.request_log import ApiMetrics, Head, RequestLog
from ecom_assets.interfaces.api.middleware.tracing import Tracing, new_tracer_provider
from ecom_assets.interfaces.api.openapi import serve_document_from_thread
from ecom_assets.interfaces.api.parameters import (
    CSV_ASKED,
    VERSION,
    RewrittenAnswers,
    as_csv,
    numbers_alone,
)
from ecom_assets.interfaces.api.people import NotedPeople, PeopleLog
from ecom_assets.interfaces.api.problems import documented, handle_errors
from ecom_assets.interfaces.api.routes import (
    ad_hoc,
    behaviour,
    boards,
    carts,
    customers,
    explain,
    findings,
    funnels,
    marketing,
    operation,
    products,
    profit,
    quality,
    realtime,
    recipients,
    reconciliation,
    sales,
    values,
)
from ecom_assets.interfaces.api.store.served_data import ServedData, open_store
from ecom_assets.interfaces.api.store.store import PublishedStore
from ecom_assets.interfaces.api.streams import STREAMS_PER_CALLER, OpenStreams

BeforeGuard = Callable[[ASGIApp, Credentials], ASGIApp]
MAX_BODY_BYTES: Final = 1_000_000
"""The largest body of a request, but of files."""
CACHE_BYTES: Final = 64_000_000
"""Memory of the cache of answers in one process."""
CORS_METHODS = ("GET", "POST")
CORS_HEADERS = (
    "Authorization",
    "X-API-Key",
    "X-Request-ID",
    "Content-Type",
    "If-None-Match",
    "traceparent",
    "X-Retry-Count",
)
CORS_SHOWN = ("ETag", "Retry-After", "X-Request-ID", "X-Total-Count")


@dataclass(frozen=True)
class ApiStack:
    """The app with its middleware:
    an ASGI application that closes its resources when the app has shut down.
    """

    inner: ASGIApp
    app: FastAPI
    audit: AuditLog
    redis: RedisAnswers | None
    tracer_provider: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or the startup and shutdown of the app."""
        if scope["type"] != "lifespan":
            await self.inner(scope, receive, send)
            return

        async def ended(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                self.audit.close()
                if self.redis is not None:
                    await self.redis.close()
                if self.tracer_provider is not None:
                    await asyncio.to_thread(
                        self.tracer_provider.shutdown
                    )  # sends the remaining spans
            await send(message)

        await self.inner(scope, receive, ended)


def build_stack(
    settings: Settings,
    app: FastAPI,
    served: ASGIApp | None = None,
    before_guard: BeforeGuard | None = None,
    streamed_bodies: Mapping[str, int] | None = None,
) -> ApiStack:
    """Return an app wrapped in its middleware.

    `served` is wrapped instead of the app, if it is another ASGI application for it,
    `before_guard` sees a request before the guard does, such as a login, and `streamed_bodies` has
    the limits of paths that take files, and read them themselves.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    credentials = credentials_of(settings)
    refuse_open_access(settings, credentials)
    if credentials.are_needed():
        document_security(app)
    redis = _redis(settings)
    inner: ASGIApp = _bounded(settings, app, served or app, streamed_bodies or {})
    inner = AnswerCache(inner, app.state.served.version, AnswersInMemory(CACHE_BYTES), redis)
    audit = AuditLog(settings.home)
    inner = Guard(
        PeopleLog(inner, audit),
        credentials,
        RateLimits(settings.rate_limit_key, settings.rate_limit_address),
        audit,
        _refuse_of(app),
    )
    if before_guard is not None:
        inner = before_guard(inner, credentials)
    if settings.api_cors_origins:
        inner = CORSMiddleware(
            inner, settings.api_cors_origins, CORS_METHODS, CORS_HEADERS, expose_headers=CORS_SHOWN
        )
    provider = new_tracer_provider(settings.otel_endpoint) if settings.otel_endpoint else None
    if provider is not None:
        inner = Tracing(inner, provider)
    return ApiStack(RequestLog(Head(inner), app.state.metrics), app, audit, redis, provider)


def _bounded(
    settings: Settings, app: FastAPI, served: ASGIApp, streamed_bodies: Mapping[str, int]
) -> ASGIApp:
    """Return an app with the bounds of a request,
    in front of the processes that answer its ad-hoc questions.
    """
    ad_hoc: AdHoc | None = getattr(app.state, "ad_hoc", None)
    return RequestBounds(
        AdHocQuestions(served, ad_hoc, settings) if ad_hoc else served,
        max_body_bytes=MAX_BODY_BYTES,
        client_timeout_s=settings.api_client_timeout_s,
        answer_timeout_s=settings.api_timeout_s,
        streams=OpenStreams(STREAMS_PER_CALLER),
        streamed_bodies=streamed_bodies,
        refuse=_refuse_of(app),
    )


def _refuse_of(app: FastAPI) -> Callable[[RequestRefusal, Scope], Response]:
    """Return what makes the responses of refusals: JSON, or of pages a page."""
    ad_hoc: AdHoc | None = getattr(app.state, "ad_hoc", None)
    return ad_hoc.refuse if ad_hoc else RequestRefusal.response


def _version_documentation(app: FastAPI) -> None:
    """Serve the documentation with the version in its path too, as all other routes are."""
    for route in [
        route for route in app.routes if isinstance(route, Route) and route.path in DOCUMENTATION
    ]:
        app.add_api_route(
            f"{VERSION_PREFIX}{route.path}",
            route.endpoint,
            include_in_schema=False,
            response_model=None,
        )


def _redis(settings: Settings) -> RedisAnswers | None:
    url = settings.redis_url.get_secret_value()
    return RedisAnswers(url, settings.redis_timeout_s) if url else None


SUBJECTS: Final = (
    sales,
    profit,
    marketing,
    customers,
    recipients,
    behaviour,
    funnels,
    products,
    findings,
    reconciliation,
    quality,
    explain,
)
# Modules of routes add their files as they are loaded, in whatever order that is.
FILES: Final = APIRouter(routes=sorted(csv_files.router.routes, key=attrgetter("path")))
ROUTERS: Final[list[APIRouter]] = [
    operation.index_router,
    FILES,  # `/analytics/products/top.csv` is no product
    *(subject.router for subject in SUBJECTS),
    operation.runs_router,
    carts.router,
    ad_hoc.questions,
    values.router,
    boards.answers,
    boards.router,
    realtime.router,
    operation.router,
]
QUESTIONS: Final = (
    carts.router,
    ad_hoc.questions,
    FILES,
    values.router,
    explain.router,
    boards.answers,
)
"""The routers whose routes read events or whole lists, each request in a process of its own."""
WITHOUT_CSV: Final = (operation.router, boards.router)
REFUSALS: Final = documented(401, 403, 408, 413, 421, 422, 429, 503)
"""The error responses that any route may return."""
CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "channel,order_count\r\nEmail,3.0\r\n",
            }
        }
    }
}
"""The response of a route with `format=csv`."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the API without the dashboard, for any ASGI server: with API keys,
    rate limits and request limits.

    The settings are by default those of the environment.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    settings = settings or load_settings()
    app = build_app(settings)
    return behind_stack(app, build_stack(settings, app, app.build_middleware_stack()))


def behind_stack(app: FastAPI, stack: ASGIApp) -> FastAPI:
    """Return an app that answers through its stack, of which it is the inner application."""
    app.middleware_stack = stack
    return app


def __getattr__(name: str) -> FastAPI:
    """Create `app` on first access,
    so that `uvicorn ecom_assets.interfaces.api.app:app` serves it.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()["app"] = create_app()
    return made


def build_app(settings: Settings, store: PublishedStore | None = None) -> FastAPI:
    """Return the API without API keys, rate limits or request limits: for tests,
    and for an app that wraps it.

    By default it reads from the store that the settings name.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.recent_reading.close()
        app.state.store.close()

    app = FastAPIOffline(
        static_url=PAGE_FILES,
        title="ecom_assets analytics",
        version=VERSION,
        description=(
            "The numbers of docs/metrics/ over HTTP: each with its definition, its days and "
            "its data."
        ),
        lifespan=lifespan,
        redirect_slashes=False,  # Starlette's redirect repeats any Host header, also a forged one
    )
    app.state.settings = settings
    app.state.ad_hoc = AdHoc(build_app, tuple(question_paths(*QUESTIONS)))
    app.state.store = store or open_store(settings)
    app.state.served = served = ServedData(app.state.store, settings)
    app.state.metrics = ApiMetrics(lambda: served.age_s)
    app.state.metrics.registry.register(DaemonMetrics(settings.home, lambda: served.published_at))
    app.state.recent_reading = realtime.RecentReading(settings, app.state.store)
    app.state.endpoints = operation.endpoints_of(ROUTERS)
    for router in ROUTERS:
        responses = REFUSALS if router in WITHOUT_CSV else REFUSALS | CSV
        app.include_router(router, prefix=VERSION_PREFIX, responses=responses)
        app.include_router(router, include_in_schema=False)
    serve_document_from_thread(app)
    _version_documentation(app)
    handle_errors(app)
    # the innermost first
    app.add_middleware(RewrittenAnswers, parameter=("fields", "numbers"), rewrite=numbers_alone)
    app.add_middleware(NotedPeople)
    app.add_middleware(RewrittenAnswers, parameter=CSV_ASKED, rewrite=as_csv)
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    return app
