"""Deliver the due records of a day.

A batch is written to the ledger before it is sent, and its outcome afterwards. Batches are sent in
rounds by one pool of threads: a round has no two batches with the same user, and the next round
begins when all answers of the last one are in the ledger. So the records of a user arrive in order.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import zip_longest

import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.core.clock import Clock
from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.operations.requests import RETRY, Requests
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.outputs.delivery.batch_sender import NOT_ALLOWED, NOT_KNOWN
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState, Destination
from ecom_assets.outputs.delivery.ledger.known import KnownRecords
from ecom_assets.outputs.delivery.ledger.ledger import (
    REFUSED,
    UNCONFIRMED,
    DeliveryLedger,
    Intent,
    Outcome,
    Writer,
)
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext
from ecom_assets.outputs.delivery.ledger.sent_ids import SentIds, declared_key
from ecom_assets.outputs.delivery.ledger.sent_sessions import SentSessions
from ecom_assets.outputs.delivery.payloads import hashes_of
from ecom_assets.outputs.delivery.pending import Due

POSTPONED, IN_DOUBT = DeliveryState.POSTPONED.value, DeliveryState.IN_DOUBT.value
WAITING = "waiting"
"""The state of a record that was not sent because the destination was down or an earlier
record of its user waits.
"""


@dataclass
class DeliveryStats:
    """The outcomes of the due records of a delivery."""

    due: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Due records by their state after the delivery: a `DeliveryState` value, `unconfirmed`,
    `refused` or `waiting`.
    """
    sent: int = 0
    delivered: int = 0
    """How many of the records that this delivery sent were delivered."""
    rejected: int = 0
    retried: int = 0
    to_repeat: int = 0
    """Records in doubt that a later delivery will send again, because that is safe."""
    changed: int = 0
    """Records that have changed since delivery and were not sent again."""
    batches: int = 0
    byte_count: int = 0
    seconds: float = 0.0
    refusal: str = ""
    """The message of a tool that refuses our account, not a record: a wrong key, token or project.
    """
    doubted: bool = False
    """Whether a tool refused records without naming any, before it had accepted any record."""

    @property
    def residue(self) -> int:
        """Return how many due records have no known state; it should be zero."""
        return self.due - self.outcomes.total()

    @property
    def pending(self) -> int:
        """Return how many due records a later delivery will send."""
        return self.outcomes[POSTPONED] + self.outcomes[WAITING] + self.to_repeat

    def add(self, other: "DeliveryStats") -> None:
        """Add the counts of another day."""
        self.due += other.due
        self.changed += other.changed
        self.to_repeat += other.to_repeat
        self.outcomes.update(other.outcomes)
        self.refusal = self.refusal or other.refusal
        self.doubted = self.doubted or other.doubted
        self._add_work(other)

    def is_refused_by(self, outcomes: Sequence[Outcome]) -> bool:
        """Note whether a tool refuses our account, not a record; return whether it is certain,
        so sending can stop.
        """
        ours = [outcome for outcome in outcomes if outcome.reason in {NOT_ALLOWED, NOT_KNOWN}]
        if ours:
            self.refusal = self.refusal or ours[0].message
        self.doubted |= any(outcome.reason == NOT_KNOWN for outcome in ours)
        return any(outcome.reason == NOT_ALLOWED for outcome in ours)

    def after(self, first: "DeliveryStats") -> "DeliveryStats":
        """Return the counts of a day that was delivered twice: the last outcomes,
        and the work of both deliveries.
        """
        combined = replace(
            self, outcomes=Counter(self.outcomes), changed=max(self.changed, first.changed)
        )
        combined._add_work(first)  # noqa: SLF001 (of the same class)
        return combined

    def _add_work(self, other: "DeliveryStats") -> None:
        for name in (
            "sent",
            "delivered",
            "rejected",
            "retried",
            "batches",
            "byte_count",
            "seconds",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))


DELIVERED = DeliveryState.DELIVERED.value
MOST_KNOWN = 2_000_000
"""Maximum ledger records held in memory at a time: about 200 MB."""
LATE_DAYS = 2
"""Days before the newest day in the data on which no record may still be waiting for delivery."""
FAILURES = 3
"""A destination counts as down after this many batches in a row of which it accepted nothing."""


@dataclass
class Delivery:
    """A delivery to one destination by one writer, one day at a time."""

    destination: Destination
    ledger: DeliveryLedger
    writer: Writer
    """The right to write to the ledger."""
    retry_rejected: bool = False
    """Whether dead letters are sent again."""
    sending_at: Clock | None = None
    """The clock that decides whether a payload is too old; the default is the ledger's clock."""
    sent_ids: SentIds = field(default_factory=SentIds)
    """The ids by which the tool knows people whose ids are spelled otherwise now."""
    is_down: bool = False

    def known_of(self, first: date, last: date, *, whole_history: bool) -> KnownRecords | None:
        """Return the ledger's records of days and their neighbors,
        or None if they are too many for memory.

        The caller closes the result. With `whole_history`, records may be under any day, so the
        whole ledger is read, whatever its size.
        """
        around = (None, None) if whole_history else (first - ONE_DAY, last + ONE_DAY)
        identity = self.writer.destination_id
        if not whole_history and self.ledger.record_count(identity, *around) > MOST_KNOWN:
            return None
        return KnownRecords(self.ledger.store, identity, *around)

    def deliver(
        self, day: date, chunks: Iterable[pa.Table], known_records: KnownRecords | None = None
    ) -> DeliveryStats:
        """Send the due records of a day that are not delivered yet.

        Args:
            day: The day of the records in the ledger.
            chunks: The due rows in the order in which they must arrive, with the columns that the
                payloads need.
            known_records: The ledger's records of the day and its neighbors at the start of the
                delivery. None: read them.

        Raises:
            DeliveryError: Another delivery has taken over, or the ledger cannot be used.
        """
        started = time.monotonic()
        with self.ledger.turn(self.writer):
            self.ledger.begin_day(self.writer, day)
        with ExitStack() as stack:
            if known_records is None:
                identity = self.writer.destination_id
                known_records = KnownRecords(
                    self.ledger.store, identity, day - ONE_DAY, day + ONE_DAY
                )
                stack.callback(known_records.close)
            stats = _DayDelivery(self, day, known_records).run(chunks)
        with self.ledger.turn(self.writer):
            counts = (stats.pending, stats.due, stats.changed)
            self.ledger.note_day(self.writer, day, *counts, outcomes=stats.outcomes)
            self.ledger.close_predecessors(self.writer, day)
        stats.seconds = time.monotonic() - started
        return stats


HASH = "payload_hash"


@dataclass(frozen=True)
class DeliveryPlan:
    """The plan for a chunk of due rows."""

    due: int
    kept: dict[str, int]
    """The number of records that are not sent, by their state in the ledger."""
    changed: pa.Table
    """`record_id` and `payload_hash` of records that have changed since
    delivery and are not sent again.
    """
    refused: pa.Table
    """`PAYLOADS` of records that cannot be sent."""
    to_send: pa.Table
    """`PAYLOADS` to send, in order, with an additional column `payload_hash`: a tool may batch
    records in a different order.
    """
    new_ids: set[str]
    """Ids of people to keep as the tool gets them."""
    events_of_sessions: pa.Table | None
    """The due rows to send, whose sessions are kept as the tool gets them; None if it gets none."""


class _DayDelivery:
    """Sends the due records of one day in rounds, and notes what becomes of each."""

    def __init__(self, delivery: Delivery, day: date, known_records: KnownRecords) -> None:
        self.delivery = delivery
        self.destination = delivery.destination
        self.ledger = delivery.ledger
        self.day = day
        self.known_records = known_records
        self.sent_sessions = SentSessions(self.ledger.store, delivery.writer.destination_id)
        self.stats = DeliveryStats()
        # If records must not be sent twice, send one batch at a time: a killed process then leaves
        # only one in doubt.
        self.senders = self.destination.senders if self.destination.safe_to_repeat else 1
        self.blocked: set[str] = set()
        self.failures = 0

    def run(self, chunks: Iterable[pa.Table]) -> DeliveryStats:
        with ThreadPoolExecutor(self.senders, f"{self.destination.name} sends") as pool:
            for rows in chunks:
                if len(rows):
                    plan = self._plan(rows)
                    self._note(plan)
                    for batches in self._rounds(plan.to_send):
                        self._send_round(batches, pool)
        return self.stats

    def _plan(self, rows: pa.Table) -> DeliveryPlan:
        rows = self.delivery.sent_ids.as_sent(rows)
        takes_sessions = self.destination.takes_sessions
        if takes_sessions:
            rows = self.sent_sessions.as_sent(rows)
        payloads = self.destination.payloads(rows, (self.delivery.sending_at or self.ledger.now)())
        retry = self.delivery.retry_rejected
        plan = self.known_records.plan(
            payloads, self.destination, self.ledger.now(), retry_rejected=retry
        )
        payloads = payloads.append_column(HASH, plan[HASH])
        is_sent = pc.equal(plan["decision"], "send")
        counts = pc.value_counts(
            plan["kept_as"].filter(pc.equal(plan["decision"], "keep"))
        ).to_pylist()
        return DeliveryPlan(
            due=len(rows),
            kept={state["values"]: state["counts"] for state in counts},
            changed=payloads.select(["record_id", HASH]).filter(plan["is_changed"]),
            refused=payloads.filter(pc.equal(plan["decision"], "refuse")),
            to_send=payloads.filter(is_sent),
            new_ids=self.delivery.sent_ids.not_noted(
                rows.filter(pc.not_equal(plan["decision"], "refuse"))
            ),
            events_of_sessions=rows.filter(is_sent) if takes_sessions else None,
        )

    def _note(self, plan: DeliveryPlan) -> None:
        """Record what is kept or refused."""
        self.stats.due += plan.due
        self.stats.outcomes.update(plan.kept)
        if len(plan.changed):
            self.stats.changed += len(plan.changed)
            with self.ledger.turn(self.delivery.writer):
                self.ledger.note_changes(self.delivery.writer, self.day, plan.changed)
        if plan.new_ids:
            with self.ledger.turn(self.delivery.writer):
                self.ledger.note_ids(self.destination, plan.new_ids)
        if plan.events_of_sessions is not None and len(plan.events_of_sessions):
            with self.ledger.turn(self.delivery.writer):
                self.sent_sessions.note(plan.events_of_sessions)
        if refused := plan.refused.select(["record_id", "reason", "words"]).to_pylist():
            outcomes = [Outcome(REFUSED, record["reason"], record["words"]) for record in refused]
            record_ids = [record["record_id"] for record in refused]
            intent = Intent(self.day, record_ids, bytes(8 * len(refused)), 0)
            with self.ledger.turn(self.delivery.writer):
                self.ledger.refuse(self.delivery.writer, intent, outcomes)
            self.stats.outcomes[REFUSED] += len(refused)

    def _rounds(self, payloads: pa.Table) -> Iterator[list[pa.Table]]:
        """Yield the batches that are sent at the same time; no two of them have a user in common.

        All records of a user are in one share, and a round has one batch of each share.
        """
        share_of_record = pa.array(hashes_of(payloads["user_key"]).to_numpy() % self.senders)
        shares = [
            self.destination.batches(payloads.filter(pc.equal(share_of_record, share)))
            for share in range(self.senders)
        ]
        for batches in zip_longest(*shares):
            yield [batch for batch in batches if batch is not None]

    def _send_round(self, batches: Sequence[pa.Table], pool: ThreadPoolExecutor) -> None:
        """Record some batches, send them at the same time, and record all answers."""
        going = [batch for batch in map(self._without_waiting, batches) if len(batch)]
        if not going:
            return
        with self.ledger.turn(self.delivery.writer):
            numbers = [
                self.ledger.intend(self.delivery.writer, self._intent(batch)) for batch in going
            ]
        sent = [pool.submit(self._send, batch) for batch in going]
        while wait(sent, timeout=self.ledger.lease_s / 4).not_done:
            with self.ledger.turn(self.delivery.writer):
                pass  # renews the right to write
        with self.ledger.turn(self.delivery.writer):
            for number, batch, answers in zip(numbers, going, sent, strict=True):
                self._answer(number, batch, answers.result())

    def _without_waiting(self, batch: pa.Table) -> pa.Table:
        """Return a batch without the records that wait for a later delivery."""
        if self.delivery.is_down:
            going = batch.slice(0, 0)
        elif self.blocked:
            waits = pc.is_in(batch["user_key"], pa.array(sorted(self.blocked)))
            going = batch.filter(pc.invert(waits))
        else:
            return batch
        if waiting_count := len(batch) - len(going):
            self.stats.outcomes[WAITING] += waiting_count
        return going

    def _intent(self, batch: pa.Table) -> Intent:
        byte_count = pc.sum(pc.binary_length(batch["payload"])).as_py()
        self.stats.byte_count += byte_count
        hashes = batch[HASH].to_numpy().astype("<u8").tobytes()
        return Intent(self.day, batch["record_id"].to_pylist(), hashes, byte_count)

    def _send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        if not self.ledger.may_write(self.delivery.writer):
            raise DeliveryError(
                f"Another delivery to {self.destination.name} has taken over, so this one "
                "stopped; look at its run."
            )
        return self.destination.send(batch)

    def _answer(self, number: int, batch: pa.Table, answers: Sequence[DeliveryResult]) -> None:
        outcomes = self._outcomes(answers)
        if len(outcomes) != len(batch):
            raise DeliveryError(
                f"{self.destination.name} gave {len(outcomes)} answers to {len(batch)} records; "
                "fix it."
            )
        self.ledger.answer(number, outcomes)
        counted = Counter(outcome.name for outcome in outcomes)
        self.stats.outcomes.update(counted)
        self.stats.batches += 1
        self.stats.sent += len(outcomes)
        self.stats.delivered += counted[DELIVERED] + counted[UNCONFIRMED]
        self.stats.rejected += counted["rejected"]
        self.stats.retried += max(sum(outcome.attempts - 1 for outcome in outcomes), 0)
        self._hold_back(batch, outcomes, counted)

    def _outcomes(self, answers: Sequence[DeliveryResult]) -> list[Outcome]:
        """Return the outcomes for answers;
        fast for the usual case of one outcome for the whole batch.
        """
        if answers and answers.count(answers[0]) == len(answers):
            return [Outcome.from_answer(answers[0], self.destination)] * len(answers)
        outcomes: dict[DeliveryResult, Outcome] = {}
        return [
            outcomes.get(answer)
            or outcomes.setdefault(answer, Outcome.from_answer(answer, self.destination))
            for answer in answers
        ]

    def _hold_back(
        self, batch: pa.Table, outcomes: Sequence[Outcome], counted: Counter[str]
    ) -> None:
        """Hold back later records of users whose records wait,
        or all records if the destination accepts nothing.
        """
        if counted.keys() <= {DELIVERED, UNCONFIRMED}:
            self.failures = 0
            return
        names = [outcome.name for outcome in outcomes]
        is_taken = any(name not in {POSTPONED, IN_DOUBT} for name in names)
        self.failures = 0 if is_taken else self.failures + 1
        users = batch["user_key"]
        is_down = not is_taken and (
            self.failures >= FAILURES or pc.count_distinct(users).as_py() > 1
        )
        self.delivery.is_down |= self.stats.is_refused_by(outcomes) or is_down
        come_again = {POSTPONED, IN_DOUBT} if self.destination.safe_to_repeat else {POSTPONED}
        waits = pa.array([name in come_again for name in names])
        self.blocked.update(pc.unique(users.filter(waits)).to_pylist())
        self.stats.to_repeat += names.count(IN_DOUBT) if self.destination.safe_to_repeat else 0


@dataclass
class Exported:
    """The result of a delivery of several days."""

    total: DeliveryStats = field(default_factory=DeliveryStats)
    unaccounted: dict[date, int] = field(default_factory=dict)
    """Days with mart rows of unknown state, and the number of these rows."""
    days: list[date] = field(default_factory=list)
    late: list[date] = field(default_factory=list)
    """Days with records that still wait but should have been delivered by now."""


def export(
    delivery_context: DeliveryContext,
    name: str,
    due: Due,
    days: Days,
    *,
    retry_rejected: bool = False,
) -> Exported:
    """Deliver the due records of some days, and of earlier unfinished days.

    With `retry_rejected`, or if the context says so, records that the tool has rejected are sent
    again.

    Raises:
        DeliveryError: Another delivery has taken over, or the ledger cannot be used.
    """
    destination, ledger = delivery_context.destinations[name], delivery_context.ledger
    exported = Exported()
    with ledger.writer(
        destination, patience_s=delivery_context.settings.ledger_patience_s
    ) as writer:
        unfinished = ledger.unfinished_days(writer)
        due_counts = due.counts(
            Days.from_dates([*delivery_context.delivered_days(days).dates, *unfinished])
        )
        delivery = Delivery(
            destination,
            ledger,
            writer,
            retry_rejected=retry_rejected or delivery_context.retry_rejected,
            sending_at=delivery_context.sending_at,
            sent_ids=SentIds.read(
                ledger.store, destination.account, declared_key(delivery_context.settings, name)
            ),
        )
        exported.days = sorted({*due_counts, *unfinished})
        with ExitStack() as stack:
            known_records = None
            if exported.days:
                ends = exported.days[0], exported.days[-1]
                known_records = delivery.known_of(*ends, whole_history=due.is_whole)
            if known_records is not None:
                stack.callback(known_records.close)
            daily_stats = {
                day: delivery.deliver(day, due.chunks(day), known_records) for day in exported.days
            }
        _deliver_doubted_again(delivery, due, daily_stats)
        for day, stats in daily_stats.items():
            exported.total.add(stats)
            if left := due_counts.get(day, 0) - stats.outcomes.total():
                exported.unaccounted[day] = left
        if newest := due.newest_day():
            oldest_well = newest - timedelta(days=LATE_DAYS)
            exported.late = [day for day in ledger.unfinished_days(writer) if day < oldest_well]
    return exported


def _deliver_doubted_again(
    delivery: Delivery, due: Due, daily_stats: dict[date, DeliveryStats]
) -> None:
    """Retry records that a tool refused without a reason before it accepted any,
    if it has accepted some since.

    Such a tool accepts our account, so a new refusal concerns the record. Otherwise an invalid
    record that happens to be the first would wait forever.
    """
    if not any(stats.delivered for stats in daily_stats.values()):
        return
    for day, stats in daily_stats.items():
        if stats.doubted and not delivery.is_down:
            daily_stats[day] = delivery.deliver(day, due.chunks(day)).after(stats)


def export_as_requested(
    delivery_context: DeliveryContext, name: str, due: Due, days: Days, run_id: str
) -> Exported:
    """Deliver the due records of some days, and take the requests for them:
    dead letters are sent again.

    A request waits if the run does not cover all of its days, or if the tool refuses our account.
    Records without days are all due, and have no `days`.

    Raises:
        DeliveryError: Another delivery has taken over, or the ledger cannot be used.
    """
    requests = Requests(delivery_context.settings.home)
    requested = [
        request
        for request in requests.waiting(RETRY, name)
        if not days.dates or request.is_within(days)
    ]
    exported = export(delivery_context, name, due, days, retry_rejected=bool(requested))
    if not exported.total.refusal:
        requests.take(requested, run_id)
    return exported
