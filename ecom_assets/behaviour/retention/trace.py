"""How returning visitors and cohorts are traced: to the days of their visitors,
and to their purchases.
"""

from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.behaviour.sessions.contracts import SessionDays
from ecom_assets.core.tables.days import period_number, period_start
from ecom_assets.core.tables.trace import Count, RowsOf, Sum, TableTrace, TraceContext, ratios_of


def _counted_visits(context: TraceContext) -> ir.Table:
    """Return the visits by day that count for a row's kind of cohort: all,
    or those with a purchase.
    """
    visits = context.table(SessionDays)
    return (
        visits.filter(visits.purchase_count > 0)
        if context.row["cohort_by"] == "first_purchase"
        else visits
    )


def _returning(context: TraceContext) -> ir.Table:
    """Return the visits of a row's day by visitors who came first, and before that day last,
    on the row's days.
    """
    row, visits = context.row, _counted_visits(context)
    day = row["event_date"]
    today = visits.filter(visits.event_date == day)
    until = visits.filter(visits.event_date <= day).semi_join(today, "visitor_id")
    visitors = until.group_by("visitor_id").agg(
        first_date=until.event_date.min(),
        previous_date=until.event_date.max(where=until.event_date < ibis.literal(day)).fill_null(
            ibis.literal(day)
        ),
    )
    row_visitors = visitors.filter(
        visitors.first_date == row["first_date"], visitors.previous_date == row["previous_date"]
    )
    return today.semi_join(row_visitors, "visitor_id")


def _purchases_of(visits: RowsOf) -> RowsOf:
    """Return the purchases during some visits."""

    def rows(context: TraceContext) -> ir.Table:
        result = visits(context)
        events = context.near(CleanEvents, result, "event_date")
        return events.filter(events.event_type == "purchase").semi_join(
            result, ["visitor_id", "event_date"]
        )

    return rows


def _of_cohort(first: int | None, last: int | None) -> RowsOf:
    """Return the visits of a cohort's visitors in its periods, from one to another,
    counted from that of the row.

    Without a `first`, they begin with the cohort's own first period; without a `last`, all later
    ones are included.
    """

    def rows(context: TraceContext) -> ir.Table:
        row, visits = context.row, _counted_visits(context)
        week_start = context.rules["week_start"]
        firsts = visits.group_by("visitor_id").agg(first_date=visits.event_date.min())
        cohort_visitors = firsts.filter(
            period_start(firsts.first_date, row["period"], week_start) == row["cohort_date"]
        )
        visits = visits.filter(visits.event_date >= row["cohort_date"]).semi_join(
            cohort_visitors, "visitor_id"
        )
        begun: Any = ibis.literal(row["cohort_date"])
        number, start = (
            period_number(day, row["period"], week_start) for day in (visits.event_date, begun)
        )
        number = number - start
        visits = visits.filter(number >= (0 if first is None else row["period_number"] + first))
        return visits if last is None else visits.filter(number <= row["period_number"] + last)

    return rows


def _starts(context: TraceContext) -> ir.Table:
    """Return the visits of the cohort's first period."""
    return _of_cohort(None, -context.row["period_number"])(context)


TRACES: Final = (
    TableTrace(
        ReturningVisitorsDaily,
        "the-table-of-cohorts",
        {
            "visitor_count": Count(SessionDays, _returning, unit="visitor_id"),
            "revenue_amount": Sum(CleanEvents, _purchases_of(_returning), "cart_amount"),
        },
    ),
    TableTrace(
        RetentionCohorts,
        "the-table-of-cohorts",
        {
            "visitor_count": Count(SessionDays, _starts, unit="visitor_id"),
            "returned_on_count": Count(SessionDays, _of_cohort(0, 0), unit="visitor_id"),
            "returned_on_or_after_count": Count(
                SessionDays, _of_cohort(0, None), unit="visitor_id"
            ),
            **ratios_of(RetentionCohorts),
            "revenue_amount": Sum(CleanEvents, _purchases_of(_of_cohort(0, 0)), "cart_amount"),
            "cumulative_revenue_amount": Sum(
                CleanEvents, _purchases_of(_of_cohort(None, 0)), "cart_amount"
            ),
        },
    ),
)
