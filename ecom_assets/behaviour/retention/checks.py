"""Checks of retention: everybody is in one cohort, retention only falls,
and visitors and purchases agree.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.retention.contracts import (
    PERIODS,
    RetentionCohorts,
    ReturningVisitorsDaily,
)
from ecom_assets.behaviour.sessions.contracts import SessionDays
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, union_all
from ecom_assets.core.tables.received import side_by_side


@check(ReturningVisitorsDaily, reads=(SessionDays, ReturningVisitorsDaily))
def visitors_and_purchases_agree(
    days: Days | None, fragments: ir.Table, returning_visitors: ir.Table
) -> BrokenRows:
    """Per day, visitors and revenue are those of the sessions' fragments; first is before last."""
    fragments, returning_visitors = (
        rows_on_days(rows, "event_date", days) for rows in (fragments, returning_visitors)
    )
    everybody = returning_visitors.filter(returning_visitors.cohort_by == "first_activity")
    result = everybody.group_by("event_date").agg(
        found_count=everybody.visitor_count.sum(),
        found_amount=everybody.revenue_amount.sum(),
        backwards_count=(everybody.first_date > everybody.previous_date).ifelse(1, 0).sum(),
    )
    expected = fragments.group_by("event_date").agg(
        expected_count=fragments.visitor_id.nunique(),
        expected_amount=fragments.purchase_amount.sum(),
    )
    joined = side_by_side(["event_date"], expected, result)
    differs = (joined.expected_count != joined.found_count) | (
        joined.expected_amount != joined.found_amount
    )
    return BrokenRows(joined.filter(differs | (joined.backwards_count > 0)), joined)


@check(RetentionCohorts, reads=(ReturningVisitorsDaily, RetentionCohorts))
def everybody_is_in_one_cohort(
    _days: Days | None, returning_visitors: ir.Table, cohorts: ir.Table
) -> BrokenRows:
    """Per kind of cohort, the sizes by day, week and month add up to the visitors who began."""
    began = returning_visitors.filter(
        returning_visitors.event_date == returning_visitors.first_date
    )
    began = began.group_by("cohort_by").agg(began_count=began.visitor_count.sum())
    starts = cohorts.filter(cohorts.period_number == 0)
    sizes = starts.group_by("cohort_by", "period").agg(size_count=starts.visitor_count.sum())
    expected = began.cross_join(
        union_all(*(ibis.literal(name).name("period").as_table() for name in PERIODS))
    )
    joined = side_by_side(["cohort_by", "period"], expected, sizes)
    return BrokenRows(joined.filter(joined.size_count != joined.began_count), joined)


@check(RetentionCohorts, reads=(RetentionCohorts,))
def retention_only_falls(_days: Days | None, cohorts: ir.Table) -> BrokenRows:
    """Everybody came in period 0; unbounded retention never rises, nor is below N-day retention."""
    in_order = ibis.window(
        group_by=["cohort_by", "period", "cohort_date"], order_by="period_number"
    )
    rows = cohorts.mutate(previous_count=cohorts.returned_on_or_after_count.lag().over(in_order))
    absent = (rows.period_number == 0) & (rows.returned_on_count != rows.visitor_count)
    rises = (rows.returned_on_or_after_count > rows.previous_count).fill_null(NO)
    return BrokenRows(
        rows.filter(absent | rises | (rows.returned_on_count > rows.returned_on_or_after_count)),
        rows,
    )


RETENTION_CHECKS = [visitors_and_purchases_agree, everybody_is_in_one_cohort, retention_only_falls]
"""All checks of retention, in addition to the contracts."""
