"""What the last minutes of a list of events come to, every field, in plain Python."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

Event = tuple[str, str, str, float, str, str]
"""Id, user, type, minutes ago, product, cart value."""
LOOKED_AT: Final = ("product_view", "add_to_cart", "purchase")


def window_of(events: Sequence[Event], now: datetime, minutes: int) -> dict[str, Any]:
    """What a window comes to, every field of it."""
    inside = [one for one in events if 0 <= one[3] < minutes]
    bought = [one for one in inside if one[2] == "purchase"]
    last_add = {one[1]: one[3] for one in sorted(inside, key=lambda one: -one[3]) if one[2] == "add_to_cart"}
    last_buy = {one[1]: one[3] for one in sorted(inside, key=lambda one: -one[3]) if one[2] == "purchase"}
    products = [product_of(inside, name) for name in sorted({one[4] for one in inside})]
    seen = [one for one in products if one["visitor_count"]]
    return {
        "minutes": minutes,
        "start_at": now - timedelta(minutes=minutes),
        "end_at": now,
        "event_count": len(inside),
        "visitor_count": len({one[1] for one in inside}),
        "open_cart_count": sum(1 for who, ago in last_add.items() if ago < last_buy.get(who, 1e9)),
        "purchase_count": len(bought),
        "revenue_amount": sum((Decimal(one[5]) for one in bought), Decimal(0)),
        "events_by_type": dict(Counter(one[2] for one in inside)),
        "top_products": sorted(seen, key=_place),
    }


def product_of(events: Sequence[Event], name: str) -> dict[str, Any]:
    """What a product comes to."""
    mine = [one for one in events if one[4] == name and one[2] in LOOKED_AT]
    counts = Counter(one[2] for one in mine)
    return {
        "product_id": name,
        "visitor_count": len({one[1] for one in mine}),
        "view_count": counts["product_view"],
        "add_to_cart_count": counts["add_to_cart"],
        "purchase_count": counts["purchase"],
    }


def _place(product: dict[str, Any]) -> tuple[Any, ...]:
    return *(-product[name] for name in ("visitor_count", "purchase_count", "add_to_cart_count")), product["product_id"]
