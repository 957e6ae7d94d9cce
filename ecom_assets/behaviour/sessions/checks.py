"""Checks of sessions: each clean event is in one, and they agree with engagement."""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import (
    EngagementDaily,
    SessionDays,
    SessionEvents,
    Sessions,
)
from ecom_assets.behaviour.sessions.sessions import UNIT
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.received import side_by_side


@check(SessionDays, reads=(CleanEvents, SessionEvents, SessionDays), blocking=True)
def events_add_up_to_clean_events(
    days: Days | None, clean: ir.Table, numbered: ir.Table, fragments: ir.Table
) -> BrokenRows:
    """Per day, the events of the sessions' fragments are as many as the clean events."""
    per_day = side_by_side(
        ["event_date"],
        _per_day(clean, days, "clean_count", clean.count()),
        _per_day(numbered, days, "numbered_count", numbered.count()),
        _per_day(fragments, days, "fragment_event_count", fragments.event_count.sum()),
    )
    differs = (per_day.clean_count != per_day.numbered_count) | (
        per_day.clean_count != per_day.fragment_event_count
    )
    return BrokenRows(per_day.filter(differs), per_day)


@check(Sessions, reads=(SessionDays, Sessions))
def every_fragment_is_in_one_session(
    days: Days | None, fragments: ir.Table, sessions: ir.Table
) -> BrokenRows:
    """Every fragment lies in exactly one session of its visitor, and the events add up."""
    if days is not None:
        sessions = sessions.filter(days.reached_by(sessions.started_date, sessions.ended_date))
    first, last = sessions.started_date.min().as_scalar(), sessions.ended_date.max().as_scalar()
    parts = fragments.filter(fragments.event_date.between(first, last))
    sums = (
        _fragments_in_sessions(sessions, parts)
        .group_by("session_id")
        .agg(event_count=lambda rows: rows.fragment_event_count.sum())
    )
    sums = sessions.left_join(sums, "session_id")
    own = rows_on_days(fragments, "event_date", days)
    homes = own.left_join(_fragments_in_sessions(sessions, own), [*UNIT, "started_at"])
    homes = homes.group_by(*UNIT, "started_at", "event_date").agg(
        home_count=homes.session_id.count()
    )
    # No visitor ids: what a check shows outlives the rows.
    checks = union_all(
        homes.select(
            "started_at",
            check=ibis.literal("sessions of a fragment"),
            expected=1,
            found=homes.home_count,
        ),
        sums.select(
            "started_at",
            check=ibis.literal("events of a session"),
            expected=sums.event_count,
            found=sums.event_count_right.fill_null(0),
        ),
    )
    return BrokenRows(checks.filter(checks.expected != checks.found), checks)


def _fragments_in_sessions(sessions: ir.Table, fragments: ir.Table) -> ir.Table:
    """Each fragment with each session of its visitor in which it lies."""
    fragments = fragments.select(
        *UNIT, "started_at", fragment_ended_at="ended_at", fragment_event_count="event_count"
    )
    sessions = sessions.select(
        *UNIT, "session_id", session_started_at="started_at", session_ended_at="ended_at"
    )
    inside = [
        *(fragments[name] == sessions[name] for name in UNIT),
        fragments.started_at >= sessions.session_started_at,
        fragments.fragment_ended_at <= sessions.session_ended_at,
    ]
    columns = (*UNIT, "started_at", "fragment_event_count", "session_id")
    return fragments.join(sessions, inside).select(*columns)


@check(EngagementDaily, reads=(Sessions, SessionDays, EngagementDaily))
def sessions_agree(
    days: Days | None, sessions: ir.Table, fragments: ir.Table, engagement: ir.Table
) -> BrokenRows:
    """Engagement has the sessions that started, the visitors who came; DAU <= WAU <= MAU."""
    unordered = (engagement.daily_visitor_count > engagement.weekly_visitor_count) | (
        engagement.weekly_visitor_count > engagement.monthly_visitor_count
    )
    engaged = engagement.mutate(unordered_count=unordered.ifelse(1, 0))
    engaged = engaged.select(
        "event_date", "session_count", "daily_visitor_count", "unordered_count"
    )
    started = sessions.rename(event_date="started_date")
    per_day = side_by_side(
        ["event_date"],
        rows_on_days(engaged, "event_date", days),
        _per_day(started, days, "started_count", started.count()),
        _per_day(fragments, days, "came_count", fragments.visitor_id.nunique()),
    )
    differs = (per_day.session_count != per_day.started_count) | (
        per_day.daily_visitor_count != per_day.came_count
    )
    return BrokenRows(per_day.filter(differs | (per_day.unordered_count > 0)), per_day)


def _per_day(rows: ir.Table, days: Days | None, name: str, number: ir.IntegerScalar) -> ir.Table:
    return rows_on_days(rows.group_by("event_date").agg(**{name: number}), "event_date", days)


SESSION_CHECKS = [events_add_up_to_clean_events, every_fragment_is_in_one_session, sessions_agree]
"""All checks of sessions, in addition to the contracts."""
