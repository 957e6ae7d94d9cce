"""The first and the last day of a question, either of which may be open."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ecom_assets.tables.lazy_ibis import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

Ends = tuple[date | None, date | None]
"""The first and the last day; None where there is no such end."""


def of_days(rows: ir.Table, day: str, ends: Ends) -> ir.Table:
    """Return the rows of the days between the ends."""
    first, last = ends
    rows = rows.filter(rows[day] >= ibis.literal(first)) if first else rows
    return rows.filter(rows[day] <= ibis.literal(last)) if last else rows


def days_definition(ends: Ends) -> dict[str, str | None]:
    """Return the days for the definition of an answer; nothing if all days count."""
    if ends == (None, None):
        return {}
    first, last = (str(day) if day else None for day in ends)
    return {"first_date": first, "last_date": last}
