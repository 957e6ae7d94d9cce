"""Event types that a shop has not sent before: worth a look, no fault. Not here: which types are taken (`clean.py`)."""

import ibis.expr.types as ir

from ecom_assets.checks.claim import Verdict, claim, of_days, verdict_of
from ecom_assets.contracts.events import EVENT_TYPES, CleanEvents
from ecom_assets.transforms.days import NO, Days


@claim(CleanEvents, reads=(CleanEvents,), warns=True)
def no_event_type_is_new(days: Days | None, clean: ir.Table) -> Verdict:
    """No type beyond the platform's own appears for the first time in the run's days, where there are earlier days."""
    mine = of_days(clean, "event_date", days)
    types = mine.group_by("event_type").agg(event_count=mine.count())
    if days is None:
        return verdict_of(types.filter(NO), types)
    earlier = clean.filter(clean.event_date < min(days.dates))
    if not earlier.limit(1).count().to_pyarrow().as_py():
        return verdict_of(types.filter(NO), types)
    own = types.filter(types.event_type.notin(EVENT_TYPES))
    known = earlier.filter(earlier.event_type.notin(EVENT_TYPES)).select("event_type").distinct()
    return verdict_of(own.anti_join(known, "event_type"), types)
