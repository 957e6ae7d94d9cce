"""Assets of attribution: touches, conversions, and the credit of channels.

A change recomputes the later conversion days whose look-back reaches it: docs/adr/0003.
"""

from collections.abc import Iterator
from datetime import date
from itertools import groupby

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.events.recorded import PURCHASES
from ecom_assets.behaviour.sessions.assets import days_of_changed_sessions
from ecom_assets.behaviour.sessions.contracts import SessionDays, SessionEvents, Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution import contracts, credit, markov
from ecom_assets.commerce.attribution import order_visits as matching
from ecom_assets.commerce.attribution import touches as compute
from ecom_assets.commerce.attribution.contracts import Conversions, FirstTouches, Touches
from ecom_assets.commerce.attribution.credit import UNITS_OF_ONE, AttributionRule, touched_days
from ecom_assets.commerce.attribution.touches import ChannelRule
from ecom_assets.commerce.orders import orders
from ecom_assets.commerce.orders.assets import EVERY_LINE
from ecom_assets.commerce.orders.contracts import ChangedOrderDays, UserOrderLog
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.asset import Reads, invalidation, presence, table_asset
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of, union_distinct
from ecom_assets.core.warehouse.local import arrow_in_memory


@table_asset(
    contracts.SessionSources, follows="visitors", events=CleanEvents, session_events=SessionEvents
)
def session_sources(
    events: ir.Table, session_events: ir.Table, channel_rule: ChannelRule
) -> ir.Table:
    """Return the source of each visit of the day."""
    return compute.session_sources(events, session_events, channel_rule)


@table_asset(
    contracts.Touches,
    follows="visitors",
    sessions=Reads(Sessions, whole=True),
    session_sources=Reads(contracts.SessionSources, whole=True),
    invalidated_by=days_of_changed_sessions,
)
def touches(
    sessions: ir.Table, session_sources: ir.Table, channel_rule: ChannelRule, days: Days
) -> ir.Table:
    """Return each session with its channel."""
    return compute.touches(sessions, session_sources, channel_rule, days)


@presence()
def have_purchases(not_recorded: frozenset[str]) -> bool:
    """Return whether the events of the shop record purchases, with which orders are compared."""
    return PURCHASES not in not_recorded


@invalidation(events=CleanEvents, user_order_log=UserOrderLog, changed_order_days=ChangedOrderDays)
def days_of_pairs(
    events: ir.Table, user_order_log: ir.Table, changed_order_days: ir.Table, days: Days
) -> ir.Table:
    """Return the days near those with events or orders that the run can change."""
    return matching.reconciled_days(events, user_order_log, changed_order_days, days).select("day")


order_visits = table_asset(
    contracts.OrderVisits,
    events=Reads(CleanEvents, whole=True),
    session_events=Reads(SessionEvents, whole=True),
    sessions=Reads(Sessions, whole=True),
    lines=EVERY_LINE,
    invalidated_by=days_of_pairs,
    empty_unless=have_purchases,
)(matching.order_visits)


def _days_of_orders(
    lines: ir.Table, changed: ir.Table, not_recorded: frozenset[str], days: Days
) -> ir.Table:
    """Return the days whose orders a run over `days` can change, or the visits of these."""
    moved = orders.changed_days(changed, days)
    if PURCHASES in not_recorded:
        return moved
    return union_distinct(moved, matching.days_of_visited_orders(lines, changed, days))


@invalidation(user_order_log=UserOrderLog, changed_order_days=ChangedOrderDays)
def days_of_changed_conversions(
    user_order_log: ir.Table,
    changed_order_days: ir.Table,
    not_recorded: frozenset[str],
    days: Days,
) -> ir.Table:
    """Return the days whose orders the run can change, or the visits of these."""
    return _days_of_orders(user_order_log, changed_order_days, not_recorded, days)


@table_asset(
    contracts.Conversions,
    follows="visitors",
    session_events=Reads(SessionEvents, whole=True),
    user_order_log=EVERY_LINE,
    order_visits=Reads(contracts.OrderVisits, whole=True, of_all_visitors=True),
    invalidated_by=days_of_changed_conversions,
)
def conversions(
    session_events: ir.Table, user_order_log: ir.Table, order_visits: ir.Table, days: Days
) -> ir.Table:
    """Return the purchases and refunds in events and order lines."""
    return compute.conversions(
        session_events.filter(days.contain(session_events.event_date)),
        user_order_log.filter(days.contain(user_order_log.order_date)),
        order_visits,
    )


EVERY_CONVERSION = Reads(Conversions, whole=True)
EVERY_TOUCH = Reads(Touches, whole=True)


@invalidation(
    conversions=Conversions,
    session_days=SessionDays,
    user_order_log=UserOrderLog,
    changed_order_days=ChangedOrderDays,
)
def days_of_changed_attribution(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    conversions: ir.Table,
    session_days: ir.Table,
    user_order_log: ir.Table,
    changed_order_days: ir.Table,
    session_rule: SessionRule,
    attribution_rule: AttributionRule,
    not_recorded: frozenset[str],
    days: Days,
) -> ir.Table:
    """Return the conversion days whose look-back reaches data that the run can change."""
    changed = _days_of_orders(user_order_log, changed_order_days, not_recorded, days)
    converted = conversions.select(day="converted_date")
    return touched_days(converted, session_days, changed, session_rule, attribution_rule, days)


@table_asset(
    contracts.ChannelRemovalEffects,
    conversions=EVERY_CONVERSION,
    touches=EVERY_TOUCH,
    invalidated_by=days_of_changed_attribution,
)
def channel_removal_effects(
    conversions: ir.Table, touches: ir.Table, attribution_rule: AttributionRule, days: Days
) -> ir.Table:
    """Solve the Markov chain of each day; the engine counts its transitions,
    and Python solves the few equations.
    """
    asked = {
        "conversions": conversions,
        "touches": touches,
        "attribution_rule": attribution_rule,
        "days": days,
    }
    chains = _chains(rows_of(computed(_counted_steps, asked)))
    return arrow_in_memory("removal_effects", markov.removal_effect_rows(chains))


def _counted_steps(
    conversions: ir.Table, touches: ir.Table, attribution_rule: AttributionRule, days: Days
) -> ir.Table:
    """Return the transitions of each day on which somebody was converted, counted."""
    spans = markov.step_spans(conversions, touches, attribution_rule, days)
    return markov.steps_on(spans, days).semi_join(markov.converting_days(spans), ["unit", "day"])


def _chains(counted: list[Row]) -> Iterator[markov.Chain]:

    def chain(row: Row) -> tuple[date, str]:
        return row["day"], row["unit"]

    for (day, unit), rows in groupby(sorted(counted, key=chain), key=chain):
        steps = {(row["here"], row["there"]): int(row["step_count"]) for row in rows}
        yield day, unit, markov.removal_effects(steps, UNITS_OF_ONE)


@invalidation(conversions=Conversions, conversion_credit=contracts.ConversionCredit)
def days_of_another_rule(
    conversions: ir.Table,
    conversion_credit: ir.Table,
    attribution_rule: AttributionRule,
    days: Days,
) -> ir.Table:
    """Return the days with conversions of which none has credit by the rule of now."""
    current = conversion_credit.definition_hash == attribution_rule.definition_hash
    credited = conversion_credit.filter(current, days.contain(conversion_credit.converted_date))
    converted = (
        conversions.filter(days.contain(conversions.converted_date))
        .select(day="converted_date")
        .distinct()
    )
    return converted.anti_join(credited, converted.day == credited.converted_date)


@table_asset(
    contracts.ConversionCredit,
    follows="visitors",
    outdated_by=days_of_another_rule,
    conversions=EVERY_CONVERSION,
    touches=EVERY_TOUCH,
    invalidated_by=days_of_changed_attribution,
)
def conversion_credit(
    conversions: ir.Table, touches: ir.Table, attribution_rule: AttributionRule, days: Days
) -> ir.Table:
    """Share each conversion among the channels that led to it, under every model but Markov's."""
    return credit.conversion_credit(conversions, touches, attribution_rule, days)


@table_asset(
    contracts.ChannelAttribution,
    conversion_credit=Reads(contracts.ConversionCredit, whole=True),
    channel_removal_effects=Reads(contracts.ChannelRemovalEffects, whole=True),
    invalidated_by=days_of_changed_attribution,
)
def channel_attribution(
    conversion_credit: ir.Table, channel_removal_effects: ir.Table, days: Days
) -> ir.Table:
    """Credit the channels under every model."""
    of_days = conversion_credit.filter(days.contain(conversion_credit.converted_date))
    return credit.channel_attribution(of_days, channel_removal_effects)


TOUCH_ASSETS = (session_sources, touches)
CREDIT_ASSETS = (channel_removal_effects, conversion_credit, channel_attribution)
"""Assets that need visits; `conversions` can also be computed from orders alone."""


@table_asset(FirstTouches, follows="visitors", events=CleanEvents)
def first_touches(events: ir.Table, channel_rule: ChannelRule) -> ir.Table:
    """Return the first event of each visitor on each day."""
    return compute.first_touches(events, channel_rule)
