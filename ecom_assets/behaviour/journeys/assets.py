"""Assets of journeys: the steps of sessions, their transitions,
and what searches and categories lead to.

Each table recomputes the days, by session start, that a change can affect, as `sessions` does: see
docs/adr/0003.
"""

from functools import partial

import ibis.expr.types as ir

from ecom_assets.behaviour.journeys import journeys as compute
from ecom_assets.behaviour.journeys import performance
from ecom_assets.behaviour.journeys.contracts import (
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.journeys.journeys import JourneyRule
from ecom_assets.behaviour.journeys.lists import (
    are_few_steps,
    listed_cut_pairs,
    listed_journeys,
    step_counts,
)
from ecom_assets.behaviour.sessions.assets import ALL_FRAGMENTS, days_of_changed_sessions
from ecom_assets.behaviour.sessions.contracts import SessionEvents, Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import events_of_sessions
from ecom_assets.core.tables.asset import Reads, asset_key, table_asset
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import backend_with_kernels, rows_of

ALL_SESSIONS = Reads(Sessions, whole=True)
ALL_JOURNEYS = Reads(Journeys, whole=True)
of_sessions = partial(
    table_asset,
    session_events=Reads(SessionEvents, whole=True),
    session_days=ALL_FRAGMENTS,
    invalidated_by=days_of_changed_sessions,
)
"""Declare a table that is computed from the events of sessions."""


@of_sessions(Journeys, follows="visitors", sessions=ALL_SESSIONS)
def journeys(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    session_events: ir.Table,
    session_days: ir.Table,
    sessions: ir.Table,
    days: Days,
    session_rule: SessionRule,
    journey_rule: JourneyRule,
) -> ir.Table:
    """Put the steps of each session in order."""
    asked = {
        "session_events": session_events,
        "session_days": session_days,
        "sessions": sessions,
        "days": days,
        "session_rule": session_rule,
        "journey_rule": journey_rule,
        "is_listed": _has_few_steps(session_events, days, journey_rule),
    }
    return computed(_journeys, asked, Journeys)


def _has_few_steps(session_events: ir.Table, days: Days, rule: JourneyRule) -> bool:
    """Return whether the fast form is possible for sessions which started on some days."""
    if backend_with_kernels(session_events) is None:
        return False
    asked = {"session_events": session_events, "days": days, "journey_rule": rule}
    [counts] = rows_of(computed(_step_counts, asked))
    return are_few_steps(counts.values())


def _step_counts(session_events: ir.Table, days: Days, journey_rule: JourneyRule) -> ir.Table:
    return step_counts(_from_first(session_events, days), journey_rule)


def _journeys(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    session_events: ir.Table,
    session_days: ir.Table,
    sessions: ir.Table,
    days: Days,
    session_rule: SessionRule,
    journey_rule: JourneyRule,
    is_listed: bool,  # noqa: FBT001 (asked of the data before)
) -> ir.Table:
    starts = compute.session_starts(sessions, days)
    members = events_of_sessions(session_events, session_days, days, session_rule)
    if is_listed:
        possible = _from_first(session_events, days)
        return listed_journeys(members, starts, possible, journey_rule)
    return compute.journeys(members, starts, journey_rule)


@of_sessions(JourneyTransitions, follows="groups", journeys=ALL_JOURNEYS, sessions=ALL_SESSIONS)
def journey_transitions(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    journeys: ir.Table,
    session_events: ir.Table,
    session_days: ir.Table,
    sessions: ir.Table,
    days: Days,
    session_rule: SessionRule,
    journey_rule: JourneyRule,
) -> ir.Table:
    """Count the transitions between steps."""
    asked = {
        "journeys": journeys,
        "session_events": session_events,
        "session_days": session_days,
        "sessions": sessions,
        "days": days,
        "session_rule": session_rule,
        "journey_rule": journey_rule,
        "is_listed": _has_few_steps(session_events, days, journey_rule),
    }
    return computed(_journey_transitions, asked, JourneyTransitions)


def _journey_transitions(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    journeys: ir.Table,
    session_events: ir.Table,
    session_days: ir.Table,
    sessions: ir.Table,
    days: Days,
    session_rule: SessionRule,
    journey_rule: JourneyRule,
    is_listed: bool,  # noqa: FBT001 (asked of the data before)
) -> ir.Table:
    starts = compute.session_starts(sessions, days)
    members = events_of_sessions(session_events, session_days, days, session_rule)
    paths = journeys.filter(days.contain(journeys.started_date))
    cut, possible = compute.cut_sessions(paths, starts), _from_first(session_events, days)
    pairs = (
        listed_cut_pairs(cut, members, possible, journey_rule)
        if is_listed
        else compute.cut_pairs(cut, members, journey_rule)
    )
    return compute.journey_transitions(paths, pairs, journey_rule)


def _from_first(session_events: ir.Table, days: Days) -> ir.Table:
    """Return all events that sessions which started on `days` can have."""
    return session_events.filter(days.from_first(session_events.event_date))


@of_sessions(SearchPerformance, follows="groups", deps=(asset_key(Sessions),))
def search_performance(
    session_events: ir.Table, session_days: ir.Table, days: Days, session_rule: SessionRule
) -> ir.Table:
    """Count search outcomes by term."""
    searches = session_events.filter(session_events.event_type.isin(performance.SEARCH_TYPES))
    return performance.search_performance(
        events_of_sessions(searches, session_days, days, session_rule)
    )


@of_sessions(CategoryPerformance, follows="groups", deps=(asset_key(Sessions),))
def category_performance(
    session_events: ir.Table, session_days: ir.Table, days: Days, session_rule: SessionRule
) -> ir.Table:
    """Count the outcomes of views by category."""
    category_events = session_events.filter(
        session_events.event_type.isin(performance.CATEGORY_TYPES)
    )
    return performance.category_performance(
        events_of_sessions(category_events, session_days, days, session_rule)
    )


JOURNEY_ASSETS = (journeys, journey_transitions, search_performance, category_performance)
