"""A tool that takes what every engine's shop delivers, and refuses some of it."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ecom_assets.core.settings.settings import Settings
from ecom_assets.outputs.delivery.destination import PAYLOADS, DeliveryResult, DeliveryState
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext

TAKEN = DeliveryResult(DeliveryState.DELIVERED)
UNLIKED = DeliveryResult(
    DeliveryState.REJECTED, "bad_value", "It does not like ids that end with 1."
)
NO_SEARCHES = "Searches cannot go there."


@dataclass
class FixedTool:
    """A destination of events or users in memory."""

    name: str
    takes_updates: bool
    account: str = "test"
    senders: int = 1
    confirms: bool = True
    takes_sign_ins: bool = False
    takes_sessions: bool = False
    safe_to_repeat: bool = True
    repeat_window_s: float | None = None

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return every value of a row as text, so that engines that differ in one are found out."""
        del sent_at
        return pa.Table.from_pylist(
            [self._payload(row) for row in rows.to_pylist()], schema=PAYLOADS
        )

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Cut by number."""
        for start in range(0, len(payloads), 100):
            yield payloads.slice(start, 100)

    def send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        """Take what it likes."""
        return [
            UNLIKED if value.partition("@")[0].endswith("1") else TAKEN
            for value in batch["record_id"].to_pylist()
        ]

    def _payload(self, row: dict[str, object]) -> dict[str, object]:
        at = row.get("event_at")
        is_event = isinstance(at, datetime)
        cannot = row.get("event_type") == "search"
        return {
            "record_id": f"{row['event_id']}@{at.date()}"
            if isinstance(at, datetime)
            else str(row["customer_id"]),
            "user_key": str(row["visitor_id"] if is_event else row["customer_id"]),
            "payload": None if cannot else repr(row),
            "reason": "bad_name" if cannot else None,
            "words": NO_SEARCHES if cannot else None,
        }


def fixed_delivery(settings: Settings) -> DeliveryContext:
    """Return the delivery_context of a run, with a ledger where the settings have it."""
    tools = [
        FixedTool("amplitude_events", takes_updates=False, takes_sessions=True),
        FixedTool("amplitude_users", takes_updates=True),
    ]
    return DeliveryContext(settings, nullcontext({tool.name: tool for tool in tools}))
