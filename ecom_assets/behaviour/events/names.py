"""What people read in place of the names of event types: a mapping's labels, else plain words."""

import re
from collections.abc import Mapping
from typing import Final

PLAIN: Final[Mapping[str, str]] = {
    "page_view": "Page viewed",
    "product_view": "Product viewed",
    "category_view": "Category viewed",
    "search": "Searched",
    "add_to_cart": "Added to cart",
    "remove_from_cart": "Removed from cart",
    "checkout_start": "Checkout started",
    "purchase": "Purchase",
    "refund": "Refund",
    "session_start": "Session started",
    "sign_up": "Signed up",
    "login": "Logged in",
    "alias": "Joined two ids",
}
"""The names of usual event types."""
_OF_CODE: Final = re.compile(r"[a-z][a-z0-9_]*")


class Named(str):
    """What something is called, with its technical name."""

    __slots__ = ("technical",)

    technical: str

    def __new__(cls, name: str, technical: str) -> "Named":
        """Return a text that is the name, and knows the technical one."""
        named = super().__new__(cls, name)
        named.technical = technical
        return named


def event_name(event_type: str, labels: Mapping[str, str]) -> str:
    """Return what people call an event type, which knows the type where it is another text.

    `labels` are those of the mapping of events. A type of a shop's own without a label keeps its
    name, in words if it is one of code: `quiz_done` is Quiz done, `Quiz Done` stays.
    """
    plain = event_type
    if _OF_CODE.fullmatch(event_type):
        plain = event_type.replace("_", " ").capitalize()
    name = labels.get(event_type) or PLAIN.get(event_type) or plain
    return name if name == event_type else Named(name, event_type)
