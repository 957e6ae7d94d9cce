"""How the API is: live, ready, and in numbers for Prometheus. Not here: counting (`metrics.py`, `served_data.py`)."""

from datetime import date, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from ecom_assets.api.middleware.metrics import CONTENT_TYPE, ApiMetrics
from ecom_assets.api.store.served_data import ServedData

router = APIRouter(tags=["operations"])
_NO_STORE = {"Cache-Control": "no-store"}
_NOT_READY = 503


class Live(BaseModel):
    """The process answers."""

    live: bool = Field(description="Always true: what is not live does not answer", examples=[True])


class Health(Live):
    """Whether the API can do its work."""

    ready: bool = Field(description="Whether there are data, and fresh ones by ECOM_API_FRESH_HOURS")
    reason: str = Field(description="Why it is not ready, in a sentence; else empty")
    data_as_of: date | None = Field(description="The newest day in the data; null where there are none")
    published_at: datetime | None = Field(description="When they were published, in UTC; null where there are none")


@router.get("/health/live", response_model=Live, summary="Whether the process answers")
async def live(response: Response) -> dict[str, Any]:
    """Answer; what starts processes anew asks this."""
    response.headers.update(_NO_STORE)
    return {"live": True}


@router.get(
    "/health/ready",
    response_model=Health,
    responses={_NOT_READY: {"model": Health, "description": "There are no data, or they are not fresh"}},
    summary="Whether it may be asked",
)
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Tell whether there are data and whether they are fresh; what spreads requests over processes asks this."""
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


router.add_api_route(
    "/health",
    ready,
    response_model=Health,
    responses={_NOT_READY: {"model": Health, "description": "There are no data, or they are not fresh"}},
    summary="Live and ready",
)


@router.get("/metrics", response_class=Response, summary="Numbers for Prometheus")
async def metrics(request: Request) -> Response:
    """Count requests by route, what the cache had, refusals, and the age of the data."""
    counted: ApiMetrics = request.app.state.metrics
    served: ServedData = request.app.state.served
    await served.version()
    return Response(counted.text(), media_type=CONTENT_TYPE, headers=_NO_STORE)
