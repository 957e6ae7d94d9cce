"""Queries about sessions: engagement by day, bounces, visitors and stickiness."""

from functools import partial
from typing import Any, Final

import ibis.expr.types as ir

from ecom_assets.sessions.contracts import EngagementDaily, Sessions
from ecom_assets.tables.portable import rows_of
from ecom_assets.tables.queries import (
    CHANGE,
    Fetch,
    Page,
    Period,
    Reading,
    Row,
    compared,
    if_known,
    in_period,
    page_of,
    share,
    with_previous,
)

COUNTS: Final = ("session_count", "engaged_session_count", "single_page_session_count", "bot_session_count")
RATES: Final = ("engagement_rate", "bounce_rate", "single_page_rate")
COLUMNS: Final = tuple(EngagementDaily.columns)
DEFINITION: Final = {name: column.description for name, column in EngagementDaily.columns.items()} | {
    "days": "Days on which anybody came; visitors of several days are in none of the sums, as one may come on each",
    "change": CHANGE,
}


def engagement(reading: Reading, period: Period, page: Page) -> dict[str, Any]:
    """Return the engagement of a period and of the period before, and of each day."""
    table = reading.table(EngagementDaily)
    both = with_previous(table, "event_date")
    sums = both.group_by("is_current").agg(**{name: both[name].sum().cast("int64") for name in COUNTS})
    result = {row["is_current"]: row for row in reading.rows(sums, period)}
    now, before = _numbers(result.get(1)), _numbers(result.get(0))
    mine = table.filter(in_period(table.event_date)).select(*COLUMNS)
    days, total = page_of(reading, mine, ["event_date"], page, period)
    known = if_known(now, period)
    return {"engagement": known, **compared(now, before, (*COUNTS, *RATES), period), "total_count": total, "days": days}


def _numbers(row: Row | None) -> Row:
    counts: Row = {name: int(row[name]) if row else 0 for name in COUNTS}
    sessions, engaged = counts["session_count"], counts["engaged_session_count"]
    return counts | {
        "engagement_rate": share(engaged, sessions),
        "bounce_rate": share(sessions - engaged, sessions),
        "single_page_rate": share(counts["single_page_session_count"], sessions),
    }


def sessions_of(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the totals of the sessions that started in a period."""
    table = reading.table(Sessions)
    mine = table.filter(in_period(table.started_date))
    return session_totals(mine, partial(reading.rows, period=period))


def session_totals(sessions: ir.Table, fetch: Fetch = rows_of) -> dict[str, Any]:
    """Return the totals of rows of `Sessions`; shares are null if there are no sessions."""
    rows = sessions.agg(
        events=sessions.event_count.sum().fill_null(0),
        visitors=sessions.visitor_id.nunique(),
        sessions=sessions.count(),
        engaged_sessions=sessions.is_engaged.ifelse(1, 0).sum().fill_null(0),
        views=sessions.view_count.sum().fill_null(0),
        median_duration_s=sessions.duration_s.median(),
    )
    (row,) = fetch(rows)
    return totals_of(row)


def totals_of(row: Row) -> dict[str, Any]:
    """Return the totals of sessions from sums over them; shares are null if there are none."""
    views, count = int(row["views"]), int(row["sessions"])
    totals = {name: int(row[name]) for name in ("events", "visitors", "sessions", "engaged_sessions")}
    return {
        **totals,
        "bounce_rate": 1 - totals["engaged_sessions"] / count if count else None,
        "pages_per_session": views / count if count else None,
        "median_duration_s": row["median_duration_s"],
    }
