"""The board that there is before anybody saved one: it is version 0, until somebody changes or deletes it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ecom_assets.sales.measures import HEADLINES

SHIPPED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
SHOP: Final = {
    "name": "The shop in numbers",
    "description": "Sales, visits and what came of them. Change it as you like: earlier versions stay.",
    "tiles": [
        *({"measure": name, "show": "number", "width": "third"} for name in HEADLINES),
        {"measure": "revenue_amount", "width": "full"},
        {"measure": "session_count"},
        {"measure": "conversion_rate"},
        {"measure": "bounce_rate", "show": "number", "width": "third"},
        {"measure": "cart_abandonment_rate", "show": "number", "width": "third"},
        {"measure": "refund_count", "show": "number", "width": "third"},
    ],
}
SHIPPED: Final[Mapping[str, Mapping[str, dict[str, Any]]]] = {"boards": {"shop": SHOP}}
"""What is shipped, by kind and id, as files have it."""
