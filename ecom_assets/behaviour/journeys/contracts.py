"""Contracts of journeys: paths and transitions, and the performance of searches and categories."""

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.events.recorded import PURCHASES
from ecom_assets.behaviour.journeys.measures import CategoryMeasures, SearchMeasures
from ecom_assets.core.tables.contract import Column, Table, count, day, flag, instant, text

DIMENSIONS = ("page_type", "category")
"""What the steps of the platform's journeys are."""


class Journeys(Table):
    """One row per session and dimension: its steps in order, repeats in a row as one,
    and whether it converted.
    """

    layer = "mart"
    key = ("session_id", "dimension")
    day_column = "started_date"

    session_id = text("See mart.sessions", pii=True)
    dimension = text(
        "What a step is: the type of an event, or the category of its product", one_of=DIMENSIONS
    )
    started_date = day("The day on which the session started")
    visitor_id = text("Who", pii=True)
    started_at = instant("First event of the session")
    path = text(
        "The first 20 steps, arrows between them, `…` if there are more; null without a step",
        nullable=True,
    )
    step_count = count("All steps, also those that `path` leaves out", unit="steps")
    is_cut = flag("Whether `path` leaves steps out")
    is_converted = flag("Whether the session has a purchase")
    is_bot = flag("Whether the session is flagged as a robot's")


class JourneyTransitions(Table):
    """One row per day, dimension, place in the session and pair of steps:
    how often one led to the other.
    """

    layer = "mart"
    key = ("started_date", "dimension", "place", "from_step", "to_step")
    day_column = "started_date"
    counted_from = (CleanEvents,)

    started_date = day("The day on which the sessions started")
    dimension = text(
        "What a step is: the type of an event, or the category of its product", one_of=DIMENSIONS
    )
    place = Column(
        "int64", "Steps before: 0 from the start; 10 stands for all from 10 on", "place", at_least=0
    )
    from_step = text(
        "The step; `(start)` for the session's beginning", "From", example="product_view"
    )
    to_step = text(
        "The step that came next; `(exit)` for the session's end", "To", example="add_to_cart"
    )
    transition_count = count(
        "How often, over all sessions of the day", "Transitions", unit="transitions", example=812
    )
    converted_transition_count = count(
        "Of these, in sessions with a purchase",
        needs=(PURCHASES,),
        unit="transitions",
        example=240,
    )


class SearchPerformance(SearchMeasures, Table):
    """One row per day and search term: how often it was searched, and what came of it."""

    layer = "mart"
    key = ("started_date", "search_term")
    day_column = "started_date"
    counted_from = (CleanEvents,)

    started_date = day("The day on which the sessions started")
    search_term = text(
        "What was searched: small letters, decoded, single spaces; `(none)` where it is not known",
        example="black boots",
    )


class CategoryPerformance(CategoryMeasures, Table):
    """One row per day and category that was viewed or put into a cart: what the views led to."""

    layer = "mart"
    key = ("started_date", "product_category")
    day_column = "started_date"
    counted_from = (CleanEvents,)

    started_date = day("The day on which the sessions started")
    product_category = text("The category, as events carry it", "Category", example="shoes")
