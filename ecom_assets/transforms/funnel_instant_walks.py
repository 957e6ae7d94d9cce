"""Tries walked through a funnel whose steps compete for the same events, instant by instant.

A try stands at an instant, where it has taken the steps from `served` + 1 on. The next step is taken at the same
instant if its events suffice for all of these (Hall's theorem, `funnel_matching.py`), else at the next instant that
has an event for it. Not here: funnels in which no event matches two steps (`funnel_walks.py`).
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_instants import alone, count_name, instants_of
from ecom_assets.transforms.funnel_matching import Matching
from ecom_assets.transforms.funnel_walks import Walk, following, walk


def walk_by_instant(
    events: ir.Table, funnel: Funnel, matching: Matching, units: Sequence[str], excluded: Sequence[ir.Table]
) -> Walk:
    """Walk every try; the arguments and the result are those of `walk`."""
    instants = instants_of(events, matching, list(units))
    counts = [count_name(rivals) for rivals in matching.rivalries()]
    starts = instants.filter(instants[count_name(alone(matching, 1))] > 0)
    starts = starts.mutate(start_at=starts.event_at, served=ibis.literal(0, "int64"))

    def follow(current: ir.Table, step: int) -> ir.Table:
        candidates = instants.filter(instants[count_name(alone(matching, step))] > 0)
        found = following(current, candidates, units, strictly=True)
        can_stay = _can_stay(found, step, matching)
        return found.mutate(
            next_at=can_stay.ifelse(found.event_at, found.next_at), served=can_stay.ifelse(found.served, step - 1)
        )

    def settle(current: ir.Table, _step: int) -> ir.Table:
        kept = [name for name in current.columns if name not in counts]
        return current.select(*kept).inner_join(instants, [*units, "event_at"])

    return walk(starts, follow, settle, funnel, units, excluded)


def _can_stay(current: ir.Table, step: int, matching: Matching) -> ir.BooleanValue:
    """Whether the events of the instant serve all steps from `served` + 1 to this one."""
    tests = []
    for rivals, contested in matching.contests(step):
        count = current[count_name(rivals)]
        # With n events, the n latest of the contested steps are served; the next one must be served already.
        needed = ibis.cases(*((count == n, late) for n, late in enumerate(contested)), else_=ibis.literal(0))
        tests.append(needed <= current.served)
    return ibis.and_(*tests)
