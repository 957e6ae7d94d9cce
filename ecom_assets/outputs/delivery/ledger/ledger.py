"""The ledger of deliveries: it records each batch before it is sent, and the result afterwards.

A batch is one row, with the ids of its records as a JSON array and their payload hashes as one byte
string. So two thousand records need one statement before and one after sending. Results that differ
from the rest of the batch are stored by the record's position. See docs/adr/0016.

Terms: docs/glossary.md#ledger and #in-doubt.
"""

import os
import socket
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa

from ecom_assets.core.clock import Clock, now_utc_without_zone
from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.file_lock import has_ended
from ecom_assets.core.json_text import json_text
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import create_tables
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState, Destination
from ecom_assets.outputs.delivery.ledger import sent_ids

WAIT_S = 0.2
"""Seconds between two checks whether another delivery to the same destination has ended."""


@dataclass(frozen=True)
class Intent:
    """Records of one day that are about to be sent together."""

    day: date
    record_ids: Sequence[str]
    payload_hashes: bytes
    """Eight bytes per record, little-endian."""
    byte_count: int


@dataclass(frozen=True)
class Outcome:
    """The known state of a record: a `DeliveryState` value, `unconfirmed` or `refused`."""

    name: str
    reason: str = ""
    message: str = ""
    attempts: int = 0

    @classmethod
    def from_answer(cls, answer: DeliveryResult, destination: Destination) -> "Outcome":
        """Return the outcome for an answer;
        success is only `unconfirmed` if the destination never confirms.
        """
        name = answer.state.value
        if answer.state is DeliveryState.DELIVERED and not destination.confirms:
            name = UNCONFIRMED
        if (
            answer.state is DeliveryState.POSTPONED and answer.reason == NO_ANSWER
        ):  # it may have been accepted
            name = DeliveryState.IN_DOUBT.value
        return cls(name, answer.reason, answer.message, answer.attempts)


@dataclass(frozen=True)
class Writer:
    """The right to write about one destination, which ends when a writer gets a higher token."""

    destination_id: int
    token: int


class DeliveryLedger:
    """What was sent to each destination, and with what result."""

    def __init__(
        self, store: Database, *, now: Clock = now_utc_without_zone, lease_s: float = 120.0
    ) -> None:
        """Create a ledger on a store.

        `now` returns UTC without time zone. `lease_s` is how long others wait for a writer that
        shows no activity.
        """
        self.store = store
        self.now = now
        self.lease_s = lease_s
        create_tables(store)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @contextmanager
    def writer(self, destination: Destination, *, patience_s: float = 300.0) -> Iterator[Writer]:
        """Become the only writer for a destination,
        and replace a writer that is dead or shows no activity.

        Raises:
            DeliveryError: Another delivery is still active after `patience_s`.
        """
        until = time.monotonic() + patience_s
        with self.store.transaction():
            identity = identity_of(self.store, destination.name, destination.account)
        while (writer := self._take(identity)) is None:
            if time.monotonic() >= until:
                raise DeliveryError(
                    f"Another delivery to {destination.name} is under way, so this one sent "
                    "nothing; run again when it has ended."
                )
            time.sleep(WAIT_S)
        try:
            self._settle(writer, destination)
            yield writer
        finally:
            release = "UPDATE destinations SET is_free = 1 WHERE id = ? AND token = ?"
            self.store.count(release, (writer.destination_id, writer.token))

    def may_write(self, writer: Writer) -> bool:
        """Return whether no other writer has taken over."""
        rows = self.store.rows(
            "SELECT token FROM destinations WHERE id = ?", (writer.destination_id,)
        )
        return rows == [(writer.token,)]

    @contextmanager
    def turn(self, writer: Writer) -> Iterator[None]:
        """Write in one transaction that is on disk when it ends,
        or write nothing if another writer has taken over.

        Raises:
            DeliveryError: Another writer has taken over.
        """
        with self.store.transaction():
            renewed = "UPDATE destinations SET renewed_at = ? WHERE id = ? AND token = ?"
            if (
                self.store.count(renewed, (_text(self.now()), writer.destination_id, writer.token))
                != 1
            ):
                raise DeliveryError(
                    "Another delivery to the same destination has taken over, so this one stopped "
                    "and changed nothing; look at that one's run."
                )
            yield

    def intend(self, writer: Writer, intent: Intent) -> int:
        """Within a turn, record what is about to be sent, and return the number of the batch."""
        return self._add(writer, intent, None)

    def answer(self, batch: int, outcomes: Sequence[Outcome]) -> None:
        """Within a turn, record the outcomes of a batch, one per record."""
        common = most_common(outcomes)
        self.store.count(
            "UPDATE batches SET outcome = ?, reason = ?, words = ?, attempts = ?, answered_at = ? "
            "WHERE number = ?",
            (common.name, common.reason, common.message, common.attempts, _text(self.now()), batch),
        )
        add_exceptions(self.store, batch, outcomes, common)

    def refuse(self, writer: Writer, intent: Intent, outcomes: Sequence[Outcome]) -> None:
        """Within a turn, record which records cannot be sent, and why."""
        common = most_common(outcomes)
        batch = self._add(writer, intent, common)
        add_exceptions(self.store, batch, outcomes, common)

    def note_changes(self, writer: Writer, day: date, changed: pa.Table) -> None:
        """Within a turn, record which records have changed since delivery: `record_id`,
        `payload_hash`.
        """
        hashes = (
            changed["payload_hash"].to_numpy().astype("int64")
        )  # databases have no unsigned numbers
        rows = [
            (writer.destination_id, _text(day), record_id, int(signed), _text(self.now()))
            for record_id, signed in zip(changed["record_id"].to_pylist(), hashes, strict=True)
        ]
        self.store.many(
            "INSERT INTO changes (destination_id, day, record_id, payload_hash, found_at) VALUES "
            "(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            rows,
        )

    def note_ids(self, destination: Destination, ids: Collection[str]) -> None:
        """Within a turn, keep ids of people as a destination is sent them."""
        sent_ids.note(self.store, destination.account, ids, _text(self.now()))

    def begin_day(self, writer: Writer, day: date) -> None:
        """Within a turn, mark the outcomes of a day as unknown until `note_day` is called."""
        self.store.count(
            "INSERT INTO days (destination_id, day, due_count, changed_count, outcomes) VALUES "
            "(?, ?, 0, 0, '{}') ON CONFLICT (destination_id, day) DO UPDATE SET pending_count = "
            "NULL",
            (writer.destination_id, _text(day)),
        )

    def note_day(  # noqa: PLR0913 (the columns of a day)
        self,
        writer: Writer,
        day: date,
        pending: int,
        due: int,
        changed: int,
        *,
        outcomes: Mapping[str, int],
    ) -> None:
        """Within a turn, record the outcomes of a day: the number of each,
        and how many wait for a later delivery.
        """
        self.store.count(
            "UPDATE days SET pending_count = ?, due_count = ?, changed_count = ?, outcomes = ? "
            "WHERE destination_id = ? AND day = ?",
            (pending, due, changed, json_text(outcomes), writer.destination_id, _text(day)),
        )

    def close_predecessors(self, writer: Writer, day: date) -> None:
        """Within a turn, mark the unanswered batches of earlier writers as in doubt.

        Their records that were sent again are in a later batch, which now determines the state of
        these records.
        """
        self.store.count(
            "UPDATE batches SET outcome = 'in_doubt', reason = ?, words = ?, answered_at = ? "
            "WHERE destination_id = ? AND day = ? AND outcome IS NULL AND token < ?",
            (
                NO_ANSWER,
                BROKEN_OFF,
                _text(self.now()),
                writer.destination_id,
                _text(day),
                writer.token,
            ),
        )

    def unfinished_days(self, writer: Writer) -> list[date]:
        """Return the days with due records that wait or have an unknown outcome."""
        rows = self.store.rows(
            "SELECT day FROM days WHERE destination_id = ? AND (pending_count IS NULL OR "
            "pending_count > 0) UNION SELECT day FROM batches WHERE destination_id = ? AND "
            "outcome IS NULL ORDER BY day",
            (writer.destination_id, writer.destination_id),
        )
        return [date.fromisoformat(day) for (day,) in rows]

    def record_count(self, destination_id: int, first: date | None, last: date | None) -> int:
        """Return how many records of the days from `first` to `last` were sent to a destination."""
        query = (
            "SELECT coalesce(sum(record_count), 0) FROM batches WHERE destination_id = ? AND day "
            ">= ? AND day <= ?"
        )
        ((count,),) = self.store.rows(
            query, (destination_id, _text(first or date.min), _text(last or date.max))
        )
        return int(count)

    def _take(self, identity: int) -> Writer | None:
        with self.store.transaction():
            query = "SELECT token, is_free, holder, renewed_at FROM destinations WHERE id = ?"
            rows = self.store.rows(query + self.store.spelling["lock"], (identity,))
            ((token, is_free, holder, renewed_at),) = rows
            is_over = (
                renewed_at
                and datetime.fromisoformat(renewed_at) + timedelta(seconds=self.lease_s)
                < self.now()
            )
            if not (is_free or is_over or _is_dead(holder)):
                return None
            self.store.count(
                "UPDATE destinations SET token = ?, is_free = 0, holder = ?, renewed_at = ? WHERE "
                "id = ?",
                (token + 1, f"{socket.gethostname()} {os.getpid()}", _text(self.now()), identity),
            )
        return Writer(identity, token + 1)

    def _settle(self, writer: Writer, destination: Destination) -> None:
        """Mark batches as in doubt if their sender died before the response and it
        is too late to repeat them.
        """
        window_s = destination.repeat_window_s if destination.safe_to_repeat else 0.0
        if window_s is None:
            return
        last = _text(self.now() - timedelta(seconds=window_s))
        with self.turn(writer):
            self.store.count(
                "UPDATE batches SET outcome = 'in_doubt', reason = ?, words = ?, answered_at = ? "
                "WHERE destination_id = ? AND outcome IS NULL AND intended_at <= ?",
                (NO_ANSWER, BROKEN_OFF, _text(self.now()), writer.destination_id, last),
            )

    def _add(self, writer: Writer, intent: Intent, outcome: Outcome | None) -> int:
        known_values = (
            (outcome.name, outcome.reason, outcome.message) if outcome else (None, None, None)
        )
        at = _text(self.now())
        ((number,),) = self.store.rows(
            "INSERT INTO batches (destination_id, day, token, record_count, byte_count, "
            "record_ids, payload_hashes, intended_at, attempts, outcome, reason, words, "
            "answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?) RETURNING number",
            (
                writer.destination_id,
                _text(intent.day),
                writer.token,
                len(intent.record_ids),
                intent.byte_count,
                json_text(intent.record_ids),
                intent.payload_hashes,
                at,
                *known_values,
                at if outcome else None,
            ),
        )
        return int(number)


def identity_of(store: Database, name: str, account: str, *, token: int = 0) -> int:
    """Within a transaction, return the number of a destination;
    a new one is added, with a token.
    """
    insert = (
        "INSERT INTO destinations (name, account, token, is_free) VALUES (?, ?, ?, 1) ON CONFLICT "
        "DO NOTHING"
    )
    store.count(insert, (name, account, token))
    ((result,),) = store.rows(
        "SELECT id FROM destinations WHERE name = ? AND account = ?", (name, account)
    )
    return int(result)


def add_exceptions(
    store: Database, batch: int, outcomes: Sequence[Outcome], common: Outcome
) -> None:
    """Within a transaction, record the outcomes of a batch that are not the common one."""
    if outcomes.count(common) == len(outcomes):
        return
    store.many(
        "INSERT INTO exceptions (batch, place, outcome, reason, words, attempts) VALUES (?, ?, ?, "
        "?, ?, ?)",
        [
            (batch, position, outcome.name, outcome.reason, outcome.message, outcome.attempts)
            for position, outcome in enumerate(outcomes)
            if outcome != common
        ],
    )


def most_common(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the most frequent outcome; fast for the usual case of a single one."""
    first = outcomes[0]
    if outcomes.count(first) == len(outcomes):
        return first
    return Counter(outcomes).most_common(1)[0][0]


def _is_dead(holder: str | None) -> bool:
    """Return whether a writer was a process of this machine that no longer exists."""
    host, _, process_id = (holder or "").rpartition(" ")
    return host == socket.gethostname() and has_ended(process_id)


def _text(at: datetime | date) -> str:
    return (
        at.isoformat(sep=" ", timespec="microseconds")
        if isinstance(at, datetime)
        else at.isoformat()
    )


REFUSED = "refused"
"""The outcome of a record that cannot be sent and never was."""
UNCONFIRMED = "unconfirmed"
"""The outcome of a record that was sent to a destination that never confirms."""
UNDER_WAY = "under_way"
NO_ANSWER = "no_answer"
BROKEN_OFF = "The sending was broken off before an answer."
