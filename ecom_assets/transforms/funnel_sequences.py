"""Funnels over neighbours and over sets: the orders `exact` and `any`.

- `exact`: the steps are neighbours in the unit's stream, all event types included, in order of time and event id.
- `any`: any k of the steps inside a window make level k, each with an event of its own, in any order. The k-th step of
  a unit is the k-th that it took, whichever that was.

Not here: orders in which one step follows another with other events in between (`funnel_walks.py`).
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.funnel_columns import matches
from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_matching import MAX_RIVALS, Matching


def neighbours(events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]) -> ir.Table:
    """The events of each unit's longest run of neighbours that are the steps, the earliest such run.

    Args:
        events: Units, `event_at`, `event_id`, and what the steps name.
        funnel: The definition.
        matching: Of the funnel.
        units: The columns that name a unit.

    Returns:
        The columns of `events` with `step`.
    """
    in_order = ibis.window(group_by=list(units), order_by=[events.event_at, events.event_id])
    hits = {f"hit_{n}": matches(events, condition).ifelse(1, 0) for n, condition in enumerate(matching.conditions)}
    rows = events.mutate(place=ibis.row_number().over(in_order), **hits)
    in_order = ibis.window(group_by=list(units), order_by=rows.place)
    deadline = rows.event_at + ibis.interval(seconds=funnel.within_s)
    reached = rows[f"hit_{matching.condition_of[0]}"] == 1
    level = reached.ifelse(1, 0)
    for further, condition in enumerate(matching.condition_of[1:], start=1):
        is_hit = rows[f"hit_{condition}"].lead(further).over(in_order) == 1
        in_time = rows.event_at.lead(further).over(in_order) <= deadline
        reached = reached & (is_hit & in_time).fill_null(ibis.literal(value=False))
        level += reached.ifelse(1, 0)
    runs = rows.select(*units, "place", level=level)
    runs = runs.filter(runs.level > 0)
    best_first = ibis.window(group_by=list(units), order_by=[runs.level.desc(), runs.place])
    runs = runs.mutate(rank=ibis.row_number().over(best_first))
    best = runs.filter(runs.rank == 0).select(*units, "level", begun="place")
    found = rows.join(best, list(units))
    found = found.filter(found.place >= found.begun, found.place < found.begun + found.level)
    return found.select(*events.columns, step=(found.place - found.begun + 1).cast("int64"))


def gathered(events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]) -> ir.Table:
    """The events by which each unit took most steps in one window, the window that was complete first.

    The arguments and the result are those of `neighbours`.

    Raises:
        DefinitionError: More than six conditions can match the same event.
    """
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{n}": hit.ifelse(1, 0) for n, hit in enumerate(hits)}
    rows = events.filter(ibis.or_(*hits)).mutate(**marks)
    in_window = ibis.window(
        group_by=list(units), order_by=rows.event_at, range=(-ibis.interval(seconds=funnel.within_s), 0)
    )
    ends = rows.mutate(level=_steps_taken(rows, matching, in_window))
    best_first = ibis.window(group_by=list(units), order_by=[ends.level.desc(), ends.event_at, ends.event_id])
    ends = ends.mutate(rank=ibis.row_number().over(best_first))
    ends = ends.filter(ends.rank == 0).select(*units, ended_at="event_at")
    inside = rows.join(ends, list(units))
    since = inside.ended_at - ibis.interval(seconds=funnel.within_s)
    inside = inside.filter(inside.event_at >= since, inside.event_at <= inside.ended_at)
    so_far = ibis.window(group_by=list(units), order_by=[inside.event_at, inside.event_id], rows=(None, 0))
    inside = inside.mutate(step=_steps_taken(inside, matching, so_far).cast("int64"))
    in_order = ibis.window(group_by=list(units), order_by=[inside.event_at, inside.event_id])
    inside = inside.mutate(before=inside.step.lag().over(in_order).fill_null(0))
    return inside.filter(inside.step > inside.before).select(*events.columns, "step")


def _steps_taken(rows: ir.Table, matching: Matching, frame: ibis.expr.builders.WindowBuilder) -> ir.IntegerValue:
    """How many steps the events of a frame can serve, one event for each: all, less what the worst shortage lacks."""
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
    if len(group) > MAX_RIVALS:
        raise DefinitionError(
            f"{len(group)} different conditions on {matching.conditions[group[0]].event_type!r} can match the same "
            f"event, and at most {MAX_RIVALS} can be counted exactly; use fewer, or the order strict_increase."
        )
    for size in range(1, len(group) + 1):
        yield from combinations(group, size)
