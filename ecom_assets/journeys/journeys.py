"""Journeys: the steps of each session in order, and from which step sessions go to which. METRICS "Journey".

A step is an event's type or its product's category; repeats in a row are one step. Each session begins with a step
`(start)` of its own, so that those without any other step are counted too.
"""

from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.journeys.contracts import Journeys, JourneyTransitions
from ecom_assets.sessions.sessions import SESSION
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all

NODES = {"page_type": "event_type", "category": "product_category"}
"""The column of events that each dimension takes its steps from."""
JOURNEY = ("dimension", *SESSION)
FIRST_ID = ""


def session_starts(sessions: ir.Table, days: Days) -> ir.Table:
    """Return what journeys need to know of the sessions that started on `days`.

    Args:
        sessions: All rows of `Sessions`.
        days: Days on which sessions started.
    """
    mine = sessions.filter(days.contain(sessions.started_date))
    return mine.select(
        "visitor_id",
        "session_id",
        "started_date",
        "is_bot",
        session_started_at="started_at",
        is_converted=mine.purchase_count > 0,
    )


DIMENSIONS = ("page_type", "category")
"""What a step of a journey can be."""


@dataclass(frozen=True)
class JourneyRule:
    """Which steps make a journey, and to what length it is told step by step.

    `dimensions`: `page_type` takes each event's type, so that the same names stand in funnels; `category` takes the
    product category of the events that carry one, and passes over the others. `most_steps` (steps, 20): a path keeps
    so many of its steps, then ends in an ellipsis; its length, and every count of transitions, are of all of them.
    `most_places` (steps, 10): transitions are told by their place in the session up to this one, which stands for all
    later ones.
    """

    dimensions: tuple[str, ...] = DIMENSIONS
    most_steps: int = 20
    most_places: int = 10

    def __post_init__(self) -> None:
        """Refuse what no journey is made of."""
        for dimension in self.dimensions:
            if dimension not in DIMENSIONS:
                raise DefinitionError(f"There are no journeys by {dimension!r}; {did_you_mean(dimension, DIMENSIONS)}.")
        if not 1 <= self.most_steps <= MOST_STEPS:
            raise DefinitionError(f"A path of {self.most_steps} steps cannot be kept; give 1 to {MOST_STEPS}.")
        if self.most_places < 1:
            raise DefinitionError(f"{self.most_places} places of a journey are none; give 1 or more.")


def journey_steps(events: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return every step of every session: `place` from 0, the `step`, and the `next_step` or `(exit)`.

    Args:
        events: Events with the `session_started_at` of their session, each in one of `sessions`.
        sessions: Sessions by `visitor_id` and `session_started_at`, with `is_converted`; what else they carry stays.
        rule: What a step is.
    """
    rows = [part for dimension in rule.dimensions for part in _rows(events, sessions, dimension)]
    # The start comes before events of the same instant.
    order = ["is_event", "event_at", "event_id"]
    in_order = ibis.window(group_by=list(JOURNEY), order_by=order)
    told = union_all(*rows)
    told = told.mutate(previous=told.step.lag().over(in_order))
    kept = told.filter(told.previous.isnull() | (told.step != told.previous))
    return kept.mutate(
        place=ibis.row_number().over(in_order).cast("int64"),
        next_step=kept.step.lead().over(in_order).fill_null(EXIT),
    ).drop("previous", "is_event", "event_id")


def journeys(steps: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """One row per session and dimension.

    Args:
        steps: What `journey_steps` returns.
        sessions: What `session_starts` returns.
        rule: How many steps of a path are kept.
    """
    told = paths_of(steps, rule).join(sessions, list(SESSION))
    return told.rename(started_at="session_started_at").select(*Journeys.columns)


def paths_of(steps: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return `path`, `step_count` and `is_cut` per session and dimension.

    Engines agree on no ordered way to join texts of rows, so each place of a path is a column before it is text.
    """
    kept = {f"step_{n}": steps.step.max(where=steps.place == n) for n in range(1, rule.most_steps + 1)}
    found = steps.group_by(*JOURNEY).agg(step_count=steps.place.max(), **kept)
    first, *others = (found[name].fill_null("") for name in kept)
    later = [(step != "").ifelse(ibis.literal(ARROW).concat(step), "") for step in others]
    is_cut = found.step_count > rule.most_steps
    ending = is_cut.ifelse(f"{ARROW}{CUT}", "")
    path = reduce(lambda left, right: left.concat(right), [first, *later, ending]).nullif("")
    return found.select(*JOURNEY, "step_count", path=path, is_cut=is_cut)


def journey_transitions(steps: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Count, per day, from which step sessions went to which, by place.

    Args:
        steps: What `journey_steps` returns.
        sessions: What `session_starts` returns.
        rule: Up to which place transitions are told apart.
    """
    found = counted_transitions(steps.join(sessions, list(SESSION)), rule, "started_date")
    return found.select(*JourneyTransitions.columns)


def counted_transitions(steps: ir.Table, rule: JourneyRule, *unit: str) -> ir.Table:
    """Count transitions by place, per dimension and `unit`.

    Args:
        steps: What `journey_steps` returns, with `is_converted` of their sessions.
        rule: Up to which place transitions are told apart.
        unit: Further columns to count by.
    """
    place = ibis.least(steps.place, ibis.literal(rule.most_places, "int64"))
    return steps.group_by(*unit, "dimension", place=place, from_step=steps.step, to_step=steps.next_step).agg(
        transition_count=steps.count(), converted_transition_count=steps.is_converted.ifelse(1, 0).sum()
    )


def _rows(events: ir.Table, sessions: ir.Table, dimension: str) -> tuple[ir.Table, ir.Table]:
    """Return the starts of all sessions, and the events that can be a step of this dimension."""
    column = events[NODES[dimension]]
    starts = sessions.select(
        *SESSION,
        dimension=ibis.literal(dimension),
        is_event=ibis.literal(0, "int64"),
        event_at="session_started_at",
        event_id=ibis.literal(FIRST_ID),
        step=ibis.literal(START),
    )
    # A category that looks like the text around it would make another path, or another node, of it.
    named = column.replace(ARROW, " > ").replace(CUT, "...")
    named = named.isin((START, EXIT)).ifelse(ibis.literal("'").concat(named).concat("'"), named)
    seen = events.filter(column.notnull()).select(
        *SESSION,
        dimension=ibis.literal(dimension),
        is_event=ibis.literal(1, "int64"),
        event_at="event_at",
        event_id="event_id",
        step=named,
    )
    return starts, seen


def sessions_of(events: ir.Table) -> ir.Table:
    """Return what `journey_steps` needs to know of sessions, from all of their events."""
    return events.group_by(*SESSION).agg(is_converted=(events.event_type == "purchase").ifelse(1, 0).max() == 1)


def top_paths(told: ir.Table, most: int) -> ir.Table:
    """Return the paths that most sessions took: `path`, `is_cut`, `session_count`, `converted_session_count`.

    Args:
        told: Rows of `Journeys`, of one dimension.
        most: How many paths at most; equally frequent ones by their text.
    """
    found = told.group_by("path", "is_cut").agg(
        session_count=told.count(), converted_session_count=told.is_converted.ifelse(1, 0).sum()
    )
    return found.order_by(found.session_count.desc(), found.path.fill_null("")).limit(most)


START, EXIT = "(start)", "(exit)"
ARROW = " → "
"""Between the steps of a path as text."""
CUT = "…"
"""Ends a path of which more steps are known than are kept."""
MOST_STEPS = 40


def steps_of(path: str | None) -> list[str]:
    """Return the steps of a path as text, without the ellipsis of one that goes on."""
    return [step for step in (path or "").split(ARROW) if step not in {"", CUT}]
