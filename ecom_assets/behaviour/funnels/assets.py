"""Assets of funnels: entries into the daily funnels, their counts, and abandoned carts.

What each table holds is in `daily.py` and `carts.py`; here is which days are computed again. A
window or a horizon reaches into later days, so that an event of today changes the funnel of a day
before it. Each `days_of_…` returns the days to compute, in a column `day`, so that a run gives the
same result as a computation over all of history: see docs/adr/0003.
"""

from collections.abc import Sequence

import ibis.expr.types as ir
from ibis import or_

from ecom_assets.behaviour.funnels import carts, daily
from ecom_assets.behaviour.funnels.carts import CartRule
from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.funnels.daily import DailyFunnel, window_days
from ecom_assets.behaviour.sessions.assets import ALL_FRAGMENTS, days_of_changed_sessions
from ecom_assets.behaviour.sessions.contracts import SessionDays, SessionEvents, Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.core.tables.asset import Reads, invalidation, table_asset
from ecom_assets.core.tables.days import Days, day_table
from ecom_assets.core.tables.portable import union_distinct


@invalidation(session_days=SessionDays)
def days_of_changed_carts(
    session_days: ir.Table, session_rule: SessionRule, cart_rule: CartRule, days: Days
) -> ir.Table:
    """Return the days whose sessions changed,
    and those whose carts have horizons that reach into the run's days.
    """
    return _days_reaching_into(session_days, session_rule, days, cart_rule.longest_days)


def _days_reaching_into(
    session_days: ir.Table, session_rule: SessionRule, days: Days, before: int
) -> ir.Table:
    """Return the days whose sessions changed, the run's days,
    and those at most `before` days earlier.
    """
    open_days = days.widened(before=before)
    opened = session_days.filter(open_days.contain(session_days.event_date)).select(
        day="event_date"
    )
    return union_distinct(days_of_changed_sessions(session_days, session_rule, days), opened)


cart_abandonment = table_asset(
    CartAbandonment,
    session_events=Reads(SessionEvents, whole=True),
    sessions=Reads(Sessions, whole=True),
    invalidated_by=days_of_changed_carts,
)(carts.cart_abandonment)


@invalidation(session_days=SessionDays, funnel_entries=FunnelEntries)
def days_of_changed_entries(
    session_days: ir.Table,
    funnel_entries: ir.Table,
    session_rule: SessionRule,
    funnels: Sequence[DailyFunnel],
    days: Days,
) -> ir.Table:
    """Return the days whose sessions changed,
    and those whose visitors' windows reach into the run's days.

    Where the steps of a funnel are chosen by which events the shop has, and are others by now, all
    days are.
    """
    changed = _days_reaching_into(session_days, session_rule, days, window_days(funnels))
    outdated = [
        funnel_entries.filter(
            funnel_entries.funnel_name == funnel.name,
            funnel_entries.definition_hash != funnel.definition_hash,
        )
        for funnel in funnels
        if funnel.is_of_data
    ]
    return union_distinct(changed, *(_all_days_if(session_days, rows) for rows in outdated))


@invalidation(session_days=SessionDays, conversion_funnel=ConversionFunnel)
def days_of_changed_counts(
    session_days: ir.Table,
    conversion_funnel: ir.Table,
    session_rule: SessionRule,
    funnels: Sequence[DailyFunnel],
    days: Days,
) -> ir.Table:
    """Return the days whose entries changed,
    and all days where other steps are stored than the events have.
    """
    changed = _days_reaching_into(session_days, session_rule, days, window_days(funnels))
    return union_distinct(changed, *days_of_other_steps(session_days, conversion_funnel, funnels))


def days_of_other_steps(
    session_days: ir.Table, counts: ir.Table, funnels: Sequence[DailyFunnel]
) -> list[ir.Table]:
    """Return all days for each funnel of the data whose counts have other steps than it has now."""
    result = []
    for funnel in funnels:
        if funnel.is_of_data:
            stored = counts.filter(counts.funnel_name == funnel.name)
            steps = enumerate(funnel.funnel.steps, start=1)
            is_step = or_(
                *((stored.step == n) & (stored.event_type == step.event_type) for n, step in steps)
            )
            summed = stored.agg(other_count=is_step.ifelse(0, 1).sum(), last_step=stored.step.max())
            is_other = (summed.other_count > 0) | (summed.last_step < len(funnel.funnel.steps))
            result.append(_all_days_if(session_days, summed.filter(is_other)))
    return result


def _all_days_if(session_days: ir.Table, rows: ir.Table) -> ir.Table:
    """Return all days that have sessions if there are any rows; none otherwise."""
    is_any = rows.agg(is_any=rows.count() > 0)
    joined = session_days.select(day="event_date").distinct().cross_join(is_any)
    return joined.filter(joined.is_any).select("day")


@invalidation(funnel_entries=FunnelEntries)
def days_of_other_funnels(
    funnel_entries: ir.Table, funnels: Sequence[DailyFunnel], days: Days
) -> ir.Table:
    """Return the days on which a funnel has no entry by its definition of now,
    such as those before it was declared.
    """
    entries = funnel_entries.filter(days.contain(funnel_entries.cohort_date))
    current = [entries.definition_hash == funnel.definition_hash for funnel in funnels]
    counted = (
        entries.filter(or_(*current))
        .group_by(day="cohort_date")
        .agg(n=lambda rows: rows.funnel_name.nunique())
    )
    return day_table(days).anti_join(counted.filter(counted.n == len(funnels)), "day")


funnel_entries = table_asset(
    FunnelEntries,
    follows="visitors",
    outdated_by=days_of_other_funnels,
    session_events=Reads(SessionEvents, whole=True),
    session_days=ALL_FRAGMENTS,
    sessions=Reads(Sessions, whole=True),
    invalidated_by=days_of_changed_entries,
)(daily.funnel_entries)
EVERY_ENTRY = Reads(FunnelEntries, whole=True)


@table_asset(ConversionFunnel, funnel_entries=EVERY_ENTRY, invalidated_by=days_of_changed_counts)
def conversion_funnel(
    funnel_entries: ir.Table, days: Days, funnels: Sequence[DailyFunnel]
) -> ir.Table:
    """Count the sessions and visitors that reached each step of each funnel."""
    return daily.conversion_funnel(
        funnel_entries.filter(days.contain(funnel_entries.cohort_date)), funnels
    )


FUNNEL_ASSETS = (funnel_entries, conversion_funnel, cart_abandonment)
