"""Funnels whose steps can match the same events: all events of a unit at one instant are one row that counts them.

Events at one instant can stand in any order, so counts say what they can serve (`funnels/matching.py`).
"""

import datetime as dt

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.columns import matches
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.matching import Matching, Rivals

_NEVER = dt.datetime(1, 1, 1)  # noqa: DTZ001  # before any event; it takes the type of the events' own clock
_STEPS_PER_QUERY = 8
"""So many steps nest before their rows are named and read twice: deeper SQL overruns the compiler's stack."""


def levels_by_instant(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """One row per unit that did step 1, with its `level`.

    `start_at` is the latest start with which steps 1 … k can end at this instant. The instant itself serves
    as many of the latest steps as every rivalry's count allows; the step before them must have been reached
    earlier. A step is always reached with a start no earlier than its successor's, so the tightest rivalry
    is the smallest start.
    """
    rows = instants_of(events, matching, units)
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
    """The rows with `start_at` and `level` moved on by a step, and `reached_<step>`, its start before."""
    never = ibis.literal(_NEVER, type=rows.event_at.type())
    starts = [rows.start_at if step == 1 else _served(rows, step - 1, matching)]
    for rivals, contested in matching.contests(step):
        earlier = [(rows[count_name(rivals)] == n, rows[f"reached_{contested[n]}"]) for n in range(1, len(contested))]
        starts += [ibis.cases(*earlier, else_=rows.event_at)] if earlier else []
    start_at = ibis.least(*starts) if len(starts) > 1 else starts[0]
    in_time = start_at >= rows.event_at - ibis.interval(seconds=within_s)
    is_reached = (rows[count_name(alone(matching, step))] > 0) & in_time
    before = ibis.window(group_by=units, order_by="event_at", rows=(None, -1))
    reached_at = is_reached.ifelse(start_at, never).max().over(before).coalesce(never)
    new = {"start_at": start_at, "level": is_reached.ifelse(step, rows.level), f"reached_{step}": reached_at}
    return rows.select(*(rows[name] for name in rows.columns if name not in new), **new)


def _served(rows: ir.Table, step: int, matching: Matching) -> ir.Value:
    """The best start of a chain of `step` steps up to and with this instant, for later steps to use."""
    return (rows[count_name(alone(matching, step))] > 0).ifelse(rows.start_at, rows[f"reached_{step}"])


def instants_of(events: ir.Table, matching: Matching, units: list[str]) -> ir.Table:
    """One row per unit and instant, with the number of events that match each set of rivals."""
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{number}": hit.ifelse(1, 0) for number, hit in enumerate(hits)}
    events = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
    counts = {
        count_name(rivals): ibis.or_(*(events[f"condition_{number}"] == 1 for number in sorted(rivals)))
        for rivals in matching.rivalries()
    }
    return events.group_by([*units, "event_at"]).agg(**{k: v.ifelse(1, 0).sum() for k, v in counts.items()})


def count_name(rivals: Rivals) -> str:
    """The column that counts the events for these rivals."""
    return "count_" + "_".join(str(number) for number in sorted(rivals))


def alone(matching: Matching, step: int) -> Rivals:
    """The rivals that are a step's own condition and no other."""
    return frozenset({matching.condition_of[step - 1]})
