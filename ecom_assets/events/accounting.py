"""The outcomes of received events: clean, quarantined or surplus, per day.

Each term is counted in the table that holds it, so that no table vouches for itself.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.events.clean import accounted_date
from ecom_assets.events.contracts import EventAccountingDaily, QuarantinedEventSamples, RawEvents
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all
from ecom_assets.tables.samples import first_rows

TERMS = ("received_count", "clean_count", "quarantined_count", "surplus_count")


def accounting(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    days: Days | None,
    late_days: int,
    raw: ir.Table,
    clean: ir.Table,
    quarantined: ir.Table,
    surplus: ir.Table,
) -> ir.Table:
    """One row per day, in `day`, with the four counts and their `residue`, which must be zero."""
    near = None if days is None else days.widened(before=1, after=late_days)
    raw = _of_days(raw, str(RawEvents.day_column), near)
    received = raw.select(day=accounted_date(raw, late_days))
    terms = union_all(
        _counted(received, received.day, "received_count"),
        _counted(clean, clean.event_date, "clean_count"),
        _counted(quarantined, quarantined.accounted_date, "quarantined_count"),
        _counted(surplus, surplus.event_date, "surplus_count", surplus.surplus_count),
    )
    per_day = _of_days(terms, "day", days).group_by("day").agg(**{term: terms[term].sum() for term in TERMS})
    left = per_day.received_count - per_day.clean_count - per_day.quarantined_count - per_day.surplus_count
    return per_day.mutate(residue=left)


def _counted(rows: ir.Table, day: ir.DateColumn, term: str, amount: ir.IntegerColumn | None = None) -> ir.Table:
    number = rows.count() if amount is None else amount.sum()
    counts = rows.group_by(day=day).agg(number=number)
    zero = ibis.literal(0, "int64")
    return counts.select("day", **{name: counts.number.cast("int64") if name == term else zero for name in TERMS})


def _of_days(rows: ir.Table, column: str, days: Days | None) -> ir.Table:
    return rows if days is None else rows.filter(days.contain(rows[column]))


def event_accounting_daily(per_day: ir.Table) -> ir.Table:
    """Return the rows of `EventAccountingDaily` from those of `accounting`."""
    return per_day.rename(accounted_date="day").select(*EventAccountingDaily.columns)


def quarantined_event_samples(quarantined: ir.Table, days: Days) -> ir.Table:
    """Return the first rows of each day and reason, and how many there are.

    Args:
        quarantined: Rows of `QuarantinedEvents`.
        days: The days.
    """
    rows = quarantined.filter(days.contain(quarantined.accounted_date))
    return first_rows(rows, ("accounted_date", "reject_reason")).select(*QuarantinedEventSamples.columns)
