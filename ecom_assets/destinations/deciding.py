"""What follows of due rows, a chunk at a time: which of them go, in which lane, which stay, which cannot go.

Pure but for the reading of rows, so that it runs beside the sending of the chunk before. Not here: sending, and writing
the ledger (`delivery.py`), what is known of a record (`known_records.py`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.clock import Clock
from ecom_assets.destinations.destination import Destination
from ecom_assets.destinations.known_records import KnownRecords
from ecom_assets.destinations.texts import hashes_of

HASH = "payload_hash"


@dataclass(frozen=True)
class Decided:
    """What becomes of a chunk of due rows."""

    due: int
    kept: dict[str, int]
    """How many stay as they are, by what the ledger has of them."""
    changed: pa.Table
    """`record_id` and `payload_hash` of those that have changed since they were delivered, and stay."""
    refused: pa.Table
    """`PAYLOADS` of those that cannot go."""
    lanes: list[pa.Table]
    """`PAYLOADS` of those that go, by lane, in their order, with the `payload_hash` of each beside it."""


@dataclass(frozen=True)
class Deciding:
    """Decides by what is known of records."""

    destination: Destination
    known: KnownRecords
    now: Clock
    sending_at: Clock
    lane_count: int
    retry_rejected: bool

    def of(self, chunks: Iterable[pa.Table]) -> Iterator[Decided]:
        """Yield what becomes of each chunk that has rows."""
        for rows in chunks:
            if len(rows):
                yield self._decide(rows)

    def _decide(self, rows: pa.Table) -> Decided:
        payloads = self.destination.payloads(rows, self.sending_at())
        plan = self.known.plan(payloads, self.destination, self.now(), retry_rejected=self.retry_rejected)
        payloads = payloads.append_column(HASH, plan[HASH])
        counts = pc.value_counts(plan["kept_as"].filter(pc.equal(plan["decision"], "keep"))).to_pylist()
        return Decided(
            due=len(rows),
            kept={one["values"]: one["counts"] for one in counts},
            changed=payloads.select(["record_id", HASH]).filter(plan["is_changed"]),
            refused=payloads.filter(pc.equal(plan["decision"], "refuse")),
            lanes=self._in_lanes(payloads, pc.equal(plan["decision"], "send")),
        )

    def _in_lanes(self, payloads: pa.Table, goes: pa.ChunkedArray) -> list[pa.Table]:
        """Copy each payload that goes once, to where the others of its lane are; a user's are all in one."""
        going = np.flatnonzero(goes.to_numpy())
        users = hashes_of(payloads["user_key"]).to_numpy()[going]
        lanes = (users % self.lane_count).astype("uint8")  # which numpy sorts in one pass
        sorted_by_lane = payloads.take(pa.array(going[np.argsort(lanes, kind="stable")]))
        ends = np.cumsum(np.bincount(lanes, minlength=self.lane_count)).tolist()
        return [sorted_by_lane.slice(begin, end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
