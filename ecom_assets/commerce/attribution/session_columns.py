"""What an event has of its session: where that came from, and whether it is the visitor's first."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.questions.source import StoredTables
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import UNIT, is_inside, session_events
from ecom_assets.commerce.attribution.contracts import ADDRESS, SessionColumns, Touches
from ecom_assets.commerce.attribution.touches import (
    OF_DIRECT,
    OF_UNKNOWN,
    ChannelRule,
    sources_of_sessions,
)
from ecom_assets.commerce.orders.orders import NONE, landing_page_of
from ecom_assets.core.tables.portable import dialect_of, fetched, first_of_each

FIRST_BOUGHT = {"first_category": "product_category", "first_product": "product_id"}
"""The columns of what a visitor first bought, each with that which has its values."""
PURCHASE = "purchase"
NEW, RETURNING = "new", "returning"
_SESSION = (*UNIT, "started_at")
NO_ADDRESSES = (
    "No event has a page with UTM parameters or a referrer from elsewhere, so every visit is "
    "Direct."
)
NO_CHANNELS = (
    "Events are the order report's activities, which do not say where visits came from, so no "
    "channel is known."
)
_SOURCED = tuple(OF_DIRECT)
_OF_FIRST = frozenset(("first_channel", "visitor_type"))
"""The columns for which the first session of a visitor is looked for."""
_OF_ALL = {NO_ADDRESSES: OF_DIRECT, NO_CHANNELS: OF_UNKNOWN}
"""What the visits have of which a sentence speaks."""
_SAY_SOURCE = {"channel": "channel", "source": "source", "first_channel": "channel"}
"""The columns of `SessionColumns` that say where visits came from,
each with that which has its values.
"""


def named_of(columns: Iterable[str]) -> frozenset[str]:
    """Return which of some columns are of sessions."""
    return frozenset(columns) & frozenset(SessionColumns.columns)


def reads_of(names: Collection[str]) -> tuple[str, ...]:
    """Return the columns of events that some columns of sessions are computed from, beside who did
    what and when; none for none.
    """
    bought = [column for name, column in FIRST_BOUGHT.items() if name in names]
    both = FIRST_BOUGHT.values() if bought else ()
    return (*ADDRESS, *both) if names else ()


def with_session_columns(  # noqa: PLR0913 (what each column is by)
    con: SQLBackend,
    events: ir.Table,
    names: Iterable[str],
    cut_by: SessionRule,
    rule: ChannelRule,
    *,
    landing_pages: Sequence[str] = (),
) -> ir.Table:
    """Return clean events of all days with these columns of `SessionColumns`.

    Args:
        con: The engine, in which they are kept if that costs less than to compute them for each
            use.
        events: Rows of `CleanEvents`, with `ADDRESS` among their columns.
        names: Which columns.
        cut_by: When a session ends.
        rule: What the channels are.
        landing_pages: Patterns of pages that are one landing page.
    """
    names = tuple(names)
    own = {
        f"own_{name}": events[name] for name in UNIT
    }  # a session rule may give an event to the session's visitor
    placed = session_events(events.mutate(**own), cut_by, by_day=False).rename(
        started_at="fragment_started_at"
    )
    arrived = placed.rename(fragment_started_at="started_at").mutate(
        event_date=placed.started_at.date()
    )
    sources = sources_of_sessions(arrived, rule).select(
        *UNIT, *_SOURCED, started_at="fragment_started_at"
    )
    begun = placed.filter(placed.event_number == 1)
    pages = landing_page_of(begun.page_url, landing_pages)
    sessions = begun.select(*_SESSION, landing_page=pages.fill_null(NONE))
    sessions = sessions.left_join(sources, _SESSION)
    sessions = _described(
        sessions.select(*_SESSION, *_SOURCED, "landing_page"), rule.without_source, names
    )
    joined = placed.inner_join(sessions, _SESSION)
    joined = joined.mutate(**{name: joined[f"own_{name}"] for name in UNIT})
    joined = _with_first_bought(joined, events, names)
    return dialect_of(con).kept(
        con, "events_with_sessions", joined.select(*events.columns, *_in_order(names))
    )


def with_stored_columns(
    events: ir.Table,
    stored: StoredTables,
    names: Iterable[str],
    landing_pages: Sequence[str] = (),
) -> ir.Table:
    """Return the same from the tables of sessions and touches that were computed from these events.

    Over a million events this takes less than an eighth of the time, and a question that filters by
    type, less. Nothing is kept: the statement is the same for each request, so that it is compiled
    once.
    """
    names = tuple(names)
    sources = stored.table(Touches).select("session_id", *_SOURCED)
    kept = stored.table(Sessions)
    pages = landing_page_of(kept.entry_page_url, landing_pages)
    kept = kept.mutate(landing_page=pages.fill_null(NONE))
    sessions = kept.select("session_id", *_SESSION, "ended_at", "landing_page").left_join(
        sources, "session_id"
    )
    # Of sessions with refunds only there is no touch, whatever their events can say.
    sessions = _described(
        sessions.select(*_SESSION, "ended_at", *_SOURCED, "landing_page"), OF_DIRECT, names
    )
    joined = events.inner_join(sessions, is_inside(events, sessions))
    joined = _with_first_bought(
        joined.select(*events.columns, *_in_order(set(names) - FIRST_BOUGHT.keys())),
        stored.table(CleanEvents),
        names,
    )
    return joined.select(*events.columns, *_in_order(names))


def _with_first_bought(rows: ir.Table, events: ir.Table, names: Collection[str]) -> ir.Table:
    """Return rows with what their visitors first bought, as far as names ask for it."""
    wanted = {name: column for name, column in FIRST_BOUGHT.items() if name in names}
    if not wanted:
        return rows
    has_product = events.product_id.notnull() | events.product_category.notnull()
    bought = events.filter(events.event_type == PURCHASE, has_product)
    first = first_of_each(bought, "visitor_id", ["event_at", "event_id"])
    first = first.select(buyer_id="visitor_id", **{name: first[of] for name, of in wanted.items()})
    joined = rows.left_join(first, rows.visitor_id == first.buyer_id).drop("buyer_id")
    return joined.mutate(**{name: joined[name].fill_null(NONE) for name in wanted})


def direct_warnings(con: SQLBackend, rows: ir.Table, names: Collection[str]) -> list[str]:
    """Return a sentence if some columns say where sessions came from, and all came directly,
    or of none it is known.
    """
    name = next((name for name in _SAY_SOURCE if name in names), None)
    if name is None:
        return []
    for sentence, of_all in _OF_ALL.items():
        differs = rows[name] != of_all[_SAY_SOURCE[name]]
        if not fetched(con, rows.filter(differs).select(name).limit(1)):
            return [sentence]
    return []


def _in_order(names: Iterable[str]) -> list[str]:
    return [name for name in SessionColumns.columns if name in set(names)]


def _described(
    sessions: ir.Table, without_source: Mapping[str, str], names: Collection[str]
) -> ir.Table:
    """Return sessions with the columns of `SessionColumns` that are named, and others, from what is
    known of where they came from.
    """
    filled = {name: sessions[name].fill_null(value) for name, value in without_source.items()}
    sessions = sessions.mutate(**filled)
    if _OF_FIRST.isdisjoint(names):  # no engine leaves out the join by itself
        return sessions
    first = first_of_each(sessions, "visitor_id", ["started_at", "session_device_id"])
    first = first.select("visitor_id", first_at="started_at", first_channel="channel")
    joined = sessions.inner_join(first, "visitor_id")
    return joined.mutate(
        visitor_type=(joined.started_at == joined.first_at).ifelse(NEW, RETURNING)
    ).drop("first_at")
