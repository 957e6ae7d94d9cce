"""Contracts of journeys: each session's steps in order, and how often one step led to another. Not here: sessions."""

from ecom_assets.contracts.table import Column, Table, count, day, flag, instant, text

DIMENSIONS = ("page_type", "category")


class Journeys(Table):
    """One row per session and dimension: its steps in order, repeats in a row as one, and whether it converted."""

    layer = "mart"
    group = "journeys"
    key = ("session_id", "dimension")
    day_column = "started_date"

    session_id = text("See mart.sessions", pii=True)
    dimension = text("What a step is: the type of an event, or the category of its product", one_of=DIMENSIONS)
    started_date = day("The day on which the session started")
    visitor_id = text("Who", pii=True)
    started_at = instant("First event of the session")
    path = text("The first 20 steps, arrows between them, `…` if there are more; null without a step", nullable=True)
    step_count = count("All steps, also those that `path` leaves out", unit="steps")
    is_cut = flag("Whether `path` leaves steps out")
    is_converted = flag("Whether the session has a purchase")
    is_bot = flag("Whether the session is flagged as a robot's")


class JourneyTransitions(Table):
    """One row per day, dimension, place in the session and pair of steps: how often one led to the other."""

    layer = "mart"
    group = "journeys"
    key = ("started_date", "dimension", "place", "from_step", "to_step")
    day_column = "started_date"

    started_date = day("The day on which the sessions started")
    dimension = text("What a step is: the type of an event, or the category of its product", one_of=DIMENSIONS)
    place = Column("int64", "Steps before: 0 from the start; 10 stands for all from 10 on", "place", at_least=0)
    from_step = text("The step; `(start)` for the session's beginning")
    to_step = text("The step that came next; `(exit)` for the session's end")
    transition_count = count("How often, over all sessions of the day", unit="transitions")
    converted_transition_count = count("Of these, in sessions with a purchase", unit="transitions")
