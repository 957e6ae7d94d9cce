"""Journeys: the steps of each session by a query's choices, and the transitions between them.

METRICS "Journeys".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.journeys.contracts import DIMENSIONS, Journeys, JourneyTransitions
from ecom_assets.behaviour.sessions.sessions import SESSION, UNIT
from ecom_assets.core.tables.days import Days, number_table
from ecom_assets.core.tables.portable import part_of_text, union_all

NODES = {"page_type": "event_type", "category": "product_category", "page": "page"}
"""The column of events that each dimension takes its steps from."""
JOURNEY = ("dimension", *SESSION)
FIRST_ID = ""
EVENT_ORDER = ("event_at", "event_id")
"""The order of a session's events."""
NUMBERED_ORDER = ("event_date", "event_number")
"""The same of rows of `SessionEvents`: a session has at most one run of events on a day."""


def session_starts(sessions: ir.Table, days: Days) -> ir.Table:
    """Return the rows of `Sessions` that started on `days`, with the columns that journeys need."""
    sessions_of_days = sessions.filter(days.contain(sessions.started_date))
    added = {
        "session_started_at": sessions_of_days.started_at,
        "is_converted": sessions_of_days.purchase_count > 0,
    }
    return sessions_of_days.select(*UNIT, "session_id", "started_date", "is_bot", **added)


@dataclass(frozen=True)
class JourneyRule:
    """What the steps of a journey are, and how many of them are kept.

    `dimensions`: `page_type` takes the type of each event, with the same names as in funnels;
    `category` takes the product category of the events that have one, and skips the others; `page`
    takes the column `page`, which queries add. `most_steps` (steps, 20): a longer path keeps this
    many steps and ends in an ellipsis; its length, and the counts of transitions, include all
    steps.
    `most_places` (steps, 10): transitions are counted by their place in the session up to this one,
    which includes all later ones.
    """

    dimensions: tuple[str, ...] = DIMENSIONS
    most_steps: int = 20
    most_places: int = 10


def journey_steps(events: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return every step of every session, with `place` from 0, `step`, and `next_step` or `(exit)`.

    The events have the `session_started_at` of their session; its unit and that identify
    `sessions`. `event_steps` returns the same with the event of each step.
    """
    return event_steps(events, sessions, rule).drop("event_id")


def event_steps(
    events: ir.Table,
    sessions: ir.Table,
    rule: JourneyRule,
    order: Sequence[str] = EVENT_ORDER,
) -> ir.Table:
    """Return the steps of sessions as `journey_steps` does,
    with the `event_id` of the first event of each.
    """
    return union_all(
        *(_steps_by(dimension, events, sessions, order) for dimension in rule.dimensions)
    )


def _steps_by(
    dimension: str, events: ir.Table, sessions: ir.Table, order: Sequence[str]
) -> ir.Table:
    """Return the steps of sessions by one dimension: windows over fewer rows are faster."""
    steps = union_all(
        _changes_of_step(events, dimension, order),
        sessions.select(
            *SESSION, event_id=ibis.literal(FIRST_ID), step=ibis.literal(START), nth=ibis.literal(0)
        ),
    )
    in_order = ibis.window(group_by=list(SESSION), order_by="nth")
    return steps.mutate(
        dimension=ibis.literal(dimension),
        place=ibis.row_number().over(in_order).cast("int64"),
        next_step=steps.step.lead().over(in_order).fill_null(EXIT),
    ).drop("nth")


def journeys(events: ir.Table, sessions: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return one row per session and dimension from the events of sessions and the
    result of `session_starts`.
    """
    steps = event_steps(events, sessions, rule, NUMBERED_ORDER)
    rows = paths_of(steps, rule).join(sessions, list(SESSION))
    return rows.rename(started_at="session_started_at").select(*Journeys.columns)


def paths_of(steps: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return each session and dimension with `path`, `step_count` and `is_cut`.

    Engines share no way to concatenate the texts of rows in order, so each place of a path becomes
    a column first.
    """
    names = {f"step_{n}": steps.step.max(where=steps.place == n) for n in _places(rule)}
    rows = steps.group_by(*JOURNEY).agg(step_count=steps.place.max(), **names)
    first, *later = (rows[name] for name in names)
    parts = (ibis.literal(ARROW).concat(step).fill_null("") for step in later)
    path = reduce(lambda left, right: left.concat(right), parts, first)
    return with_ending(rows.mutate(path=path), rule).drop(*names)


def _places(rule: JourneyRule) -> range:
    return range(1, rule.most_steps + 1)


def with_ending(rows: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return paths of the steps that are kept with `is_cut`, and an ellipsis if they are."""
    is_cut = rows.step_count > rule.most_steps
    return rows.mutate(
        is_cut=is_cut, path=is_cut.ifelse(rows.path.concat(f"{ARROW}{CUT}"), rows.path)
    )


PAIR = ("started_date", "dimension", "place", "from_step", "to_step")
PAIR_COUNTS = ("session_count", "converted_session_count")


def journey_transitions(
    journeys_table: ir.Table, pairs_of_cut: ir.Table, rule: JourneyRule
) -> ir.Table:
    """Count the transitions of sessions by day and place, from their paths and the steps that these
    leave out.

    Few paths differ, so that each is read once, with the number of its sessions.

    Args:
        journeys_table: The rows of `Journeys` of some days.
        pairs_of_cut: The pairs of steps of those that are cut, as `cut_pairs` returns them.
        rule: How many places are counted apart.
    """
    whole = _pairs_of_paths(journeys_table.filter(~journeys_table.is_cut), rule)
    pairs = union_all(whole, pairs_of_cut)
    rows = pairs.mutate(place=counted_place(pairs.place, rule))
    counted = rows.group_by(*PAIR).agg(
        transition_count=rows.session_count.sum(),
        converted_transition_count=rows.converted_session_count.sum(),
    )
    return counted.select(*JourneyTransitions.columns)


def _pairs_of_paths(journeys_table: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the pairs of steps of whole paths, with the number of sessions."""
    paths = journeys_table.group_by("started_date", "dimension", "path", "step_count").agg(
        session_count=journeys_table.count(),
        converted_session_count=journeys_table.is_converted.ifelse(1, 0).sum(),
    )
    places = number_table(rule.most_steps + 1)
    rows = paths.join(places, places.number <= paths.step_count)
    is_first, is_last = rows.number == 0, rows.number == rows.step_count
    before = part_of_text(rows.path, ARROW, ibis.greatest(rows.number, ibis.literal(1, "int64")))
    rows = rows.mutate(
        place=rows.number,
        from_step=is_first.ifelse(START, before),
        to_step=is_last.ifelse(EXIT, part_of_text(rows.path, ARROW, rows.number + 1)),
    )
    return rows.select(*PAIR, *PAIR_COUNTS)


def cut_sessions(journeys_table: ir.Table, sessions: ir.Table) -> ir.Table:
    """Return the results of `session_starts` whose path is cut, with the `dimension` in which."""
    cut = journeys_table.filter(journeys_table.is_cut).select("session_id", "dimension")
    return sessions.join(cut, "session_id")


def cut_pairs(cut: ir.Table, events: ir.Table, rule: JourneyRule) -> ir.Table:
    """Return the pairs of steps of the result of `cut_sessions`, with the number of sessions.

    The events are those of all sessions.
    """
    chosen = cut.select(*SESSION).distinct()
    steps = event_steps(events.semi_join(chosen, list(SESSION)), chosen, rule, NUMBERED_ORDER)
    rows = steps.join(cut, list(JOURNEY)).rename(from_step="step", to_step="next_step")
    rows = rows.mutate(
        session_count=ibis.literal(1, "int64"),
        converted_session_count=rows.is_converted.ifelse(1, 0),
    )
    return rows.select(*PAIR, *PAIR_COUNTS)


def counted_transitions(steps: ir.Table, rule: JourneyRule) -> ir.Table:
    """Count the transitions of `journey_steps` by place and dimension.

    The steps have the `is_converted` of their sessions.
    """
    position = counted_place(steps.place, rule)
    return steps.group_by(
        "dimension", place=position, from_step=steps.step, to_step=steps.next_step
    ).agg(
        transition_count=steps.count(),
        converted_transition_count=steps.is_converted.ifelse(1, 0).sum(),
    )


def counted_place(place: ir.IntegerValue, rule: JourneyRule) -> ir.IntegerValue:
    """Return the place that a step is counted at: all later ones are the last."""
    return ibis.least(place, ibis.literal(rule.most_places, "int64"))


def _changes_of_step(events: ir.Table, dimension: str, order: Sequence[str]) -> ir.Table:
    """Return the events that are steps by a dimension, without repeats in a row.

    `nth` is their order, since an order by texts takes twice as long as one by numbers.
    """
    column = events[NODES[dimension]]
    steps = events.filter(column.notnull()).mutate(step=step_name(column))
    in_order = ibis.window(group_by=list(SESSION), order_by=list(order))
    steps = steps.select(
        *SESSION,
        "event_id",
        "step",
        previous=steps.step.lag().over(in_order),
        nth=ibis.row_number().over(in_order).cast("int64") + 1,
    )
    return steps.filter(steps.previous.isnull() | (steps.step != steps.previous)).drop("previous")


def step_name(column: ir.StringValue) -> ir.StringValue:
    """Return the name of a step;
    a category that contains an arrow or is called `(start)` must not look like others.

    No name has any arrow, also without spaces, so that a path can be split into its steps again.
    """
    name = column.replace(ARROW.strip(), ">").replace(CUT, "...")
    return name.isin((START, EXIT)).ifelse(ibis.literal("'").concat(name).concat("'"), name)


def sessions_of(events: ir.Table) -> ir.Table:
    """Return the sessions with `is_converted`, computed from all of their events."""
    return events.group_by(*SESSION).agg(
        is_converted=(events.event_type == "purchase").ifelse(1, 0).max() == 1
    )


def top_paths(journeys_table: ir.Table, most: int) -> ir.Table:
    """Return the most frequent paths: `path`, `is_cut`, `session_count`, `converted_session_count`.

    The table has rows of `Journeys` of one dimension. Equally frequent paths are sorted by text,
    cut ones last.
    """
    rows = journeys_table.group_by("path", "is_cut").agg(
        session_count=journeys_table.count(),
        converted_session_count=journeys_table.is_converted.ifelse(1, 0).sum(),
    )
    return rows.order_by(rows.session_count.desc(), rows.path.fill_null(""), rows.is_cut).limit(
        most
    )


START, EXIT = "(start)", "(exit)"
ARROW = " → "
"""Separates the steps of a path in text form."""
CUT = "…"
"""Ends a path that has more steps than are kept."""


def steps_of(path: str | None) -> list[str]:
    """Return the steps of a path in text form, without the ellipsis at the end."""
    return [step for step in (path or "").split(ARROW) if step not in {"", CUT}]


def page_of(url: ir.StringValue, patterns: Sequence[str] = ()) -> ir.StringValue:
    """Return the path of a page without host, query, fragment and last slash,
    or the first pattern that matches it.
    """
    path = (
        url.re_replace("^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "")
        .re_replace("[?#].*$", "")
        .re_replace("/+$", "")
    )
    path = (path == "").ifelse("/", path)
    if not patterns:
        return path
    regexes = {
        pattern: ".*".join(re.escape(part) for part in pattern.strip().split("*"))
        for pattern in patterns
    }
    matches = (
        (path.re_search(f"^{regex}$"), ibis.literal(pattern)) for pattern, regex in regexes.items()
    )
    return path.isnull().ifelse(ibis.null("string"), ibis.cases(*matches, else_=path))
