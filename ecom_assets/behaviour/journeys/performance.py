"""Search and category performance: what searches and categories lead to within a session."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.journeys.contracts import CategoryPerformance, SearchPerformance
from ecom_assets.behaviour.journeys.journeys import EVENT_ORDER, NUMBERED_ORDER
from ecom_assets.behaviour.journeys.measures import CategoryMeasures, SearchMeasures
from ecom_assets.behaviour.sessions.sessions import SESSION, with_plain_terms
from ecom_assets.core.tables.measures import with_ratios

NO_TERM = "(none)"
SEARCH_TYPES = ("search", "product_view", "add_to_cart")
"""The event types that search performance is computed from."""
COUNTED_TYPES = ("category_view", "product_view", "add_to_cart")
CATEGORY_TYPES = ("category_view", "product_view", "add_to_cart", "purchase")
"""The event types that category performance is computed from."""
EVENTS_A_DAY = 2**32
"""A session has fewer events than this on a day."""


def search_performance(events: ir.Table) -> ir.Table:
    """Return one row per day and term.

    The events are at least those of `SEARCH_TYPES` of rows of `SessionEvents`, with the
    `session_started_at` and `started_date` of their session.
    """
    searches = searches_of(events, NUMBERED_ORDER)
    per_session = searches.group_by("started_date", "search_term", *SESSION).agg(
        search_count=searches.count(),
        clicked_search_count=searches.is_clicked.sum(),
        cart_search_count=searches.is_in_cart.sum(),
        empty_search_count=searches.found_nothing.sum(),
    )
    rows = per_session.group_by("started_date", "search_term").agg(
        session_count=per_session.count(),
        **{
            name: per_session[name].sum()
            for name in (
                "search_count",
                "clicked_search_count",
                "cart_search_count",
                "empty_search_count",
            )
        },
    )
    rows = rows.mutate(unclicked_search_count=rows.search_count - rows.clicked_search_count)
    return with_ratios(rows, SearchMeasures).select(*SearchPerformance.columns)


def searches_of(events: ir.Table, order: Sequence[str] = EVENT_ORDER) -> ir.Table:
    """Return one row per search, with its number in its session,
    whether a product was viewed or put into the cart, and `found_nothing`, which is null where the
    search does not say how many results it found.

    The events are at least those of `SEARCH_TYPES`, with their `search_term` and
    `search_result_count`, the `session_started_at` and `started_date` of their session, and the
    columns that put the events of a session in order.
    """
    events = events.filter(events.event_type.isin(SEARCH_TYPES))
    so_far = ibis.cumulative_window(group_by=list(SESSION), order_by=list(order))
    numbered = events.mutate(
        search_number=(events.event_type == "search").ifelse(1, 0).sum().over(so_far)
    )
    after = numbered.filter(numbered.search_number > 0)
    searches = after.group_by("started_date", *SESSION, "search_number").agg(
        search_term=after.search_term.max(where=after.event_type == "search"),
        search_result_count=after.search_result_count.max(where=after.event_type == "search"),
        is_clicked=(after.event_type == "product_view").ifelse(1, 0).max(),
        is_in_cart=(after.event_type == "add_to_cart").ifelse(1, 0).max(),
    )
    searches = with_plain_terms(searches)
    return searches.mutate(
        search_term=searches.search_term.fill_null(NO_TERM),
        found_nothing=ibis.cases(
            (searches.search_result_count == 0, 1),
            (searches.search_result_count > 0, 0),
            else_=ibis.null("int64"),
        ),
    )


def category_performance(events: ir.Table) -> ir.Table:
    """Return one row per day and category.

    The events are at least those of `CATEGORY_TYPES` of rows of `SessionEvents`, with the
    `session_started_at` and `started_date` of their session.
    """
    day = events.event_date.delta(events.started_date, unit="day")
    numbered = events.mutate(place=day * EVENTS_A_DAY + events.event_number)
    each = category_sessions(numbered)
    rows = each.group_by("started_date", "product_category").agg(
        viewing_session_count=each.first_view.count(),
        cart_session_count=(each.last_own_cart > each.first_view).ifelse(1, 0).sum(),
        any_cart_session_count=(each.last_cart > each.first_view).ifelse(1, 0).sum(),
        purchase_session_count=(each.last_purchase > each.first_view).ifelse(1, 0).sum(),
        **{f"{kind}_count": each[f"{kind}_count"].sum() for kind in COUNTED_TYPES},
    )
    return with_ratios(rows, CategoryMeasures).select(*CategoryPerformance.columns)


def in_places(events: ir.Table) -> ir.Table:
    """Return clean events of sessions with their `place` in the session."""
    in_order = ibis.window(group_by=list(SESSION), order_by=list(EVENT_ORDER))
    return events.mutate(place=ibis.row_number().over(in_order))


def category_sessions(events: ir.Table) -> ir.Table:
    """Return one row per session and category: the place of its first view,
    and of the last cart and purchase.

    The events are those of `category_performance`, with a number `place` by which the events of a
    session are in order.
    """
    bought = events.filter(events.event_type.isin(("add_to_cart", "purchase")))
    last = bought.group_by(*SESSION).agg(
        last_cart=bought.place.max(where=bought.event_type == "add_to_cart"),
        last_purchase=bought.place.max(where=bought.event_type == "purchase"),
    )
    events = events.filter(events.event_type.isin(COUNTED_TYPES), events.product_category.notnull())
    is_view = events.event_type.isin(("category_view", "product_view"))
    each = events.group_by("started_date", *SESSION, "product_category").agg(
        first_view=events.place.min(where=is_view),
        last_own_cart=events.place.max(where=events.event_type == "add_to_cart"),
        **{
            f"{kind}_count": (events.event_type == kind).ifelse(1, 0).sum()
            for kind in COUNTED_TYPES
        },
    )
    joined = each.left_join(last, list(SESSION))
    return joined.select(each, "last_cart", "last_purchase")
