"""A tool in memory that keeps what it was sent under its own rule for repeats,
and fails where a test says so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa

from ecom_assets.outputs.delivery.destination import PAYLOADS, DeliveryResult, DeliveryState

DAY = date(2026, 1, 5)
NOON = datetime(2026, 1, 6, 12)  # noqa: DTZ001 (the platform's instants are UTC, without zone)
WEEK_S = 7 * 86400.0
TAKEN = DeliveryResult(DeliveryState.DELIVERED)
REFUSED_FOR_GOOD = DeliveryResult(DeliveryState.REJECTED, "bad_value", "The tool does not like it.")


class Killed(BaseException):
    """The process is gone: nothing that runs in it gets to tidy up."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        """Return the instant."""
        return self.at

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Tool:
    """A scripted destination; records are `(record_id, user_key, payload)`,
    a payload that starts with ! cannot go.
    """

    clock: Callable[[], datetime]
    name: str = "scripted_events"
    account: str = "test"
    senders: int = 1
    confirms: bool = True
    takes_updates: bool = False
    takes_sign_ins: bool = False
    takes_sessions: bool = False
    safe_to_repeat: bool = True
    repeat_window_s: float | None = WEEK_S
    batch_size: int = 3
    before: list[Callable[[pa.Table], None]] = field(default_factory=list)
    """What happens before the next batches are taken; the tool has none of them if it raises."""
    after: list[Callable[[pa.Table], None]] = field(default_factory=list)
    script: list[DeliveryResult] = field(default_factory=list)
    """Answers to the next whole batches, which are not taken; then all are taken."""
    received: list[tuple[str, str]] = field(default_factory=list)
    """Every record and payload that came in, in order, repeats too."""
    counted: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    """What the tool has by its rule: when and with which payload it counted a record."""
    rejects: set[str] = field(default_factory=set)

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return the rows' own payloads."""
        del sent_at
        cannot = [str(payload).startswith("!") for payload in rows["payload"].to_pylist()]
        kept = [
            None if is_bad else payload
            for payload, is_bad in zip(rows["payload"].to_pylist(), cannot, strict=True)
        ]
        reasons = ["bad_name" if is_bad else None for is_bad in cannot]
        messages = ["Its name is bad." if is_bad else None for is_bad in cannot]
        former = [None] * len(rows)
        columns = [rows["record_id"], rows["user_key"], kept, reasons, messages, former]
        return pa.table(
            [pa.array(c, pa.string()) if isinstance(c, list) else c for c in columns],
            schema=PAYLOADS,
        )

    def batches(self, payloads: pa.Table) -> Iterator[pa.Table]:
        """Cut by number."""
        for start in range(0, len(payloads), self.batch_size):
            yield payloads.slice(start, self.batch_size)

    def send(self, batch: pa.Table) -> Sequence[DeliveryResult]:
        """Take the batch, unless the script says something else."""
        if self.before:
            self.before.pop(0)(batch)
        if self.script:
            return [self.script.pop(0)] * len(batch)
        answers = []
        for record_id, payload in zip(
            batch["record_id"].to_pylist(), batch["payload"].to_pylist(), strict=True
        ):
            self.received.append((record_id, payload))
            if record_id in self.rejects:
                answers.append(REFUSED_FOR_GOOD)
                continue
            self._count(record_id, payload)
            answers.append(TAKEN)
        if self.after:
            self.after.pop(0)(batch)
        return answers

    def _count(self, record_id: str, payload: str) -> None:
        kept = self.counted.setdefault(record_id, [])
        if self.takes_updates:
            kept[:] = [(self.clock(), payload)]
            return
        window = None if not self.safe_to_repeat else self.repeat_window_s
        recent = [
            at for at, _ in kept if window is None or self.clock() - at < timedelta(seconds=window)
        ]
        if not recent or not self.safe_to_repeat:
            kept.append((self.clock(), payload))

    def doubled(self) -> list[str]:
        """Return the records that count more than once."""
        return sorted(record for record, kept in self.counted.items() if len(kept) > 1)


def rows(*records: str, payload: str = "{}", users: int = 2) -> pa.Table:
    """Return due rows, some to each user; `id=payload` gives one a payload of its own."""
    split = [record.partition("=") for record in records]
    actual = {
        "record_id": [record for record, _, _ in split],
        "user_key": [f"user {n % users}" for n in range(len(split))],
        "payload": [own or payload for _, _, own in split],
    }
    return pa.table(actual, schema=pa.schema([(name, pa.string()) for name in actual]))


def numbered(count: int) -> pa.Table:
    """Return so many due rows."""
    return rows(*(f"e{n:04}" for n in range(count)))


def killed(_batch: pa.Table) -> None:
    """Die."""
    raise Killed
