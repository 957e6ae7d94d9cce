"""What the events of a shop record, so that a number of what they do not record is null, not 0.

A shop that does not track searches has not had 0 searches: nobody knows how many. A measure names
what it needs (`Column.needs`, by the constants below), a source of events says which of these it
lacks (`not_recorded`), and `unknown_measures` of `core/tables/measures.py` compares both. One more
thing to record is a constant here, with its event types in `TYPES_OF`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from ecom_assets.behaviour.events.contracts import VIEW_TYPES
from ecom_assets.core.tables.queries import EVENTS, NOTHING, Reading

VIEWS, PRODUCT_VIEWS, CATEGORY_VIEWS = "views", "product_views", "category_views"
SEARCHES, CARTS, REMOVALS = "searches", "carts", "removals"
CHECKOUTS, PURCHASES, REFUNDS = "checkouts", "purchases", "refunds"
ADDRESSES: Final = "addresses"
"""Where visits come from, and which pages they see."""
ORDER_VISITS: Final = "order_visits"
"""The visits of those who order: events may be of others, or know nobody by an id of an order."""
TYPES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    VIEWS: VIEW_TYPES,
    PRODUCT_VIEWS: ("product_view",),
    CATEGORY_VIEWS: ("product_view", "category_view"),
    SEARCHES: ("search",),
    CARTS: ("add_to_cart",),
    REMOVALS: ("remove_from_cart",),
    CHECKOUTS: ("checkout_start",),
    PURCHASES: ("purchase",),
    REFUNDS: ("refund",),
}
"""The event types that record each, of which one is enough."""
EVERYTHING: Final = frozenset((*TYPES_OF, ADDRESSES, ORDER_VISITS))
"""All that events can record."""
NOT_BY_ORDERS: Final = EVERYTHING - {PURCHASES, REFUNDS}
"""What order lines lack where a question asks them like events."""


def not_recorded_by(has_type: Callable[[str], bool], *, has_addresses: bool) -> frozenset[str]:
    """Return what events do not record, of which `has_type` says whether a type can occur."""
    lacking = {name for name, types in TYPES_OF.items() if not any(map(has_type, types))}
    return frozenset(lacking if has_addresses else {*lacking, ADDRESSES})


def not_recorded(reading: Reading) -> frozenset[str]:
    """Return what the events of a shop do not record; everything where it gave none."""
    has_events = reading.known.get(EVENTS, NOTHING).first is not None
    return reading.not_recorded if has_events else EVERYTHING
