"""Assets of retention: returning visitors by day, and cohorts."""

import ibis.expr.types as ir

from ecom_assets.retention import cohorts as retention
from ecom_assets.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.sessions.contracts import SessionDays
from ecom_assets.tables.asset import Reads, invalidation, table_asset
from ecom_assets.tables.days import Days


@invalidation(session_days=SessionDays)
def days_of_changed_returns(session_days: ir.Table, days: Days) -> ir.Table:
    """Return every later day: who is new there, and when they last came, depends on the run's days."""
    return retention.later_days(session_days, days)


@table_asset(
    ReturningVisitorsDaily, session_days=Reads(SessionDays, whole=True), invalidated_by=days_of_changed_returns
)
def returning_visitors_daily(session_days: ir.Table, days: Days) -> ir.Table:
    """Count who came, by when they first and last had."""
    return retention.returning_visitors_daily(session_days, days)


@table_asset(RetentionCohorts, returning_visitors_daily=Reads(ReturningVisitorsDaily, whole=True))
def retention_cohorts(returning_visitors_daily: ir.Table, week_start: str) -> ir.Table:
    """Add the days up to cohorts."""
    return retention.retention_cohorts(returning_visitors_daily, week_start)


RETENTION_ASSETS = (returning_visitors_daily, retention_cohorts)
