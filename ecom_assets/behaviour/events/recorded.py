"""What the events of a shop record: without it, what is counted from it is not known, not 0.

Each measure declares what it needs (`Column.needs`), the settings of the events say what they do
not record, and `unknown_measures` decides.
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
"""What order lines do not record that are asked like events."""


def not_recorded_by(has_type: Callable[[str], bool], *, has_addresses: bool) -> frozenset[str]:
    """Return what events do not record that can be of some types only."""
    without = {name for name, types in TYPES_OF.items() if not any(map(has_type, types))}
    return frozenset(without if has_addresses else {*without, ADDRESSES})


def not_recorded(reading: Reading) -> frozenset[str]:
    """Return what the events of a shop do not record; everything where it gave none."""
    has_events = reading.known.get(EVENTS, NOTHING).first is not None
    return reading.not_recorded if has_events else EVERYTHING
