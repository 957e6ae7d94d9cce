"""Pending records: read the warehouse rows that are due at a destination, in chunks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.clock import Clock
from ecom_assets.customers.contracts import Customers, CustomerSegments, LifetimeValue
from ecom_assets.delivery.destination import Destination
from ecom_assets.delivery.ledger.known import KnownRecords
from ecom_assets.delivery.payloads import EVENT_COLUMNS, USER_COLUMNS, hashes_of
from ecom_assets.delivery.totals import due_events, user_properties, visitor_segment_names
from ecom_assets.events.contracts import CleanEvents
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.tables.days import Days
from ecom_assets.visitor_segments.contracts import VisitorSegments
from ecom_assets.warehouse.engine import Engine

CHUNK_ROWS = 50_000


class Due(Protocol):
    """Due records by the day that they belong to."""

    is_whole: bool
    """Whether the ledger may have a record under any day, because the records do not belong to a day."""

    def counts(self, days: Days) -> dict[date, int]:
        """Return the number of due records of each day that has any."""
        ...

    def newest_day(self) -> date | None:
        """Return the newest day with due records."""
        ...

    def chunks(self, a_day: date) -> Iterator[pa.Table]:
        """Yield the records of a day, in the order in which they must arrive."""
        ...


class DueEvents:
    """Clean events without bots, by the day on which they happened."""

    is_whole = False

    def __init__(self, engine: Engine) -> None:
        """Take the open warehouse."""
        self._events = engine.readable(CleanEvents)

    def counts(self, days: Days) -> dict[date, int]:
        """Return the number of due records of each day that has any."""
        due = due_events(self._events, days)
        return _counted(due.group_by(day="event_date").agg(n=due.count()))

    def newest_day(self) -> date | None:
        """Return the newest day with due records."""
        return _newest(self._events.event_date)

    def chunks(self, a_day: date) -> Iterator[pa.Table]:
        """Yield the events of a day, by time."""
        due = due_events(self._events, Days((a_day,)))
        return _chunks(due.order_by("event_at", "event_id").select(*EVENT_COLUMNS))


class DueUsers:
    """User properties of every customer with an order, all under their as-of day.

    Where visitor segments are declared, of every known visitor too.
    """

    is_whole = True

    def __init__(self, engine: Engine, *, has_visitor_segments: bool) -> None:
        """Take the open warehouse, and whether visitor segments are declared."""
        customers = engine.readable(CustomerSegments), engine.readable(Customers), engine.readable(LifetimeValue)
        visitors = (engine.readable(VisitorSegments), engine.readable(Sessions)) if has_visitor_segments else None
        self._users = user_properties(*customers, visitor_segment_names(*visitors) if visitors else None)

    def counts(self, _days: Days) -> dict[date, int]:
        """Return the number of due records; the days have no effect."""
        return _counted(self._users.group_by(day="as_of_date").agg(n=self._users.count()))

    def newest_day(self) -> date | None:
        """Return the as-of day of the user properties."""
        return _newest(self._users.as_of_date)

    def chunks(self, a_day: date) -> Iterator[pa.Table]:
        """Yield the user properties of a day by customer; none for earlier days, which are outdated."""
        due = self._users.filter(self._users.as_of_date == ibis.literal(a_day))
        return _chunks(due.order_by("customer_id").select(*USER_COLUMNS))


def _chunks(rows: ir.Table) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in rows.to_pyarrow_batches(chunk_size=CHUNK_ROWS):
        held.append(batch)
        if sum(map(len, held)) >= CHUNK_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _counted(counts: ir.Table) -> dict[date, int]:
    return {row["day"]: int(row["n"]) for row in counts.to_pyarrow().to_pylist()}


def _newest(days: ir.DateColumn) -> date | None:
    result: date | None = days.max().to_pyarrow().as_py()
    return result


HASH = "payload_hash"


@dataclass(frozen=True)
class DeliveryPlan:
    """The plan for a chunk of due rows."""

    due: int
    kept: dict[str, int]
    """The number of records that are not sent, by their state in the ledger."""
    changed: pa.Table
    """`record_id` and `payload_hash` of records that have changed since delivery and are not sent again."""
    refused: pa.Table
    """`PAYLOADS` of records that cannot be sent."""
    lanes: list[pa.Table]
    """`PAYLOADS` to send, by lane and in order, with an additional column `payload_hash`."""


@dataclass(frozen=True)
class DeliveryPlanner:
    """Plans what to do with due rows, from what the ledger knows about them."""

    destination: Destination
    known: KnownRecords
    now: Clock
    sending_at: Clock
    lane_count: int
    retry_rejected: bool

    def of(self, chunks: Iterable[pa.Table]) -> Iterator[DeliveryPlan]:
        """Yield the plan for each chunk that has rows."""
        for rows in chunks:
            if len(rows):
                yield self._decide(rows)

    def _decide(self, rows: pa.Table) -> DeliveryPlan:
        payloads = self.destination.payloads(rows, self.sending_at())
        plan = self.known.plan(payloads, self.destination, self.now(), retry_rejected=self.retry_rejected)
        payloads = payloads.append_column(HASH, plan[HASH])
        counts = pc.value_counts(plan["kept_as"].filter(pc.equal(plan["decision"], "keep"))).to_pylist()
        return DeliveryPlan(
            due=len(rows),
            kept={one["values"]: one["counts"] for one in counts},
            changed=payloads.select(["record_id", HASH]).filter(plan["is_changed"]),
            refused=payloads.filter(pc.equal(plan["decision"], "refuse")),
            lanes=self._in_lanes(payloads, pc.equal(plan["decision"], "send")),
        )

    def _in_lanes(self, payloads: pa.Table, goes: pa.ChunkedArray) -> list[pa.Table]:
        """Group the payloads to send by lane, with one copy; all payloads of a user are in the same lane."""
        going = np.flatnonzero(goes.to_numpy())
        users = hashes_of(payloads["user_key"]).to_numpy()[going]
        lanes = (users % self.lane_count).astype("uint8")  # numpy sorts this type in one pass
        sorted_by_lane = payloads.take(pa.array(going[np.argsort(lanes, kind="stable")]))
        ends = np.cumsum(np.bincount(lanes, minlength=self.lane_count)).tolist()
        return [sorted_by_lane.slice(begin, end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
