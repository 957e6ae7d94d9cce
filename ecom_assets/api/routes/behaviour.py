"""Routes for behaviour: engagement, journeys, searches, visitor segments and cohorts."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.parameters import PREVIOUS, Context, Paged, PagedDaysParameters, change_of, of
from ecom_assets.api.problems import documented
from ecom_assets.journeys import queries as journey_queries
from ecom_assets.journeys.contracts import JourneyTransitions, SearchPerformance
from ecom_assets.journeys.queries import Dimension
from ecom_assets.questions.answer import Answer, Money
from ecom_assets.retention import queries as retention_queries
from ecom_assets.retention.contracts import RetentionCohorts
from ecom_assets.retention.queries import CohortsBy, Length
from ecom_assets.sessions import queries as session_queries
from ecom_assets.sessions.contracts import EngagementDaily
from ecom_assets.visitor_segments import queries as segment_queries
from ecom_assets.visitor_segments.contracts import VisitorSegmentsDaily

router = APIRouter(tags=["behaviour"])
MOST_PLACES = 10


class EngagementNumbers(BaseModel):
    """The engagement in the sessions of a period; null if none of its days is known."""

    session_count: int | None = of(EngagementDaily.session_count, 10999)
    engaged_session_count: int | None = of(EngagementDaily.engaged_session_count, 7204)
    single_page_session_count: int | None = of(EngagementDaily.single_page_session_count, 2981)
    bot_session_count: int | None = of(EngagementDaily.bot_session_count, 14)
    engagement_rate: float | None = of(EngagementDaily.engagement_rate, 0.655)
    bounce_rate: float | None = of(EngagementDaily.bounce_rate, 0.345)
    single_page_rate: float | None = of(EngagementDaily.single_page_rate, 0.271)


EngagementChange = change_of("EngagementChange", EngagementNumbers, session_count=0.12)


class EngagementDay(EngagementNumbers):
    """The sessions and visitors of a day."""

    event_date: date = of(EngagementDaily.event_date)
    pages_per_session: float | None = of(EngagementDaily.pages_per_session, 3.1)
    mean_duration_s: float | None = of(EngagementDaily.mean_duration_s, 184.2)
    median_duration_s: float | None = of(EngagementDaily.median_duration_s, 94.0)
    daily_visitor_count: int = of(EngagementDaily.daily_visitor_count, 351)
    weekly_visitor_count: int = of(EngagementDaily.weekly_visitor_count, 2104)
    monthly_visitor_count: int = of(EngagementDaily.monthly_visitor_count, 8269)
    stickiness_rate: float | None = of(EngagementDaily.stickiness_rate, 0.042)


class EngagementAnswer(Answer):
    """The engagement of a period."""

    engagement: EngagementNumbers = Field(description="Of the period")
    previous: EngagementNumbers | None = Field(description=PREVIOUS)
    change: EngagementChange = Field(description="From that to this")  # type: ignore[valid-type]  # a model of a function
    total_count: int = Field(description="How many days there are", examples=[30])
    days: list[EngagementDay] = Field(description="Days on which anybody came, in order")


@router.get("/analytics/engagement", response_model=EngagementAnswer, summary="Sessions, bounces and visitors by day")
def engagement(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> dict[str, Any]:
    """Return the engagement of a period and of the period before, and daily, weekly and monthly visitors by day."""
    period = context.period(parameters, "events")
    result = session_queries.engagement(context.reading, period, parameters.page)
    return context.answer(parameters, session_queries.DEFINITION, result, period)


class Transition(BaseModel):
    """The transitions from one step to another."""

    from_step: str = of(JourneyTransitions.from_step, "product_view")
    to_step: str = of(JourneyTransitions.to_step, "add_to_cart")
    transition_count: int = of(JourneyTransitions.transition_count, 812)
    converted_transition_count: int = of(JourneyTransitions.converted_transition_count, 240)
    step_share: float | None = Field(description="Its part of all transitions from that step", examples=[0.21])
    conversion_rate: float | None = Field(description="Those in sessions with a purchase among them", examples=[0.3])


class JourneysParameters(PagedDaysParameters):
    """Which transitions to return."""

    dimension: Dimension = Field("page_type", description="What a step is: an event's type, or its product's category")
    place: int | None = Field(
        None, ge=0, le=MOST_PLACES, description="Only transitions after so many steps, 10 for all from 10 on"
    )


class JourneysAnswer(Answer):
    """The transitions of a period."""

    dimension: Dimension = Field(description="What a step is")
    place: int | None = Field(description="After how many steps; null for all places")
    total_count: int = Field(description="How many pairs of steps there are", examples=[41])
    transitions: list[Transition] = Field(description="The most frequent first, ties by their steps")


class Search(BaseModel):
    """The outcomes of searches for one term."""

    search_term: str = of(SearchPerformance.search_term, "black boots")
    search_count: int = of(SearchPerformance.search_count, 61)
    session_count: int = of(SearchPerformance.session_count, 54)
    clicked_search_count: int = of(SearchPerformance.clicked_search_count, 40)
    unclicked_search_count: int = of(SearchPerformance.unclicked_search_count, 21)
    cart_search_count: int = of(SearchPerformance.cart_search_count, 9)
    click_rate: float | None = of(SearchPerformance.click_rate, 0.656)
    cart_rate: float | None = of(SearchPerformance.cart_rate, 0.148)


class SearchesAnswer(Answer):
    """The search terms of a period."""

    total_count: int = Field(description="How many terms there are", examples=[112])
    searches: list[Search] = Field(description="The most searched first, ties by term")


@router.get("/analytics/journeys", response_model=JourneysAnswer, summary="Which step led to which")
def journeys(context: Context, parameters: Annotated[JourneysParameters, Query()]) -> dict[str, Any]:
    """Return how often one step of a session led to another, and how often in sessions with a purchase."""
    period = context.period(parameters, "events")
    result = journey_queries.journeys(context.reading, period, parameters.dimension, parameters.place, parameters.page)
    return context.answer(parameters, journey_queries.JOURNEY_DEFINITION, result, period)


@router.get("/analytics/searches", response_model=SearchesAnswer, summary="Search terms and their outcomes")
def searches(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> dict[str, Any]:
    """Return how often each term was searched, and how often a product view or an add to cart followed."""
    period = context.period(parameters, "events")
    result = journey_queries.searches(context.reading, period, parameters.page)
    return context.answer(parameters, journey_queries.SEARCH_DEFINITION, result, period)


class VisitorSegmentCounts(BaseModel):
    """A declared group of visitors in a period."""

    segment: str = of(VisitorSegmentsDaily.segment, "loyal")
    visitor_count: int | None = Field(description=segment_queries.DEFINITION["visitor_count"], examples=[412])
    entered_count: int | None = Field(description=segment_queries.DEFINITION["entered_count"], examples=[90])
    left_count: int | None = Field(description=segment_queries.DEFINITION["left_count"], examples=[41])


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
    "/analytics/visitor-segments",
    response_model=VisitorSegmentsAnswer,
    responses=documented(409),
    summary="Visitors of each declared segment",
)
def visitor_segments(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> dict[str, Any]:
    """Return how many visitors are in each segment that ECOM_VISITOR_SEGMENTS declares, and how many came and left."""
    period = context.period(parameters, "events")
    return context.answer(
        parameters,
        segment_queries.DEFINITION,
        segment_queries.visitor_segments(context.reading, period, parameters.page),
        period,
    )


@router.get(
    "/analytics/visitor-segments/daily",
    response_model=VisitorSegmentDaysAnswer,
    responses=documented(409),
    summary="Visitors of declared segments by day",
)
def visitor_segments_daily(context: Context, parameters: Annotated[SegmentDaysParameters, Query()]) -> dict[str, Any]:
    """Return how many visitors were in each declared segment, or in one, at the end of each day."""
    period = context.period(parameters, "events")
    result = segment_queries.visitor_segments_daily(context.reading, period, parameters.segment, parameters.page)
    return context.answer(parameters, segment_queries.DAILY_DEFINITION, result, period)


class CohortPeriod(BaseModel):
    """A cohort in one of the periods since its start."""

    cohort_date: date = of(RetentionCohorts.cohort_date)
    period_number: int = of(RetentionCohorts.period_number, 1)
    visitor_count: int = of(RetentionCohorts.visitor_count, 1840)
    returned_on_count: int = of(RetentionCohorts.returned_on_count, 402)
    returned_on_or_after_count: int = of(RetentionCohorts.returned_on_or_after_count, 611)
    retention_on_rate: float = of(RetentionCohorts.retention_on_rate, 0.218)
    retention_on_or_after_rate: float = of(RetentionCohorts.retention_on_or_after_rate, 0.332)
    is_complete: bool = of(RetentionCohorts.is_complete)
    revenue_amount: Money = of(RetentionCohorts.revenue_amount, "5210.40")
    cumulative_revenue_amount: Money = of(RetentionCohorts.cumulative_revenue_amount, "17320.90")
    lifetime_value: float = of(RetentionCohorts.lifetime_value, 9.41)


class CohortsParameters(Paged):
    """Which cohorts to return."""

    cohort_by: CohortsBy = Field("first_activity", description="What begins a cohort, and counts as coming back")
    period: Length = Field("week", description="Length of a period")


class CohortsAnswer(Answer):
    """The cohorts of visitors."""

    cohort_by: CohortsBy = of(RetentionCohorts.cohort_by)
    period: Length = of(RetentionCohorts.period)
    total_count: int = Field(description="How many rows there are", examples=[15])
    cohorts: list[CohortPeriod] = Field(description="By the start of the cohort, then by period")


@router.get("/analytics/cohorts", response_model=CohortsAnswer, summary="Cohorts of visitors and who came back")
def cohorts(context: Context, parameters: Annotated[CohortsParameters, Query()]) -> dict[str, Any]:
    """Return, for each cohort of a day, week or month, how many visitors came back, and their revenue so far."""
    result = retention_queries.cohorts(context.reading, parameters.cohort_by, parameters.period, parameters.page)
    return context.answer(parameters, retention_queries.DEFINITION, result, "events")
