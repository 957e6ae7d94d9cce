"""The funnel as an Ibis expression from events to the level that each unit reaches.

This is the definition of the metric on every engine. Tests check that the fast kernel on DuckDB
(`funnels/kernel/counts.py`) gives the same result. `funnels/chains.py` finds the events of each
step.

Pass k keeps, for each event that can end a chain of k steps, the latest possible start of such a
chain. A later start is never worse, so one value per event is enough, and the work is linear in
events times steps. Times stay timestamps throughout, because engines differ in "microseconds since
1970", and Spark has no portable name for it.
"""

import datetime as dt
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.chains import (
    count_name,
    funnel_chains,
    moments_of,
    own_condition,
)
from ecom_assets.behaviour.funnels.definition import EARLIEST, MAX_WINDOW_S, Funnel
from ecom_assets.behaviour.funnels.matching import Matching, check_columns, counted_events, matches


def funnel_levels(
    events: ir.Table, funnel: Funnel, unit: str | Sequence[str] | None = None
) -> ir.Table:
    """Return one row per unit that took step 1: the unit column(s) and `level`,
    the number of its steps (int64).

    Optional steps do not count.

    Args:
        events: The unit column(s), `event_at` (timestamp), `event_type`, and the columns that the
            definition names. Rows without a unit or a time are ignored. Equal rows count as two
            events: deduplicate by `event_id` before. Orders other than `ordered`, `strict_increase`
            and `clickhouse_default`, exclusions and totals need `event_id`, too.
        funnel: The definition. Columns in `hold` are added to those of the unit.
        unit: Column or columns that identify the unit; by default the column of `funnel.per`.

    Raises:
        DefinitionError: A column is missing or has another type than the value it is compared with,
            or more than six overlapping conditions make an exact answer too expensive.
    """
    funnel = funnel.required()
    if funnel.order not in EARLIEST or funnel.exclude or funnel.per == "totals":
        chains = funnel_chains(events, funnel, unit)
        keys = [name for name in chains.columns if name not in {"step", "event_at", "event_id"}]
        return chains.group_by(keys).agg(level=chains.step.max())
    units = funnel.unit_columns(unit)
    check_columns(events, funnel, units)
    units = funnel.counted_columns(units)
    matching = Matching.from_funnel(funnel)
    events = counted_events(events, funnel, units)
    if funnel.within == MAX_WINDOW_S and matching.is_disjoint:
        return _levels_by_first_time(events, funnel, matching, units)
    if funnel.order != "ordered" or matching.is_disjoint:
        return _levels_by_event(events, funnel, matching, units)
    return _levels_by_moment(events, funnel, matching, units)


def _levels_by_first_time(
    events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]
) -> ir.Table:
    """Return levels for a window of a century, which is no limit:
    take each step as early as possible, unsorted.
    """
    step_times: ir.Table | None = None
    levels = []
    for level, condition in enumerate(matching.conditions, start=1):
        candidates = events.filter(matches(events, condition)).select(*units, "event_at")
        if step_times is not None:
            candidates = candidates.join(step_times, units)
            is_later = candidates.event_at > candidates.taken_at
            if funnel.order != "strict_increase":
                is_later |= candidates.event_at == candidates.taken_at
            candidates = candidates.filter(is_later)
        step_times = candidates.group_by(units).agg(taken_at=candidates.event_at.min())
        levels.append(step_times.select(*units, level=ibis.literal(level, "int64")))
    every = ibis.union(*levels)
    return every.group_by(units).agg(level=every.level.max())


def _levels_by_event(
    events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]
) -> ir.Table:
    """Return levels from one pass per step,
    over the chains so far and the events of the step in order of time.
    """
    hits = [
        events.filter(matches(events, condition)).select(*units, "event_at")
        for condition in matching.conditions
    ]
    first, *later_hits = (hits[number] for number in matching.condition_of)
    chains = first.select(*units, "event_at", start_at=first.event_at)
    levels = [chains.select(*units, level=ibis.literal(1, "int64"))]
    for level, candidates in enumerate(later_hits, start=2):
        # Most units begin, but few get far: of later steps, only the events of these are sorted.
        unit_candidates = candidates.semi_join(chains, units) if len(levels) > 1 else candidates
        chains = _extended(chains, unit_candidates, funnel, units)
        levels.append(chains.select(*units, level=ibis.literal(level, "int64")))
    every = ibis.union(*levels)
    return every.group_by(units).agg(level=every.level.max())


def _extended(chains: ir.Table, candidates: ir.Table, funnel: Funnel, units: list[str]) -> ir.Table:
    """Return the chains that candidates extend,
    each with the latest start of a chain up to its time.
    """
    unknown = ibis.null(chains.start_at.type().copy(nullable=True))
    timeline = ibis.union(
        chains.select(*units, "event_at", "start_at", is_candidate=ibis.literal(0, "int8")),
        candidates.select(
            *units, "event_at", start_at=unknown, is_candidate=ibis.literal(1, "int8")
        ),
    )
    # Of simultaneous rows, chains come before candidates, or after them if time must increase.
    first = (
        timeline.is_candidate if funnel.order != "strict_increase" else timeline.is_candidate.desc()
    )
    so_far = ibis.window(group_by=units, order_by=[timeline.event_at, first], rows=(None, 0))
    timeline = timeline.mutate(latest_at=timeline.start_at.max().over(so_far))
    reached = timeline.filter(
        timeline.is_candidate == 1,
        timeline.latest_at >= timeline.event_at - ibis.interval(seconds=funnel.within),
    )
    return reached.select(*units, "event_at", start_at=reached.latest_at)


_NEVER = dt.datetime(1, 1, 1)  # noqa: DTZ001  # before any event; used with the timestamp type of the events
_STEPS_PER_QUERY = 8
"""How many steps to nest before their rows become a named subquery:
deeper SQL overflows the compiler's stack.
"""


def _levels_by_moment(
    events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]
) -> ir.Table:
    """Return one row per unit that took step 1, with its `level`.

    `start_at` is the latest start with which steps 1 … k can end at the row's time. The row's
    events serve as many of the latest steps as the counts of all overlapping sets allow; the step
    before those must have been reached earlier. The start of a step is never earlier than that of
    the next step, so the set that allows the fewest steps has the earliest start.
    """
    rows = moments_of(events, matching, units)
    rows = rows.mutate(start_at=rows.event_at, level=ibis.literal(0, "int64"))
    levels = []
    for step in range(1, len(funnel.steps) + 1):
        rows = _after_step(rows, step, funnel.within, matching, units)
        if step % _STEPS_PER_QUERY == 0 or step == len(funnel.steps):
            levels.append(rows.select(*units, "level"))
    every = ibis.union(*levels) if len(levels) > 1 else levels[0]
    best = every.group_by(units).agg(level=every.level.max())
    return best.filter(best.level > 0)


def _after_step(
    rows: ir.Table, step: int, within_s: int, matching: Matching, units: list[str]
) -> ir.Table:
    """Return the rows with `start_at` and `level` after a step, and `reached_<step>`,
    its latest earlier start.
    """
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
    is_reached = (rows[count_name(own_condition(matching, step))] > 0) & in_time
    before = ibis.window(group_by=units, order_by="event_at", rows=(None, -1))
    reached_at = is_reached.ifelse(start_at, never).max().over(before).coalesce(never)
    new = {
        "start_at": start_at,
        "level": is_reached.ifelse(step, rows.level),
        f"reached_{step}": reached_at,
    }
    return rows.select(*(rows[name] for name in rows.columns if name not in new), **new)


def _served(rows: ir.Table, step: int, matching: Matching) -> ir.Value:
    """Return the latest start of a chain of `step` steps up to and including the row's time,
    for later steps.
    """
    return (rows[count_name(own_condition(matching, step))] > 0).ifelse(
        rows.start_at, rows[f"reached_{step}"]
    )
