"""Engagement per day, with daily, weekly and monthly active visitors: METRICS "Engagement"."""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import (
    aggregates,
    measures_of,
    unknown_measures,
    with_ratios,
)
from ecom_assets.core.tables.portable import ratio, union_all

MONTH_DAYS = 30
WEEK_DAYS = 7


def engagement_daily(
    sessions: ir.Table, session_days: ir.Table, days: Days, *, not_recorded: frozenset[str]
) -> ir.Table:
    """Return the engagement of each day of `days` that has visitors.

    The tables are all rows of `Sessions` and `SessionDays`.

    What needs something that the events do not record is null: without views, each session would be
    a bounce, of one page at most.
    """
    visitors = active_visitors(session_days, days)
    numbers = _session_numbers(sessions, days)
    joined = visitors.left_join(numbers, visitors.event_date == numbers.started_date)
    counts = [name for name in joined.columns if name.endswith("session_count")]
    joined = joined.mutate(**{name: joined[name].fill_null(0) for name in counts})
    joined = joined.mutate(pages_per_session=ratio(joined.view_count, joined.session_count))
    measures = measures_of(SessionMeasures)
    unknown = unknown_measures(SessionMeasures, not_recorded) & set(joined.columns)
    joined = joined.mutate(**{name: ibis.null(measures[name].type) for name in sorted(unknown)})
    return with_ratios(joined, SessionMeasures).drop("started_date", "view_count")


def active_visitors(fragments: ir.Table, days: Days) -> ir.Table:
    """Return the number of visitors of each day, and of the 7 and 30 days that end with it.

    The numbers are exact, and computed in one pass.

    Each visit opens an interval. It lasts for the length of the window, or until the visitor's next
    visit. The intervals of a visitor do not overlap, so a running sum over their starts and ends
    counts distinct visitors.
    """
    window = fragments.filter(days.widened(before=MONTH_DAYS - 1).contain(fragments.event_date))
    visitor_dates = window.select("visitor_id", "event_date").distinct()
    following = visitor_dates.event_date.lead().over(
        ibis.window(group_by="visitor_id", order_by="event_date")
    )
    visitor_dates = visitor_dates.mutate(next_date=following)
    per_day = visitor_dates.group_by("event_date").agg(daily_visitor_count=visitor_dates.count())
    per_day = per_day.filter(days.contain(per_day.event_date))
    for name, length in (
        ("weekly_visitor_count", WEEK_DAYS),
        ("monthly_visitor_count", MONTH_DAYS),
    ):
        per_day = _running_visitors(visitor_dates, per_day, name, length)
    return per_day


def _running_visitors(
    visitor_dates: ir.Table, per_day: ir.Table, name: str, length: int
) -> ir.Table:
    full = (visitor_dates.event_date + ibis.interval(days=length)).cast("date")
    leaves = ibis.least(visitor_dates.next_date.fill_null(full), full)
    changes = union_all(
        visitor_dates.select(day="event_date", change=ibis.literal(1)),
        visitor_dates.select(day=leaves, change=ibis.literal(-1)),
    )
    changes = changes.group_by("day").agg(change=changes.change.sum())
    so_far = changes.mutate(
        running=changes.change.sum().over(ibis.cumulative_window(order_by="day"))
    )
    joined = per_day.join(so_far, per_day.event_date == so_far.day)
    return joined.select(*per_day.columns, **{name: joined.running})


def _session_numbers(sessions: ir.Table, days: Days) -> ir.Table:
    sessions = sessions.filter(days.contain(sessions.started_date))
    # A sum of floats depends on the order of rows. A sum of integer microseconds does not.
    sessions = sessions.mutate(
        length_us=sessions.ended_at.delta(sessions.started_at, unit="microsecond")
    )
    return sessions.group_by("started_date").agg(
        **aggregates(sessions, SessionMeasures),
        view_count=sessions.view_count.sum(),
        mean_duration_s=ratio(sessions.length_us.sum(), sessions.count()) / 1e6,
        median_duration_s=sessions.duration_s.median(),
    )
