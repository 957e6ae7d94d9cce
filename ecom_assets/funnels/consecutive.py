"""Funnels whose steps follow each other without another event in between: the orders `exact` and `strict`."""

from collections.abc import Sequence
from itertools import pairwise

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.columns import matches, may_begin
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.excluded import excludes_after
from ecom_assets.funnels.matching import Matching
from ecom_assets.tables.portable import first_of_each


def consecutive_events(events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]) -> ir.Table:
    """Return the events of each unit's longest run of consecutive events that match the steps, the earliest such run.

    In the order `strict`, which is PostHog's, an event of the same step as the one before it is passed over, except
    one of step 1, at which a run begins again.

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
    deadline = rows.event_at + ibis.interval(seconds=funnel.within_s)
    reached = (rows[f"hit_{matching.condition_of[0]}"] == 1) & may_begin(rows)
    level = reached.ifelse(1, 0)
    for further, condition in enumerate(matching.condition_of[1:], start=1):
        is_hit = rows[f"hit_{condition}"].lead(further).over(in_order) == 1
        in_time = rows.event_at.lead(further).over(in_order) <= deadline
        reached = reached & (is_hit & in_time).fill_null(ibis.literal(value=False))
        level += reached.ifelse(1, 0)
    rows = rows.mutate(level=level)
    runs = _counted_runs(rows, funnel, units) if funnel.exclude and funnel.exclusion_rule == "posthog" else rows
    runs = runs.filter(runs.level > 0)
    best = first_of_each(runs, list(units), [runs.level.desc(), runs.place])
    best = best.select(*units, begun="place", until=best.place + best.level)
    result = rows.join(best, list(units))
    result = result.filter(result.place >= result.begun, result.place < result.until)
    return result.select(*events.columns, step=(result.place - result.begun + 1).cast("int64"))


def _numbered(events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]) -> ir.Table:
    """Return the events with their `place`, and whether they match each condition and each exclusion."""
    hits = {f"hit_{n}": matches(events, condition).ifelse(1, 0) for n, condition in enumerate(matching.conditions)}
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


def _is_again(rows: ir.Table, matching: Matching, in_order: ibis.expr.builders.WindowBuilder) -> ir.BooleanValue:
    """Return whether an event repeats the step of the one before it, and can neither begin nor continue a run."""
    marks = [rows[f"hit_{n}"] for n in range(len(matching.conditions))]
    is_same = ibis.and_(*(mark == mark.lag().over(in_order) for mark in marks))
    steps = [marks[n] == 1 for n in matching.condition_of]
    can_follow = [step & following for step, following in pairwise(steps)]
    is_again = is_same & ibis.or_(*steps) & ~ibis.or_(steps[0], *can_follow)
    return is_again.fill_null(ibis.literal(value=False))


def _counted_runs(rows: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the runs that count by PostHog's rule: none if all of the longest are spoiled by an excluded event.

    An event right after a run spoils it, and all others of this length whose windows are open.
    """
    in_order = ibis.window(group_by=list(units), order_by=rows.place)
    rows = rows.mutate(deadline=rows.event_at + ibis.interval(seconds=funnel.within_s))
    hits = []
    for step in range(1, len(funnel.steps)):
        if f"excludes_{step}" in rows.columns:
            at, before_at = (rows.event_at.lead(further).over(in_order) for further in (step, step - 1))
            is_hit = (
                (rows[f"excludes_{step}"].lead(step).over(in_order) == 1) & (at > before_at) & (at <= rows.deadline)
            )
            hits.append(((rows.level == step) & is_hit, at))
    never = ibis.null(rows.event_at.type().copy(nullable=True))
    rows = rows.mutate(excluded_at=ibis.cases(*hits, else_=never))
    later = ibis.window(group_by=[*units, "level"], order_by=rows.place, rows=(0, None))
    is_spoiled = rows.excluded_at.min().over(later) <= rows.deadline
    rows = rows.mutate(free=is_spoiled.fill_null(ibis.literal(value=False)).ifelse(0, rows.level))
    whole = ibis.window(group_by=list(units))
    rows = rows.mutate(furthest=rows.level.max().over(whole), furthest_free=rows.free.max().over(whole))
    return rows.filter(rows.free > 0, rows.furthest_free == rows.furthest)
