"""The events that exclusions of a funnel name, as attempts in order of time look for them."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.columns import matches
from ecom_assets.funnels.definition import Funnel


def excluded_events(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> list[ir.Table]:
    """Return the events of each exclusion.

    By the rule `posthog` an event excludes nothing at an instant at which the unit has an event for another step, or
    one that is excluded between other steps: PostHog takes the steps of such an instant and skips its exclusions.
    """
    kept = events
    if funnel.exclude and funnel.exclusion_rule == "posthog":
        kept = events.semi_join(_plain_instants(events, funnel, units), [*units, "event_at"])
    return [kept.filter(matches(kept, one.event)) for one in funnel.exclude]


def _plain_instants(events: ir.Table, funnel: Funnel, units: Sequence[str]) -> ir.Table:
    """Return the instants of each unit at which all events of the funnel are for the same steps and exclusions."""
    hits = [matches(events, step) for step in funnel.steps]
    hits += [hit for step in range(1, len(funnel.steps)) if (hit := excludes_after(events, funnel, step)) is not None]
    marks = ibis.literal("").join([hit.ifelse("1", "0") for hit in hits])
    rows = events.mutate(marks=marks).filter(ibis.or_(*hits))
    instants = rows.group_by([*units, "event_at"]).agg(least=rows.marks.min(), most=rows.marks.max())
    return instants.filter(instants.least == instants.most)


def excludes_after(events: ir.Table, funnel: Funnel, step: int) -> ir.BooleanValue | None:
    """Return whether an event is excluded between a step and the next one; None if no exclusion is about these."""
    hits = [matches(events, one.event) for one in funnel.exclude if one.after <= step < (one.before or 0)]
    return ibis.or_(*hits) if hits else None
