"""Which rows of the warehouse are due at a destination, read a chunk at a time. Not here: sending them."""

from collections.abc import Iterator
from datetime import date
from typing import Protocol

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.contracts.customer_value import CustomerSegments, LifetimeValue
from ecom_assets.contracts.customers import Customers
from ecom_assets.contracts.events import CleanEvents
from ecom_assets.destinations.rows import EVENT_COLUMNS, USER_COLUMNS
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.delivery_totals import due_events, user_properties
from ecom_assets.warehouse.engine import Engine

CHUNK_ROWS = 50_000


class Due(Protocol):
    """Records that are due, by the day that they are of."""

    is_whole: bool
    """Whether the ledger may have a record under any day, because the records are not of days."""

    def counts(self, days: Days) -> dict[date, int]:
        """Return how many are due of each day that has any."""
        ...

    def newest_day(self) -> date | None:
        """Return the newest day with any."""
        ...

    def chunks(self, a_day: date) -> Iterator[pa.Table]:
        """Yield a day's, in the order in which they are to arrive."""
        ...


class DueEvents:
    """Clean events of people, of the day on which they happened."""

    is_whole = False

    def __init__(self, engine: Engine) -> None:
        """Take the open warehouse."""
        self._events = engine.table(CleanEvents)

    def counts(self, days: Days) -> dict[date, int]:
        """Return how many are due of each day that has any."""
        due = due_events(self._events, days)
        return _counted(due.group_by(day="event_date").agg(n=due.count()))

    def newest_day(self) -> date | None:
        """Return the newest day with any."""
        return _newest(self._events.event_date)

    def chunks(self, a_day: date) -> Iterator[pa.Table]:
        """Yield a day's, by time."""
        due = due_events(self._events, Days((a_day,)))
        return _chunks(due.order_by("event_at", "event_id").select(*EVENT_COLUMNS))


class DueUsers:
    """What is told of every customer with an order, all of them of the day as of which it is told."""

    is_whole = True

    def __init__(self, engine: Engine) -> None:
        """Take the open warehouse."""
        self._users = user_properties(
            engine.table(CustomerSegments), engine.table(Customers), engine.table(LifetimeValue)
        )

    def counts(self, _days: Days) -> dict[date, int]:
        """Return how many are due, whichever days are asked for."""
        return _counted(self._users.group_by(day="as_of_date").agg(n=self._users.count()))

    def newest_day(self) -> date | None:
        """Return the day as of which they are told."""
        return _newest(self._users.as_of_date)

    def chunks(self, a_day: date) -> Iterator[pa.Table]:
        """Yield those of a day by customer; none of an earlier one, which are not told any more."""
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
    found: date | None = days.max().to_pyarrow().as_py()
    return found
