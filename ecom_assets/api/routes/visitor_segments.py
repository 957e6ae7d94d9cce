"""Routes for visitor segments: the visitors of each declared segment, and its history by day."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.parameters import Context, PagedDaysParameters, of
from ecom_assets.api.problems import documented
from ecom_assets.questions.answer import Answer
from ecom_assets.visitor_segments import queries
from ecom_assets.visitor_segments.contracts import VisitorSegmentsDaily

router = APIRouter(tags=["behaviour"], responses=documented(409))


class VisitorSegmentCounts(BaseModel):
    """A declared group of visitors in a period."""

    segment: str = of(VisitorSegmentsDaily.segment, "loyal")
    visitor_count: int | None = Field(description=queries.DEFINITION["visitor_count"], examples=[412])
    entered_count: int | None = Field(description=queries.DEFINITION["entered_count"], examples=[90])
    left_count: int | None = Field(description=queries.DEFINITION["left_count"], examples=[41])


class VisitorSegmentsAnswer(Answer):
    """The declared visitor segments in a period."""

    total_count: int = Field(description="How many segments there are", examples=[3])
    segments: list[VisitorSegmentCounts] = Field(description="By name")


class VisitorSegmentDay(BaseModel):
    """A declared group of visitors at the end of a day."""

    as_of_date: date = of(VisitorSegmentsDaily.as_of_date)
    segment: str = of(VisitorSegmentsDaily.segment, "loyal")
    visitor_count: int = of(VisitorSegmentsDaily.visitor_count, 412)
    entered_count: int = of(VisitorSegmentsDaily.entered_count, 4)
    left_count: int = of(VisitorSegmentsDaily.left_count, 2)


class SegmentDaysParameters(PagedDaysParameters):
    """Which days to return, and of which segment."""

    segment: str | None = Field(None, max_length=500, description="Only this segment")


class VisitorSegmentDaysAnswer(Answer):
    """The declared visitor segments, day by day."""

    segment: str | None = Field(description="The requested segment; null for all")
    total_count: int = Field(description="How many rows there are", examples=[90])
    days: list[VisitorSegmentDay] = Field(description="By day and name; days before and after the events are left out")


@router.get(
    "/analytics/visitor-segments", response_model=VisitorSegmentsAnswer, summary="Visitors of each declared segment"
)
def visitor_segments(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> dict[str, Any]:
    """Return how many visitors are in each segment that ECOM_VISITOR_SEGMENTS declares, and how many came and left."""
    period = context.period(parameters, "events")
    return context.answer(
        parameters, queries.DEFINITION, queries.visitor_segments(context.reading, period, parameters.page), period
    )


@router.get(
    "/analytics/visitor-segments/daily",
    response_model=VisitorSegmentDaysAnswer,
    summary="Visitors of declared segments by day",
)
def visitor_segments_daily(context: Context, parameters: Annotated[SegmentDaysParameters, Query()]) -> dict[str, Any]:
    """Return how many visitors were in each declared segment, or in one, at the end of each day."""
    period = context.period(parameters, "events")
    result = queries.visitor_segments_daily(context.reading, period, parameters.segment, parameters.page)
    return context.answer(parameters, queries.DAILY_DEFINITION, result, period)
