"""Assets of retention: returning visitors by day, and cohorts."""

import ibis.expr.types as ir

from ecom_assets.retention.cohorts import later_days
from ecom_assets.retention.cohorts import retention_cohorts as compute_retention_cohorts
from ecom_assets.retention.cohorts import returning_visitors_daily as compute_returning_visitors_daily
from ecom_assets.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.sessions.contracts import SessionDays
from ecom_assets.tables.asset import Reads, invalidation, table_asset
from ecom_assets.tables.days import Days


@invalidation(session_days=SessionDays)
def days_of_changed_returns(session_days: ir.Table, days: Days) -> ir.Table:
    """Return the run's days and all later ones: who is new, and when visitors last came, depends on earlier days."""
    return later_days(session_days, days)


@table_asset(
    ReturningVisitorsDaily, session_days=Reads(SessionDays, whole=True), invalidated_by=days_of_changed_returns
)
def returning_visitors_daily(session_days: ir.Table, days: Days) -> ir.Table:
    """Count the visitors of each day by the days of their first and previous visits."""
    return compute_returning_visitors_daily(session_days, days)


@table_asset(RetentionCohorts, returning_visitors_daily=Reads(ReturningVisitorsDaily, whole=True))
def retention_cohorts(returning_visitors_daily: ir.Table, week_start: str) -> ir.Table:
    """Aggregate the days to cohorts."""
    return compute_retention_cohorts(returning_visitors_daily, week_start)


RETENTION_ASSETS = (returning_visitors_daily, retention_cohorts)
