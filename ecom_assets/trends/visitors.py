"""Stickiness and lifecycle: in how many periods visitors do something, and who is new, comes back or stays away.

METRICS "Trend".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_assets.tables.days import CLOCK_S, hour_number, period_number
from ecom_assets.tables.lazy_ibis import ibis
from ecom_assets.tables.portable import union_all
from ecom_assets.trends.definition import Series, Trend
from ecom_assets.trends.trend import is_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

STATES = ("new", "returning", "resurrecting", "dormant")


def stickiness(events: ir.Table, series: Series, at_least: int = 1) -> ir.Table:
    """Return how many visitors did something in how many periods: `breakdown`, `period_count`, `visitor_count`.

    Args:
        events: Rows of `events_of`.
        series: What they did.
        at_least: How often they have to do it in a period for that to count.
    """
    rows = events.filter(is_of(events, series))
    if at_least > 1:
        times = rows.group_by("breakdown", "visitor_id", "period_date").agg(event_count=rows.count())
        rows = times.filter(times.event_count >= at_least)
    periods = rows.group_by("breakdown", "visitor_id").agg(period_count=rows.period_date.nunique().cast("int64"))
    return periods.group_by("breakdown", "period_count").agg(visitor_count=periods.count())


def lifecycle(events: ir.Table, series: Series, trend: Trend) -> ir.Table:
    """Return how many visitors are in which state: `number` (of the period), `state` and `visitor_count`.

    A visitor is `new` in the first period in which they do something, `returning` in one right after another,
    `resurrecting` in one after a gap, and `dormant` in the first period of each gap.

    Args:
        events: Rows of `events_of`, from the first day of the data.
        series: What they do.
        trend: The definition, for its periods.
    """
    rows = events.filter(is_of(events, series))
    active = rows.select("visitor_id", number=_number(rows, trend)).distinct()
    in_order = ibis.window(group_by="visitor_id", order_by="number")
    placed = active.mutate(before=active.number.lag().over(in_order), after=active.number.lead().over(in_order))
    state = ibis.cases(
        (placed.before.isnull(), "new"), (placed.before == placed.number - 1, "returning"), else_="resurrecting"
    )
    gone = placed.filter(placed.after.isnull() | (placed.after > placed.number + 1))
    both = union_all(
        placed.select("number", state=state),
        gone.select(number=gone.number + 1, state=ibis.literal("dormant")),
    )
    return both.group_by("number", "state").agg(visitor_count=both.count())


def _number(events: ir.Table, trend: Trend) -> ir.IntegerValue:
    if trend.is_by_clock:
        return hour_number(events.period_date, CLOCK_S[trend.period])
    return period_number(events.event_date, trend.period, trend.week_start)
