"""Visitors over time: weekly and monthly active ones, stickiness, and lifecycle. METRICS "Trend"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.days import CLOCK_S, hour_number, period_number
from ecom_assets.tables.portable import union_all
from ecom_assets.trends.definition import ACTIVE, Series, Trend
from ecom_assets.trends.trend import is_of

STATES = ("new", "returning", "resurrecting", "dormant")


def stickiness(events: ir.Table, series: Series, at_least: int = 1) -> ir.Table:
    """Return how many visitors did something in how many periods: `breakdown`, `period_count`, `visitor_count`.

    Only periods with `at_least` so many of their events, rows of `events_of`, count.
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
    `resurrecting` in one after a gap, and `dormant` in the first period of each gap. The events are rows of `events_of`
    from the first day of the data.
    """
    rows = events.filter(is_of(events, series))
    number = (
        hour_number(rows.period_date, CLOCK_S[trend.period])
        if trend.is_by_clock
        else period_number(rows.event_date, trend.period, trend.week_start)
    )
    active = rows.select("visitor_id", number=number).distinct()
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


def active_changes(events: ir.Table, series: Series) -> ir.Table:
    """Return by how much the number of active visitors changes on each day: `breakdown`, `event_date`, `change`.

    A visitor is active from a day with an event on for so many days, or until the next such day, from which it counts
    again. So the number on a day is how many began to be active up to it, minus how many ended. The events are rows of
    `events_of`, also of the days before the range that count for its first day.
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
