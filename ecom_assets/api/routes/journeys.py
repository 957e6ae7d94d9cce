"""Routes for journeys: transitions between the steps of sessions, and search outcomes."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.models import of
from ecom_assets.api.parameters import Context, JustSliced, PagedDaysParameters
from ecom_assets.api.questions import Name, QuestionEvents, SessionBody, check_session_ids, question_router
from ecom_assets.journeys import queries as journey_queries
from ecom_assets.journeys.answer import JourneyQuestion, journeys_answer
from ecom_assets.journeys.choices import MAX_PATTERNS
from ecom_assets.journeys.contracts import JourneyTransitions, SearchPerformance
from ecom_assets.journeys.queries import Dimension
from ecom_assets.questions.answer import Answer, QuestionAnswer
from ecom_assets.sessions.rule import SessionRule

router = APIRouter(tags=["behaviour"])
questions = question_router()
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


class JourneysBody(SessionBody):
    """The definition of journeys; see docs/metrics.md."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"by": "page_type", "to_step": "purchase", "top": 5}]})

    by: Literal["page_type", "category", "page"] = Field("page_type", description="What a step is")
    from_step: Name | None = Field(None, description="Step at whose first occurrence paths begin")
    to_step: Name | None = Field(None, description="Step at whose first occurrence paths end")
    exclude: list[Name] | None = Field(None, max_length=100, description="Event types that are not steps")
    group: list[Name] | None = Field(
        None, max_length=MAX_PATTERNS, description="Pages that are one step, such as /product/*; by page"
    )
    min_count: int = Field(1, ge=1, description="The least count of the transitions to return")
    top: int = Field(10, ge=1, le=1_000, description="How many of the most frequent paths to return")
    most_steps: int = Field(20, ge=1, description="How many steps of a path are kept")

    def question(self, context: Context) -> JourneyQuestion:
        """Return the definition; sessions are cut by the rule of the settings if nothing else is said.

        Raises:
            DefinitionError: A value does not fit, or the rule needs the session ids of the source where there are none.
        """
        question = JourneyQuestion.from_mapping(self.with_session_rule(context))
        check_session_ids(context, SessionRule.preset(question.session_rule))
        return question


class CountedTransition(BaseModel):
    """How often one step led to another."""

    from_step: str = Field(alias="from", description="The step before", examples=["product_view"])
    to_step: str = Field(alias="to", description="The step after", examples=["add_to_cart"])
    count: int = Field(description="Times")
    converted: int = Field(description="Of these, in sessions with a purchase")


class PlacedTransition(CountedTransition):
    """How often one step led to another at a place of the session."""

    step: int = Field(description="Steps before it; 10 for all from 10 on")


class CountedPath(BaseModel):
    """A path, and the sessions that took it."""

    path: list[str] = Field(description="Its steps in order")
    is_cut: bool = Field(description="Whether it goes on")
    sessions: int = Field(description="Sessions that took it")
    share: float = Field(description="Their part of all of the list")
    converted_sessions: int = Field(description="Of these, those with a purchase")
    conversion_rate: float = Field(description="The share of these")


class OwnJourneysAnswer(QuestionAnswer):
    """The result of custom journeys."""

    sessions: int = Field(description="Sessions that started on the days")
    converted_sessions: int = Field(description="Of these, those with a purchase")
    total_count: int = Field(description="How many transitions there are")
    transitions: list[CountedTransition] = Field(description="The most frequent first, ties by their steps")
    steps: list[PlacedTransition] = Field(description="The same by place")
    top_paths: list[CountedPath] = Field(description="The most frequent paths of all sessions")
    converting_paths: list[CountedPath] = Field(description="Those of sessions with a purchase")
    other_paths: list[CountedPath] = Field(description="Those of sessions without one")


@questions.post("/analytics/journeys", response_model=OwnJourneysAnswer, summary="Custom journeys")
def custom_journeys(context: Context, parameters: JustSliced, body: JourneysBody) -> dict[str, Any]:
    """Return the paths of sessions from or to a step; queries that need too much time or memory are refused."""
    question = body.question(context)
    require_personal(context.request.scope, question.columns)
    events_of_question = QuestionEvents(context, body)
    return events_of_question.answer(
        parameters,
        lambda con, events, _: journeys_answer(con, events, question, events_of_question.days),
        reads_all=True,
    )
