"""The funnel as an Ibis expression from events to the level that each unit reaches.

This is the definition of the metric on every engine. Tests check that the fast kernel on DuckDB
(`funnels/kernel/counts.py`) gives the same result. `funnels/chains.py` finds the events of each step.

Pass k keeps, for each event that can end a chain of k steps, the latest possible start of such a chain. A later start
is never worse, so one value per event is enough, and the work is linear in events times steps. Times stay timestamps
throughout, because engines differ in "microseconds since 1970", and Spark has no portable name for it.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.chains import funnel_chains
from ecom_assets.funnels.columns import check_columns, counted_columns, counted_events, matches, unit_columns
from ecom_assets.funnels.definition import EARLIEST, MAX_WINDOW_S, Funnel
from ecom_assets.funnels.matching import Matching
from ecom_assets.funnels.optional_rules import required
from ecom_assets.funnels.simultaneous import levels_by_moment


def funnel_levels(events: ir.Table, funnel: Funnel, unit: str | Sequence[str] | None = None) -> ir.Table:
    """Return one row per unit that took step 1: the unit column(s) and `level`, the number of its steps (int64).

    Optional steps do not count.

    Args:
        events: The unit column(s), `event_at` (timestamp), `event_type`, and the columns that the definition names.
            Rows without a unit or a time are ignored. Equal rows count as two events: deduplicate by `event_id`
            before. Orders other than `ordered`, `strict_increase` and `clickhouse_default`, exclusions and totals
            need `event_id`, too.
        funnel: The definition. Columns in `hold` are added to those of the unit.
        unit: Column or columns that identify the unit; by default the column of `funnel.per`.

    Raises:
        DefinitionError: A column is missing or has another type than the value it is compared with, or more
            than six overlapping conditions make an exact answer too expensive.
    """
    funnel = required(funnel)
    if funnel.order not in EARLIEST or funnel.exclude or funnel.per == "totals":
        chains = funnel_chains(events, funnel, unit)
        keys = [name for name in chains.columns if name not in {"step", "event_at", "event_id"}]
        return chains.group_by(keys).agg(level=chains.step.max())
    units = unit_columns(funnel, unit)
    check_columns(events, funnel, units)
    units = counted_columns(units, funnel)
    matching = Matching.of(funnel)
    events = counted_events(events, funnel, units)
    if funnel.within_s == MAX_WINDOW_S and matching.is_disjoint:
        return _levels_by_first_time(events, funnel, matching, units)
    if funnel.order != "ordered" or matching.is_disjoint:
        return _levels_by_event(events, funnel, matching, units)
    return levels_by_moment(events, funnel, matching, units)


def _levels_by_first_time(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """Return levels for a window of a century, which is no limit: take each step as early as possible, unsorted."""
    taken: ir.Table | None = None
    levels = []
    for level, condition in enumerate(matching.conditions, start=1):
        candidates = events.filter(matches(events, condition)).select(*units, "event_at")
        if taken is not None:
            candidates = candidates.join(taken, units)
            is_later = candidates.event_at > candidates.taken_at
            if funnel.order != "strict_increase":
                is_later |= candidates.event_at == candidates.taken_at
            candidates = candidates.filter(is_later)
        taken = candidates.group_by(units).agg(taken_at=candidates.event_at.min())
        levels.append(taken.select(*units, level=ibis.literal(level, "int64")))
    every = ibis.union(*levels)
    return every.group_by(units).agg(level=every.level.max())


def _levels_by_event(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """Return levels from one pass per step, over the chains so far and the events of the step in order of time."""
    hits = [events.filter(matches(events, one)).select(*units, "event_at") for one in matching.conditions]
    first, *others = (hits[number] for number in matching.condition_of)
    chains = first.select(*units, "event_at", start_at=first.event_at)
    levels = [chains.select(*units, level=ibis.literal(1, "int64"))]
    for level, candidates in enumerate(others, start=2):
        # Most units begin, but few get far: of later steps, only the events of these are sorted.
        mine = candidates.semi_join(chains, units) if len(levels) > 1 else candidates
        chains = _extended(chains, mine, funnel, units)
        levels.append(chains.select(*units, level=ibis.literal(level, "int64")))
    every = ibis.union(*levels)
    return every.group_by(units).agg(level=every.level.max())


def _extended(chains: ir.Table, candidates: ir.Table, funnel: Funnel, units: list[str]) -> ir.Table:
    """Return the chains that candidates extend, each with the latest start of a chain up to its time."""
    unknown = ibis.null(chains.start_at.type().copy(nullable=True))
    both = ibis.union(
        chains.select(*units, "event_at", "start_at", is_candidate=ibis.literal(0, "int8")),
        candidates.select(*units, "event_at", start_at=unknown, is_candidate=ibis.literal(1, "int8")),
    )
    # Of simultaneous rows, chains come before candidates, or after them if time must increase.
    first = both.is_candidate if funnel.order != "strict_increase" else both.is_candidate.desc()
    so_far = ibis.window(group_by=units, order_by=[both.event_at, first], rows=(None, 0))
    both = both.mutate(latest_at=both.start_at.max().over(so_far))
    kept = both.filter(both.is_candidate == 1, both.latest_at >= both.event_at - ibis.interval(seconds=funnel.within_s))
    return kept.select(*units, "event_at", start_at=kept.latest_at)
