"""Where a partition is to be read from: after its files and ledger, whatever the brokers have noted."""

from typing import Final

import structlog

from ecom_assets.errors import SourceError
from ecom_assets.sources.stream_ledger import LedgerEntry, PartitionLedger

ASSIGN_PATIENCE_S: Final = 240.0
"""Below the five minutes after which the group gives the partitions to others."""


def begin_partition(
    ledger: PartitionLedger, topic: str, watermarks: tuple[int, int], start: str, *, accepts_reset: bool
) -> LedgerEntry:
    """Return where a partition is to be read from, and note what retention has deleted before.

    Args:
        ledger: The partition's ledger.
        topic: The name of its topic.
        watermarks: The first offset that the brokers have, and the one after the last.
        start: Where to begin what was never read: `earliest` or `latest`.
        accepts_reset: Whether a partition that lost its end is read from its new end on.

    Raises:
        SourceError: The partition lost its end.
    """
    low, high = watermarks
    with ledger.locked(ASSIGN_PATIENCE_S):
        entry = noted = ledger.settled()
        if entry is None:
            entry = LedgerEntry(topic, low if start == "earliest" else high)
        if entry.next_offset < low:
            structlog.get_logger(__name__).error(
                "messages_lost", partition=f"{topic}/{ledger.partition}", first=entry.next_offset, end=low
            )
            entry = entry.after_loss(low)
        if entry.next_offset > high and accepts_reset:
            entry = LedgerEntry(topic, high, entry.lost)
        if entry != noted:
            ledger.write(entry)
        if entry.next_offset > high:
            raise SourceError(
                f"{topic}/{ledger.partition} ends at offset {high}, but was read up to {entry.next_offset}: it lost "
                "its end; if what the brokers have now is right, run `ecom stream --accept-reset` once."
            )
    return entry
