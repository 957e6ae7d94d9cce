"""Routes for journeys: transitions between the steps of sessions, and search outcomes."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.parameters import Context, PagedDaysParameters, of
from ecom_assets.journeys import queries as journey_queries
from ecom_assets.journeys.contracts import JourneyTransitions, SearchPerformance
from ecom_assets.journeys.queries import Dimension
from ecom_assets.questions.answer import Answer

router = APIRouter(tags=["behaviour"])
MOST_PLACES = 10


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
