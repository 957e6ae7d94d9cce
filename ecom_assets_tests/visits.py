"""From journeys to the sessions and numbered events that a rule makes of them."""

from datetime import datetime
from functools import cache

from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import session_events, whole_sessions
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, Step, as_table, clean_events, journeys

GA4 = SessionRule.preset("ga4")
SUMMER = "https://shop.test/?utm_source=google&utm_medium=cpc&utm_campaign=summer"
WINTER = "https://shop.test/?utm_source=google&utm_medium=cpc&utm_campaign=winter"


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose table `events` the tests exchange."""
    con = connect()
    con.con.register("events", as_table([], CleanEvents))
    return con


@cache
def sql(rule: SessionRule, kind: str) -> str:
    """Compile once per rule."""
    events = warehouse().table("events")
    table = (
        whole_sessions(events, rule)
        if kind == "sessions"
        else session_events(events, rule, by_day=False)
    )
    order = (
        ("visitor_id", "started_at", "session_id")
        if kind == "sessions"
        else ("visitor_id", "event_at", "event_id")
    )
    return str(warehouse().compile(table.order_by(*order)))


def rows_of(rows: list[Row], rule: SessionRule, kind: str) -> list[Row]:
    """Return the sessions, or the numbered events, that rows of received events make."""
    warehouse().con.register("events", clean_events(rows))
    actual: list[Row] = warehouse().con.sql(sql(rule, kind)).to_arrow_table().to_pylist()
    return actual


def visits(steps: list[Step] | dict[str, list[Step]], rule: SessionRule = GA4) -> list[Row]:
    """Return the sessions of Anna, or of several people."""
    people = steps if isinstance(steps, dict) else {"anna": steps}
    return rows_of(journeys(people), rule, "sessions")


def spans(actual: list[Row]) -> list[tuple[str, str]]:
    """Return first and last event of each session, as day and clock."""
    return [tuple(_clock(row[name]) for name in ("started_at", "ended_at")) for row in actual]  # type: ignore[misc]


def _clock(moment: datetime) -> str:
    days = (moment.date() - DAY_ONE).days
    text = moment.strftime("%H:%M:%S.%f").removesuffix(".000000").removesuffix(":00")
    return f"+{days} {text}" if days else text


def views(*clocks: str) -> list[Step]:
    return [(clock, "page_view") for clock in clocks]
