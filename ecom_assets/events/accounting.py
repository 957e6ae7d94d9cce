"""The outcomes of received events: clean, quarantined or surplus, per day."""

import ibis.expr.types as ir

from ecom_assets.events.clean import accounted_date
from ecom_assets.events.contracts import RawEvents
from ecom_assets.tables.accounting import balance
from ecom_assets.tables.days import Days


def accounting(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    days: Days | None,
    late_days: int,
    raw: ir.Table,
    clean: ir.Table,
    quarantined: ir.Table,
    surplus: ir.Table,
) -> ir.Table:
    """Return one row per day, in `day`, with the four counts and their `residue`, which must be zero."""
    if days is not None:
        raw = raw.filter(days.widened(before=1, after=late_days).contain(raw[str(RawEvents.day_column)]))
    return balance(
        days,
        {
            "received_count": (raw.select(day=accounted_date(raw, late_days)), "day", None),
            "clean_count": (clean, "event_date", None),
            "quarantined_count": (quarantined, "accounted_date", None),
            "surplus_count": (surplus, "event_date", "surplus_count"),
        },
    )
