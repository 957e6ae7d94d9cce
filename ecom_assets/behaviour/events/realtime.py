"""Expressions for real time: the events of the last minutes before a point in time.

METRICS "Real time".

`serving/realtime.py` computes them, over the events of `serving/live_events.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import CARTS, PRODUCT_VIEWS, PURCHASES
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import MONEY


@dataclass(frozen=True)
class RealTimeRule:
    """The settings of real time.

    Attributes:
        windows_minutes: The lengths of the windows that end now. Five minutes show a sale that has
            just begun. Thirty minutes are the idle timeout of a session. GA4's real-time report has
            the same two.
        funnel_minutes: The length of the window of the funnel, which ends now, too.
        top_product_count: The number of products to list, and of pages.
    """

    windows_minutes: tuple[int, ...] = (5, 30)
    funnel_minutes: int = 60
    top_product_count: int = 10

    @property
    def longest_minutes(self) -> int:
        """Return the length of the longest window."""
        return max(*self.windows_minutes, self.funnel_minutes)


NEEDS: Final[Mapping[str, str]] = {
    "open_cart_count": CARTS,
    "purchase_count": PURCHASES,
    "revenue_amount": PURCHASES,
    "view_count": PRODUCT_VIEWS,
    "add_to_cart_count": CARTS,
}
"""What events must record for a number of a window, or of a product in it, to be known."""


def known(row: Row, lacks: frozenset[str]) -> Row:
    """Return numbers of a window, or of a product; None for those that need what events do not
    record.
    """
    return {name: None if NEEDS.get(name) in lacks else number for name, number in row.items()}


def window_of(events: ir.Table, start: ir.TimestampValue, end: ir.TimestampValue) -> ir.Table:
    """Return the events of a window: after its start, and not after its end, both in UTC.

    Args:
        events: Rows of `CleanEvents`.
        start: So many minutes before `end`.
        end: Now.
    """
    return events.filter(events.event_at > start, events.event_at <= end)


def totals(events: ir.Table) -> ir.Table:
    """Return one row with the events, visitors, open carts, purchases and revenue.

    A visitor has an open cart if they added a product after their last purchase, within the window.
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
    is_unpaid = per_visitor.bought_at.isnull() | (per_visitor.added_at > per_visitor.bought_at)
    is_open = per_visitor.added_at.notnull() & is_unpaid
    return per_visitor.agg(
        event_count=per_visitor.event_count.sum().fill_null(0).cast("int64"),
        visitor_count=per_visitor.count(),
        open_cart_count=is_open.ifelse(1, 0).sum().fill_null(0).cast("int64"),
        purchase_count=per_visitor.purchase_count.sum().fill_null(0).cast("int64"),
        revenue_amount=per_visitor.revenue_amount.sum().fill_null(0).cast(MONEY),
    )


def by_type(events: ir.Table) -> ir.Table:
    """Return the number of events of each type, the most frequent first."""
    counted = events.group_by("event_type").agg(event_count=events.count())
    return counted.order_by(counted.event_count.desc(), counted.event_type)


def top_products(events: ir.Table, count: int) -> ir.Table:
    """Return the products with the most visitors, with their views, carts and purchases."""
    is_counted = events.event_type.isin(("product_view", "add_to_cart", "purchase"))
    viewed = events.filter(events.product_id.notnull(), is_counted)
    products = viewed.group_by("product_id").agg(
        visitor_count=viewed.visitor_id.nunique(),
        view_count=(viewed.event_type == "product_view").ifelse(1, 0).sum().cast("int64"),
        add_to_cart_count=(viewed.event_type == "add_to_cart").ifelse(1, 0).sum().cast("int64"),
        purchase_count=(viewed.event_type == "purchase").ifelse(1, 0).sum().cast("int64"),
    )
    in_order = [
        products[name].desc() for name in ("visitor_count", "purchase_count", "add_to_cart_count")
    ]
    return products.order_by(*in_order, products.product_id).limit(count)


def by_minute(events: ir.Table) -> ir.Table:
    """Return the number of events by minute and type; those without events have no row."""
    counted = events.mutate(start_at=events.event_at.truncate("minute"))
    minutes = counted.group_by("start_at", "event_type").agg(event_count=counted.count())
    return minutes.order_by("start_at", "event_type")


def top_pages(events: ir.Table, count: int) -> ir.Table:
    """Return the pages with the most visitors, and how often they were viewed.

    Args:
        events: Rows of `CleanEvents` with the column `page`, the path of the page.
        count: The number of pages.
    """
    viewed = events.filter(events.page.notnull())
    pages = viewed.group_by("page").agg(
        visitor_count=viewed.visitor_id.nunique(),
        view_count=viewed.event_type.endswith("_view").ifelse(1, 0).sum(),
    )
    return pages.order_by(pages.visitor_count.desc(), pages.view_count.desc(), pages.page).limit(
        count
    )
