"""How journeys, searches and categories go down: to sessions, and to the events of their steps."""

from collections.abc import Callable, Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.journeys.contracts import (
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.journeys.journeys import event_steps, session_starts
from ecom_assets.behaviour.journeys.measures import CategoryMeasures, SearchMeasures
from ecom_assets.behaviour.journeys.performance import (
    COUNTED_TYPES,
    category_sessions,
    in_places,
    searches_of,
)
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.sessions import SESSION, UNIT, is_session, with_search_terms
from ecom_assets.behaviour.sessions.trace import events_of_sessions, sessions_of_day
from ecom_assets.core.tables.trace import (
    Count,
    Derivation,
    RowsOf,
    TableTrace,
    TraceContext,
    ratios_of,
)

STARTED: Final = "started_date"


def events_in_sessions(sessions: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events of some sessions, with the start and the day of the session."""
    events = events_of_sessions(sessions.mutate(counted_as=sessions.session_id), context)
    rows = events.join(sessions, events.counted_as == sessions.session_id)
    return rows.select(
        *CleanEvents.columns,
        session_started_at=sessions.started_at,
        started_date=sessions.started_date,
    )


def _steps(context: TraceContext, sessions: ir.Table) -> ir.Table:
    """Return the steps of some sessions by a row's dimension."""
    starts = session_starts(sessions, context.days(STARTED))
    steps = event_steps(
        events_in_sessions(sessions, context), starts, context.rules["journey_rule"]
    )
    return steps.filter(steps.dimension == context.row["dimension"])


def _steps_of_session(context: TraceContext) -> ir.Table:
    """Return the events of one session that are its steps."""
    sessions = sessions_of_day(context, STARTED, session_id=context.row["session_id"])
    steps = _steps(context, sessions)
    return events_of_sessions(sessions, context).semi_join(
        steps.filter(steps.place > 0), "event_id"
    )


def _transitions(*, converted: bool) -> RowsOf:
    """Return the sessions with a transition, once for each time that they have it."""

    def rows(context: TraceContext) -> ir.Table:
        row, rule = context.row, context.rules["journey_rule"]
        sessions = sessions_of_day(context, STARTED)
        sessions = sessions.filter(sessions.purchase_count > 0) if converted else sessions
        steps = _steps(context, sessions)
        position = ibis.least(steps.place, ibis.literal(rule.most_places, "int64"))
        steps = steps.filter(
            steps.step == row["from_step"],
            steps.next_step == row["to_step"],
            position == row["place"],
        )
        on = is_session(sessions, steps)
        counted = sessions.session_id.concat(" ").concat(steps.place.cast("string"))
        return sessions.join(steps, on).select(sessions, counted_as=counted)

    return rows


def _members(context: TraceContext) -> ir.Table:
    """Return the events of the sessions that started on a row's day, with their search terms."""
    return with_search_terms(events_in_sessions(sessions_of_day(context, STARTED), context))


def _searches(met: Callable[[ir.Table], ir.BooleanValue]) -> RowsOf:
    """Return the sessions with searches for a row's term that meet a condition,
    once for each search.
    """

    def rows(context: TraceContext) -> ir.Table:
        sessions, result = sessions_of_day(context, STARTED), searches_of(_members(context))
        result = result.filter(result.search_term == context.row["search_term"], met(result))
        on = is_session(sessions, result)
        counted = sessions.session_id.concat(" ").concat(result.search_number.cast("string"))
        return sessions.join(result, on).select(sessions, counted_as=counted)

    return rows


def _category_sessions(met: Callable[[ir.Table], ir.BooleanValue]) -> Count:
    """Return how a number of sessions that did something with a category is traced."""

    def rows(context: TraceContext) -> ir.Table:
        visits = category_sessions(in_places(_members(context)))
        is_of_category = visits.product_category == context.row["product_category"]
        visits = visits.filter(is_of_category, met(visits))
        session_keys = visits.select(*SESSION).rename(started_at="session_started_at")
        sessions = sessions_of_day(context, STARTED)
        return sessions.semi_join(session_keys, [*UNIT, "started_at"])

    return Count(Sessions, rows)


def _category_events(kind: str) -> Count:
    def rows(context: TraceContext) -> ir.Table:
        events = _members(context)
        return events.filter(
            events.event_type == kind, events.product_category == context.row["product_category"]
        )

    return Count(CleanEvents, rows)


# Conditions on rows of `searches_of`: one per search.


def _is_search(searches: ir.Table) -> ir.BooleanValue:
    return searches.search_number > 0


def _is_clicked(searches: ir.Table) -> ir.BooleanValue:
    return searches.is_clicked == 1


def _is_unclicked(searches: ir.Table) -> ir.BooleanValue:
    return searches.is_clicked == 0


def _is_empty(searches: ir.Table) -> ir.BooleanValue:
    return searches.found_nothing == 1


def _is_in_cart(searches: ir.Table) -> ir.BooleanValue:
    return searches.is_in_cart == 1


# Conditions on rows of `category_sessions`: one per session and category.


def _is_viewed(visits: ir.Table) -> ir.BooleanValue:
    return visits.first_view.notnull()


def _own_cart_after_view(visits: ir.Table) -> ir.BooleanValue:
    return visits.last_own_cart > visits.first_view


def _cart_after_view(visits: ir.Table) -> ir.BooleanValue:
    return visits.last_cart > visits.first_view


def _purchase_after_view(visits: ir.Table) -> ir.BooleanValue:
    return visits.last_purchase > visits.first_view


SEARCHES: Final[Mapping[str, Derivation]] = {
    "search_count": Count(Sessions, _searches(_is_search)),
    "session_count": Count(Sessions, _searches(_is_search), unit="session_id"),
    "clicked_search_count": Count(Sessions, _searches(_is_clicked)),
    "unclicked_search_count": Count(Sessions, _searches(_is_unclicked)),
    "empty_search_count": Count(Sessions, _searches(_is_empty)),
    "cart_search_count": Count(Sessions, _searches(_is_in_cart)),
    **ratios_of(SearchMeasures),
}
CATEGORIES: Final[Mapping[str, Derivation]] = {
    **{f"{kind}_count": _category_events(kind) for kind in COUNTED_TYPES},
    "viewing_session_count": _category_sessions(_is_viewed),
    "cart_session_count": _category_sessions(_own_cart_after_view),
    "any_cart_session_count": _category_sessions(_cart_after_view),
    "purchase_session_count": _category_sessions(_purchase_after_view),
    **ratios_of(CategoryMeasures),
}
TRACES: Final = (
    TableTrace(Journeys, "journeys", {"step_count": Count(CleanEvents, _steps_of_session)}),
    TableTrace(
        JourneyTransitions,
        "journeys",
        {
            "transition_count": Count(Sessions, _transitions(converted=False)),
            "converted_transition_count": Count(Sessions, _transitions(converted=True)),
        },
    ),
    TableTrace(SearchPerformance, "searches", SEARCHES),
    TableTrace(CategoryPerformance, "categories-that-lead-to-carts", CATEGORIES),
)
