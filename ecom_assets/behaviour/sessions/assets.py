"""Assets of sessions: events in sessions, session fragments by day, whole sessions, and engagement.

A run recomputes every day of these tables that its input can change. So the result always equals a
computation over all of history: see docs/adr/0003.
"""

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions import engagement
from ecom_assets.behaviour.sessions import sessions as compute
from ecom_assets.behaviour.sessions.contracts import (
    EngagementDaily,
    SessionDays,
    SessionEvents,
    Sessions,
)
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.core.tables.asset import Reads, invalidation, table_asset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_distinct

ALL_FRAGMENTS = Reads(SessionDays, whole=True)


@table_asset(SessionEvents, follows="visitors", events=CleanEvents)
def session_events(events: ir.Table, session_rule: SessionRule) -> ir.Table:
    """Number each event within its visitor's run of the day."""
    # Terms first, so that the properties of all events need not be put in order.
    with_terms = compute.with_search_terms(events)
    return compute.session_events(with_terms, session_rule).select(*SessionEvents.columns)


session_days = table_asset(SessionDays, follows="visitors", session_events=SessionEvents)(
    compute.session_days
)


@invalidation(session_days=SessionDays)
def days_of_changed_sessions(
    session_days: ir.Table, session_rule: SessionRule, days: Days
) -> ir.Table:
    """Return the start days of all sessions that the run's days can change."""
    return compute.changed_start_days(session_days, session_rule, days)


sessions = table_asset(
    Sessions,
    follows="visitors",
    session_days=ALL_FRAGMENTS,
    invalidated_by=days_of_changed_sessions,
)(compute.sessions)


@invalidation(session_days=SessionDays)
def days_of_changed_engagement(
    session_days: ir.Table, session_rule: SessionRule, days: Days
) -> ir.Table:
    """Return the days whose sessions changed, and those whose last 30 days include such a day."""
    counted = days.widened(after=engagement.MONTH_DAYS - 1)
    later = session_days.filter(counted.contain(session_days.event_date)).select(day="event_date")
    return union_distinct(days_of_changed_sessions(session_days, session_rule, days), later)


engagement_daily = table_asset(
    EngagementDaily,
    sessions=Reads(Sessions, whole=True),
    session_days=ALL_FRAGMENTS,
    invalidated_by=days_of_changed_engagement,
)(engagement.engagement_daily)
SESSION_ASSETS = (session_events, session_days, sessions, engagement_daily)
