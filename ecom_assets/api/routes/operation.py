"""Routes for operation: the index of all routes, health checks, and metrics for Prometheus."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from ecom_assets.api.middleware.request_log import CONTENT_TYPE, ApiMetrics
from ecom_assets.api.parameters import VERSION, Context, Formatted
from ecom_assets.api.store.served_data import ServedData

index_router = APIRouter(tags=["index"])
router = APIRouter(tags=["operations"])
_NO_STORE = {"Cache-Control": "no-store"}
_NOT_READY = 503


class Live(BaseModel):
    """The liveness of the process."""

    live: bool = Field(description="Always true: what is not live does not answer", examples=[True])


class Health(Live):
    """The health of the API: whether it can serve fresh data."""

    ready: bool = Field(description="Whether there are data, and fresh ones by ECOM_API_FRESH_HOURS")
    reason: str = Field(description="Why it is not ready, in a sentence; else empty")
    data_as_of: date | None = Field(description="The newest day in the data; null where there are none")
    published_at: datetime | None = Field(description="When they were published, in UTC; null where there are none")


_UNREADY: dict[int | str, dict[str, Any]] = {
    _NOT_READY: {"model": Health, "description": "There are no data, or they are not fresh"}
}


@router.get("/health/live", response_model=Live, summary="Liveness: whether the process answers")
async def live(response: Response) -> dict[str, Any]:
    """Respond; a supervisor that restarts failed processes checks this."""
    response.headers.update(_NO_STORE)
    return {"live": True}


@router.get("/health", response_model=Health, responses=_UNREADY, summary="Live and ready")
@router.get(
    "/health/ready",
    response_model=Health,
    responses=_UNREADY,
    summary="Readiness: whether there are data to answer with",
)
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Return whether there are data and whether they are fresh; a load balancer checks this."""
    served: ServedData = request.app.state.served
    await served.version()
    complaint, published = served.complaint, served.published
    response.headers.update(_NO_STORE)
    response.status_code = _NOT_READY if complaint else 200
    return {
        "live": True,
        "ready": not complaint,
        "reason": complaint,
        "data_as_of": published.newest_date if published else None,
        "published_at": published.published_at if published else None,
    }


@router.get("/metrics", response_class=Response, summary="Metrics for Prometheus")
async def metrics(request: Request) -> Response:
    """Return the metrics: requests by route, cache look-ups, refusals, and the age of the data."""
    counted: ApiMetrics = request.app.state.metrics
    served: ServedData = request.app.state.served
    await served.version()
    return Response(counted.text(), media_type=CONTENT_TYPE, headers=_NO_STORE)


class Endpoint(BaseModel):
    """A path of the API."""

    method: str = Field(description="GET or POST", examples=["GET"])
    path: str = Field(description="The path", examples=["/analytics/sales"])
    summary: str = Field(description="What it answers")


class Index(BaseModel):
    """The paths of the API, and the data that it serves."""

    name: str = Field(description="This API", examples=["ecom_assets analytics"])
    version: str = Field(description="The version of the code")
    data_as_of: date = Field(description="The newest day in the data")
    data_version: str = Field(description="Version of the published tables")
    published_at: str = Field(description="When they were published, in UTC")
    endpoints: list[Endpoint] = Field(description="Every path; each also under /v1")


@index_router.get("/", response_model=Index, summary="Index of the routes")
def index(context: Context, _parameters: Annotated[Formatted, Query()]) -> dict[str, Any]:
    """Return every path, and how new the data are."""
    published = context.reading.published
    return {
        "name": "ecom_assets analytics",
        "version": VERSION,
        "data_as_of": published.newest_date,
        "data_version": published.data_version,
        "published_at": published.published_at.isoformat(),
        "endpoints": context.request.app.state.endpoints,
    }


def endpoints_of(routers: list[APIRouter]) -> list[dict[str, str]]:
    """Return the paths of some routers, as the index lists them."""
    return [
        {"method": method, "path": route.path, "summary": route.summary or ""}
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
