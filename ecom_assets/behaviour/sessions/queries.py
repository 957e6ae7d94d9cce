"""Queries about sessions: engagement by day, bounces, visitors and stickiness."""

from functools import partial
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import not_recorded
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, Sessions
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.measures import (
    aggregates,
    completed,
    sums_of_periods,
    unknown_measures,
)
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import (
    Fetch,
    Page,
    Period,
    Reading,
    compared,
    if_known,
    page_of,
    rows_in_period,
)

COLUMNS: Final = tuple(EngagementDaily.columns)


def engagement(reading: Reading, period: Period, page: Page) -> Answer:
    """Return the engagement of a period and of the period before, and of each day."""
    table = reading.table(EngagementDaily)
    found = sums_of_periods(reading, table, "event_date", period, SessionMeasures)
    lacks = not_recorded(reading)
    now, before = (completed(row, SessionMeasures, lacks) for row in found)
    period_rows = rows_in_period(reading, EngagementDaily).select(*COLUMNS)
    days, total = page_of(reading, period_rows, ["event_date"], page, period)
    numbers = if_known(now, period)
    return {
        "engagement": numbers,
        **compared(now, before, now, period),
        "total_count": total,
        "days": days,
    }


def sessions_of(reading: Reading, period: Period) -> Answer:
    """Return the totals of the sessions that started in a period."""
    return session_totals(rows_in_period(reading, Sessions), partial(reading.rows, period=period))


def session_totals(sessions: ir.Table, fetch: Fetch = rows_of) -> Answer:
    """Return the totals of rows of `Sessions`; shares are null if there are no sessions."""
    counts = aggregates(sessions, SessionMeasures)
    rows = sessions.agg(
        events=sessions.event_count.sum().fill_null(0),
        visitors=sessions.visitor_id.nunique(),
        sessions=counts["session_count"],
        engaged_sessions=counts["engaged_session_count"],
        views=sessions.view_count.sum().fill_null(0),
        median_duration_s=sessions.duration_s.median(),
    )
    (row,) = fetch(rows)
    return totals_of(row)


MEASURES_OF_TOTALS: Final = {
    "engaged_sessions": "engaged_session_count",
    "bounce_rate": "bounce_rate",
    "pages_per_session": "pages_per_session",
}
"""The measures of totals that need more than events."""


def known_totals(totals: Row, lacks: frozenset[str]) -> Row:
    """Return totals of sessions; None for those that need what events do not record."""
    unknown = unknown_measures(SessionMeasures, lacks)
    return totals | {
        name: None for name, measure in MEASURES_OF_TOTALS.items() if measure in unknown
    }


def totals_of(row: NamedValues) -> Answer:
    """Return the totals of sessions from sums over them; shares are null if there are none."""
    views, count = int(row["views"]), int(row["sessions"])
    totals = {
        name: int(row[name]) for name in ("events", "visitors", "sessions", "engaged_sessions")
    }
    return {
        **totals,
        "bounce_rate": 1 - totals["engaged_sessions"] / count if count else None,
        "pages_per_session": views / count if count else None,
        "median_duration_s": row["median_duration_s"],
    }


def has_paid_events(events: ir.Table, fetch: Fetch) -> bool:
    """Return whether at least one purchase event has an amount.

    Without one, revenue is unknown, not 0.
    """
    paid = events.filter(events.event_type == "purchase", events.cart_amount.notnull())
    return bool(fetch(paid.select("event_id").limit(1)))
