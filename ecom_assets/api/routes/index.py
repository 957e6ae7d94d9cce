"""What there is. Not here: the rest."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from ecom_assets.api.parameters import VERSION, Ask, Formatted

router = APIRouter(tags=["index"])


class Endpoint(BaseModel):
    """A path that can be asked."""

    method: str = Field(description="GET or POST", examples=["GET"])
    path: str = Field(description="The path", examples=["/analytics/sales"])
    summary: str = Field(description="What it answers")


class Index(BaseModel):
    """What there is to ask, and of what data."""

    name: str = Field(description="This API", examples=["ecom_assets analytics"])
    version: str = Field(description="The version of the code")
    data_as_of: date = Field(description="The newest day in the data")
    data_version: str = Field(description="What the published tables come to")
    published_at: str = Field(description="When they were published, in UTC")
    endpoints: list[Endpoint] = Field(description="Every path; each also under /v1")


@router.get("/", response_model=Index, summary="What there is")
def index(ask: Ask, _asked: Annotated[Formatted, Query()]) -> dict[str, Any]:
    """List every path, and say how new the data are."""
    published = ask.reading.published
    return {
        "name": "ecom_assets analytics",
        "version": VERSION,
        "data_as_of": published.newest_date,
        "data_version": published.data_version,
        "published_at": published.published_at.isoformat(),
        "endpoints": ask.request.app.state.endpoints,
    }


def endpoints_of(routers: list[APIRouter]) -> list[dict[str, str]]:
    """Return what the index lists."""
    return [
        {"method": method, "path": route.path, "summary": route.summary or ""}
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
