"""Behaviour: engagement, journeys, searches, cohorts of visitors. Not here: the numbers (`answers/`)."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.models import PREVIOUS, Answer, Money, of
from ecom_assets.api.parameters import Ask, AskedOfDays, Paged
from ecom_assets.journeys import queries as searching
from ecom_assets.journeys import queries as travelling
from ecom_assets.journeys.contracts import JourneyTransitions, SearchPerformance
from ecom_assets.journeys.queries import Dimension
from ecom_assets.retention import queries as cohorting
from ecom_assets.retention.contracts import RetentionCohorts
from ecom_assets.retention.queries import CohortsBy, Length
from ecom_assets.sessions import queries as engaging
from ecom_assets.sessions.contracts import EngagementDaily

router = APIRouter(tags=["behaviour"])
MOST_PLACES = 10


class AskedPagesOfDays(AskedOfDays, Paged):
    """Which days, and which of their rows."""


class EngagementNumbers(BaseModel):
    """What the sessions of a period were like; null where none of its days is known."""

    session_count: int | None = of(EngagementDaily.session_count, 10999)
    engaged_session_count: int | None = of(EngagementDaily.engaged_session_count, 7204)
    single_page_session_count: int | None = of(EngagementDaily.single_page_session_count, 2981)
    bot_session_count: int | None = of(EngagementDaily.bot_session_count, 14)
    engagement_rate: float | None = of(EngagementDaily.engagement_rate, 0.655)
    bounce_rate: float | None = of(EngagementDaily.bounce_rate, 0.345)
    single_page_rate: float | None = of(EngagementDaily.single_page_rate, 0.271)


class EngagementChange(BaseModel):
    """How each number changed, as a share of its size before; null as `Range.previous_data` says, or after a zero."""

    session_count: float | None = of(EngagementDaily.session_count, 0.12)
    engaged_session_count: float | None = of(EngagementDaily.engaged_session_count)
    single_page_session_count: float | None = of(EngagementDaily.single_page_session_count)
    bot_session_count: float | None = of(EngagementDaily.bot_session_count)
    engagement_rate: float | None = of(EngagementDaily.engagement_rate)
    bounce_rate: float | None = of(EngagementDaily.bounce_rate)
    single_page_rate: float | None = of(EngagementDaily.single_page_rate)


class EngagementDay(EngagementNumbers):
    """A day's sessions and visitors."""

    event_date: date = of(EngagementDaily.event_date)
    pages_per_session: float | None = of(EngagementDaily.pages_per_session, 3.1)
    mean_duration_s: float | None = of(EngagementDaily.mean_duration_s, 184.2)
    median_duration_s: float | None = of(EngagementDaily.median_duration_s, 94.0)
    daily_visitor_count: int = of(EngagementDaily.daily_visitor_count, 351)
    weekly_visitor_count: int = of(EngagementDaily.weekly_visitor_count, 2104)
    monthly_visitor_count: int = of(EngagementDaily.monthly_visitor_count, 8269)
    stickiness_rate: float | None = of(EngagementDaily.stickiness_rate, 0.042)


class EngagementAnswer(Answer):
    """Engagement of a period."""

    engagement: EngagementNumbers = Field(description="Of the period")
    previous: EngagementNumbers | None = Field(description=PREVIOUS)
    change: EngagementChange = Field(description="From that to this")
    total_count: int = Field(description="How many days there are", examples=[30])
    days: list[EngagementDay] = Field(description="Days on which anybody came, in order")


class Transition(BaseModel):
    """How often one step led to another."""

    from_step: str = of(JourneyTransitions.from_step, "product_view")
    to_step: str = of(JourneyTransitions.to_step, "add_to_cart")
    transition_count: int = of(JourneyTransitions.transition_count, 812)
    converted_transition_count: int = of(JourneyTransitions.converted_transition_count, 240)
    step_share: float | None = Field(description="Its part of all transitions from that step", examples=[0.21])
    conversion_rate: float | None = Field(description="Those in sessions with a purchase among them", examples=[0.3])


class AskedJourneys(AskedPagesOfDays):
    """Which transitions."""

    dimension: Dimension = Field("page_type", description="What a step is: an event's type, or its product's category")
    place: int | None = Field(
        None, ge=0, le=MOST_PLACES, description="Only transitions after so many steps, 10 for all from 10 on"
    )


class JourneysAnswer(Answer):
    """Transitions of a period."""

    dimension: Dimension = Field(description="What a step is")
    place: int | None = Field(description="After how many steps; null for all places")
    total_count: int = Field(description="How many pairs of steps there are", examples=[41])
    transitions: list[Transition] = Field(description="The most frequent first, ties by their steps")


class Search(BaseModel):
    """What searching a term led to."""

    search_term: str = of(SearchPerformance.search_term, "black boots")
    search_count: int = of(SearchPerformance.search_count, 61)
    session_count: int = of(SearchPerformance.session_count, 54)
    clicked_search_count: int = of(SearchPerformance.clicked_search_count, 40)
    unclicked_search_count: int = of(SearchPerformance.unclicked_search_count, 21)
    cart_search_count: int = of(SearchPerformance.cart_search_count, 9)
    click_rate: float | None = of(SearchPerformance.click_rate, 0.656)
    cart_rate: float | None = of(SearchPerformance.cart_rate, 0.148)


class SearchesAnswer(Answer):
    """Search terms of a period."""

    total_count: int = Field(description="How many terms there are", examples=[112])
    searches: list[Search] = Field(description="The most searched first, ties by term")


class CohortPeriod(BaseModel):
    """A cohort in one period since its start."""

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


class AskedCohorts(Paged):
    """Which cohorts."""

    cohort_by: CohortsBy = Field("first_activity", description="What begins a cohort, and counts as coming back")
    period: Length = Field("week", description="Length of a period")


class CohortsAnswer(Answer):
    """Cohorts of visitors."""

    cohort_by: CohortsBy = of(RetentionCohorts.cohort_by)
    period: Length = of(RetentionCohorts.period)
    total_count: int = Field(description="How many rows there are", examples=[15])
    cohorts: list[CohortPeriod] = Field(description="By the start of the cohort, then by period")


@router.get("/analytics/engagement", response_model=EngagementAnswer, summary="Sessions, bounces and visitors by day")
def engagement(ask: Ask, asked: Annotated[AskedPagesOfDays, Query()]) -> dict[str, Any]:
    """What sessions were like, beside the period before, and each day's visitors, weekly and monthly ones."""
    period = ask.period(asked, "events")
    found = engaging.engagement(ask.reading, period, asked.page)
    return ask.answer(asked, engaging.DEFINITION, found, period)


@router.get("/analytics/journeys", response_model=JourneysAnswer, summary="Which step led to which")
def journeys(ask: Ask, asked: Annotated[AskedJourneys, Query()]) -> dict[str, Any]:
    """How often one step of a session led to another, and how many of these sessions bought."""
    period = ask.period(asked, "events")
    found = travelling.journeys(ask.reading, period, asked.dimension, asked.place, asked.page)
    return ask.answer(asked, travelling.JOURNEY_DEFINITION, found, period)


@router.get("/analytics/searches", response_model=SearchesAnswer, summary="Search terms and what came of them")
def searches(ask: Ask, asked: Annotated[AskedPagesOfDays, Query()]) -> dict[str, Any]:
    """How often each term was searched, and whether products were looked at and put into carts after it."""
    period = ask.period(asked, "events")
    found = searching.searches(ask.reading, period, asked.page)
    return ask.answer(asked, searching.SEARCH_DEFINITION, found, period)


@router.get("/analytics/cohorts", response_model=CohortsAnswer, summary="Cohorts of visitors and who came back")
def cohorts(ask: Ask, asked: Annotated[AskedCohorts, Query()]) -> dict[str, Any]:
    """Who of each day's, week's or month's new visitors came back, and what they paid by then."""
    found = cohorting.cohorts(ask.reading, asked.cohort_by, asked.period, asked.page)
    return ask.answer(asked, cohorting.DEFINITION, found, "events")
