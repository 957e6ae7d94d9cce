"""A person's records in the ledger of deliveries: their ids become keyed hashes, so that counts stay the same."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ecom_assets.privacy.erased_people import KeyedHashes
from ecom_assets.state.database import Database

ERASED = "erased-"
"""How the ids of erased records begin."""
RECORD = "record"
HASH_BYTES = 8
"""Bytes of each record's payload hash in a batch."""
PAGE = 50
"""Batches that are read at a time."""


@dataclass(frozen=True)
class LedgerPerson:
    """The ids by which the ledger can have a person's records: of events, with their days, and of users."""

    events: Mapping[str, date]
    users: frozenset[str]

    @property
    def ids(self) -> frozenset[str]:
        """Return all ids."""
        return self.users.union(self.events)


def count_records(store: Database, person: LedgerPerson) -> int:
    """Return how many records of a person the ledger has by their ids."""
    return sum(len(person.ids.intersection(json.loads(ids))) for _, ids, _ in _batches(store, person))


def hash_records(store: Database, person: LedgerPerson, hashes: KeyedHashes) -> int:
    """Replace the ids of a person's records by keyed hashes, and remove payload hashes and the tools' messages.

    Each batch is changed in a transaction of its own, so that a killed erasure goes on where it stopped.
    """
    changed = 0
    for number, ids, payload_hashes in list(_batches(store, person)):
        records: list[str] = json.loads(ids)
        positions = [position for position, record_id in enumerate(records) if record_id in person.ids]
        blank = bytearray(payload_hashes)
        for position in positions:
            records[position] = hashed(hashes, records[position])
            blank[position * HASH_BYTES : (position + 1) * HASH_BYTES] = bytes(HASH_BYTES)
        with store.transaction():
            store.count(
                "UPDATE batches SET record_ids = ?, payload_hashes = ? WHERE number = ?",
                (json.dumps(records), bytes(blank), number),
            )
            store.many(
                "UPDATE exceptions SET words = '' WHERE batch = ? AND place = ?",
                [(number, position) for position in positions],
            )
            if len(positions) == len(records):
                store.count("UPDATE batches SET words = '' WHERE number = ? AND words IS NOT NULL", (number,))
        changed += len(positions)
    with store.transaction():
        renamed = [(hashed(hashes, person_id), person_id) for person_id in sorted(person.ids)]
        store.many("UPDATE changes SET record_id = ? WHERE record_id = ?", renamed)
    return changed


def hashed(hashes: KeyedHashes, record_id: str) -> str:
    """Return the replacement of the id of an erased record."""
    return ERASED + hashes.hash_of(RECORD, record_id)


def _batches(store: Database, person: LedgerPerson) -> Iterator[tuple[int, str, Any]]:
    """Yield the batches that have a record of the person: its number, its ids as JSON, and its payload hashes."""
    for identity, name in store.rows("SELECT id, name FROM destinations ORDER BY id"):
        if name.endswith("_users"):
            yield from _having(store, person.users, "destination_id = ?", (identity,))
            continue
        for day in sorted(set(person.events.values())):
            ids = frozenset(event_id for event_id, its_day in person.events.items() if its_day == day)
            yield from _having(store, ids, "destination_id = ? AND day = ?", (identity, day.isoformat()))


def _having(
    store: Database, ids: frozenset[str], where: str, parameters: tuple[Any, ...]
) -> Iterator[tuple[int, str, Any]]:
    after = 0
    query = f"SELECT number, record_ids, payload_hashes FROM batches WHERE {where} AND number > ? "  # noqa: S608 (fixed text)
    while page := store.rows(query + f"ORDER BY number LIMIT {PAGE}", (*parameters, after)):
        for number, record_ids, payload_hashes in page:
            if ids.intersection(json.loads(record_ids)):
                yield int(number), record_ids, payload_hashes
        after = page[-1][0]
