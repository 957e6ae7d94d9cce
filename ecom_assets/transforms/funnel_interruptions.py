"""Where a unit's stream ends in ClickHouse's strict orders: the first event that breaks the rule of the order.

As the documentation of `windowFunnel` has them, and its code in version 26 computes them, over the unit's events in
order of time and step. An event that matches several steps stands once for each.

- `strict_order`: after the first event of step 1, an event that matches no step, or a step whose step before has not
  been reached. Of A, B, D, C with the steps A, B, C, D only A and B are seen.
- `allow_reentry` (`'strict_order', 'allow_reentry'`): only an event that matches no step.
- `strict_deduplication`: an event of a step that has been reached already, other than step 1.

What comes before is counted as `clickhouse_default` counts it. Not here: that count.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

NO_STEP = 0
"""The step of an event that matches none."""


def interrupted(tries: ir.Table, rows: ir.Table, order: str, units: Sequence[str]) -> ir.Table:
    """The steps of tries that were taken before their unit's stream ended.

    Args:
        tries: Units, `start_at`, `step`, `event_at`: as if nothing ended a stream.
        rows: Units, `event_at`, `event_id` and `step`: each event once for each step that it matches; one that
            matches none has step 0.
        order: One of `funnel_definition.INTERRUPTED`.
        units: The columns that name a unit.
    """
    reached = tries.group_by(*units, "step").agg(reached_at=tries.event_at.min())
    ends = _repeats(rows, reached, units) if order == "strict_deduplication" else _strays(rows, reached, order, units)
    in_order = ibis.window(group_by=list(units), order_by=[ends.event_at, ends.step])
    ends = ends.mutate(place=ibis.row_number().over(in_order))
    ends = ends.filter(ends.place == 0).select(*units, ends_at="event_at", ends_with="step")
    told = tries.left_join(ends, list(units))
    # A step cannot end the stream before it was taken, so its own event may stand at the end.
    at_end = (told.event_at == told.ends_at) & (told.step <= told.ends_with)
    is_before = told.ends_at.isnull() | (told.event_at < told.ends_at)
    if order != "strict_deduplication":
        at_end &= told.step < told.ends_with
    return told.filter(is_before | at_end).select(*tries.columns)


def _strays(rows: ir.Table, reached: ir.Table, order: str, units: Sequence[str]) -> ir.Table:
    """Per unit and step, the first event after step 1 that matches no step, or whose step before is not reached."""
    begun = reached.filter(reached.step == 1).select(*units, begun_at="reached_at")
    later = rows.join(begun, list(units))
    is_later = ibis.cases(
        (later.step == NO_STEP, later.event_at > later.begun_at), else_=later.event_at >= later.begun_at
    )
    later = later.filter(is_later, later.step != 1)
    if order == "allow_reentry":
        later = later.filter(later.step == NO_STEP)
    first = later.group_by(*units, "step").agg(event_at=later.event_at.min())
    before = reached.select(*units, "reached_at", step=reached.step + 1)
    found = first.left_join(before, [*units, "step"])
    is_stray = (found.step == NO_STEP) | found.reached_at.isnull() | (found.reached_at > found.event_at)
    return found.filter(is_stray).select(*units, "step", "event_at")


def _repeats(rows: ir.Table, reached: ir.Table, units: Sequence[str]) -> ir.Table:
    """Per unit and step beyond the first, the second event of that step from when it was reached."""
    again = rows.join(reached.filter(reached.step > 1), [*units, "step"])
    again = again.filter(again.event_at >= again.reached_at)
    in_order = ibis.window(group_by=[*units, "step"], order_by=[again.event_at, again.event_id])
    again = again.mutate(place=ibis.row_number().over(in_order))
    return again.filter(again.place == 1).select(*units, "step", "event_at")
