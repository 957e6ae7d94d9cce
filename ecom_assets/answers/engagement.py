"""Engagement: sessions, bounces, visitors and stickiness, day by day. Not here: when a session is engaged."""

from typing import Any, Final

from ecom_assets.answers.change import CHANGE, compared, if_known, share
from ecom_assets.answers.paging import Page, page_of
from ecom_assets.answers.period import Period, in_period, with_previous
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.contracts.engagement_daily import EngagementDaily

COUNTS: Final = ("session_count", "engaged_session_count", "single_page_session_count", "bot_session_count")
RATES: Final = ("engagement_rate", "bounce_rate", "single_page_rate")
COLUMNS: Final = tuple(EngagementDaily.columns)
DEFINITION: Final = {name: one.description for name, one in EngagementDaily.columns.items()} | {
    "days": "Days on which anybody came; visitors of several days are in none of the sums, as one may come on each",
    "change": CHANGE,
}


def engagement(reading: Reading, period: Period, page: Page) -> dict[str, Any]:
    """Return sessions of a period and of the one before, and each of its days."""
    table = reading.table(EngagementDaily)
    both = with_previous(table, "event_date")
    sums = both.group_by("is_current").agg(**{name: both[name].sum().cast("int64") for name in COUNTS})
    found = {row["is_current"]: row for row in reading.rows(sums, period)}
    now, before = _numbers(found.get(1)), _numbers(found.get(0))
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
