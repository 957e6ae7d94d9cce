"""The copy of the ledger's rows in the warehouse, and a lost ledger restored from it."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import Row
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import create_tables
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, rows_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.delivery.contracts import Deliveries, ReconciliationDaily
from ecom_assets.outputs.delivery.ledger.known import KnownRecords, table_of
from ecom_assets.outputs.delivery.ledger.ledger import (
    UNDER_WAY,
    Outcome,
    add_exceptions,
    identity_of,
    most_common,
)

DELIVERIES = """
SELECT k.day::DATE AS record_date, d.name AS destination, d.account, k.record_id, k.outcome,
    nullif(k.reason, '') AS reason, nullif(k.words, '') AS words, k.batch AS batch_number,
      k.attempts AS attempt_count,
    k.sending_count, k.intended_at::TIMESTAMP AS intended_at, k.answered_at::TIMESTAMP
      AS answered_at,
    c.changed_at::TIMESTAMP AS changed_at, k.payload_hash::VARCHAR AS payload_hash
FROM known k JOIN destination d ON d.id = k.destination_id
LEFT JOIN (SELECT destination_id, record_id, max(found_at) AS changed_at FROM change GROUP BY ALL) c
    ON c.destination_id = k.destination_id AND c.record_id = k.record_id
"""
NOTES = """
SELECT y.day, d.name, d.account, y.due_count, y.changed_count, y.outcomes,
    (SELECT max(b.number) FROM batches b WHERE b.destination_id = y.destination_id
      AND b.day = y.day)
FROM days y JOIN destinations d ON d.id = y.destination_id
WHERE y.pending_count IS NOT NULL ORDER BY y.day, d.name, d.account
"""
OF_OUTCOME = {
    "accepted_count": ("delivered",),
    "unacknowledged_count": ("unconfirmed",),
    "rejected_count": ("rejected",),
    "refused_count": ("refused",),
    "in_doubt_count": ("in_doubt",),
    "pending_count": ("postponed", "waiting"),
}
NOTED = tuple(ReconciliationDaily.columns)[
    : tuple(ReconciliationDaily.columns).index("newest_batch_number") + 1
]
"""The columns of `ReconciliationDaily` that come from the ledger."""


def deliveries_of(store: Database | None, days: Days) -> ir.Table:
    """Return the rows of `Deliveries` for some days, as an in-memory table."""
    con = connect()
    schema = arrow_schema_of(Deliveries)
    con.con.register("rows", schema.empty_table())
    con.con.execute("CREATE TABLE deliveries AS SELECT * FROM rows")
    if store:
        sent = {
            date.fromisoformat(day) for (day,) in store.rows("SELECT DISTINCT day FROM batches")
        }
        for day in sorted(sent.intersection(days.dates)):
            con.con.register("rows", _day(store, day).cast(schema))
            con.con.execute("INSERT INTO deliveries SELECT * FROM rows")
    return con.table("deliveries")


def noted_days(store: Database | None, days: Days | None = None) -> pa.Table:
    """Return the ledger's totals of days, in the columns `NOTED`."""
    result = store.rows(NOTES) if store else []
    wanted = None if days is None else set(days.dates)
    rows = [
        _reconciled_row(row)
        for row in result
        if wanted is None or date.fromisoformat(row[0]) in wanted
    ]
    schema = arrow_schema_of(ReconciliationDaily)
    return pa.Table.from_pylist(rows, schema=pa.schema([schema.field(name) for name in NOTED]))


def _day(store: Database, day: date) -> pa.Table:
    with closing(KnownRecords(store, None, day, day)) as known_records:
        destinations = store.rows("SELECT id, name, account FROM destinations")
        changes = "SELECT destination_id, record_id, found_at FROM changes WHERE day = ?"
        known_records.con.register(
            "destination",
            table_of({"id": pa.int64(), "name": pa.string(), "account": pa.string()}, destinations),
        )
        kinds = {"destination_id": pa.int64(), "record_id": pa.string(), "found_at": pa.string()}
        known_records.con.register(
            "change", table_of(kinds, store.rows(changes, (day.isoformat(),)))
        )
        return known_records.con.sql(DELIVERIES).to_arrow_table()


def _reconciled_row(row: tuple[Any, ...]) -> dict[str, Any]:
    day, name, account, due, changed, outcomes, newest = row
    counted: dict[str, int] = json.loads(outcomes)
    return {
        "reconciled_date": date.fromisoformat(day),
        "destination": name,
        "account": account,
        "due_count": due,
        "changed_count": changed,
        "newest_batch_number": newest or 0,
        **{
            column: sum(counted.get(outcome, 0) for outcome in of)
            for column, of in OF_OUTCOME.items()
        },
    }


def gap_of(store: Database | None, engine: Engine) -> tuple[int, int]:
    """Return how many records the copy has and the ledger lacks, by destination and day,
    and how many the copy has.

    Accounts are not compared because their names may change between releases. A record that was
    sent twice counts twice in the ledger and once in the copy, so a complete ledger never has fewer
    records.
    """
    rows = (
        engine.table(Deliveries)
        .group_by("destination", "record_date")
        .agg(n=lambda table: table.count())
    )
    copied = {
        (row["destination"], row["record_date"].isoformat()): row["n"] for row in rows_of(rows)
    }
    per_day = (
        "SELECT d.name, b.day, sum(b.record_count) FROM batches b JOIN destinations d ON d.id = "
        "b.destination_id GROUP BY d.name, b.day"
    )
    numbers = (
        {(name, day): int(number) for name, day, number in store.rows(per_day)} if store else {}
    )
    missing = sum(max(number - numbers.get(key, 0), 0) for key, number in copied.items())
    return int(missing), int(sum(copied.values()))


def refuse_emptier(store: Database | None, engine: Engine, address: object) -> None:
    """Refuse to send anything if the ledger has fewer records than its copy in the warehouse.

    Raises:
        DeliveryError: The ledger has fewer records.
    """
    missing_count, copied_count = gap_of(store, engine)
    if missing_count:
        raise DeliveryError(
            f"The ledger of deliveries {store.address if store else address} lacks "
            f"{missing_count:,} of the {copied_count:,} deliveries that export.deliveries has, so "
            "these would be sent again; nothing was sent: put your backup of the ledger back, or "
            "rebuild it with `ecom ledger restore`."
        )


@dataclass
class Restored:
    """What was restored."""

    record_count: int = 0
    batch_count: int = 0
    day_count: int = 0
    without_hash_count: int = 0
    """Records without a payload hash in the copy, because an earlier release wrote it."""


def restore(store: Database, engine: Engine) -> Restored:
    """Restore every batch of the copy that the ledger lacks, in one transaction."""
    create_tables(store)
    done = Restored()
    with store.transaction():
        known_numbers = {number for (number,) in store.rows("SELECT number FROM batches")}
        days = rows_of(engine.table(Deliveries).select("record_date").distinct())
        for day in sorted(row["record_date"] for row in days):
            for batch in _batches(engine, day):
                _restore_batch(store, batch, known_numbers, done)
        if done.batch_count:
            store.rows(store.spelling["next_number"])
        # Add the totals of days; the next delivery checks days with records in doubt or waiting
        # again.
        rows = rows_of(engine.table(ReconciliationDaily))
        count = 0
        for row in rows:
            outcomes = {of[0]: row[column] for column, of in OF_OUTCOME.items() if row[column]}
            count += store.count(
                "INSERT INTO days (destination_id, day, pending_count, due_count, changed_count, "
                "outcomes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    identity_of(store, row["destination"], row["account"], token=1),
                    row["reconciled_date"].isoformat(),
                    row["pending_count"] + row["in_doubt_count"],
                    row["due_count"],
                    row["changed_count"],
                    json_text(outcomes),
                ),
            )
        done.day_count = count
    return done


def _batches(engine: Engine, day: date) -> Iterator[list[Row]]:
    """Yield the rows of a day, grouped by the batch in which they were last sent."""
    table = engine.table(Deliveries)
    ordered = table.filter(table.record_date == day).order_by(
        "batch_number", "destination", "account", "record_id"
    )
    rows = rows_of(ordered)
    for _, batch in groupby(rows, key=itemgetter("batch_number", "destination", "account")):
        yield list(batch)


def _restore_batch(
    store: Database, batch: list[Row], known_numbers: set[int], done: Restored
) -> None:
    """Add a batch under its number,
    or only the records that the ledger lacks if the number is taken.
    """
    first = batch[0]
    identity, number = (
        identity_of(store, first["destination"], first["account"], token=1),
        first["batch_number"],
    )
    if number in known_numbers:
        query = "SELECT record_ids FROM batches WHERE destination_id = ? AND day = ?"
        batches = store.rows(query, (identity, first["record_date"].isoformat()))
        record_ids = {record_id for (ids,) in batches for record_id in json.loads(ids)}
        batch = [row for row in batch if row["record_id"] not in record_ids]
        number = max(known_numbers) + 1
    if not batch:
        return
    known_numbers.add(number)
    _add(store, identity, number, batch)
    done.batch_count += 1
    done.record_count += len(batch)
    done.without_hash_count += sum(row["payload_hash"] is None for row in batch)


def _add(store: Database, identity: int, number: int, batch: list[Row]) -> None:
    first = batch[0]
    outcomes = [
        Outcome(row["outcome"], row["reason"] or "", row["words"] or "", row["attempt_count"])
        for row in batch
    ]
    common = most_common(outcomes)
    hashes = np.array([int(row["payload_hash"] or 0) for row in batch], dtype="<u8").tobytes()
    store.count(
        "INSERT INTO batches (number, destination_id, day, token, record_count, byte_count, "  # noqa: S608 (our own constant)
        "record_ids, payload_hashes, intended_at, attempts, outcome, reason, words, answered_at) "
        f"{store.spelling['own_number']} "
        "VALUES (?, ?, ?, 0, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            identity,
            first["record_date"].isoformat(),
            len(batch),
            json_text([row["record_id"] for row in batch]),
            hashes,
            _text(first["intended_at"]),
            common.attempts,
            None if common.name == UNDER_WAY else common.name,
            common.reason or None,
            common.message or None,
            _text(first["answered_at"]),
        ),
    )
    add_exceptions(store, number, outcomes, common)
    store.many(
        "INSERT INTO changes (destination_id, day, record_id, payload_hash, found_at) VALUES (?, "
        "?, ?, 0, ?) ON CONFLICT DO NOTHING",
        [
            (identity, row["record_date"].isoformat(), row["record_id"], _text(row["changed_at"]))
            for row in batch
            if row["changed_at"]
        ],
    )


def _text(at: datetime | None) -> str | None:
    return at.isoformat(sep=" ", timespec="microseconds") if at else None
