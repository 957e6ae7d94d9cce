"""The HTTP API: routers, middlewares and the store in one FastAPI application. Not here: any of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.gzip import GZipMiddleware

from ecom_assets.api import (
    adhoc_routes,
    conversion_routes,
    customer_routes,
    index_routes,
    operation_routes,
    product_routes,
    realtime_routes,
    sales_routes,
)
from ecom_assets.api.asking import VERSION
from ecom_assets.api.callers import PAGE_FILES
from ecom_assets.api.metrics import ApiMetrics
from ecom_assets.api.problems import documented, handle_errors
from ecom_assets.api.served_data import ServedData
from ecom_assets.api.store import Store, open_store
from ecom_assets.settings import Settings

PREFIX: Final = "/v1"
ROUTERS: Final[list[APIRouter]] = [
    index_routes.router,
    sales_routes.router,
    customer_routes.router,
    conversion_routes.router,
    product_routes.router,
    adhoc_routes.router,
    realtime_routes.router,
    operation_routes.router,
]
REFUSALS: Final = documented(401, 403, 408, 413, 421, 422, 429, 503)
"""What any route may end with."""


def create_app(settings: Settings, store: Store | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: What it serves, and how.
        store: Where it reads; by default what the settings name.
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
        redirect_slashes=False,  # Starlette's redirect repeats whatever Host the request names
    )
    app.state.settings = settings
    app.state.store = store or open_store(settings)
    app.state.served = served = ServedData(app.state.store, settings)
    app.state.metrics = ApiMetrics(lambda: served.age_s)
    app.state.recent_reading = realtime_routes.RecentReading()
    app.state.endpoints = index_routes.endpoints_of(ROUTERS)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX, responses=REFUSALS)
        app.include_router(router, include_in_schema=False)
    handle_errors(app)
    add_middlewares(app)
    return app


def add_middlewares(app: FastAPI) -> None:
    """Put around the routes what all of them need, the innermost first."""
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
