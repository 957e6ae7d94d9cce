"""Assets of retention: returning visitors by day, and cohorts."""

from ecom_assets.behaviour.retention import cohorts
from ecom_assets.behaviour.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.behaviour.sessions.contracts import SessionDays
from ecom_assets.core.tables.asset import Reads, invalidation, table_asset

days_of_changed_returns = invalidation(fragments=SessionDays)(cohorts.later_days)
returning_visitors_daily = table_asset(
    ReturningVisitorsDaily,
    fragments=Reads(SessionDays, whole=True),
    invalidated_by=days_of_changed_returns,
)(cohorts.returning_visitors_daily)
retention_cohorts = table_asset(
    RetentionCohorts, returning_visitors=Reads(ReturningVisitorsDaily, whole=True)
)(cohorts.retention_cohorts)
RETENTION_ASSETS = (returning_visitors_daily, retention_cohorts)
