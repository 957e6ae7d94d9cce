"""The outcomes of received order lines: clean, quarantined, surplus or held, per day of arrival."""

import ibis
import ibis.expr.types as ir

from ecom_assets.orders.contracts import OrderAccountingDaily
from ecom_assets.tables.accounting import balance
from ecom_assets.tables.days import Days


def order_accounting(  # noqa: PLR0913, PLR0917 (each is a table or the days)
    days: Days | None, raw: ir.Table, clean: ir.Table, quarantined: ir.Table, surplus: ir.Table, held: ir.Table
) -> ir.Table:
    """Return one row per day of arrival, in `day`, with the five counts and their `residue`, which must be zero."""
    return balance(
        days,
        {
            "received_count": (raw, "received_date", None),
            "clean_count": (clean, "received_date", None),
            "quarantined_count": (quarantined, "received_date", None),
            "surplus_count": (surplus, "received_date", "surplus_count"),
            "held_count": (held, "held_date", "held_row_count"),
        },
    )


def order_accounting_daily(per_day: ir.Table) -> ir.Table:
    """Return the rows of `OrderAccountingDaily` from those of `order_accounting`."""
    per_day = per_day.rename(received_date="day").select(*OrderAccountingDaily.columns)
    # A day without a report is held without lines, and only if a run asked for it.
    return per_day.filter(ibis.or_(*(per_day[name] > 0 for name in OrderAccountingDaily.numbers())))
