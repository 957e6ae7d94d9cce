"""The orders of funnels beside the usual one: any order,
and steps that follow each other without another event.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.matching import ENTRY, Matching, matches, may_begin
from ecom_assets.core.tables.portable import NO, first_of_each, union_all


def excluded_events(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> list[ir.Table]:
    """Return the events of each exclusion.

    By the rule `posthog` an event excludes nothing at an instant at which the unit has an event for
    another step, or one that is excluded between other steps: PostHog takes the steps of such an
    instant and skips its exclusions.
    """
    eligible = events
    if funnel.drops_attempts:
        eligible = events.semi_join(_plain_instants(events, funnel, units), [*units, "event_at"])
    return [eligible.filter(matches(eligible, exclusion)) for exclusion in funnel.exclude]


def _plain_instants(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the instants of each unit at which all events of the funnel are for the
    same steps and exclusions.
    """
    hits = [matches(events, step) for step in funnel.steps]
    hits += [
        hit
        for step in range(1, len(funnel.steps))
        if (hit := excludes_after(events, funnel, step)) is not None
    ]
    marks = ibis.literal("").join([hit.ifelse("1", "0") for hit in hits])
    rows = events.mutate(marks=marks).filter(ibis.or_(*hits))
    by_time = rows.group_by([*units, "event_at"]).agg(least=rows.marks.min(), most=rows.marks.max())
    return by_time.filter(by_time.least == by_time.most)


def excludes_after(events: ir.Table, funnel: Funnel, step: int) -> ir.BooleanValue | None:
    """Return whether an event is excluded between a step and the next one;
    None if no exclusion is about these.
    """
    hits = [
        matches(events, exclusion) for exclusion in funnel.exclude if exclusion.is_before(step + 1)
    ]
    return ibis.or_(*hits) if hits else None


def consecutive_events(
    events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]
) -> ir.Table:
    """Return the events of each unit's longest run of consecutive events that match the steps,
    the earliest such run.

    In the order `strict`, which is PostHog's, an event of the same step as the one before it is
    passed over, except one of step 1, at which a run begins again.

    Args:
        events: Units, `event_at`, `event_id`, and the columns that the steps name.
        funnel: The definition.
        matching: The matching of the funnel.
        units: The columns that identify a unit.

    Returns:
        The columns of `events` with `step`.
    """
    rows = _numbered(events, funnel, matching, units)
    in_order = ibis.window(group_by=list(units), order_by=rows.place)
    deadline = rows.event_at + ibis.interval(seconds=funnel.within)
    reached = (rows[f"hit_{matching.condition_of[0]}"] == 1) & may_begin(rows)
    level = reached.ifelse(1, 0)
    for further, condition in enumerate(matching.condition_of[1:], start=1):
        is_hit = rows[f"hit_{condition}"].lead(further).over(in_order) == 1
        in_time = rows.event_at.lead(further).over(in_order) <= deadline
        reached = reached & (is_hit & in_time).fill_null(NO)
        level += reached.ifelse(1, 0)
    rows = rows.mutate(level=level)
    runs = _counted_runs(rows, funnel, units) if funnel.drops_attempts else rows
    runs = runs.filter(runs.level > 0)
    best = first_of_each(runs, list(units), [runs.level.desc(), runs.place])
    best = best.select(*units, begun="place", until=best.place + best.level)
    result = rows.join(best, list(units))
    result = result.filter(result.place >= result.begun, result.place < result.until)
    return result.select(*events.columns, step=(result.place - result.begun + 1).cast("int64"))


def _numbered(
    events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]
) -> ir.Table:
    """Return the events with their `place`,
    and whether they match each condition and each exclusion.
    """
    hits = {
        f"hit_{n}": matches(events, condition).ifelse(1, 0)
        for n, condition in enumerate(matching.conditions)
    }
    for step in range(1, len(funnel.steps)):
        if (excludes := excludes_after(events, funnel, step)) is not None:
            hits[f"excludes_{step}"] = excludes.ifelse(1, 0)
    rows = events.mutate(**hits)
    in_order = ibis.window(group_by=list(units), order_by=[rows.event_at, rows.event_id])
    if funnel.order == "strict":
        rows = rows.mutate(is_again=_is_again(rows, matching, in_order))
        rows = rows.filter(~rows.is_again).drop("is_again")
        in_order = ibis.window(group_by=list(units), order_by=[rows.event_at, rows.event_id])
    return rows.mutate(place=ibis.row_number().over(in_order))


def _is_again(
    rows: ir.Table, matching: Matching, in_order: ibis.expr.builders.WindowBuilder
) -> ir.BooleanValue:
    """Return whether an event repeats the step of the one before it,
    and can neither begin nor continue a run.
    """
    marks = [rows[f"hit_{n}"] for n in range(len(matching.conditions))]
    is_same = ibis.and_(*(mark == mark.lag().over(in_order) for mark in marks))
    steps = [marks[n] == 1 for n in matching.condition_of]
    can_follow = [step & following for step, following in pairwise(steps)]
    is_again = is_same & ibis.or_(*steps) & ~ibis.or_(steps[0], *can_follow)
    return is_again.fill_null(NO)


def _counted_runs(rows: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the runs that count by PostHog's rule:
    none if all of the longest contain an excluded event.

    An event right after a run spoils it, and all others of this length whose windows are open.
    """
    in_order = ibis.window(group_by=list(units), order_by=rows.place)
    rows = rows.mutate(deadline=rows.event_at + ibis.interval(seconds=funnel.within))
    hits = []
    for step in range(1, len(funnel.steps)):
        if f"excludes_{step}" in rows.columns:
            at, before_at = (
                rows.event_at.lead(further).over(in_order) for further in (step, step - 1)
            )
            is_hit = (
                (rows[f"excludes_{step}"].lead(step).over(in_order) == 1)
                & (at > before_at)
                & (at <= rows.deadline)
            )
            hits.append(((rows.level == step) & is_hit, at))
    never = ibis.null(rows.event_at.type().copy(nullable=True))
    rows = rows.mutate(excluded_at=ibis.cases(*hits, else_=never))
    later = ibis.window(group_by=[*units, "level"], order_by=rows.place, rows=(0, None))
    is_excluded = rows.excluded_at.min().over(later) <= rows.deadline
    rows = rows.mutate(free=is_excluded.fill_null(NO).ifelse(0, rows.level))
    whole = ibis.window(group_by=list(units))
    rows = rows.mutate(
        furthest=rows.level.max().over(whole), furthest_free=rows.free.max().over(whole)
    )
    return rows.filter(rows.free > 0, rows.furthest_free == rows.furthest)


STRETCH: Final = "stretch"
"""How many instants with an excluded event the stretch of an event comes after."""
ENDS_AT: Final = "stretch_ends_at"
"""The instant with an excluded event that ends it; null for the last stretch."""


def any_order_events(
    events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]
) -> ir.Table:
    """Return the events by which each unit took the most steps within one window,
    the earliest such window.

    The arguments and the result are those of `consecutive_events` in `chains.py`.

    Raises:
        DefinitionError: More than six conditions can match the same event.
    """
    rows, parts = _marked(events, matching), list(units)
    if funnel.exclude:
        rows, parts = (
            _in_stretches(rows, _excluded(events, funnel, units), units),
            [*units, STRETCH],
        )
    in_window = ibis.window(
        group_by=parts, order_by=rows.event_at, range=(-ibis.interval(seconds=funnel.within), 0)
    )
    # Events at which an attempt may begin come before all others, so a window with one of them
    # begins with one.
    begins = (
        {"begins": rows[ENTRY].ifelse(1, 0).max().over(in_window)} if ENTRY in rows.columns else {}
    )
    began_at = rows.event_at.min().over(in_window)
    ends = rows.mutate(level=_steps_taken(rows, matching, in_window), began_at=began_at, **begins)
    ends = ends.filter(ends.begins == 1) if begins else ends
    if funnel.drops_attempts:
        closes_at = ends.began_at + ibis.interval(seconds=funnel.within)
        is_over = ends[ENDS_AT].isnull() | (closes_at < ends[ENDS_AT])
        ends = ends.filter(is_over | (ends.level == len(funnel.steps)))
    stretch = [ends[STRETCH]] if funnel.exclude else []
    order = [ends.level.desc(), ends.event_at, ends.event_id, *stretch]
    ends = first_of_each(ends, list(units), order).select(*parts, ended_at="event_at")
    inside = rows.join(ends, parts)
    since = inside.ended_at - ibis.interval(seconds=funnel.within)
    inside = inside.filter(inside.event_at >= since, inside.event_at <= inside.ended_at)
    so_far = ibis.window(
        group_by=list(units), order_by=[inside.event_at, inside.event_id], rows=(None, 0)
    )
    inside = inside.mutate(step=_steps_taken(inside, matching, so_far).cast("int64"))
    in_order = ibis.window(group_by=list(units), order_by=[inside.event_at, inside.event_id])
    inside = inside.mutate(before=inside.step.lag().over(in_order).fill_null(0))
    return inside.filter(inside.step > inside.before).select(*events.columns, "step")


def _marked(events: ir.Table, matching: Matching) -> ir.Table:
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{n}": hit.ifelse(1, 0) for n, hit in enumerate(hits)}
    return events.filter(ibis.or_(*hits)).mutate(**marks)


def _excluded(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the instants of each unit that have an excluded event, as `event_at`."""
    hit = ibis.or_(*(matches(events, exclusion) for exclusion in funnel.exclude))
    return events.filter(hit).select(*units, "event_at").distinct()


def _in_stretches(rows: ir.Table, excluded: ir.Table, units: Sequence[str]) -> ir.Table:
    """Return the rows with their stretch and its end;
    those of an instant with an excluded event are in two.
    """
    columns = [name for name in rows.columns if name not in {*units, "event_at"}]
    none = {name: ibis.null(rows[name].type().copy(nullable=True)) for name in columns}
    clock = rows.event_at.type().copy(nullable=True)
    timeline = union_all(
        rows.select(*units, "event_at", *columns, excluded_at=ibis.null(clock)),
        excluded.select(*units, "event_at", **none, excluded_at=excluded.event_at),
    )
    is_cut = timeline.excluded_at.notnull().ifelse(1, 0)
    # Of simultaneous rows, the excluded instant comes first: an event is in the stretch that begins
    # with it.
    before = ibis.window(
        group_by=list(units), order_by=[timeline.event_at, is_cut.desc()], rows=(None, 0)
    )
    after = ibis.window(
        group_by=list(units), order_by=[timeline.event_at.desc(), is_cut], rows=(None, 0)
    )
    timeline = timeline.mutate(
        count=is_cut.sum().over(before).cast("int64"),
        since_at=timeline.excluded_at.max().over(before),
        until_at=timeline.excluded_at.min().over(after),
    )
    result = timeline.filter(timeline.excluded_at.isnull())
    later = result.select(*rows.columns, **{STRETCH: result["count"], ENDS_AT: result.until_at})
    at_cut = result.filter(result.since_at == result.event_at)
    return ibis.union(
        later,
        at_cut.select(*rows.columns, **{STRETCH: at_cut["count"] - 1, ENDS_AT: at_cut.event_at}),
    )


def _steps_taken(
    rows: ir.Table, matching: Matching, frame: ibis.expr.builders.WindowBuilder
) -> ir.IntegerValue:
    """Return how many steps the events of a frame can serve, one event each: all,
    minus each group's worst shortage.
    """
    total: ir.IntegerValue = ibis.literal(len(matching.condition_of), "int64")
    for group in matching.groups:
        shortages = []
        for chosen in matching.subsets(group):
            wanted = sum(condition in chosen for condition in matching.condition_of)
            has_any = ibis.or_(*(rows[f"condition_{n}"] == 1 for n in chosen))
            shortages.append(wanted - has_any.ifelse(1, 0).sum().over(frame))
        total -= ibis.greatest(*shortages, ibis.literal(0))
    return total
