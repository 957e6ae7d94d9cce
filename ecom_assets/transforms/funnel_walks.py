"""Tries walked through a funnel: from each event of step 1, each next step as early as it can be taken.

Every try takes one row through the passes, so the work is linear in events times steps. A try's steps are where its
chain is as early as can be; a unit's longest try is its longest chain, unless an exclusion ends it before. Not here:
steps that compete for the same event (`funnel_instant_walks.py`), and which try a unit is told by (`funnel_chains.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.funnel_definition import Funnel

Follow = Callable[[ir.Table, int], ir.Table]
"""A try's rows and a step; the same rows with `next_at`, the time at which that step can be taken (null if never)."""


@dataclass(frozen=True)
class Walk:
    """Tries, and those that an exclusion touches.

    Attributes:
        tries: A row per try and step: units, `start_at` (which names the try), `step`, `event_at`.
        tainted: The units in which an excluded event lies inside a try; None without exclusions.
    """

    tries: ir.Table
    tainted: ir.Table | None


def walk(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    starts: ir.Table, follow: Follow, settle: Follow, funnel: Funnel, units: Sequence[str], excluded: Sequence[ir.Table]
) -> Walk:
    """Walk every try through all steps.

    Args:
        starts: Units, `start_at`, `event_at` (the same), and what `follow` needs.
        follow: Finds each try's next step.
        settle: Makes ready for the step after that.
        funnel: The definition.
        units: The columns that name a unit.
        excluded: Units and `event_at` of each exclusion's events.
    """
    tainted: list[ir.Table] = []
    current = _watched(starts, 1, funnel, units, excluded)
    told = [_told(current, 1, units)]
    for step in range(2, len(funnel.steps) + 1):
        current = follow(current, step)
        tainted += _tainted(current, step, funnel, units)
        in_time = current.next_at <= _deadline(current, funnel)
        is_free = [
            (current.next_at <= current[_limit(number)]) | current[_limit(number)].isnull()
            for number, one in enumerate(funnel.exclude)
            if one.after < step <= (one.before or 0)
        ]
        current = current.filter(current.next_at.notnull(), in_time, *is_free)
        kept = [name for name in current.columns if name not in {"event_at", "next_at"}]
        current = current.select(*kept, event_at=current.next_at)
        told.append(_told(current, step, units))
        if step < len(funnel.steps):
            current = _watched(settle(current, step), step, funnel, units, excluded)
    return Walk(ibis.union(*told), ibis.union(*tainted, distinct=True) if tainted else None)


def following(current: ir.Table, candidates: ir.Table, units: Sequence[str], *, strictly: bool) -> ir.Value:
    """For each row of `current`, the time of the first candidate at or after its `event_at` (strictly: after it).

    Returns:
        The rows of `current` with `next_at`, null where there is none.
    """
    # In one order of names: to Ibis two selections that differ in nothing but order are the same one.
    kept = sorted(set(current.columns) - {*units, "event_at"})
    none = {name: ibis.null(current[name].type()) for name in kept}
    clock = current.event_at.type()
    both = ibis.union(
        current.select(*units, "event_at", *kept, candidate_at=ibis.null(clock), is_candidate=ibis.literal(0, "int8")),
        candidates.select(
            *units, "event_at", **none, candidate_at=candidates.event_at, is_candidate=ibis.literal(1, "int8")
        ),
    )
    # Looking back from the end; at one instant the candidates are seen first, or last where only later ones count.
    first = both.is_candidate if strictly else both.is_candidate.desc()
    so_far = ibis.window(group_by=list(units), order_by=[both.event_at.desc(), first], rows=(None, 0))
    found = both.mutate(next_at=both.candidate_at.min().over(so_far))
    return found.filter(found.is_candidate == 0).select(*units, "event_at", *kept, "next_at")


def _told(current: ir.Table, step: int, units: Sequence[str]) -> ir.Table:
    return current.select(*units, "start_at", "event_at", step=ibis.literal(step, "int64"))


def _deadline(current: ir.Table, funnel: Funnel) -> ir.TimestampValue:
    return current.start_at + ibis.interval(seconds=funnel.within_s)


def _limit(number: int) -> str:
    return f"excluded_{number}_at"


def _watched(
    current: ir.Table, step: int, funnel: Funnel, units: Sequence[str], excluded: Sequence[ir.Table]
) -> ir.Table:
    """The tries with the time of the first excluded event after this step, for the exclusions that begin here."""
    for number, one in enumerate(funnel.exclude):
        if one.after == step:
            found = following(current, excluded[number], units, strictly=True)
            current = found.rename({_limit(number): "next_at"})
    return current


def _tainted(current: ir.Table, step: int, funnel: Funnel, units: Sequence[str]) -> list[ir.Table]:
    """Units of tries in which an excluded event comes before this step, or before the window ends without it."""
    found = []
    for number, one in enumerate(funnel.exclude):
        if one.after < step <= (one.before or 0):
            limit = current[_limit(number)]
            in_time = (current.next_at <= _deadline(current, funnel)).fill_null(ibis.literal(value=False))
            is_inside = ibis.cases((in_time, limit < current.next_at), else_=limit <= _deadline(current, funnel))
            found.append(current.filter(limit.notnull(), is_inside).select(*units))
    return found
