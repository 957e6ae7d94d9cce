"""The events by which units took the optional steps of a funnel.

Steps that have to be taken are found as if there were no others. A unit took an optional step if an event of it, which
is none of those, lies between the steps around it that have to be taken: at or after the one before, and at or before
the one after, or where that was not taken, the end of the window. The first such event counts. Of several optional
steps in a row each is looked for by itself, so they may come in any order.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.columns import matches
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.optional_rules import required_steps


def with_optional(chains: ir.Table, events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the rows of `funnel_chains` with those of optional steps.

    Args:
        chains: The rows of `funnel_chains` for the steps that have to be taken.
        events: The events that take part, with the columns of `chains` but `step`.
        funnel: The definition.
        units: The columns that identify a unit, held ones included.
    """
    numbers = enumerate(required_steps(funnel), start=1)
    number = ibis.cases(*((chains.step == place, ibis.literal(n, "int64")) for place, n in numbers))
    chains = chains.mutate(step=number.cast("int64"))
    taken = (_taken(chains, events, funnel, units, step) for step in sorted(funnel.optional_steps))
    return ibis.union(chains, *(rows.select(*chains.columns) for rows in taken))


def _taken(chains: ir.Table, events: ir.Table, funnel: Funnel, units: Sequence[str], step: int) -> ir.Table:
    """Return the row of an optional step for each unit that took it."""
    keys = list(units)
    gaps = _gaps(chains, funnel, units, step)
    candidates = events.filter(matches(events, funnel.steps[step - 1]))
    candidates = candidates.select(*(name for name in chains.columns if name != "step"))
    if funnel.order != "clickhouse_default":
        candidates = candidates.anti_join(chains.select(*keys, "event_id"), [*keys, "event_id"])
    rows = candidates.join(gaps, keys)
    begins, ends = rows.event_at >= rows.from_at, rows.event_at <= rows.next_at
    if funnel.order == "strict_increase":
        begins, ends = rows.event_at > rows.from_at, rows.event_at < rows.next_at
    rows = rows.filter(begins, ends | rows.next_at.isnull(), rows.event_at <= rows.ends_at)
    others = [name for name in candidates.columns if name not in {*keys, "event_at", "event_id"}]
    first = ibis.window(group_by=keys, order_by=[rows.event_at, rows.event_id, *(rows[name] for name in others)])
    rows = rows.mutate(place=ibis.row_number().over(first), step=ibis.literal(step, "int64"))
    return rows.filter(rows.place == 0)


def _gaps(chains: ir.Table, funnel: Funnel, units: Sequence[str], step: int) -> ir.Table:
    """Return the times between which an optional step counts: of the steps around it, and of the window's end."""
    kept = required_steps(funnel)
    before, after = max(n for n in kept if n < step), min(n for n in kept if n > step)
    begun = chains.filter(chains.step == 1)
    begun = begun.select(*units, ends_at=begun.event_at + ibis.interval(seconds=funnel.within_s))
    gaps = chains.filter(chains.step == before).select(*units, from_at="event_at").join(begun, list(units))
    later = chains.filter(chains.step == after).select(*units, next_at="event_at")
    return gaps.left_join(later, list(units)).select(*units, "from_at", "ends_at", "next_at")
