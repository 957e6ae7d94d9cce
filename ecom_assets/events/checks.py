"""Checks of events: received rows = clean + quarantined + surplus copies, per day; and event types that are new.

Each term is counted in the table that holds it, so that no table vouches for itself.
"""

from functools import partial

import ibis
import ibis.expr.types as ir

from ecom_assets.events.clean import accounted_date
from ecom_assets.events.contracts import EVENT_TYPES, CleanEvents, DuplicateEvents, QuarantinedEvents, RawEvents
from ecom_assets.tables.check import CheckResult, TableCheck, check, of_days, result_of
from ecom_assets.tables.days import NO, Days
from ecom_assets.tables.portable import union_all

TERMS = ("received_count", "clean_count", "quarantined_count", "surplus_count")


def accounting_check(late_days: int) -> TableCheck:
    """Return the check that every received row is clean, quarantined or surplus; it holds back the marts."""
    return TableCheck(
        contract=CleanEvents,
        name="received_is_clean_plus_quarantined_plus_surplus",
        description="Per day, received rows = clean events + quarantined rows + surplus copies.",
        evaluate=partial(_judge, late_days),
        tables=(RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents),
        blocking=True,
    )


def accounting(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    days: Days | None,
    late_days: int,
    raw: ir.Table,
    clean: ir.Table,
    quarantined: ir.Table,
    surplus: ir.Table,
) -> ir.Table:
    """One row per day, in `day`, with the four counts and the `residue` that they leave; zero is well."""
    near = None if days is None else days.widened(before=1, after=late_days)
    raw = of_days(raw, RawEvents.day_column, near)
    received = raw.select(day=accounted_date(raw, late_days))
    terms = union_all(
        _counted(received, received.day, "received_count"),
        _counted(clean, clean.event_date, "clean_count"),
        _counted(quarantined, quarantined.accounted_date, "quarantined_count"),
        _counted(surplus, surplus.event_date, "surplus_count", surplus.surplus_count),
    )
    per_day = of_days(terms, "day", days).group_by("day").agg(**{term: terms[term].sum() for term in TERMS})
    left = per_day.received_count - per_day.clean_count - per_day.quarantined_count - per_day.surplus_count
    return per_day.mutate(residue=left)


def _counted(rows: ir.Table, day: ir.DateColumn, term: str, amount: ir.IntegerColumn | None = None) -> ir.Table:
    number = rows.count() if amount is None else amount.sum()
    counts = rows.group_by(day=day).agg(number=number)
    zero = ibis.literal(0, "int64")
    return counts.select("day", **{name: counts.number.cast("int64") if name == term else zero for name in TERMS})


def _judge(late_days: int, days: Days | None, *tables: ir.Table) -> CheckResult:
    per_day = accounting(days, late_days, *tables)
    return result_of(per_day.filter(per_day.residue != 0), per_day)


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def no_event_type_is_new(days: Days | None, clean: ir.Table) -> CheckResult:
    """No type beyond the platform's own appears for the first time in the run's days, where there are earlier days."""
    mine = of_days(clean, "event_date", days)
    types = mine.group_by("event_type").agg(event_count=mine.count())
    if days is None:
        return result_of(types.filter(NO), types)
    earlier = clean.filter(clean.event_date < min(days.dates))
    if not earlier.limit(1).count().to_pyarrow().as_py():
        return result_of(types.filter(NO), types)
    own = types.filter(types.event_type.notin(EVENT_TYPES))
    known = earlier.filter(earlier.event_type.notin(EVENT_TYPES)).select("event_type").distinct()
    return result_of(own.anti_join(known, "event_type"), types)
