"""Journeys: the steps of each session in order, and from which step sessions go to which. METRICS "Journey".

A step is an event's type or its product's category; repeats in a row are one step. Each session begins with a step
`(start)` of its own, so that those without any other step are counted too. Not here: which events are in a session
(`session_members.py`).
"""

from functools import reduce

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.journeys import Journeys, JourneyTransitions
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.journey_rule import ARROW, CUT, EXIT, START, JourneyRule
from ecom_assets.transforms.session_members import SESSION
from ecom_assets.transforms.stacking import stacked

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
    told = stacked(*rows)
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
    kept = {f"step_{n}": steps.step.max(where=steps.place == n) for n in range(1, rule.most_steps + 1)}
    found = steps.group_by(*JOURNEY).agg(step_count=steps.place.max(), **kept)
    texts = [found.step_1.fill_null(""), *(found[name].fill_null("") for name in list(kept)[1:])]
    arrows = [(text != "").ifelse(ibis.literal(ARROW).concat(text), "") for text in texts[1:]]
    is_cut = found.step_count > rule.most_steps
    ending = is_cut.ifelse(f"{ARROW}{CUT}", "")
    path = reduce(lambda left, right: left.concat(right), [texts[0], *arrows, ending]).nullif("")
    told = found.select(*JOURNEY, "step_count", path=path, is_cut=is_cut)
    return told.join(sessions, list(SESSION)).rename(started_at="session_started_at").select(*Journeys.columns)


def journey_transitions(steps: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Count, per day, from which step sessions went to which, by place.

    Args:
        steps: What `journey_steps` returns.
        sessions: What `session_starts` returns.
        rule: Up to which place transitions are told apart.
    """
    found = steps.join(sessions, list(SESSION))
    place = ibis.least(found.place, ibis.literal(rule.most_places, "int64"))
    return (
        found.group_by("started_date", "dimension", place=place, from_step=found.step, to_step=found.next_step)
        .agg(
            transition_count=found.count(),
            converted_transition_count=found.is_converted.ifelse(1, 0).sum(),
        )
        .select(*JourneyTransitions.columns)
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
