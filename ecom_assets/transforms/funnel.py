"""The funnel as an Ibis expression: events in, the level that each unit reaches out.

This is the definition of the metric on every engine. Not here: what a funnel is (`funnel_definition.py`,
whose names are offered here too), how steps compete for an event (`funnel_matching.py`), the faster kernel
that DuckDB uses (`warehouse/funnel_kernel.py`, proven equal).

The idea: pass k keeps, for each event that can end a chain of k steps, the latest possible start of such a
chain. A later start is never worse, so one number per event is enough, and the work is linear in events
times steps. Times stay timestamps throughout: what an engine calls "microseconds since 1970" differs, and
Spark has no portable name for it.
"""

import datetime as dt
from collections.abc import Sequence
from functools import reduce

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.transforms.funnel_definition import (
    FIVE_STEP_FUNNEL,
    MAX_STEPS,
    MAX_WINDOW_S,
    MIN_STEPS,
    Funnel,
    FunnelStep,
    Scalar,
    check_comparable,
    json_path,
    kind_of,
    parse_duration,
)
from ecom_assets.transforms.funnel_matching import Matching, Rivals
from ecom_assets.transforms.stacking import can_be_null

__all__ = [
    "FIVE_STEP_FUNNEL",
    "MAX_STEPS",
    "MIN_STEPS",
    "Funnel",
    "FunnelStep",
    "funnel_levels",
    "matches",
    "parse_duration",
]

_NEVER = dt.datetime(1, 1, 1)  # noqa: DTZ001  # before any event; it takes the type of the events' own clock

_STEPS_PER_QUERY = 8
"""So many steps nest before their rows are named and read twice: deeper SQL overruns the compiler's stack."""


def funnel_levels(events: ir.Table, funnel: Funnel, unit: str | Sequence[str] | None = None) -> ir.Table:
    """One row per unit that did step 1: the unit column(s) and `level`, the steps it got through (int64).

    Args:
        events: The unit column(s), `event_at` (timestamp), `event_type`, and what `where` names. Rows
            without a unit or a time take no part. Equal rows count as two events: deduplicate by `event_id`
            before.
        funnel: The definition.
        unit: Column or columns that name the unit; by default what `funnel.per` says.

    Raises:
        DefinitionError: A column is missing or has another type than the value it is compared with, or more
            than six overlapping conditions make an exact answer too dear.
    """
    units = _unit_columns(funnel, unit)
    _check_columns(events, funnel, units)
    matching = Matching.of(funnel)
    present = [events[column].notnull() for column in (*units, "event_at")]
    events = can_be_null(events.filter(present), (*units, "event_at"))
    if funnel.within_s == MAX_WINDOW_S and matching.is_disjoint:
        return _levels_by_first_time(events, funnel, matching, units)
    if funnel.order == "strict_increase" or matching.is_disjoint:
        return _levels_by_event(events, funnel, matching, units)
    return _levels_by_instant(events, funnel, matching, units)


def matches(events: ir.Table, step: FunnelStep) -> ir.BooleanValue:
    """Whether an event matches a step; never null."""
    tests = [events.event_type == step.event_type]
    tests += [_equals(events, column, value) for column, value in step.where.items()]
    return ibis.and_(*tests).fill_null(ibis.literal(value=False))


def _levels_by_first_time(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """With a window of a century, which is none, each step is taken as soon as it can be: no sorting."""
    taken: ir.Table | None = None
    levels = []
    for level, condition in enumerate(matching.conditions, start=1):
        candidates = events.filter(matches(events, condition)).select(*units, "event_at")
        if taken is not None:
            candidates = candidates.join(taken, units)
            is_later = candidates.event_at > candidates.taken_at
            if funnel.order == "ordered":
                is_later |= candidates.event_at == candidates.taken_at
            candidates = candidates.filter(is_later)
        taken = candidates.group_by(units).agg(taken_at=candidates.event_at.min())
        levels.append(taken.select(*units, level=ibis.literal(level, "int64")))
    every = ibis.union(*levels)
    return every.group_by(units).agg(level=every.level.max())


def _levels_by_event(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """Each pass sees the chains so far and the events of its own step, in order of time."""
    hits = [matches(events, condition) for condition in matching.conditions]
    if matching.is_disjoint:
        marks = {"step": ibis.cases(*((hit, number) for number, hit in enumerate(hits, start=1)))}
        base = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
        chosen = [base.filter(base.step == number) for number in range(1, len(hits) + 1)]
    else:
        marks = {f"condition_{number}": hit.ifelse(1, 0) for number, hit in enumerate(hits)}
        base = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
        chosen = [base.filter(base[f"condition_{number}"] == 1) for number in matching.condition_of]
    chains = chosen[0].select(*units, "event_at", start_at=chosen[0].event_at)
    levels = [chains.select(*units, level=ibis.literal(1, "int64"))]
    for level, candidates in enumerate(chosen[1:], start=2):
        chains = _extended(chains, candidates, funnel, units)
        levels.append(chains.select(*units, level=ibis.literal(level, "int64")))
    every = ibis.union(*levels)
    return every.group_by(units).agg(level=every.level.max())


def _extended(chains: ir.Table, candidates: ir.Table, funnel: Funnel, units: list[str]) -> ir.Table:
    """The chains that candidates continue, each with the latest start that was reached by then."""
    unknown = ibis.null(chains.start_at.type())
    both = ibis.union(
        chains.select(*units, "event_at", "start_at", is_candidate=ibis.literal(0, "int8")),
        candidates.select(*units, "event_at", start_at=unknown, is_candidate=ibis.literal(1, "int8")),
    )
    # At one instant the chains stand before the candidates, or after them where time must increase.
    first = both.is_candidate if funnel.order == "ordered" else both.is_candidate.desc()
    so_far = ibis.window(group_by=units, order_by=[both.event_at, first], rows=(None, 0))
    both = both.mutate(latest_at=both.start_at.max().over(so_far))
    kept = both.filter(both.is_candidate == 1, both.latest_at >= both.event_at - ibis.interval(seconds=funnel.within_s))
    return kept.select(*units, "event_at", start_at=kept.latest_at)


def _levels_by_instant(events: ir.Table, funnel: Funnel, matching: Matching, units: list[str]) -> ir.Table:
    """Events that match several steps: all events of a unit at one instant are one row that counts them.

    `start_at` is the latest start with which steps 1 … k can end at this instant. The instant itself serves
    as many of the latest steps as every rivalry's count allows; the step before them must have been reached
    earlier. A step is always reached with a start no earlier than its successor's, so the tightest rivalry
    is the smallest start.
    """
    rows = _instants(events, matching, units)
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
        earlier = [(rows[_count(rivals)] == n, rows[f"reached_{contested[n]}"]) for n in range(1, len(contested))]
        starts += [ibis.cases(*earlier, else_=rows.event_at)] if earlier else []
    start_at = ibis.least(*starts) if len(starts) > 1 else starts[0]
    in_time = start_at >= rows.event_at - ibis.interval(seconds=within_s)
    is_reached = (rows[_count(_alone(matching, step))] > 0) & in_time
    before = ibis.window(group_by=units, order_by="event_at", rows=(None, -1))
    reached_at = is_reached.ifelse(start_at, never).max().over(before).coalesce(never)
    new = {"start_at": start_at, "level": is_reached.ifelse(step, rows.level), f"reached_{step}": reached_at}
    return rows.select(*(rows[name] for name in rows.columns if name not in new), **new)


def _served(rows: ir.Table, step: int, matching: Matching) -> ir.Value:
    """The best start of a chain of `step` steps up to and with this instant, for later steps to use."""
    return (rows[_count(_alone(matching, step))] > 0).ifelse(rows.start_at, rows[f"reached_{step}"])


def _instants(events: ir.Table, matching: Matching, units: list[str]) -> ir.Table:
    """One row per unit and instant, with the number of events that match each set of rivals."""
    hits = [matches(events, condition) for condition in matching.conditions]
    marks = {f"condition_{number}": hit.ifelse(1, 0) for number, hit in enumerate(hits)}
    events = events.filter(ibis.or_(*hits)).select(*units, "event_at", **marks)
    counts = {
        _count(rivals): ibis.or_(*(events[f"condition_{number}"] == 1 for number in sorted(rivals)))
        for rivals in matching.rivalries()
    }
    return events.group_by([*units, "event_at"]).agg(**{k: v.ifelse(1, 0).sum() for k, v in counts.items()})


def _count(rivals: Rivals) -> str:
    return "count_" + "_".join(str(number) for number in sorted(rivals))


def _alone(matching: Matching, step: int) -> Rivals:
    return frozenset({matching.condition_of[step - 1]})


def _unit_columns(funnel: Funnel, unit: str | Sequence[str] | None) -> list[str]:
    if unit is None:
        return [funnel.unit_column]
    return [unit] if isinstance(unit, str) else list(unit)


def _check_columns(events: ir.Table, funnel: Funnel, units: list[str]) -> None:
    asked = [(column, value) for step in funnel.steps for column, value in step.where.items()]
    columns = [column.partition(".")[0] for column, _ in asked]
    for column in (*units, "event_at", "event_type", *columns):
        if column not in events.columns:
            raise DefinitionError(f"The events have no column {column!r}; {did_you_mean(column, events.columns)}.")
    for column, value in asked:
        if not json_path(column):
            check_comparable(column, _kind_of_column(events[column]), value)


def _kind_of_column(column: ir.Value) -> str:
    kind = column.type()
    if kind.is_boolean():
        return "boolean"
    return "text" if kind.is_string() else "number" if kind.is_numeric() else str(kind)


def _equals(events: ir.Table, column: str, value: Scalar) -> ir.BooleanValue:
    keys = json_path(column)
    if not keys:
        return events[column] == value
    found = reduce(lambda json, key: json[key], keys, events[column.partition(".")[0]].cast("json"))
    typed = {"text": "str", "number": "float", "boolean": "bool"}[kind_of(value)]
    return getattr(found, typed) == value
