"""Distinct visitors over the last days before each day: weekly and monthly active ones. METRICS "Trend".

A visitor is active from a day with an event on for so many days, or until the next such day, from which it counts
again. So the number on a day is how many began to be active up to it, minus how many ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from ecom_assets.tables.lazy_ibis import ibis
from ecom_assets.tables.portable import union_all
from ecom_assets.trends.definition import ACTIVE, Series
from ecom_assets.trends.trend import is_of

if TYPE_CHECKING:
    import ibis.expr.types as ir


def active_changes(events: ir.Table, series: Series) -> ir.Table:
    """Return by how much the number of active visitors changes on each day: `breakdown`, `event_date`, `change`.

    Args:
        events: Rows of `events_of`, also of the days before the range that count for its first day.
        series: What visitors do, measured by one of `ACTIVE`.
    """
    rows = events.filter(is_of(events, series))
    days = rows.select("breakdown", "visitor_id", "event_date").distinct()
    in_order = ibis.window(group_by=["breakdown", "visitor_id"], order_by="event_date")
    placed = days.mutate(next_date=days.event_date.lead().over(in_order))
    over = (placed.event_date + ibis.interval(days=ACTIVE[series.measure])).cast("date")
    ends = ibis.least(over, placed.next_date.fill_null(over))
    both = union_all(
        placed.select("breakdown", "event_date", change=ibis.literal(1, "int64")),
        placed.select("breakdown", event_date=ends, change=ibis.literal(-1, "int64")),
    )
    return both.group_by("breakdown", "event_date").agg(change=both.change.sum().cast("int64"))


def active_on(changes: Mapping[date, int], day: date) -> int:
    """Return how many visitors are active on a day."""
    return sum(change for at, change in changes.items() if at <= day)
