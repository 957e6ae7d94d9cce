"""The platform's cohorts, by first activity and first purchase, by day, week and month.

For each day, the visitors are counted by the days of their first visit and of their previous visit.
That is enough to compute cohorts. A visitor whose previous visit was in an earlier week is new to
the week. A visitor who comes again no longer counts as having left at the previous visit. So
cohorts are sums over days, and visitors of old days are not read again. Other modes and clocks are
in `retention/cells.py`.
"""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.retention.cells import cell_table, filled_grid
from ecom_assets.behaviour.retention.contracts import (
    PERIODS,
    RetentionCohorts,
    ReturningVisitorsDaily,
)
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days, period_number, period_start
from ecom_assets.core.tables.measures import with_ratios
from ecom_assets.core.tables.portable import union_all

CELLS = tuple((n, n) for n in range(31))
UNIT = ["cohort_by", "period", "cohort_number"]


def returning_visitors_daily(fragments: ir.Table, days: Days) -> ir.Table:
    """Return the visitors on each of `days` by the days of their first and previous visits,
    from all `SessionDays`.
    """
    of_days = fragments.filter(days.contain(fragments.event_date)).select("visitor_id").distinct()
    visits = visitor_days(
        fragments.filter(days.before_end(fragments.event_date)).semi_join(of_days, "visitor_id")
    )
    kinds = union_all(
        visits.mutate(cohort_by=ibis.literal("first_activity")),
        visits.filter(visits.purchase_count > 0).mutate(cohort_by=ibis.literal("first_purchase")),
    )
    in_order = ibis.window(group_by=["cohort_by", "visitor_id"], order_by="event_date")
    placed = kinds.mutate(
        first_date=kinds.event_date.min().over(ibis.window(group_by=["cohort_by", "visitor_id"])),
        previous_date=kinds.event_date.lag().over(in_order),
    )
    placed = placed.mutate(previous_date=placed.previous_date.fill_null(placed.event_date))
    placed = placed.filter(days.contain(placed.event_date))
    return (
        placed.group_by("event_date", "cohort_by", "first_date", "previous_date")
        .agg(visitor_count=placed.count(), revenue_amount=placed.amount.sum().cast(MONEY))
        .select(*ReturningVisitorsDaily.columns)
    )


def later_days(fragments: ir.Table, days: Days) -> ir.Table:
    """Return, as `day`, all days from the first of `days` on:
    a change there can change who is new on later days.
    """
    return (
        fragments.filter(days.from_first(fragments.event_date)).select(day="event_date").distinct()
    )


def retention_cohorts(returning_visitors: ir.Table, week_start: str) -> ir.Table:
    """Return one row per non-empty cohort and period that has begun for it,
    for the first 31 periods.

    `returning_visitors` are all rows of `ReturningVisitorsDaily`.
    """
    placed = _placed(returning_visitors, week_start)
    grid = _grid(placed, returning_visitors.event_date.max().as_scalar(), week_start)
    rows = filled_grid(grid, _counts(placed), UNIT)
    rows = rows.mutate(
        period_number=rows.cell,
        returned_on_count=rows.on_count,
        returned_on_or_after_count=rows.on_or_after_count,
    )
    return with_ratios(rows, RetentionCohorts).select(*RetentionCohorts.columns)


def visitor_days(fragments: ir.Table) -> ir.Table:
    """Return one row per visitor and day: visitor_id, event_date, purchase_count and amount."""
    return fragments.group_by("visitor_id", "event_date").agg(
        purchase_count=fragments.purchase_count.sum(),
        amount=fragments.purchase_amount.sum().cast(MONEY),
    )


def _placed(returning_visitors: ir.Table, week_start: str) -> ir.Table:
    """Return each row once per kind of period,
    with its cohort and the places of its own and its previous visit.
    """
    periods = union_all(*(ibis.literal(name).name("period").as_table() for name in PERIODS))
    rows = returning_visitors.cross_join(periods)
    numbers = {
        name: _by_period(rows[column], rows.period, period_number, week_start)
        for name, column in (
            ("cohort_number", "first_date"),
            ("number", "event_date"),
            ("before", "previous_date"),
        )
    }
    rows = rows.mutate(**numbers)
    is_first = rows.event_date == rows.first_date
    return rows.mutate(
        place=rows.number - rows.cohort_number,
        place_before=is_first.ifelse(ibis.null("int64"), rows.before - rows.cohort_number),
        new_to_period=(is_first | (rows.before < rows.number)).ifelse(rows.visitor_count, 0),
        start_count=is_first.ifelse(rows.visitor_count, 0),
    )


def _counts(placed: ir.Table) -> ir.Table:
    """Return, per cohort and cell, the visitors, the visitors whose last visit is in it,
    and the revenue.
    """
    zero, nothing, last = ibis.literal(0, "int64"), ibis.literal(0, MONEY), len(CELLS) - 1
    again = placed.filter(placed.place_before.notnull())
    terms = union_all(
        placed.filter(placed.place <= last).select(
            *UNIT,
            cell="place",
            on_count="new_to_period",
            last_count=zero,
            revenue_amount="revenue_amount",
        ),
        placed.select(
            *UNIT,
            cell=ibis.least(placed.place, last),
            on_count=zero,
            last_count="visitor_count",
            revenue_amount=nothing,
        ),
        again.select(
            *UNIT,
            cell=ibis.least(again.place_before, last),
            on_count=zero,
            last_count=-again.visitor_count,
            revenue_amount=nothing,
        ),
    )
    return terms.group_by(*UNIT, "cell").agg(
        on_count=terms.on_count.sum(),
        last_count=terms.last_count.sum(),
        revenue_amount=terms.revenue_amount.sum().cast(MONEY),
    )


def _grid(placed: ir.Table, newest_date: ir.DateScalar, week_start: str) -> ir.Table:
    begun = placed.filter(placed.start_count > 0)
    cohorts = begun.group_by(*UNIT).agg(
        visitor_count=begun.start_count.sum(), start_date=begun.first_date.min()
    )
    cohorts = cohorts.mutate(
        cohort_date=_by_period(cohorts.start_date, cohorts.period, period_start, week_start),
        newest_number=_by_period(newest_date, cohorts.period, period_number, week_start),
    )
    grid = cohorts.cross_join(cell_table(CELLS))
    reached = grid.cohort_number + grid.cell
    grid = grid.mutate(is_complete=reached < grid.newest_number).filter(
        reached <= grid.newest_number
    )
    return grid.select(*UNIT, "cohort_date", "cell", "visitor_count", "is_complete")


def _by_period(
    day: ir.DateValue,
    period: ir.StringColumn,
    function: Callable[[ir.DateValue, str, str], ir.Value],
    week_start: str,
) -> ir.Value:
    """Return the result of a function of a day for the kind of period in each row."""
    *other_periods, last = PERIODS
    branches = ((period == name, function(day, name, week_start)) for name in other_periods)
    return ibis.cases(*branches, else_=function(day, last, week_start))
