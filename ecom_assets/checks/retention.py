"""What must hold of cohorts and carts whatever the data. Not here: contracts, sessions and funnels."""

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import Verdict, claim, of_days, verdict_of
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.retention_cohorts import PERIODS, RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.contracts.sessions import SessionDays, Sessions
from ecom_assets.contracts.table import MONEY
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked


@claim(ReturningVisitorsDaily, reads=(SessionDays, ReturningVisitorsDaily))
def visitors_and_purchases_agree(days: Days | None, pieces: ir.Table, came: ir.Table) -> Verdict:
    """Per day, visitors and revenue are those of the sessions' pieces; first is before last."""
    pieces, came = (of_days(rows, "event_date", days) for rows in (pieces, came))
    everybody = came.filter(came.cohort_by == "first_activity")
    found = everybody.group_by("event_date").agg(
        found_count=everybody.visitor_count.sum(),
        found_amount=everybody.revenue_amount.sum().cast(MONEY),
        backwards_count=(everybody.first_date > everybody.previous_date).ifelse(1, 0).sum(),
    )
    expected = pieces.group_by("event_date").agg(
        expected_count=pieces.visitor_id.nunique(),
        expected_amount=pieces.purchase_amount.sum().cast(MONEY),
    )
    both = expected.outer_join(found, "event_date")
    both = both.select(
        event_date=ibis.coalesce(both.event_date, both.event_date_right),
        expected_count=both.expected_count.fill_null(0),
        found_count=both.found_count.fill_null(0),
        backwards_count=both.backwards_count.fill_null(0),
        amount_left=both.expected_amount.fill_null(0) - both.found_amount.fill_null(0),
    )
    differs = (both.expected_count != both.found_count) | (both.amount_left != 0) | (both.backwards_count > 0)
    return verdict_of(both.filter(differs), both)


@claim(RetentionCohorts, reads=(ReturningVisitorsDaily, RetentionCohorts))
def everybody_is_in_one_cohort(_days: Days | None, came: ir.Table, cohorts: ir.Table) -> Verdict:
    """Per kind of cohort, the sizes by day, week and month add up to the visitors who began."""
    began = came.filter(came.event_date == came.first_date)
    began = began.group_by("cohort_by").agg(began_count=began.visitor_count.sum())
    starts = cohorts.filter(cohorts.period_number == 0)
    sizes = starts.group_by("cohort_by", "period").agg(size_count=starts.visitor_count.sum())
    expected = began.cross_join(stacked(*(ibis.literal(name).name("period").as_table() for name in PERIODS)))
    both = expected.outer_join(sizes, ["cohort_by", "period"])
    both = both.select(
        cohort_by=ibis.coalesce(both.cohort_by, both.cohort_by_right),
        period=ibis.coalesce(both.period, both.period_right),
        began_count=both.began_count.fill_null(0),
        size_count=both.size_count.fill_null(0),
    )
    return verdict_of(both.filter(both.size_count != both.began_count), both)


@claim(RetentionCohorts, reads=(RetentionCohorts,))
def retention_only_falls(_days: Days | None, cohorts: ir.Table) -> Verdict:
    """Everybody came in period 0; unbounded retention never rises, nor is below N-day retention."""
    in_order = ibis.window(group_by=["cohort_by", "period", "cohort_date"], order_by="period_number")
    rows = cohorts.mutate(previous_count=cohorts.returned_on_or_after_count.lag().over(in_order))
    absent = (rows.period_number == 0) & (rows.returned_on_count != rows.visitor_count)
    rises = (rows.returned_on_or_after_count > rows.previous_count).fill_null(ibis.literal(value=False))
    return verdict_of(rows.filter(absent | rises | (rows.returned_on_count > rows.returned_on_or_after_count)), rows)


@claim(CartAbandonment, reads=(Sessions, CartAbandonment))
def carts_agree(days: Days | None, sessions: ir.Table, carts: ir.Table) -> Verdict:
    """Session carts are sessions with one; longer horizons leave fewer; recovered were bought."""
    carts, sessions = of_days(carts, "cart_date", days), of_days(sessions, "started_date", days)
    in_order = ibis.window(group_by=["cart_date", "unit"], order_by="horizon_s")
    rows = carts.mutate(shorter_count=carts.abandoned_cart_count.lag().over(in_order))
    wrong = (rows.abandoned_cart_count > rows.shorter_count) | (rows.recovered_cart_count > rows.converted_cart_count)
    broken = rows.filter(wrong).select("cart_date", "unit", "horizon_s", found_count="abandoned_cart_count")
    filled = sessions.filter(sessions.add_to_cart_count > 0)
    expected = filled.group_by(cart_date="started_date").agg(expected_count=filled.count())
    told = carts.filter(carts.unit == "session").select("cart_date", "unit", "horizon_s", found_count="cart_count")
    both = expected.outer_join(told, "cart_date")
    differs = both.filter(both.expected_count.fill_null(0) != both.found_count.fill_null(0))
    lost = differs.select(
        cart_date=ibis.coalesce(differs.cart_date, differs.cart_date_right),
        unit=ibis.literal("session"),
        horizon_s=ibis.literal(0, "int64"),
        found_count=differs.found_count.fill_null(0),
    )
    return verdict_of(stacked(broken, lost), carts)


RETENTION_CLAIMS = [visitors_and_purchases_agree, everybody_is_in_one_cohort, retention_only_falls, carts_agree]
"""Every claim about cohorts and carts."""
