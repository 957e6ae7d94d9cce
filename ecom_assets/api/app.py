"""The FastAPI application of the HTTP API: its routers, middleware and store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.gzip import GZipMiddleware

from ecom_assets.api.adhoc.questions import AdHoc, question_paths
from ecom_assets.api.auth.callers import PAGE_FILES, VERSION_PREFIX
from ecom_assets.api.csv_answers import CsvAnswers, ShortAnswers
from ecom_assets.api.middleware.request_log import ApiMetrics
from ecom_assets.api.parameters import VERSION
from ecom_assets.api.problems import documented, handle_errors
from ecom_assets.api.routes import (
    ad_hoc,
    customers,
    explain,
    funnels,
    journeys,
    operation,
    products,
    quality,
    realtime,
    reconciliation,
    requests,
    retention,
    sales,
    sessions,
    visitor_segments,
)
from ecom_assets.api.stack import build_stack
from ecom_assets.api.store.served_data import ServedData, open_store
from ecom_assets.api.store.store import PublishedStore
from ecom_assets.settings.settings import Settings, load_settings

QUESTIONS: Final[list[APIRouter]] = [
    *(one.questions for one in (funnels, retention, ad_hoc)),
    explain.router,
]
"""The ad-hoc questions."""
ROUTERS: Final[list[APIRouter]] = [
    operation.index_router,
    *(one.router for one in (sales, customers, sessions, journeys, visitor_segments, retention, funnels, products)),
    *(one.router for one in (reconciliation, quality)),
    *(QUESTIONS[-1], requests.router, *QUESTIONS[:-1]),
    realtime.router,
    operation.router,
]
WITHOUT_CSV: Final = (operation.router,)
REFUSALS: Final = documented(401, 403, 408, 413, 421, 422, 429, 503)
"""The error responses that any route may return."""
CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": "channel,order_count\r\nEmail,3.0\r\n"}}}
}
"""The response of a route with `format=csv`."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the API as `ecom api` serves it, for any ASGI server: with API keys, rate limits and request limits.

    The settings are by default those of the environment.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    settings = settings or load_settings()
    app = build_app(settings)
    stack = build_stack(settings, app, app.build_middleware_stack())
    app.middleware_stack = stack
    return app


def __getattr__(name: str) -> FastAPI:
    """Create `app` on first access, so that `uvicorn ecom_assets.api.app:app` serves it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()["app"] = create_app()
    return made


def build_app(settings: Settings, store: PublishedStore | None = None) -> FastAPI:
    """Return the API without API keys, rate limits or request limits: for tests, and for an app that wraps it.

    By default it reads from the store that the settings name.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.store.close()

    app = FastAPIOffline(
        static_url=PAGE_FILES,
        title="ecom_assets analytics",
        version=VERSION,
        description="The numbers of docs/metrics.md over HTTP: each with its definition, its days and its data.",
        lifespan=lifespan,
        redirect_slashes=False,  # Starlette's redirect repeats any Host header, also a forged one
    )
    app.state.settings = settings
    app.state.ad_hoc = AdHoc(build_app, tuple(question_paths(*QUESTIONS)))
    app.state.store = store or open_store(settings)
    app.state.served = served = ServedData(app.state.store, settings)
    app.state.metrics = ApiMetrics(lambda: served.age_s)
    app.state.recent_reading = realtime.RecentReading()
    app.state.endpoints = operation.endpoints_of(ROUTERS)
    for router in ROUTERS:
        app.include_router(
            router, prefix=VERSION_PREFIX, responses=REFUSALS if router in WITHOUT_CSV else REFUSALS | CSV
        )
        app.include_router(router, include_in_schema=False)
    handle_errors(app)
    app.add_middleware(ShortAnswers)  # the innermost first
    app.add_middleware(CsvAnswers)
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    return app
