"""How sessions and engagement go down to events."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import EVENT_TYPES, CleanEvents
from ecom_assets.behaviour.sessions.contracts import (
    EngagementDaily,
    SessionDays,
    SessionEvents,
    Sessions,
)
from ecom_assets.behaviour.sessions.engagement import MONTH_DAYS, WEEK_DAYS
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import UNIT, is_inside
from ecom_assets.core.tables.contract import Aggregate, Contract
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.trace import (
    Computed,
    Count,
    Derivation,
    RowsOf,
    Sum,
    TableTrace,
    TraceContext,
    UpstreamRows,
    keeping,
    ratios_of,
    traced_column,
)

RUN: Final = (*UNIT, "started_at", "ended_at")
"""What identifies the events of a session, or of one of its days."""


def events_of_sessions(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events of some sessions."""
    events = context.near(CleanEvents, rows, "started_date", "ended_date")
    return keeping(events, rows, is_inside(events, rows))


def events_of_fragments(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events of some sessions cut at midnight."""
    events = context.near(CleanEvents, rows, "event_date")
    return keeping(events, rows, [events.event_date == rows.event_date, *is_inside(events, rows)])


def same_events(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the clean events of rows that have the id and the day of one."""
    return keeping(context.near(CleanEvents, rows, "event_date"), rows, ["event_date", "event_id"])


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    SessionEvents: UpstreamRows(
        CleanEvents, same_events, ("event_date", "event_id"), is_one_to_one=True
    ),
    SessionDays: UpstreamRows(CleanEvents, events_of_fragments, ("event_date", *RUN)),
    Sessions: UpstreamRows(CleanEvents, events_of_sessions, ("started_date", "ended_date", *RUN)),
}


def _events(context: TraceContext) -> ir.Table:
    row = context.row
    days = (
        [row["event_date"]] * 2 if "event_date" in row else [row["started_date"], row["ended_date"]]
    )
    events = context.within(CleanEvents, *days)
    is_inside = events.event_at.between(row["started_at"], row["ended_at"])
    return events.filter(*(events[name] == row[name] for name in UNIT), is_inside)


def _of_types(types: Callable[[SessionRule], tuple[str, ...]]) -> RowsOf:
    def rows(context: TraceContext) -> ir.Table:
        events = _events(context)
        return events.filter(events.event_type.isin(types(context.rules["session_rule"])))

    return rows


def _only(kind: str) -> RowsOf:
    return _of_types(lambda _rule: (kind,))


BEHAVIOUR: Final[Mapping[str, Derivation]] = {
    "event_count": Count(CleanEvents, _events),
    "view_count": Count(CleanEvents, _of_types(lambda rule: rule.view_types)),
    **{f"{kind}_count": Count(CleanEvents, _only(kind)) for kind in EVENT_TYPES},
    "key_event_count": Count(CleanEvents, _of_types(lambda rule: rule.key_event_types)),
    "purchase_amount": Sum(CleanEvents, _only("purchase"), "cart_amount"),
}


def sessions_of_day(context: TraceContext, day: str = "", **equal: Any) -> ir.Table:  # noqa: ANN401 (as columns hold them)
    """Return the sessions that started on the day of a row, with these values."""
    rows = context.where(Sessions, **equal)
    return rows.filter(
        context.days(day or str(EngagementDaily.day_column)).contain(rows.started_date)
    )


def _sessions(**equal: Any) -> Count:  # noqa: ANN401 (as above)
    return Count(
        Sessions,
        lambda context: sessions_of_day(context, **equal),
        day=str(EngagementDaily.day_column),
    )


def counted_sessions(of: Aggregate) -> Count:
    """Return how a measure that counts sessions is traced; others are not traced so."""
    traced_column(of, {})
    return _sessions(**of.where)


def _visitors(days: int) -> Count:
    def rows(context: TraceContext) -> ir.Table:
        last = context.row["event_date"]
        return context.within(SessionDays, last - timedelta(days=days - 1), last)

    return Count(SessionDays, rows, unit="visitor_id")


def _one_event(context: TraceContext) -> ir.Table:
    events = context.on_day(CleanEvents, "event_date")
    return events.filter(events.event_id == context.row["event_id"])


TRACES: Final = (
    TableTrace(
        SessionEvents,
        "session",
        {
            "event_number": Computed(
                "its place among the events of its session on that day", ("event_at",)
            ),
            "cart_amount": Sum(CleanEvents, _one_event, "cart_amount"),
            "search_result_count": Computed(
                "the number of results that the properties of a search say", ("search_term",)
            ),
            "until_next_s": Computed(
                "the seconds to the next event of the session on that day", ("event_at",)
            ),
        },
    ),
    TableTrace(SessionDays, "session", BEHAVIOUR),
    TableTrace(
        Sessions,
        "session",
        {
            **BEHAVIOUR,
            "duration_s": Computed(
                "ended_at less started_at, in seconds", ("started_at", "ended_at")
            ),
        },
    ),
    TableTrace(
        EngagementDaily,
        "engagement",
        {
            **{
                name: counted_sessions(measure.counted_as)
                for name, measure in measures_of(SessionMeasures).items()
                if isinstance(measure.counted_as, Aggregate)
            },
            **ratios_of(SessionMeasures),
            "pages_per_session": Computed(
                "Σ view_count of the sessions ÷ session_count", inputs=_sessions()
            ),
            "mean_duration_s": Computed(
                "the mean of duration_s of the sessions", inputs=_sessions()
            ),
            "median_duration_s": Computed(
                "the median of duration_s of the sessions", inputs=_sessions()
            ),
            "daily_visitor_count": _visitors(1),
            "weekly_visitor_count": _visitors(WEEK_DAYS),
            "monthly_visitor_count": _visitors(MONTH_DAYS),
        },
    ),
)
