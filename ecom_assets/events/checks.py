"""Checks of events: received rows = clean + quarantined + surplus copies, per day; new event types; amounts.

Each term is counted in the table that holds it, so that no table vouches for itself.
"""

from functools import partial

import ibis.expr.types as ir

from ecom_assets.events.clean import accounting
from ecom_assets.events.contracts import (
    EVENT_TYPES,
    IDENTITY_TYPES,
    CleanEvents,
    DuplicateEvents,
    QuarantinedEvents,
    RawEvents,
)
from ecom_assets.tables.check import BrokenRows, TableCheck, check, of_days
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import NO


def accounting_check(late_days: int) -> TableCheck:
    """Return the check that every received row is clean, quarantined or surplus; it holds back the marts."""
    return TableCheck(
        contract=CleanEvents,
        name="received_is_clean_plus_quarantined_plus_surplus",
        description="Per day, received rows = clean events + quarantined rows + surplus copies.",
        function=partial(_evaluate, late_days),
        tables=(RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents),
        blocking=True,
    )


def _evaluate(late_days: int, days: Days | None, *tables: ir.Table) -> BrokenRows:
    per_day = accounting(days, late_days, *tables)
    return BrokenRows(per_day.filter(per_day.residue != 0), per_day)


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def no_event_type_is_new(days: Days | None, clean: ir.Table) -> BrokenRows:
    """No type beyond the platform's own appears for the first time in the run's days, where there are earlier days."""
    events = of_days(clean, "event_date", days)
    types = events.group_by("event_type").agg(event_count=events.count())
    earlier = clean.filter(clean.event_date < min(days.dates) if days else NO)
    if not earlier.limit(1).count().to_pyarrow().as_py():
        return BrokenRows(types.filter(NO), types)
    own = types.filter(types.event_type.notin((*EVENT_TYPES, *IDENTITY_TYPES)))
    return BrokenRows(own.anti_join(earlier.select("event_type").distinct(), "event_type"), types)


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def purchases_have_amounts(days: Days | None, clean: ir.Table) -> BrokenRows:
    """Some purchases have an amount. If none has, there is no revenue: map the column of the amount to `cart_value`."""
    purchases = of_days(clean, "event_date", days).filter(lambda event: event.event_type == "purchase")
    counts = purchases.group_by("event_type").agg(
        purchase_count=purchases.count(), amount_count=purchases.cart_amount.count()
    )
    return BrokenRows(counts.filter(counts.amount_count == 0), counts)
