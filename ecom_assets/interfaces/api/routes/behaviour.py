"""Routes for behaviour: engagement, journeys, searches, visitor segments and cohorts."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.journeys import queries as journey_queries
from ecom_assets.behaviour.journeys.contracts import JourneyTransitions, SearchPerformance
from ecom_assets.behaviour.journeys.queries import Dimension, SearchOrder
from ecom_assets.behaviour.questions.answer import (
    AnswerFields,
    Money,
    definition_of,
    field_of,
    number,
)
from ecom_assets.behaviour.retention import queries as retention_queries
from ecom_assets.behaviour.retention.contracts import CohortsBy, Length, RetentionCohorts
from ecom_assets.behaviour.sessions import queries as session_queries
from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.behaviour.visitor_segments import queries as segment_queries
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegmentsDaily
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.measures import meanings, summable
from ecom_assets.core.tables.queries import CHANGE
from ecom_assets.interfaces.api.csv_files import add_file
from ecom_assets.interfaces.api.parameters import (
    PREVIOUS,
    Context,
    Paged,
    PagedDaysParameters,
    change_of,
    row_of,
    total_of,
)
from ecom_assets.interfaces.api.problems import documented

router = APIRouter(tags=["behaviour"])
MOST_PLACES = 10
NOTHING_PAID = "no purchase event of the data has an amount"


class EngagementNumbers(row_of(summable(SessionMeasures), are_known=False)):  # type: ignore[misc]  # a model of a function
    """The engagement in the sessions of a period; null if none of its days is known."""


EngagementChange = change_of("EngagementChange", EngagementNumbers, session_count=0.12)


class EngagementDay(row_of(EngagementDaily.columns)):  # type: ignore[misc]  # a model of a function
    """The sessions and visitors of a day."""


class EngagementAnswer(AnswerFields):
    """The engagement of a period."""

    engagement: EngagementNumbers = Field(description="Of the period")
    previous: EngagementNumbers | None = Field(description=PREVIOUS)
    change: EngagementChange = Field(description=CHANGE)  # type: ignore[valid-type]  # a model of a function
    total_count: int | None = total_of("days", 30)
    days: list[EngagementDay] = Field(
        description="Days on which anybody came, in order; visitors of several days are in none "
        "of the sums, as one may come on each"
    )


@router.get(
    "/analytics/engagement",
    response_model=EngagementAnswer,
    summary="Sessions, bounces and visitors by day",
)
def engagement(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> Answer:
    """Return the engagement of a period and of the period before, and daily,
    weekly and monthly visitors by day.
    """
    period = context.period(parameters, "events")
    result = session_queries.engagement(context.reading, period, parameters.page)
    definition = definition_of(EngagementAnswer, *EngagementDay.model_fields, "days", "change")
    return context.answer(parameters, definition, result, period)


class Transition(
    row_of(JourneyTransitions.columns, without=("started_date", "dimension", "place"))  # type: ignore[misc]  # a model of a function
):
    """The transitions from one step to another."""

    step_share: float | None = number(
        "Of those from there", "rate", "Its part of all transitions from that step", examples=[0.21]
    )
    conversion_rate: float | None = number(
        "With a purchase",
        "rate",
        "The share of these that were in sessions with a purchase",
        examples=[0.3],
    )


class JourneysParameters(PagedDaysParameters):
    """Which transitions to return."""

    dimension: Dimension = Field(
        "page_type", description="What a step is: an event's type, or its product's category"
    )
    place: int | None = Field(
        None,
        ge=0,
        le=MOST_PLACES,
        description="Only transitions after so many steps, 10 for all from 10 on",
    )


class JourneysAnswer(AnswerFields):
    """The transitions of a period."""

    dimension: Dimension = field_of(JourneyTransitions.dimension)
    place: int | None = field_of(
        JourneyTransitions.place, null_where="transitions of all places are counted"
    )
    total_count: int | None = total_of("pairs of steps", 41)
    transitions: list[Transition] = Field(
        description="The most frequent first, ties by their steps; of "
        "all places, unless one is named"
    )


class Search(
    row_of(SearchPerformance.columns, without=("started_date",))  # type: ignore[misc]  # a model of a function
):
    """The outcomes of searches for one term."""


class SearchesAnswer(AnswerFields):
    """The search terms of a period."""

    total_count: int | None = total_of("terms", 112)
    searches: list[Search] = Field(
        description="The most searched first, or by `sort_by`, ties by term"
    )


class SearchesParameters(PagedDaysParameters):
    """Which terms to return, in which order."""

    sort_by: SearchOrder = Field(
        "searches", description="Most searched first, or most searches that led nowhere"
    )


@router.get("/analytics/journeys", response_model=JourneysAnswer, summary="Which step led to which")
def journeys(context: Context, parameters: Annotated[JourneysParameters, Query()]) -> Answer:
    """Return how often one step of a session led to another,
    and how often in sessions with a purchase.
    """
    period = context.period(parameters, "events")
    result = journey_queries.journeys(
        context.reading, period, parameters.dimension, parameters.place, parameters.page
    )
    definition = meanings(JourneyTransitions.columns)
    definition |= definition_of(JourneysAnswer, "place", *Transition.model_fields, "transitions")
    return context.answer(parameters, definition, result, period)


@router.get(
    "/analytics/searches", response_model=SearchesAnswer, summary="Search terms and their outcomes"
)
def searches(context: Context, parameters: Annotated[SearchesParameters, Query()]) -> Answer:
    """Return how often each term was searched,
    and how often a product view or an add to cart followed.
    """
    period = context.period(parameters, "events")
    result = journey_queries.searches(context.reading, period, parameters.page, parameters.sort_by)
    definition = meanings(SearchPerformance.columns) | definition_of(SearchesAnswer, "searches")
    return context.answer(parameters, definition, result, period)


class VisitorSegmentCounts(BaseModel):
    """A declared group of visitors in a period."""

    segment: str = field_of(VisitorSegmentsDaily.segment)
    visitor_count: int | None = Field(
        description=(
            "Visitors who are in it at the end of the last day of the period; null if that "
            "day is unknown"
        ),
        examples=[412],
    )
    entered_count: int | None = Field(
        description=(
            "Times that a visitor came into it in the period; null if no day of it is known"
        ),
        examples=[90],
    )
    left_count: int | None = Field(
        description="Times that a visitor left it in the period; null if no day of it is known",
        examples=[41],
    )


class VisitorSegmentsAnswer(AnswerFields):
    """The declared visitor segments in a period."""

    total_count: int = Field(description="How many segments there are", examples=[3])
    segments: list[VisitorSegmentCounts] = Field(description="By name")


class VisitorSegmentDay(row_of(VisitorSegmentsDaily.columns)):  # type: ignore[misc]  # a model of a function
    """A declared group of visitors at the end of a day."""


class SegmentDaysParameters(PagedDaysParameters):
    """Which days to return, and of which segment."""

    segment: str | None = Field(None, max_length=500, description="Only this segment")


class VisitorSegmentDaysAnswer(AnswerFields):
    """The declared visitor segments, day by day."""

    segment: str | None = Field(description="The requested segment; null for all")
    total_count: int | None = total_of("rows", 90)
    days: list[VisitorSegmentDay] = Field(
        description="By day and name; days before and after the events are left out"
    )


@router.get(
    "/analytics/visitor-segments",
    response_model=VisitorSegmentsAnswer,
    responses=documented(409),
    summary="Visitors of each declared segment",
)
def visitor_segments(
    context: Context, parameters: Annotated[PagedDaysParameters, Query()]
) -> Answer:
    """Return how many visitors are in each segment that ECOM_VISITOR_SEGMENTS declares,
    and how many came and left.
    """
    period = context.period(parameters, "events")
    result = segment_queries.visitor_segments(context.reading, period, parameters.page)
    definition = definition_of(VisitorSegmentsAnswer, *VisitorSegmentCounts.model_fields)
    return context.answer(parameters, definition, result, period)


@router.get(
    "/analytics/visitor-segments/daily",
    response_model=VisitorSegmentDaysAnswer,
    responses=documented(409),
    summary="Visitors of declared segments by day",
)
def visitor_segments_daily(
    context: Context, parameters: Annotated[SegmentDaysParameters, Query()]
) -> Answer:
    """Return how many visitors were in each declared segment, or in one, at the end of each day."""
    period = context.period(parameters, "events")
    result = segment_queries.visitor_segments_daily(
        context.reading, period, parameters.segment, parameters.page
    )
    return context.answer(parameters, meanings(VisitorSegmentsDaily.columns), result, period)


class CohortPeriod(
    row_of(RetentionCohorts.columns, without=("cohort_by", "period"))  # type: ignore[misc]  # a model of a function
):
    """A cohort in one of the periods since its start."""

    revenue_amount: Money | None = field_of(RetentionCohorts.revenue_amount, NOTHING_PAID)
    cumulative_revenue_amount: Money | None = field_of(
        RetentionCohorts.cumulative_revenue_amount, NOTHING_PAID
    )
    lifetime_value: float | None = field_of(RetentionCohorts.lifetime_value, NOTHING_PAID)


class CohortsParameters(Paged):
    """Which cohorts to return."""

    cohort_by: CohortsBy = Field(
        "first_activity", description="What begins a cohort, and counts as coming back"
    )
    period: Length = Field("week", description="Length of a period")


class CohortsAnswer(AnswerFields):
    """The cohorts of visitors."""

    cohort_by: CohortsBy = field_of(RetentionCohorts.cohort_by)
    period: Length = field_of(RetentionCohorts.period)
    total_count: int = Field(description="How many rows there are", examples=[15])
    cohorts: list[CohortPeriod] = Field(
        description="A row per cohort and period since its start, of all time, by the cohort's "
        "start, then by period"
    )


@router.get(
    "/analytics/cohorts",
    response_model=CohortsAnswer,
    summary="Cohorts of visitors and who came back",
)
def cohorts(context: Context, parameters: Annotated[CohortsParameters, Query()]) -> Answer:
    """Return, for each cohort of a day, week or month, how many visitors came back,
    and their revenue so far.
    """
    result = retention_queries.cohorts(
        context.reading, parameters.cohort_by, parameters.period, parameters.page
    )
    definition = definition_of(
        CohortsAnswer, "cohort_by", "period", *CohortPeriod.model_fields, "cohorts"
    )
    return context.answer(parameters, definition, result, "events")


add_file("/analytics/journeys", journeys, JourneysAnswer, "transitions")
add_file("/analytics/searches", searches, SearchesAnswer, "searches")
