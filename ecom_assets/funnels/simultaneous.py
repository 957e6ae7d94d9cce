"""Funnels whose steps can match the same events: simultaneous events of a unit become one row with counts.

Simultaneous events have no order, so their counts decide which steps they can serve (`funnels/matching.py`).
"""

import datetime as dt

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.columns import matches
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.matching import Matching, OverlappingSteps

_NEVER = dt.datetime(1, 1, 1)  # noqa: DTZ001  # before any event; used with the timestamp type of the events
_STEPS_PER_QUERY = 8
"""How many steps to nest before their rows become a named subquery: deeper SQL overflows the compiler's stack."""


def levels_by_moment(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """Return one row per unit that took step 1, with its `level`.

    `start_at` is the latest start with which steps 1 … k can end at the row's time. The row's events serve as many of
    the latest steps as the counts of all overlapping sets allow; the step before those must have been reached earlier.
    The start of a step is never earlier than that of the next step, so the set that allows the fewest steps has the
    earliest start.
    """
    rows = moments_of(events, matching, units)
    rows = rows.mutate(start_at=rows.event_at, level=ibis.literal(0, "int64"))
    levels = []
    for step in range(1, len(funnel.steps) + 1):
        rows = _after_step(rows, step, funnel.within_s, matching, units)
        if step % _STEPS_PER_QUERY == 0 or step == len(funnel.steps):
            levels.append(rows.select(*units, "level"))
    every = ibis.union(*levels) if len(levels) > 1 else levels[0]
    best = every.group_by(units).agg(level=every.level.max())
    return best.filter(best.level > 0)


def _after_step(rows: ir.Table, step: int, within_s: int, matching: Matching, units: list[str]) -> ir.Table:
    """Return the rows with `start_at` and `level` after a step, and `reached_<step>`, its latest earlier start."""
    never = ibis.literal(_NEVER, type=rows.event_at.type())
    starts = [rows.start_at if step == 1 else _served(rows, step - 1, matching)]
    for overlapping, overlapping_steps in matching.overlaps_of(step):
        earlier = [
            (rows[count_name(overlapping)] == n, rows[f"reached_{overlapping_steps[n]}"])
            for n in range(1, len(overlapping_steps))
        ]
        starts += [ibis.cases(*earlier, else_=rows.event_at)] if earlier else []
    start_at = ibis.least(*starts) if len(starts) > 1 else starts[0]
    in_time = start_at >= rows.event_at - ibis.interval(seconds=within_s)
    is_reached = (rows[count_name(alone(matching, step))] > 0) & in_time
    before = ibis.window(group_by=units, order_by="event_at", rows=(None, -1))
    reached_at = is_reached.ifelse(start_at, never).max().over(before).coalesce(never)
    new = {"start_at": start_at, "level": is_reached.ifelse(step, rows.level), f"reached_{step}": reached_at}
    return rows.select(*(rows[name] for name in rows.columns if name not in new), **new)


def _served(rows: ir.Table, step: int, matching: Matching) -> ir.Value:
    """Return the latest start of a chain of `step` steps up to and including the row's time, for later steps."""
    return (rows[count_name(alone(matching, step))] > 0).ifelse(rows.start_at, rows[f"reached_{step}"])


def moments_of(events: ir.Table, matching: Matching, units: list[str]) -> ir.Table:
    """Return one row per unit and time, with the number of events that match each set of overlapping conditions."""
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{number}": hit.ifelse(1, 0) for number, hit in enumerate(hits)}
    events = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
    counts = {
        count_name(overlapping): ibis.or_(*(events[f"condition_{number}"] == 1 for number in sorted(overlapping)))
        for overlapping in matching.overlaps()
    }
    return events.group_by([*units, "event_at"]).agg(**{k: v.ifelse(1, 0).sum() for k, v in counts.items()})


def count_name(overlapping: OverlappingSteps) -> str:
    """Return the name of the column that counts the events of a set of conditions."""
    return "count_" + "_".join(str(number) for number in sorted(overlapping))


def alone(matching: Matching, step: int) -> OverlappingSteps:
    """Return the set that has only a step's own condition."""
    return frozenset({matching.condition_of[step - 1]})
