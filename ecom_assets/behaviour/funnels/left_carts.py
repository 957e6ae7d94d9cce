"""Carts that were left, one by one: the sessions of which `mart.cart_abandonment` counts an
abandoned cart, each with its value, its products and its age.
"""

from datetime import date
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.carts import (
    CART,
    CHECKOUT,
    PURCHASE,
    REMOVE,
    VALUED,
    CartRule,
    worths,
)
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.sessions import is_inside
from ecom_assets.core.tables.portable import NO
from ecom_assets.core.tables.queries import HasTables, Page, in_period

CartOrder = Literal["value", "newest", "oldest"]
COLUMNS: Final = (
    "session_id",
    "visitor_id",
    "last_at",
    "last_date",
    "age_days_count",
    "cart_amount",
    "product_ids",
    "product_names",
    "has_checkout",
    "has_bought_since",
)
"""The columns of `left_carts`."""
BETWEEN: Final = ", "
"""What stands between products."""


def left_sessions(tables: HasTables) -> ir.Table:
    """Return the sessions, started in the period of `PARAMETERS`, in which a cart was filled and
    nothing bought.
    """
    sessions = tables.table(Sessions)
    return sessions.filter(
        in_period(sessions.started_date),
        sessions.add_to_cart_count > 0,
        sessions.purchase_count == 0,
    )


def _cart_events(tables: HasTables, events: ir.Table) -> ir.Table:
    """Return the events of carts and checkouts in `left_sessions`, with their `session_id`."""
    left = left_sessions(tables)
    filled = events.filter(events.event_type.isin(VALUED))
    return filled.join(left, is_inside(filled, left)).select(filled, left.session_id)


def changed_carts(tables: HasTables, events: ir.Table, *, only_open: bool) -> ir.Table:
    """Return when each cart of `left_sessions` was changed last, and what became of it:
    `session_id`, `visitor_id`, `last_at`, `last_date`, `has_checkout` and `has_bought_since`.

    `only_open` leaves out visitors who bought since.
    """
    filled = _cart_events(tables, events)
    last = filled.group_by("session_id").agg(
        last_at=filled.event_at.max(),
        last_date=filled.event_date.max(),
        has_checkout=(filled.event_type == CHECKOUT).any(),
    )
    carts = left_sessions(tables).select("session_id", "visitor_id").join(last, "session_id")
    bought = events.filter(events.event_type == PURCHASE)
    bought = bought.group_by(buyer_id=bought.visitor_id).agg(bought_at=bought.event_at.max())
    carts = carts.left_join(bought, carts.visitor_id == bought.buyer_id)
    carts = carts.mutate(has_bought_since=(carts.bought_at > carts.last_at).fill_null(NO))
    carts = carts.drop("buyer_id", "bought_at")
    return carts.filter(~carts.has_bought_since) if only_open else carts


def left_carts(  # noqa: PLR0913 (each is a part of the question)
    tables: HasTables,
    events: ir.Table,
    names: ir.Table,
    rule: CartRule,
    newest: date,
    *,
    sort_by: CartOrder,
    only_open: bool,
    page: Page | None = None,
) -> ir.Table:
    """Return the carts that were left by sessions of a period, in order, with `COLUMNS`.

    Args:
        tables: The published tables.
        events: All rows of `CleanEvents`.
        names: The names of products: `item_id` and `item_name`.
        rule: What the amount of an event is.
        newest: The newest day of events, up to which the age of a cart is counted.
        sort_by: What they are worth, the most first, or when they were left.
        only_open: Whether visitors who bought since are left out.
        page: Which of them; by default all.
    """
    carts = changed_carts(tables, events, only_open=only_open)
    filled = _cart_events(tables, events)
    worth = worths(filled.filter(filled.cart_amount.notnull()), ["session_id"], rule)
    carts = carts.left_join(worth, "session_id").drop("session_id_right")
    age = ibis.literal(newest).cast("date").delta(carts.last_date, unit="day").cast("int64")
    carts = carts.mutate(cart_amount=carts.worth, age_days_count=age)
    if page is not None:
        carts = _in_order(carts, sort_by).limit(page.limit, offset=page.offset)
    products = _products(filled.semi_join(carts, "session_id"), names)
    carts = carts.left_join(products, "session_id").drop("session_id_right")
    return _in_order(carts, sort_by).select(*COLUMNS)


def _in_order(carts: ir.Table, sort_by: CartOrder) -> ir.Table:
    keys = {
        "value": carts.cart_amount.desc(nulls_first=False),
        "newest": carts.last_at.desc(),
        "oldest": carts.last_at.asc(),
    }
    return carts.order_by(keys[sort_by], carts.session_id)


def _products(filled: ir.Table, names: ir.Table) -> ir.Table:
    """Return the `product_ids` of each session's cart and their names, both by name: what was put
    into it more often than taken out.
    """
    moved = filled.filter(filled.event_type.isin((CART, REMOVE)), filled.product_id.notnull())
    kept = moved.group_by("session_id", "product_id").agg(
        kept_count=(moved.event_type == CART).ifelse(1, -1).sum()
    )
    kept = kept.filter(kept.kept_count > 0)
    named = kept.left_join(names, kept.product_id == names.item_id)
    named = named.select(
        "session_id", "product_id", name=ibis.coalesce(named.item_name, named.product_id)
    )
    order = [named.name, named.product_id]
    return named.group_by("session_id").agg(
        product_ids=named.product_id.group_concat(BETWEEN, order_by=order),
        product_names=named.name.group_concat(BETWEEN, order_by=order),
    )
