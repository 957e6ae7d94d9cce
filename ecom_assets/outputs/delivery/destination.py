"""The `Destination` protocol: what the delivery of records requires of a tool.

The records of a delivery are Arrow tables at every step, so that millions of records need no Python
object each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

SANDBOX = "sandbox"
"""The account name for the vendor stand-ins of the sandbox shop, whatever their address is."""


class DeliveryState(StrEnum):
    """The known state of a record after it was sent."""

    DELIVERED = "delivered"
    """The destination has it."""
    REJECTED = "rejected"
    """The destination has refused it for good."""
    POSTPONED = "postponed"
    """The destination does not have it and may accept it later:
    it was busy or down for the whole waiting time.
    """
    IN_DOUBT = "in_doubt"
    """Sent, but without a response that shows the result. It is sent again only if that is safe."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The result of one record of a batch at a destination."""

    state: DeliveryState
    reason: str = ""
    message: str = ""
    attempts: int = 1


class Destination(Protocol):
    """A tool that accepts records of one kind: events or user properties."""

    name: str
    """The name of its asset, such as amplitude_events or heap_users."""
    account: str
    """A unique name of the account (project, app, property) at the tool, without secrets.

    Accounts share no data: two regions are two accounts, and a vendor stand-in is a separate
    account.
    """
    senders: int
    """How many batches may be sent at the same time."""
    confirms: bool
    """Whether a success response means that the destination has the records;
    some always return success.
    """
    takes_updates: bool
    """Whether a changed record is sent again and replaces the old one, as for user properties."""
    takes_sign_ins: bool
    """Whether it gets a further record for the first sign-in on each device,
    by which it joins device and user.
    """
    takes_sessions: bool
    """Whether its events need the start of their source session, which is kept as it was sent."""
    safe_to_repeat: bool
    """Whether sending a record again within `repeat_window_s` creates no duplicate."""
    repeat_window_s: float | None
    """For how many seconds the destination recognizes a repeated record; None: always."""

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return the `PAYLOADS` for rows of the mart.

        This is a pure function: no clock, no network.

        Args:
            rows: Rows of the mart, with the columns that this destination documents.
            sent_at: When they will be sent, in UTC. Some destinations refuse records that are too
                old by then.
        """
        ...

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Split payloads that can be sent into batches within the destination's
        limits of records and bytes.
        """
        ...

    def send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        """Send a batch, with retries, and return one result per record, in the batch's order.

        Errors of the destination or the network raise no exception. A batch may be halved, or sent
        again without the refused rows. A record is never sent again after the destination has
        confirmed it.
        """
        ...


PAYLOADS = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("user_key", pa.string(), nullable=False),
        pa.field("payload", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("words", pa.string()),
        pa.field("former", pa.string()),
    ]
)
"""The schema of payloads: one row per input row, in the same order.

record_id: The record's id in the ledger, always the same for the same row.
user_key: Records with the same key reach the destination in their order.
payload: The record as JSON text, as the destination documents it; null if it cannot be sent.
reason: A fixed code for why it cannot be sent; null if it can.
words: The reason as a sentence for people; null if it can be sent.
former: The payload as an earlier release wrote it; null if it wrote the same. A record that the
    ledger has in this form has not changed. It is never sent.
"""
