"""Rows of the mart for payloads: short to write, whole in columns."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ecom_assets.core.settings.settings import Settings
from ecom_assets.outputs.delivery.destination import Destination
from ecom_assets.outputs.delivery.payloads import EVENT_ROWS, USER_ROWS
from ecom_assets.outputs.delivery.tools.all import TOOLS, destinations

NOON = datetime(2026, 1, 5, 12, 0, 0)  # noqa: DTZ001 (the mart's instants are UTC without saying so)
SENT_AT = NOON.replace(tzinfo=UTC) + timedelta(hours=1)
KEY = "not-to-be-sent"
SET: dict[str, Any] = {
    **{field: KEY for a_tool in TOOLS.values() for field in a_tool.needed},
    "heap_app_id": "1234",
    "ga4_measurement_id": "G-ABC123",
}
"""What each tool needs to be set; two of them take no other form."""
QUICK: dict[str, Any] = {
    "delivery_retry_base_s": 0.001,
    "delivery_pause_s": 0.002,
    "delivery_read_timeout_s": 2.0,
}


def event(number: int = 1, **values: Any) -> dict[str, Any]:
    """Return an event of anna's at noon: she looks at a page."""
    plain = {
        "event_id": f"e{number}",
        "event_at": NOON + timedelta(seconds=number),
        "event_type": "page_view",
        "visitor_id": "anna-1",
        "user_id": "anna-1",
    }
    return plain | values


def events(*rows: dict[str, Any]) -> pa.Table:
    """Return rows as the mart gives them."""
    for row in rows:
        if isinstance(row.get("cart_amount"), str):
            row["cart_amount"] = Decimal(row["cart_amount"])
    return pa.Table.from_pylist(list(rows), EVENT_ROWS)


def visits(**counts: int) -> pa.Table:
    """Return page views of persons who take turns: `visits(anna=2, ben=1)` is anna, ben, anna."""
    turns = sorted((turn, name) for name, count in counts.items() for turn in range(count))
    rows = [
        event(number, visitor_id=f"{name}-1", user_id=f"{name}-1")
        for number, (_, name) in enumerate(turns, start=1)
    ]
    return events(*rows)


def users(*rows: dict[str, Any]) -> pa.Table:
    """Return rows of customers as the mart gives them."""
    return pa.Table.from_pylist(list(rows), USER_ROWS)


def tool(name: str, url: str = "http://127.0.0.1:9", **settings: Any) -> Destination:
    """Return a destination that finds all tools at one address and does not wait for long."""
    options = SET | {f"{name}_url": url for name in TOOLS} | QUICK
    return destinations(Settings(**(options | settings)))[name]


def one_batch(destination: Destination, rows: pa.Table) -> pa.Table:
    """Return the only batch of rows that can all go."""
    payloads = destination.payloads(rows, SENT_AT)
    assert payloads["reason"].null_count == len(rows)
    (batch,) = destination.batches(payloads)
    return batch
