"""Read the ledger's records of some days, and plan which due rows to send, keep or refuse."""

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.core.state.database import Database
from ecom_assets.core.tables.values import batches_of
from ecom_assets.outputs.delivery.destination import Destination
from ecom_assets.outputs.delivery.payloads import hashes_of

PAGE = 50
"""How many batches are read at a time."""
ADDED = 100_000
"""Records that are handed to DuckDB at a time: each time takes 3 ms,
and a batch for GA4 may have one record.
"""
HASH_BYTES = 8
SENT = {
    "batch": pa.int64(),
    "place": pa.int64(),
    "record_id": pa.string(),
    "payload_hash": pa.uint64(),
}
BATCH = {
    "number": pa.int64(),
    "destination_id": pa.int64(),
    "day": pa.string(),
    "outcome": pa.string(),
    "reason": pa.string(),
    "words": pa.string(),
    "attempts": pa.int64(),
    "intended_at": pa.string(),
    "answered_at": pa.string(),
}
EXCEPTION = {
    "batch": pa.int64(),
    "place": pa.int64(),
    "outcome": pa.string(),
    "reason": pa.string(),
    "words": pa.string(),
    "attempts": pa.int64(),
}
SENDINGS = """
SELECT b.destination_id, b.day, s.record_id, s.payload_hash, b.number AS batch,
    coalesce(x.outcome, b.outcome, 'under_way') AS outcome, coalesce(x.reason, b.reason) AS reason,
    coalesce(x.words, b.words) AS words, coalesce(x.attempts, b.attempts) AS attempts,
      b.intended_at, b.answered_at
FROM sent s JOIN batch b ON b.number = s.batch LEFT JOIN exception x ON x.batch = s.batch
  AND x.place = s.place
"""
NEWEST = """
SELECT destination_id, record_id, max(batch) AS batch, arg_max(day, batch) AS day, arg_max(outcome,
  batch) AS outcome,
    arg_max(payload_hash, batch) AS payload_hash, arg_max_null(reason, batch) AS reason,
    arg_max_null(words, batch) AS words, arg_max(attempts, batch) AS attempts, count(*)
      AS sending_count,
    arg_max(intended_at, batch) AS intended_at, arg_max_null(answered_at, batch) AS answered_at,
    min(intended_at) FILTER (outcome IN ('under_way', 'in_doubt')) AS doubt_at
FROM sendings GROUP BY destination_id, record_id
"""
PLAN = """
SELECT c.position, k.record_id IS NOT NULL AS is_known, c.can_go,
    k.outcome IN ('delivered', 'unconfirmed') AS is_there,
    coalesce(k.payload_hash IN (0, c.payload_hash, c.former_hash), false) AS is_same,
    CASE
        WHEN NOT is_known THEN if(can_go, 'send', 'refuse')
        WHEN is_there THEN if(can_go AND NOT is_same AND $takes_updates, 'send', 'keep')
        WHEN k.outcome = 'rejected' THEN if(can_go AND ($retry OR NOT is_same), 'send', 'keep')
        WHEN k.doubt_at IS NOT NULL
            THEN if(can_go AND k.doubt_at > $repeatable_from AND (is_same OR $takes_updates),
              'send', 'keep')
        WHEN can_go THEN 'send'
        ELSE if(k.outcome = 'refused' AND k.reason = c.reason, 'keep', 'refuse')
    END AS decision,
    CASE WHEN is_there OR k.outcome IN ('rejected', 'refused') THEN k.outcome ELSE 'in_doubt' END
      AS kept_as,
    coalesce(is_there AND can_go AND NOT is_same AND NOT $takes_updates, false) AS is_changed
FROM due c LEFT JOIN known k ON k.record_id = c.record_id
ORDER BY c.position
"""
"""A delivered record stays, even if its payload has changed.

A record that may be delivered is sent again only if that is safe. Every other record is sent if it
can be. A rebuilt ledger may have no hash, which is 0. What an earlier release sent is compared in
the form in which it wrote it.
"""


Batch = tuple[Any, ...]
"""A row of the ledger's batches: the columns of `BATCH`, the records' ids as JSON,
and their hashes.
"""


class KnownRecords:
    """The attempts to send records of some days, in memory, for one destination or all."""

    def __init__(
        self,
        store: Database | None,
        destination_id: int | None,
        first: date | None,
        last: date | None,
    ) -> None:
        """Read the ledger.

        None means: no ledger, all destinations, no first day, or no last day.
        """
        self.con = duckdb.connect()
        for name, kinds in (("sent", SENT), ("batch", BATCH), ("exception", EXCEPTION)):
            self.con.register("rows", table_of(kinds, []))
            self.con.execute(f"CREATE TABLE {name} AS SELECT * FROM rows")  # noqa: S608 (our own names)
        if store:
            self._take_in(store, _pages(store, destination_id, first, last))
        self.con.execute(f"CREATE VIEW sendings AS {SENDINGS}")
        self.con.execute(f"CREATE TABLE known AS {NEWEST}")
        self.has_any = bool(self.con.sql("SELECT 1 FROM known LIMIT 1").fetchall())

    def plan(
        self,
        payloads: pa.Table,
        destination: Destination,
        sent_at: datetime,
        *,
        retry_rejected: bool,
    ) -> pa.Table:
        """Return for each payload, in order: `decision`, `kept_as`, `is_changed`,
        `payload_hash`.
        """
        can_go, hashes = payloads["payload"].is_valid(), hashes_of(payloads["payload"])
        if not self.has_any:
            return pa.table(
                {
                    "decision": pc.if_else(can_go, "send", "refuse"),
                    "kept_as": pa.nulls(len(payloads), pa.string()),
                    "is_changed": pa.repeat(False, len(payloads)),  # noqa: FBT003 (a value, not an option)
                    "payload_hash": hashes,
                }
            )
        position = pa.array(np.arange(len(payloads)))
        due = payloads.select(["record_id", "reason"])
        for name, column in (
            ("position", position),
            ("can_go", can_go),
            ("payload_hash", hashes),
            ("former_hash", hashes_of(payloads["former"])),
        ):
            due = due.append_column(name, column)
        self.con.register("due", due)
        choices = {
            "takes_updates": destination.takes_updates,
            "retry": retry_rejected,
            "repeatable_from": _repeatable_from(destination, sent_at),
        }
        return (
            self.con.sql(PLAN, params=choices)
            .to_arrow_table()
            .append_column("payload_hash", hashes)
        )

    def close(self) -> None:
        """Release the memory."""
        self.con.close()

    def _take_in(self, store: Database, pages: Iterable[list[Batch]]) -> None:
        batches: list[Batch] = []
        size = 0
        for page in pages:
            batches += page
            size += sum(len(batch[-1]) for batch in page) // HASH_BYTES
            if size >= ADDED:
                self._add_all(store, batches)
                batches, size = [], 0
        self._add_all(store, batches)

    def _add_all(self, store: Database, batches: list[Batch]) -> None:
        if batches:
            self._add("sent", _sent(batches))
            self._add("batch", table_of(BATCH, [batch[:-2] for batch in batches]))
            # The records of some batches whose outcome is not that of their batch.
            result: list[tuple[Any, ...]] = []
            for page in batches_of([batch[0] for batch in batches], PAGE):
                marks = ", ".join("?" for _ in page)
                query = f"SELECT {', '.join(EXCEPTION)} FROM exceptions WHERE batch IN ({marks})"  # noqa: S608 (our own names)
                result += store.rows(query, page)
            self._add(
                "exception",
                table_of(EXCEPTION, result),
            )

    def _add(self, name: str, rows: pa.Table) -> None:
        self.con.register("rows", rows)
        self.con.execute(f"INSERT INTO {name} SELECT * FROM rows")  # noqa: S608 (our own names)


def _sent(batches: list[Batch]) -> pa.Table:
    """Return the records of batches. All at once: a ledger of GA4 has a batch per person."""
    ids = [json.loads(batch[-2]) for batch in batches]
    sizes = [len(batch_ids) for batch_ids in ids]
    columns = [
        pa.array(np.repeat(np.array([batch[0] for batch in batches], dtype="int64"), sizes)),
        pa.array(np.concatenate([np.arange(size) for size in sizes])),
        pa.array(chain.from_iterable(ids), pa.string()),
        pa.array(np.frombuffer(b"".join(batch[-1] for batch in batches), dtype="<u8")),
    ]
    return pa.table(columns, names=list(SENT))


def _repeatable_from(destination: Destination, sent_at: datetime) -> str:
    """Return the time, in the ledger's format, since which sent records may be sent again."""
    if not destination.safe_to_repeat:
        return "9999"
    if destination.repeat_window_s is None:
        return ""
    return (sent_at - timedelta(seconds=destination.repeat_window_s)).isoformat(
        sep=" ", timespec="microseconds"
    )


def _pages(
    store: Database, destination_id: int | None, first: date | None, last: date | None
) -> Iterator[list[Batch]]:
    """Yield pages of batches in order."""
    conditions = [
        ("destination_id = ?", destination_id),
        ("day >= ?", first.isoformat() if first else None),
        ("day <= ?", last.isoformat() if last else None),
    ]
    bounds = [(condition, value) for condition, value in conditions if value is not None]
    where = " AND ".join(["number > ?", *(condition for condition, _ in bounds)])
    newest: object = 0
    while True:
        columns = f"{', '.join(BATCH)}, record_ids, payload_hashes"
        query = f"SELECT {columns} FROM batches WHERE {where} ORDER BY number LIMIT {PAGE}"  # noqa: S608 (as above)
        page = store.rows(query, (newest, *(value for _, value in bounds)))
        if page:
            yield page
        if len(page) < PAGE:
            return
        newest = page[-1][0]


def table_of(kinds: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> pa.Table:
    """Return rows as a table with the columns and types of `kinds`."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in kinds)
    return pa.table(
        {
            name: pa.array(list(column), kind)
            for (name, kind), column in zip(kinds.items(), columns, strict=True)
        }
    )
