"""The answer to a custom journey query: sessions, transitions and the most frequent paths.

METRICS "Journeys".
"""

from typing import TYPE_CHECKING, Final

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, Field

from ecom_assets.behaviour.events.recorded import PURCHASES
from ecom_assets.behaviour.journeys.journeys import (
    EXIT,
    JOURNEY,
    JourneyRule,
    counted_transitions,
    journey_steps,
    page_of,
    paths_of,
    sessions_of,
)
from ecom_assets.behaviour.journeys.kernel import journey_counts
from ecom_assets.behaviour.journeys.queries import path_row, path_rows
from ecom_assets.behaviour.journeys.question import JourneyQuestion
from ecom_assets.behaviour.journeys.text import lines
from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.sessions.kernel import can_count
from ecom_assets.behaviour.sessions.question import known_session_rule
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import SESSION, session_events
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.columns import meeting
from ecom_assets.core.tables.days import Ends, days_definition, rows_between
from ecom_assets.core.tables.portable import count_of, has_kernels, rows_of

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


class CountedTransition(BaseModel):
    """How often one step led to another."""

    from_step: str = Field(alias="from", description="The step before", examples=["product_view"])
    to_step: str = Field(alias="to", description="The step after", examples=["add_to_cart"])
    count: int = number("Times", "count", "Times")
    converted: int | None = number(
        "In sessions with a purchase", "count", "Of these, in sessions with a purchase"
    )


class PlacedTransition(CountedTransition):
    """How often one step led to another at a place of the session."""

    step: int = Field(description="Steps before it; 10 for all from 10 on")


class CountedPath(BaseModel):
    """A path, and the sessions that took it."""

    path: list[str] = Field(description="Its steps in order")
    is_cut: bool = Field(description="Whether it goes on")
    sessions: int = number("Count", "count", "Sessions that took it")
    share: float = number("Of these", "rate", "Their part of all of the list")
    converted_sessions: int | None = Field(description="Of these, those with a purchase")
    conversion_rate: float | None = number("With a purchase", "rate", "The share of these")


class OwnJourneysAnswer(QuestionAnswer):
    """The result of custom journeys."""

    sessions: int | None = number(
        "Sessions", "count", "Those that started on the days, and have the chosen step"
    )
    converted_sessions: int | None = number(
        "With a purchase", "count", "Of these, those with a purchase"
    )
    transitions: list[CountedTransition] = Field(
        description="The most frequent first, ties by their steps"
    )
    steps: list[PlacedTransition] = Field(description="The same by place")
    top_paths: list[CountedPath] = Field(description="The most frequent paths of all sessions")
    converting_paths: list[CountedPath] = Field(description="Those of sessions with a purchase")
    other_paths: list[CountedPath] = Field(description="Those of sessions without one")


def compute(question: JourneyQuestion, data: QuestionData) -> Answer:
    """Return sessions, transitions (in total and by place) and the most frequent paths.

    Raises:
        DefinitionError: The session rule needs session ids that the events do not have.
    """
    question = question.changed(session_rule=known_session_rule(question.session_rule, data.source))
    numbers = journeys_of_events(data.con, data.events, question, data.days)
    if PURCHASES in data.source.not_recorded:
        numbers = _without_purchases(numbers)
    return {"definition": question.to_mapping() | days_definition(data.days), **numbers}


def _without_purchases(numbers: Answer) -> Answer:
    """Return numbers of events that record no purchase: nobody knows what ended in one."""
    of_path = dict.fromkeys(("converted_sessions", "conversion_rate"))
    return numbers | {
        "converted_sessions": None,
        "transitions": [row | {"converted": None} for row in numbers["transitions"]],
        "steps": [row | {"converted": None} for row in numbers["steps"]],
        "top_paths": [path | of_path for path in numbers["top_paths"]],
        "converting_paths": [],
        "other_paths": [],
    }


def journeys_of_events(
    con: SQLBackend, events: ir.Table, question: JourneyQuestion, ends: Ends = (None, None)
) -> Answer:
    """Return sessions, transitions (in total and by place) and the most frequent paths.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`, of all days.
        question: The query.
        ends: The first and the last day on which the sessions started; None for no limit.
    """
    events = meeting(events, question.where)
    numbers = _by_kernel(con, events, question, ends) if has_kernels(con) else None
    return numbers or _by_expression(events, question, ends)


def _by_kernel(
    con: "Backend", events: ir.Table, question: JourneyQuestion, ends: Ends
) -> Answer | None:
    """Return the answer of the kernel; None if it does not know the rule of sessions,
    or there is too much.
    """
    counted = journey_counts(con, events, question, ends) if can_count(question.rule) else None
    if counted is None:
        return None
    sessions, converted = counted.session_counts, counted.converted_counts
    tops = {}
    lists = {
        "top": (sessions, converted),
        "converting": (converted, converted),
        "other": (sessions - converted, None),
    }
    for name, (counts, bought) in lists.items():
        rows = counted.top_paths(counts, 0 * counts if bought is None else bought, question.top)
        tops[f"{name}_paths"] = [path_row(row, int(counts.sum())) for row in rows]
    sums = {"sessions": int(sessions.sum()), "converted_sessions": int(converted.sum())}
    return {**sums, **_both_transitions(counted.transitions, question.min_count), **tops}


def _by_expression(events: ir.Table, question: JourneyQuestion, ends: Ends) -> Answer:
    rule = question.journey_rule
    numbered = _in_sessions(events, question.rule)
    with numbered.cache() as placed, _started(placed, ends).cache() as sessions:
        result = journey_steps(
            step_events(placed.semi_join(sessions, list(SESSION)), question), sessions, rule
        )
        result = part_of(result, question) if question.from_step or question.to_step else result
        with result.cache() as steps, _paths(steps, sessions, rule).cache() as paths:
            counted = counted_transitions(steps.join(sessions, list(SESSION)), rule)
            return {
                "sessions": count_of(paths),
                "converted_sessions": count_of(paths.filter(paths.is_converted)),
                **_both_transitions(counted, question.min_count),
                "top_paths": path_rows(paths, question.top),
                "converting_paths": path_rows(paths.filter(paths.is_converted), question.top),
                "other_paths": path_rows(paths.filter(~paths.is_converted), question.top),
            }


def step_events(events: ir.Table, question: JourneyQuestion) -> ir.Table:
    """Return the rows of `CleanEvents` that can be steps, with their `page`."""
    if question.exclude:
        events = events.filter(~events.event_type.isin(question.exclude))
    return events.mutate(page=page_of(events.page_url, question.group))


def part_of(steps: ir.Table, question: JourneyQuestion) -> ir.Table:
    """Return the part of each session's steps from one step to another;
    sessions without that part are left out.

    The steps are those of `journey_steps`. They get new places, and `is_late` where earlier steps
    on the way to a step were left out.
    """
    session = ibis.window(group_by=list(JOURNEY))
    nothing = ibis.null("int64")
    is_first = steps.step == question.from_step if question.from_step else steps.place == 1
    steps = steps.mutate(first_place=is_first.ifelse(steps.place, nothing).min().over(session))
    if question.to_step:
        # A path from a step to the same step ends when it comes again.
        after = (
            steps.place > steps.first_place
            if question.from_step
            else steps.place >= steps.first_place
        )
        last = (after & (steps.step == question.to_step)).ifelse(steps.place, nothing).min()
    else:
        last = steps.place.max()
    steps = steps.mutate(last_place=last.over(session))
    steps = steps.filter(steps.first_place.notnull(), steps.last_place.notnull())
    first_kept = steps.last_place - question.most_steps + 1
    begins = (
        steps.first_place if question.from_step else ibis.greatest(steps.first_place, first_kept)
    )
    begins = begins if question.to_step else steps.first_place
    steps = steps.mutate(begins=begins.cast("int64"))
    own = steps.filter(
        (steps.place == 0) | ((steps.place >= steps.begins) & (steps.place <= steps.last_place))
    )
    in_order = ibis.window(group_by=list(JOURNEY), order_by="place")
    placed = own.mutate(
        next_step=own.step.lead().over(in_order).fill_null(EXIT),
        is_late=own.begins > own.first_place,
    )
    position = (placed.place == 0).ifelse(0, placed.place - placed.begins + 1).cast("int64")
    return placed.mutate(place=position).drop("first_place", "last_place", "begins")


def _both_transitions(counted: ir.Table, min_count: int) -> Answer:
    return {
        "transitions": _transitions(counted, ("from_step", "to_step"), min_count),
        "steps": _transitions(counted, ("place", "from_step", "to_step"), min_count),
    }


def _in_sessions(events: ir.Table, cut_by: SessionRule) -> ir.Table:
    numbered = session_events(events, cut_by, by_day=False).rename(
        session_started_at="fragment_started_at"
    )
    columns = (
        *SESSION,
        "event_at",
        "event_date",
        "event_id",
        "event_type",
        "product_category",
        "page_url",
    )
    return numbered.select(*columns)


def _started(events: ir.Table, ends: Ends) -> ir.Table:
    started = events.group_by(*SESSION).agg(started_date=events.event_date.min())
    return sessions_of(events).semi_join(rows_between(started, "started_date", ends), list(SESSION))


def _paths(steps: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the path of each session; one that is cut at its beginning is cut, too."""
    rows = paths_of(steps, rule).join(sessions, list(SESSION))
    if "is_late" not in steps.columns:
        return rows
    late = steps.group_by(*SESSION).agg(late=steps.is_late.ifelse(1, 0).max())
    rows = rows.join(late, list(SESSION))
    return rows.mutate(is_cut=rows.is_cut | (rows.late == 1)).drop("late")


def _transitions(steps: ir.Table, by: tuple[str, ...], min_count: int) -> list[Row]:
    sums = steps.group_by(*by).agg(
        count=steps.transition_count.sum(), converted=steps.converted_transition_count.sum()
    )
    sums = sums.filter(sums["count"] >= min_count)
    first = [sums.place] if "place" in by else []
    ordered = sums.order_by(*first, sums["count"].desc(), sums.from_step, sums.to_step)
    return [
        {
            **({"step": int(row["place"])} if first else {}),
            "from": row["from_step"],
            "to": row["to_step"],
            "count": int(row["count"]),
            "converted": int(row["converted"]),
        }
        for row in rows_of(ordered)
    ]


JOURNEYS: Final = Kind(
    "journeys",
    JourneyQuestion,
    OwnJourneysAnswer,
    compute,
    "Which paths sessions take from or to a step, and how often they end in a purchase",
    tool="custom_journeys",
    lists=("transitions",),
    lines=lines,
)
