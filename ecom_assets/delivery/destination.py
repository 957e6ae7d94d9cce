"""The `Destination` protocol: what the delivery of records asks of a tool.

The records of a delivery are Arrow tables all the way, so that millions of them cost no Python object each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

SANDBOX = "sandbox"
"""The account at the stand-ins of the sandbox shop, wherever they listen."""


class Verdict(StrEnum):
    """What is known of a record after it was sent."""

    DELIVERED = "delivered"
    """The destination has it."""
    REJECTED = "rejected"
    """The destination has refused it for good."""
    POSTPONED = "postponed"
    """The destination does not have it and may take it later: it was busy or down for as long as we had patience."""
    IN_DOUBT = "in_doubt"
    """Sent, and nobody can know: no answer told. The ledger has it sent again only where that is safe."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination said of one record of a batch."""

    verdict: Verdict
    reason: str = ""
    words: str = ""
    attempts: int = 1


class Destination(Protocol):
    """A tool that takes records of one kind: events, or properties of users."""

    name: str
    """The name of its asset: amplitude_events, heap_users."""
    account: str
    """What tells the account (project, app, property) at the tool from any other, without a secret: what one has,
    another lacks. Two regions are two accounts, a stand-in is one of its own."""
    former_account: str
    """What earlier releases called the account, if not so; a ledger that still does is told the new name."""
    senders: int
    """How many batches may be under way at once."""
    confirms: bool
    """Whether an answer that it is well says that the destination has the records; some say so to whatever they get."""
    takes_updates: bool
    """Whether a record that has changed is to be sent again and takes the place of the old one: properties of users."""
    safe_to_repeat: bool
    """Whether sending a record again within `repeat_window_s` leaves one copy."""
    repeat_window_s: float | None
    """Seconds in which the destination knows a record again; None: always."""

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return the `PAYLOADS` of rows of the mart, pure: no clock, no network.

        Args:
            rows: What the mart says, columns by this destination's documentation.
            sent_at: When they are to be sent, UTC: some destinations refuse what is too old by then.
        """
        ...

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Cut payloads that can go into batches that the destination takes, by number of records and by bytes."""
        ...

    def send(self, batch: pa.Table) -> Sequence[Answer]:
        """Send a batch and return an answer per record, in the batch's order, after all retries that are worth it.

        Never raises for what the destination or the network does. It may halve a batch, or send it again without the
        rows that were refused; a record is never sent again after the destination has said that it has it.
        """
        ...


PAYLOADS = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("user_key", pa.string(), nullable=False),
        pa.field("payload", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("words", pa.string()),
    ]
)
"""What becomes of rows, a row each, in the rows' order.

record_id: What the ledger knows the record by, the same whenever the same row is looked at.
user_key: Records with the same key reach the destination in their order.
payload: The record as JSON text, as the destination documents it; null where it cannot go.
reason: A fixed code for why it cannot go; null where it can.
words: One sentence for a person; null where it can go.
"""
