"""Funnels whose steps may be taken in any order: the events by which each unit took the most steps in one window.

Each instant with an excluded event ends a stretch of the unit's events and begins the next one; events of that very
instant are in both. No attempt leaves its stretch. By the rule `posthog`, an attempt is dropped if an excluded event
comes before its window ends, unless all steps were taken by then.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.columns import ENTRY, matches
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.matching import Matching
from ecom_assets.tables.portable import first_of_each, union_all

STRETCH: Final = "stretch"
"""How many instants with an excluded event the stretch of an event comes after."""
ENDS_AT: Final = "stretch_ends_at"
"""The instant with an excluded event that ends it; null for the last stretch."""


def any_order_events(events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]) -> ir.Table:
    """Return the events by which each unit took the most steps within one window, the earliest such window.

    The arguments and the result are those of `consecutive_events` in `chains.py`.

    Raises:
        DefinitionError: More than six conditions can match the same event.
    """
    rows, parts = _marked(events, matching), list(units)
    if funnel.exclude:
        rows, parts = _in_stretches(rows, _excluded(events, funnel, units), units), [*units, STRETCH]
    in_window = ibis.window(group_by=parts, order_by=rows.event_at, range=(-ibis.interval(seconds=funnel.within_s), 0))
    # Events at which an attempt may begin come before all others, so a window with one of them begins with one.
    begins = {"begins": rows[ENTRY].ifelse(1, 0).max().over(in_window)} if ENTRY in rows.columns else {}
    began_at = rows.event_at.min().over(in_window)
    ends = rows.mutate(level=_steps_taken(rows, matching, in_window), began_at=began_at, **begins)
    ends = ends.filter(ends.begins == 1) if begins else ends
    if funnel.exclude and funnel.exclusion_rule == "posthog":
        closes_at = ends.began_at + ibis.interval(seconds=funnel.within_s)
        is_over = ends[ENDS_AT].isnull() | (closes_at < ends[ENDS_AT])
        ends = ends.filter(is_over | (ends.level == len(funnel.steps)))
    stretch = [ends[STRETCH]] if funnel.exclude else []
    order = [ends.level.desc(), ends.event_at, ends.event_id, *stretch]
    ends = first_of_each(ends, list(units), order).select(*parts, ended_at="event_at")
    inside = rows.join(ends, parts)
    since = inside.ended_at - ibis.interval(seconds=funnel.within_s)
    inside = inside.filter(inside.event_at >= since, inside.event_at <= inside.ended_at)
    so_far = ibis.window(group_by=list(units), order_by=[inside.event_at, inside.event_id], rows=(None, 0))
    inside = inside.mutate(step=_steps_taken(inside, matching, so_far).cast("int64"))
    in_order = ibis.window(group_by=list(units), order_by=[inside.event_at, inside.event_id])
    inside = inside.mutate(before=inside.step.lag().over(in_order).fill_null(0))
    return inside.filter(inside.step > inside.before).select(*events.columns, "step")


def _marked(events: ir.Table, matching: Matching) -> ir.Table:
    """Return the events that match any condition, with a column for each condition."""
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{n}": hit.ifelse(1, 0) for n, hit in enumerate(hits)}
    return events.filter(ibis.or_(*hits)).mutate(**marks)


def _excluded(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the instants of each unit that have an excluded event, as `event_at`."""
    hit = ibis.or_(*(matches(events, one.event) for one in funnel.exclude))
    return events.filter(hit).select(*units, "event_at").distinct()


def _in_stretches(rows: ir.Table, excluded: ir.Table, units: Sequence[str]) -> ir.Table:
    """Return the rows with their stretch and its end; those of an instant with an excluded event are in two."""
    kept = [name for name in rows.columns if name not in {*units, "event_at"}]
    none = {name: ibis.null(rows[name].type().copy(nullable=True)) for name in kept}
    clock = rows.event_at.type().copy(nullable=True)
    both = union_all(
        rows.select(*units, "event_at", *kept, excluded_at=ibis.null(clock)),
        excluded.select(*units, "event_at", **none, excluded_at=excluded.event_at),
    )
    is_cut = both.excluded_at.notnull().ifelse(1, 0)
    # Of simultaneous rows, the excluded instant comes first: an event is in the stretch that begins with it.
    before = ibis.window(group_by=list(units), order_by=[both.event_at, is_cut.desc()], rows=(None, 0))
    after = ibis.window(group_by=list(units), order_by=[both.event_at.desc(), is_cut], rows=(None, 0))
    both = both.mutate(
        count=is_cut.sum().over(before).cast("int64"),
        since_at=both.excluded_at.max().over(before),
        until_at=both.excluded_at.min().over(after),
    )
    result = both.filter(both.excluded_at.isnull())
    later = result.select(*rows.columns, **{STRETCH: result["count"], ENDS_AT: result.until_at})
    at_cut = result.filter(result.since_at == result.event_at)
    return ibis.union(later, at_cut.select(*rows.columns, **{STRETCH: at_cut["count"] - 1, ENDS_AT: at_cut.event_at}))


def _steps_taken(rows: ir.Table, matching: Matching, frame: ibis.expr.builders.WindowBuilder) -> ir.IntegerValue:
    """Return how many steps the events of a frame can serve, one event each: all, minus each group's worst shortage."""
    total: ir.IntegerValue = ibis.literal(len(matching.condition_of), "int64")
    for group in matching.groups:
        shortages = []
        for chosen in _subsets(group, matching):
            wanted = sum(condition in chosen for condition in matching.condition_of)
            has_any = ibis.or_(*(rows[f"condition_{n}"] == 1 for n in chosen))
            shortages.append(wanted - has_any.ifelse(1, 0).sum().over(frame))
        total -= ibis.greatest(*shortages, ibis.literal(0))
    return total


def _subsets(group: tuple[int, ...], matching: Matching) -> Iterator[tuple[int, ...]]:
    matching.check(group)
    for size in range(1, len(group) + 1):
        yield from combinations(group, size)
