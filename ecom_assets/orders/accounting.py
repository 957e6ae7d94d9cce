"""The outcomes of received order lines: clean, quarantined, surplus or held, per day of arrival.

Each term is counted in the table that holds it, so that no table vouches for itself.
"""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

from ecom_assets.orders.contracts import OrderAccountingDaily, QuarantinedOrderSamples
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all
from ecom_assets.tables.samples import first_rows

TERMS = ("received_count", "clean_count", "quarantined_count", "surplus_count", "held_count")


def order_accounting(  # noqa: PLR0913, PLR0917 (each is a table or the days)
    days: Days | None, raw: ir.Table, clean: ir.Table, quarantined: ir.Table, surplus: ir.Table, held: ir.Table
) -> ir.Table:
    """One row per day of arrival, in `day`, with the five counts and their `residue`, which must be zero."""
    terms = union_all(
        _counted(raw, days, "received_count", lambda rows: rows.count()),
        _counted(clean, days, "clean_count", lambda rows: rows.count()),
        _counted(quarantined, days, "quarantined_count", lambda rows: rows.count()),
        _counted(surplus, days, "surplus_count", lambda rows: rows.surplus_count.sum()),
        _counted(held.rename(received_date="held_date"), days, "held_count", lambda rows: rows.held_row_count.sum()),
    )
    per_day = terms.group_by("day").agg(**{term: terms[term].sum() for term in TERMS})
    left = per_day.received_count - per_day.clean_count - per_day.quarantined_count - per_day.surplus_count
    return per_day.mutate(residue=left - per_day.held_count)


def _counted(rows: ir.Table, days: Days | None, term: str, number: Callable[[ir.Table], ir.IntegerScalar]) -> ir.Table:
    rows = rows if days is None else rows.filter(days.contain(rows.received_date))
    counts = rows.group_by(day="received_date").agg(number=number(rows))
    zero = ibis.literal(0, "int64")
    return counts.select("day", **{name: counts.number.cast("int64") if name == term else zero for name in TERMS})


def order_accounting_daily(per_day: ir.Table) -> ir.Table:
    """Return the rows of `OrderAccountingDaily` from those of `order_accounting`."""
    # A day without a report is held without lines, and only if a run asked for it.
    per_day = per_day.filter(ibis.or_(*(per_day[term] > 0 for term in TERMS)))
    return per_day.rename(received_date="day").select(*OrderAccountingDaily.columns)


def quarantined_order_samples(quarantined: ir.Table, days: Days) -> ir.Table:
    """Return the first lines of each day and reason, and how many there are.

    Args:
        quarantined: Rows of `QuarantinedOrders`.
        days: The days of arrival.
    """
    rows = quarantined.filter(days.contain(quarantined.received_date))
    return first_rows(rows, ("received_date", "reject_reason")).select(*QuarantinedOrderSamples.columns)
