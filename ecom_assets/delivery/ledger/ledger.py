"""The ledger of deliveries: what is to be sent is written before it is sent, and the answer after.

A batch is one row, with the ids of its records as a JSON array and their payload hashes side by side, so that two
thousand records cost one statement each way; what an answer says of single records apart from the rest is kept by their
place. See docs/adr/0016.
"""

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa

from ecom_assets.clock import Clock, now_utc_without_zone
from ecom_assets.delivery.destination import Answer, Destination, Verdict
from ecom_assets.delivery.ledger.store import Store, create_tables
from ecom_assets.errors import DeliveryError

WAIT_S = 0.2
"""Between two looks whether another delivery to the same destination has ended."""


@dataclass(frozen=True)
class DayNote:
    """What became of the due records of a day: how many have each outcome, and wait for a later delivery."""

    due_count: int
    pending_count: int
    changed_count: int
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class Intent:
    """Records that are about to be sent together, all of one day."""

    day: date
    record_ids: Sequence[str]
    payload_hashes: bytes
    """Eight bytes each, little-endian."""
    byte_count: int


@dataclass(frozen=True)
class Outcome:
    """What is known of a record: a `Verdict`'s value, `unconfirmed` or `refused`."""

    name: str
    reason: str = ""
    words: str = ""
    attempts: int = 0

    @classmethod
    def of(cls, answer: Answer, destination: Destination) -> "Outcome":
        """Return what an answer says; where a destination never confirms, its yes is no more than a receipt."""
        name = answer.verdict.value
        if answer.verdict is Verdict.DELIVERED and not destination.confirms:
            name = UNCONFIRMED
        if answer.verdict is Verdict.POSTPONED and answer.reason == NO_ANSWER:  # it may have been taken
            name = Verdict.IN_DOUBT.value
        return cls(name, answer.reason, answer.words, answer.attempts)


@dataclass(frozen=True)
class Writer:
    """The right to write of one destination; a higher token ends it."""

    destination_id: int
    token: int


class Ledger:
    """What each destination has been sent, and what it said."""

    def __init__(self, store: Store, *, now: Clock = now_utc_without_zone, lease_s: float = 120.0) -> None:
        """Take the store, a clock (UTC, without zone) and how long a silent writer keeps others waiting."""
        self.store = store
        self.now = now
        self.lease_s = lease_s
        create_tables(store)

    def close(self) -> None:
        """Give the store back."""
        self.store.close()

    @contextmanager
    def writer(self, destination: Destination, *, patience_s: float = 300.0) -> Iterator[Writer]:
        """Be the only one who writes of a destination: the successor of a dead or silent writer ends its right.

        Raises:
            DeliveryError: Another delivery is alive for longer than `patience_s`.
        """
        until = time.monotonic() + patience_s
        identity = self._identity(destination)
        while (writer := self._take(identity)) is None:
            if time.monotonic() >= until:
                raise DeliveryError(
                    f"Another delivery to {destination.name} is under way, so this one sent nothing; run again when it "
                    "has ended."
                )
            time.sleep(WAIT_S)
        try:
            self._settle(writer, destination)
            yield writer
        finally:
            self._release(writer)

    def may_write(self, writer: Writer) -> bool:
        """Tell whether nobody has taken over since."""
        found = self.store.rows("SELECT token FROM destinations WHERE id = ?", (writer.destination_id,))
        return found == [(writer.token,)]

    @contextmanager
    def turn(self, writer: Writer) -> Iterator[None]:
        """Write several things at once, on disk when it ends; nothing of them if another writer has taken over.

        Raises:
            DeliveryError: Another has.
        """
        with self.store.transaction():
            renewed = "UPDATE destinations SET renewed_at = ? WHERE id = ? AND token = ?"
            if self.store.count(renewed, (_text(self.now()), writer.destination_id, writer.token)) != 1:
                raise DeliveryError(
                    "Another delivery to the same destination has taken over, so this one stopped and changed nothing; "
                    "look at that one's run."
                )
            yield

    def intend(self, writer: Writer, intent: Intent) -> int:
        """Within a turn, say what is about to be sent; return the number of the batch."""
        return self._add(writer, intent, None)

    def answer(self, batch: int, outcomes: Sequence[Outcome]) -> None:
        """Within a turn, say what came of a batch, an outcome per record."""
        common = _most_common(outcomes)
        self.store.count(
            "UPDATE batches SET outcome = ?, reason = ?, words = ?, attempts = ?, answered_at = ? WHERE number = ?",
            (common.name, common.reason, common.words, common.attempts, _text(self.now()), batch),
        )
        self._add_exceptions(batch, outcomes, common)

    def refuse(self, writer: Writer, intent: Intent, outcomes: Sequence[Outcome]) -> None:
        """Within a turn, say which records cannot go, and why."""
        common = _most_common(outcomes)
        batch = self._add(writer, intent, common)
        self._add_exceptions(batch, outcomes, common)

    def note_changes(self, writer: Writer, day: date, changed: pa.Table) -> None:
        """Within a turn, note records that have changed since they were delivered: `record_id`, `payload_hash`."""
        rows = [
            (writer.destination_id, _text(day), row["record_id"], _signed(row["payload_hash"]), _text(self.now()))
            for row in changed.to_pylist()
        ]
        self.store.many(
            "INSERT INTO changes (destination_id, day, record_id, payload_hash, found_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            rows,
        )

    def begin_day(self, writer: Writer, day: date) -> None:
        """Within a turn, note that nobody knows what became of a day, until it is noted."""
        self.store.count(
            "INSERT INTO days (destination_id, day, due_count, changed_count, outcomes) VALUES (?, ?, 0, 0, '{}') "
            "ON CONFLICT (destination_id, day) DO UPDATE SET pending_count = NULL",
            (writer.destination_id, _text(day)),
        )

    def note_day(self, writer: Writer, day: date, noted: DayNote) -> None:
        """Within a turn, note what became of a day."""
        self.store.count(
            "UPDATE days SET pending_count = ?, due_count = ?, changed_count = ?, outcomes = ? "
            "WHERE destination_id = ? AND day = ?",
            (
                noted.pending_count,
                noted.due_count,
                noted.changed_count,
                json.dumps(noted.outcomes),
                writer.destination_id,
                _text(day),
            ),
        )

    def close_predecessors(self, writer: Writer, day: date) -> None:
        """Within a turn, say of batches of earlier writers that all was done with them that could be.

        Those of their records that were sent again have a later batch, which tells of them from now on.
        """
        self.store.count(
            "UPDATE batches SET outcome = 'in_doubt', reason = ?, words = ?, answered_at = ? "
            "WHERE destination_id = ? AND day = ? AND outcome IS NULL AND token < ?",
            (NO_ANSWER, BROKEN_OFF, _text(self.now()), writer.destination_id, _text(day), writer.token),
        )

    def unfinished_days(self, writer: Writer) -> list[date]:
        """Return the days with due records that wait, or of which nobody knows."""
        found = self.store.rows(
            "SELECT day FROM days WHERE destination_id = ? AND (pending_count IS NULL OR pending_count > 0) "
            "UNION SELECT day FROM batches WHERE destination_id = ? AND outcome IS NULL ORDER BY day",
            (writer.destination_id, writer.destination_id),
        )
        return [date.fromisoformat(day) for (day,) in found]

    def record_count(self, destination_id: int, first: date | None, last: date | None) -> int:
        """Return how many records were sent to a destination, of days from `first` to `last`."""
        asked = "SELECT coalesce(sum(record_count), 0) FROM batches WHERE destination_id = ? AND day >= ? AND day <= ?"
        ((count,),) = self.store.rows(asked, (destination_id, _text(first or date.min), _text(last or date.max)))
        return int(count)

    def _identity(self, destination: Destination) -> int:
        key = (destination.name, destination.account)
        with self.store.transaction():
            if destination.former_account:
                self.store.count(
                    "UPDATE destinations SET account = ? WHERE name = ? AND account = ? AND NOT EXISTS "
                    "(SELECT 1 FROM destinations AS d WHERE d.name = ? AND d.account = ?)",
                    (destination.account, destination.name, destination.former_account, *key),
                )
            self.store.count(
                "INSERT INTO destinations (name, account, token, is_free) VALUES (?, ?, 0, 1) ON CONFLICT DO NOTHING",
                key,
            )
            ((found,),) = self.store.rows("SELECT id FROM destinations WHERE name = ? AND account = ?", key)
        return int(found)

    def _take(self, identity: int) -> Writer | None:
        with self.store.transaction():
            asked = "SELECT token, is_free, holder, renewed_at FROM destinations WHERE id = ?"
            found = self.store.rows(asked + self.store.spelling["lock"], (identity,))
            ((token, is_free, holder, renewed_at),) = found
            is_over = renewed_at and _instant(renewed_at) + timedelta(seconds=self.lease_s) < self.now()
            if not (is_free or is_over or _is_dead(holder)):
                return None
            self.store.count(
                "UPDATE destinations SET token = ?, is_free = 0, holder = ?, renewed_at = ? WHERE id = ?",
                (token + 1, _holder(), _text(self.now()), identity),
            )
        return Writer(identity, token + 1)

    def _release(self, writer: Writer) -> None:
        self.store.count(
            "UPDATE destinations SET is_free = 1 WHERE id = ? AND token = ?", (writer.destination_id, writer.token)
        )

    def _settle(self, writer: Writer, destination: Destination) -> None:
        """Say of batches whose sender died before the answer what can be known of them, where nothing else can be."""
        window_s = destination.repeat_window_s if destination.safe_to_repeat else 0.0
        if window_s is None:
            return
        with self.turn(writer):
            self.store.count(
                "UPDATE batches SET outcome = 'in_doubt', reason = ?, words = ?, answered_at = ? "
                "WHERE destination_id = ? AND outcome IS NULL AND intended_at <= ?",
                (
                    NO_ANSWER,
                    BROKEN_OFF,
                    _text(self.now()),
                    writer.destination_id,
                    _text(self.now() - timedelta(seconds=window_s)),
                ),
            )

    def _add(self, writer: Writer, intent: Intent, known: Outcome | None) -> int:
        known_values = (known.name, known.reason, known.words) if known else (None, None, None)
        at = _text(self.now())
        ((number,),) = self.store.rows(
            "INSERT INTO batches (destination_id, day, token, record_count, byte_count, record_ids, payload_hashes, "
            "intended_at, attempts, outcome, reason, words, answered_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?) RETURNING number",
            (
                writer.destination_id,
                _text(intent.day),
                writer.token,
                len(intent.record_ids),
                intent.byte_count,
                json.dumps(intent.record_ids),
                intent.payload_hashes,
                at,
                *known_values,
                at if known else None,
            ),
        )
        return int(number)

    def _add_exceptions(self, batch: int, outcomes: Sequence[Outcome], common: Outcome) -> None:
        if outcomes.count(common) == len(outcomes):
            return
        self.store.many(
            "INSERT INTO exceptions (batch, place, outcome, reason, words, attempts) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (batch, place, one.name, one.reason, one.words, one.attempts)
                for place, one in enumerate(outcomes)
                if one != common
            ],
        )


def _most_common(outcomes: Sequence[Outcome]) -> Outcome:
    first = outcomes[0]
    if outcomes.count(first) == len(outcomes):
        return first
    return Counter(outcomes).most_common(1)[0][0]


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _holder() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _is_dead(holder: str | None) -> bool:
    """Tell whether a writer was a process of this machine that is there no more."""
    host, _, pid = (holder or "").rpartition(" ")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _text(at: datetime | date) -> str:
    return at.isoformat(sep=" ", timespec="microseconds") if isinstance(at, datetime) else at.isoformat()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


REFUSED = "refused"
"""The outcome of a record that cannot go, and was never sent."""
UNCONFIRMED = "unconfirmed"
"""The outcome of a record that went to a destination which never says whether it has it."""
UNDER_WAY = "under_way"
NO_ANSWER = "no_answer"
BROKEN_OFF = "The sending was broken off before an answer."
