"""What the platform's event types are called in the tools. Not here: what else tools are told of an event."""

from collections.abc import Mapping

from ecom_assets.destinations.serializing import text

TITLED = {
    "page_view": "Page Viewed",
    "product_view": "Product Viewed",
    "category_view": "Product List Viewed",
    "search": "Products Searched",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "checkout_start": "Checkout Started",
    "purchase": "Order Completed",
    "refund": "Order Refunded",
}
"""Names of Segment's e-commerce specification, which shops use in Amplitude, Heap and Mixpanel too."""

GA4 = {
    "page_view": "page_view",
    "product_view": "view_item",
    "category_view": "view_item_list",
    "search": "search",
    "add_to_cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "checkout_start": "begin_checkout",
    "purchase": "purchase",
    "refund": "refund",
}
"""GA4's recommended events, on which its e-commerce reports are built."""


def names_as(names: Mapping[str, str]) -> str:
    """Return the SQL of an event's name in a tool; types beyond the platform's own keep theirs."""
    each = " ".join(f"WHEN {text(ours)} THEN {text(theirs)}" for ours, theirs in names.items())
    return f"CASE event_type {each} ELSE event_type END"
