"""Asset of conversion: the daily funnels of sessions by device, channel and category."""

from collections.abc import Sequence

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.assets import EVERY_ENTRY, days_of_other_steps
from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.behaviour.funnels.daily import DailyFunnel
from ecom_assets.behaviour.sessions.assets import days_of_changed_sessions
from ecom_assets.behaviour.sessions.contracts import SessionDays, Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.assets import EVERY_TOUCH
from ecom_assets.commerce.conversion import conversion as compute
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.tables.asset import Reads, asset_key, invalidation, table_asset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_distinct


@invalidation(session_days=SessionDays, conversion_by_dimension=ConversionByDimension)
def days_of_changed_dimensions(
    session_days: ir.Table,
    conversion_by_dimension: ir.Table,
    session_rule: SessionRule,
    funnels: Sequence[DailyFunnel],
    days: Days,
) -> ir.Table:
    """Return the days whose sessions changed,
    and all days where other steps are stored than the events have.
    """
    changed = days_of_changed_sessions(session_days, session_rule, days)
    other_steps = days_of_other_steps(session_days, conversion_by_dimension, funnels)
    return union_distinct(changed, *other_steps)


@table_asset(
    ConversionByDimension,
    deps=(asset_key(ConversionFunnel), asset_key(CartAbandonment)),
    events=Reads(CleanEvents, whole=True),
    funnel_entries=EVERY_ENTRY,
    sessions=Reads(Sessions, whole=True),
    touches=EVERY_TOUCH,
    invalidated_by=days_of_changed_dimensions,
)
def conversion_by_dimension(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    events: ir.Table,
    funnel_entries: ir.Table,
    sessions: ir.Table,
    touches: ir.Table,
    days: Days,
    funnels: Sequence[DailyFunnel],
) -> ir.Table:
    """Count the sessions that reached each step, by device, channel and category."""
    described = compute.described_sessions(events, sessions, touches, days)
    entries = funnel_entries.filter(days.contain(funnel_entries.cohort_date))
    return compute.conversion_by_dimension(described, entries, funnels)


CONVERSION_ASSETS = (conversion_by_dimension,)
