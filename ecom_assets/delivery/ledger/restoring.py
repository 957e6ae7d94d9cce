"""Restore a lost ledger from its copy in the warehouse.

A record is restored with its last batch and that batch's number, so that ledger and copy agree. Records that were sent
after the copy was last written are lost.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from ecom_assets.delivery.contracts import Deliveries, ReconciliationDaily
from ecom_assets.delivery.ledger.copy import OF_OUTCOME
from ecom_assets.delivery.ledger.ledger import UNDER_WAY
from ecom_assets.delivery.ledger.store import Store, create_tables
from ecom_assets.warehouse.engine import Engine

Row = dict[str, Any]
OUTCOME = ("outcome", "reason", "words", "attempt_count")


@dataclass
class Restored:
    """What was restored."""

    record_count: int = 0
    batch_count: int = 0
    day_count: int = 0
    without_hash_count: int = 0
    """Records without a payload hash in the copy, because an earlier release wrote it."""


def restore(store: Store, engine: Engine) -> Restored:
    """Restore every batch of the copy that the ledger lacks, in one transaction."""
    create_tables(store)
    done = Restored()
    with store.transaction():
        taken = {number for (number,) in store.rows("SELECT number FROM batches")}
        days = engine.table(Deliveries).select("record_date").distinct().to_pyarrow().to_pylist()
        for a_day in sorted(row["record_date"] for row in days):
            for batch in _batches(engine, a_day):
                _bring_back(store, batch, taken, done)
        if done.batch_count:
            store.rows(store.spelling["next_number"])
        done.day_count = _bring_back_days(store, engine)
    return done


def _batches(engine: Engine, a_day: date) -> Iterator[list[Row]]:
    """Yield the rows of a day, grouped by the batch in which they were last sent."""
    table = engine.table(Deliveries)
    ordered = table.filter(table.record_date == a_day).order_by("batch_number", "destination", "account", "record_id")
    rows = ordered.to_pyarrow().to_pylist()
    for _, batch in groupby(rows, key=itemgetter("batch_number", "destination", "account")):
        yield list(batch)


def _bring_back(store: Store, batch: list[Row], taken: set[int], done: Restored) -> None:
    """Add a batch under its number, or only the records that the ledger lacks if the number is taken."""
    first = batch[0]
    identity, number = _identity(store, first), first["batch_number"]
    if number in taken:
        query = "SELECT record_ids FROM batches WHERE destination_id = ? AND day = ?"
        batches = store.rows(query, (identity, first["record_date"].isoformat()))
        known = {one for (ids,) in batches for one in json.loads(ids)}
        batch = [row for row in batch if row["record_id"] not in known]
        number = max(taken) + 1
    if not batch:
        return
    taken.add(number)
    _add(store, identity, number, batch)
    done.batch_count += 1
    done.record_count += len(batch)
    done.without_hash_count += sum(row["payload_hash"] is None for row in batch)


def _add(store: Store, identity: int, number: int, batch: list[Row]) -> None:
    first = batch[0]
    counted = Counter(tuple(row[name] for name in OUTCOME) for row in batch)
    common = counted.most_common(1)[0][0]
    hashes = np.array([int(row["payload_hash"] or 0) for row in batch], dtype="<u8").tobytes()
    outcome, reason, words, attempts = common
    store.count(
        "INSERT INTO batches (number, destination_id, day, token, record_count, byte_count, record_ids, "  # noqa: S608 (our own constant)
        f"payload_hashes, intended_at, attempts, outcome, reason, words, answered_at) {store.spelling['own_number']} "
        "VALUES (?, ?, ?, 0, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number, identity, first["record_date"].isoformat(), len(batch),
            json.dumps([row["record_id"] for row in batch]), hashes, _text(first["intended_at"]), attempts,
            None if outcome == UNDER_WAY else outcome, reason, words, _text(first["answered_at"]),
        ),
    )  # fmt: skip
    store.many(
        "INSERT INTO exceptions (batch, place, outcome, reason, words, attempts) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (number, place, row["outcome"], row["reason"] or "", row["words"] or "", row["attempt_count"])
            for place, row in enumerate(batch)
            if tuple(row[name] for name in OUTCOME) != common
        ],
    )
    store.many(
        "INSERT INTO changes (destination_id, day, record_id, payload_hash, found_at) VALUES (?, ?, ?, 0, ?) "
        "ON CONFLICT DO NOTHING",
        [
            (identity, row["record_date"].isoformat(), row["record_id"], _text(row["changed_at"]))
            for row in batch
            if row["changed_at"]
        ],
    )


def _identity(store: Store, row: Row) -> int:
    key = (row["destination"], row["account"])
    insert = "INSERT INTO destinations (name, account, token, is_free) VALUES (?, ?, 1, 1) ON CONFLICT DO NOTHING"
    store.count(insert, key)
    ((result,),) = store.rows("SELECT id FROM destinations WHERE name = ? AND account = ?", key)
    return int(result)


def _bring_back_days(store: Store, engine: Engine) -> int:
    """Add the totals of days; the next delivery checks days with records in doubt or waiting again."""
    rows = engine.table(ReconciliationDaily).to_pyarrow().to_pylist()
    count = 0
    for row in rows:
        outcomes = {of[0]: row[column] for column, of in OF_OUTCOME.items() if row[column]}
        count += store.count(
            "INSERT INTO days (destination_id, day, pending_count, due_count, changed_count, outcomes) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                _identity(store, row), row["reconciled_date"].isoformat(),
                row["pending_count"] + row["in_doubt_count"], row["due_count"], row["changed_count"],
                json.dumps(outcomes),
            ),
        )  # fmt: skip
    return count


def _text(at: datetime | None) -> str | None:
    return at.isoformat(sep=" ", timespec="microseconds") if at else None
