"""Which events a funnel counted: for each unit, the event by which it took each step.

All that a funnel tells comes from these rows: counts, times between steps, breakdowns, and who is at each step. Of a
unit's tries the longest is told, of equally long ones the earliest, and in it each step as early as it was taken. Of
events at one instant that serve a step, the one with the smallest id stands for it.

Not here: counts alone, which need less work (`funnel.py`), and how tries are found (`funnel_walks.py`,
`funnel_instant_walks.py`, `funnel_sequences.py`).
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.funnel_columns import (
    check_columns,
    counted_columns,
    matches,
    of_units,
    text_of,
    unit_columns,
    with_held,
)
from ecom_assets.transforms.funnel_definition import INTERRUPTED, Funnel
from ecom_assets.transforms.funnel_instant_walks import walk_by_instant
from ecom_assets.transforms.funnel_interruptions import NO_STEP, interrupted
from ecom_assets.transforms.funnel_matching import Matching
from ecom_assets.transforms.funnel_sequences import gathered, neighbours
from ecom_assets.transforms.funnel_walks import Walk, following, walk

VALUE = "by_value"


def funnel_chains(events: ir.Table, funnel: Funnel, unit: str | Sequence[str] | None = None) -> ir.Table:
    """One row per unit and step that it took.

    Args:
        events: The unit column(s), `event_id`, `event_at`, `event_type`, and what the definition names. For the orders
            `strict_order`, `allow_reentry` and `exact` all events of a unit, for the others those of its steps.
        funnel: The definition.
        unit: Column or columns that name the unit; by default what `funnel.per` says.

    Returns:
        The unit's columns, those that are held, `start_at` where totals are asked for (it tells a visitor's tries
        apart), `step` from 1, `event_at`, `event_id`, and `by_value` (text, null without one) if there is a breakdown.

    Raises:
        DefinitionError: A column is missing or of the wrong type, or more than six conditions overlap.
    """
    units = unit_columns(funnel, unit)
    check_columns(events, funnel, [*units, "event_id"])
    units = counted_columns(units, funnel)
    matching = Matching.of(funnel)
    if funnel.per == "totals" and funnel.order == "ordered" and not matching.is_disjoint:
        raise DefinitionError(
            "Totals cannot tell tries apart where one event can serve two steps; use the order strict_increase, "
            "or count per user."
        )
    events = of_units(with_held(events, funnel), units)
    value = {VALUE: text_of(events, funnel.by)} if funnel.by else {}
    events = events.mutate(**value)
    if funnel.order in {"exact", "any"}:
        found = (neighbours if funnel.order == "exact" else gathered)(events, funnel, matching, units)
        return found.select(*units, "step", "event_at", "event_id", *value)
    rows = _step_rows(events, funnel, units, list(value))
    tries = _tries(events, rows, funnel, matching, units)
    told = _merged(tries, units) if funnel.per == "totals" else _longest(tries, units)
    return _with_events(told, rows, units, list(value))


def _step_rows(events: ir.Table, funnel: Funnel, units: Sequence[str], value: Sequence[str]) -> ir.Table:
    """Each event once for each step that it matches; where strays matter, those that match none as step 0."""
    columns = [*units, "event_at", "event_id", *value]
    hits = [matches(events, step) for step in funnel.steps]
    if Matching.of(funnel).is_disjoint:
        step = ibis.cases(*((hit, n) for n, hit in enumerate(hits, start=1)), else_=NO_STEP)
        rows = events.select(*columns, step=step.cast("int64"))
    else:
        every = [events.filter(hit).select(*columns, step=ibis.literal(n, "int64")) for n, hit in enumerate(hits, 1)]
        stray = events.filter(~ibis.or_(*hits)).select(*columns, step=ibis.literal(NO_STEP, "int64"))
        rows = ibis.union(*every, stray)
    return rows if funnel.order in {"strict_order", "allow_reentry"} else rows.filter(rows.step != NO_STEP)


def _tries(events: ir.Table, rows: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str]) -> ir.Table:
    excluded = [events.filter(matches(events, one.event)).select(*units, "event_at") for one in funnel.exclude]
    if funnel.order == "ordered" and not matching.is_disjoint:
        walked = walk_by_instant(events, funnel, matching, units, excluded)
    else:
        walked = _walk_by_event(rows, funnel, units, excluded)
    if walked.tainted is not None and funnel.exclusion_rule == "posthog":
        return walked.tries.anti_join(walked.tainted, list(units))
    return interrupted(walked.tries, rows, funnel.order, units) if funnel.order in INTERRUPTED else walked.tries


def _walk_by_event(rows: ir.Table, funnel: Funnel, units: Sequence[str], excluded: Sequence[ir.Table]) -> Walk:
    begun = rows.filter(rows.step == 1)
    starts = begun.select(*units, "event_at", start_at=begun.event_at).distinct()

    def follow(current: ir.Table, step: int) -> ir.Table:
        candidates = rows.filter(rows.step == step)
        return following(current, candidates, units, strictly=funnel.order == "strict_increase")

    return walk(starts, follow, lambda current, _step: current, funnel, units, excluded)


def _longest(tries: ir.Table, units: Sequence[str]) -> ir.Table:
    best_first = ibis.window(group_by=list(units), order_by=[tries.step.desc(), tries.start_at], rows=(None, 0))
    told = tries.mutate(best_start_at=tries.start_at.first().over(best_first))
    return told.filter(told.start_at == told.best_start_at).select(*units, "step", "event_at")


def _merged(tries: ir.Table, units: Sequence[str]) -> ir.Table:
    """Tries that meet in one event are one from there on: the one that began last, which has most time left."""
    return tries.group_by(*units, "step", "event_at").agg(start_at=tries.start_at.max())


def _with_events(told: ir.Table, rows: ir.Table, units: Sequence[str], value: Sequence[str]) -> ir.Table:
    keys = [name for name in told.columns if name not in {"step", "event_at"}]
    found = told.join(rows, [*units, "step", "event_at"])
    ties = ibis.window(group_by=[*keys, "step"], order_by=[found.event_id, *(found[name] for name in value)])
    found = found.mutate(place=ibis.row_number().over(ties))
    return found.filter(found.place == 0).select(*keys, "step", "event_at", "event_id", *value)
