"""Real time, the pure half: what happened in the last minutes before an instant. METRICS "Real time".

The newest landing files are read in `serving/realtime.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from ecom_assets.events.clean import arrival_keys
from ecom_assets.tables.contract import MONEY


@dataclass(frozen=True)
class RealTimeRule:
    """What real time looks at.

    Attributes:
        windows_minutes: Lengths of the windows that end now: five minutes show a sale that has just begun, thirty are
            as long as a visit may pause (GA4's own real-time report shows the same two).
        top_product_count: How many products are listed.
    """

    windows_minutes: tuple[int, ...] = (5, 30)
    top_product_count: int = 10

    @property
    def longest_minutes(self) -> int:
        """Return the length of the longest window."""
        return max(self.windows_minutes)


def first_copies(copies: ir.Table) -> ir.Table:
    """Leave the surplus copies out of clean rows; of each id the first arrival stays.

    Args:
        copies: Clean rows, of few days; over many days `clean.duplicate_events` tells copies apart.
    """
    in_order = ibis.window(group_by="event_id", order_by=arrival_keys(copies))
    placed = copies.mutate(place=ibis.row_number().over(in_order))
    return placed.filter(placed.place == 0).drop("place")


def window_of(events: ir.Table, now: datetime, minutes: int) -> ir.Table:
    """Events of the last minutes: later than so long ago, and not later than now.

    Args:
        events: Rows of `CleanEvents`.
        now: The instant, in UTC without a zone.
        minutes: The length.
    """
    began = ibis.literal(now - timedelta(minutes=minutes), "timestamp")
    return events.filter(events.event_at > began, events.event_at <= ibis.literal(now, "timestamp"))


def totals(events: ir.Table) -> ir.Table:
    """One row: events, visitors, those with an open cart, purchases and their revenue.

    A cart is open while its visitor has put something in after their last purchase, within the window.
    """
    is_purchase = events.event_type == "purchase"
    zero = ibis.literal(0, MONEY)
    per_visitor = events.group_by("visitor_id").agg(
        event_count=events.count(),
        purchase_count=is_purchase.ifelse(1, 0).sum(),
        revenue_amount=is_purchase.ifelse(events.cart_amount.fill_null(0).cast(MONEY), zero).sum(),
        added_at=events.event_at.max(where=events.event_type == "add_to_cart"),
        bought_at=events.event_at.max(where=is_purchase),
    )
    is_open = per_visitor.added_at.notnull() & (
        per_visitor.bought_at.isnull() | (per_visitor.added_at > per_visitor.bought_at)
    )
    return per_visitor.agg(
        event_count=per_visitor.event_count.sum().fill_null(0).cast("int64"),
        visitor_count=per_visitor.count(),
        open_cart_count=is_open.ifelse(1, 0).sum().fill_null(0).cast("int64"),
        purchase_count=per_visitor.purchase_count.sum().fill_null(0).cast("int64"),
        revenue_amount=per_visitor.revenue_amount.sum().fill_null(0).cast(MONEY),
    )


def by_type(events: ir.Table) -> ir.Table:
    """How many events of each type, the most frequent first."""
    counted = events.group_by("event_type").agg(event_count=events.count())
    return counted.order_by(counted.event_count.desc(), counted.event_type)


def top_products(events: ir.Table, count: int) -> ir.Table:
    """The products that most visitors looked at, put into a cart or bought, with how many did which."""
    known = events.filter(
        events.product_id.notnull(), events.event_type.isin(("product_view", "add_to_cart", "purchase"))
    )
    products = known.group_by("product_id").agg(
        visitor_count=known.visitor_id.nunique(),
        view_count=(known.event_type == "product_view").ifelse(1, 0).sum().cast("int64"),
        add_to_cart_count=(known.event_type == "add_to_cart").ifelse(1, 0).sum().cast("int64"),
        purchase_count=(known.event_type == "purchase").ifelse(1, 0).sum().cast("int64"),
    )
    in_order = [products[name].desc() for name in ("visitor_count", "purchase_count", "add_to_cart_count")]
    return products.order_by(*in_order, products.product_id).limit(count)
