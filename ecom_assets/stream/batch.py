"""The messages of a partition that one landing file will hold: a half-open range of offsets, of one day of arrival."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Partition:
    """A partition of a topic, under the id that the topic has now."""

    topic: str
    topic_id: str
    number: int

    def __str__(self) -> str:
        """Return how messages for people name it."""
        return f"{self.topic}/{self.number}"


@dataclass
class Batch:
    """Messages of [start, end), all of which arrived on `day`."""

    partition: Partition
    day: date
    start: int
    end: int
    begun_at: float
    """When its first message was taken, by the monotonic clock, in seconds."""
    offsets: list[int] = field(default_factory=list)
    arrivals: list[datetime] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    size: int = 0
    """Bytes of the values."""

    def add(self, offset: int, arrived_at: datetime, value: bytes | None) -> None:
        """Append a message; offsets between it and the one before hold nothing (compaction, aborts)."""
        self.offsets.append(offset)
        self.arrivals.append(arrived_at)
        self.values.append(value)
        self.end = offset + 1
        self.size += len(value or b"")

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.values)


@dataclass
class PartitionReader:
    """What was read of an assigned partition, and not published yet."""

    partition: Partition
    next_offset: int
    timezone: ZoneInfo
    first_day: date
    """Earlier days are implausible: the clock of the producer was wrong."""
    batches: list[Batch] = field(default_factory=list)
    arrived_at: datetime = EPOCH
    high: int = 0
    """The offset after the newest message of the broker, as far as it is known."""
    error: str = ""

    @property
    def lag(self) -> int:
        """Return how many offsets of the broker are not in a landing file yet."""
        published = self.batches[0].start if self.batches else self.next_offset
        return max(self.high - published, 0)

    @property
    def size(self) -> int:
        """Return the bytes that wait."""
        return sum(batch.size for batch in self.batches)

    def take(self, offset: int, sent_ms: int | None, value: bytes | None, now: datetime, clock: float) -> None:
        """Add a message to the last batch, or begin a new one if it arrived on a later day.

        The broker's time is its arrival, never before that of the message before and never in the future, so days
        only go forward, and a second reader of the same messages comes to the same days.
        """
        if offset < self.next_offset:  # was in the client's queue before a seek
            return
        sent_at = EPOCH + timedelta(milliseconds=sent_ms) if sent_ms is not None and sent_ms > 0 else now
        if sent_at > now or sent_at.date() < self.first_day:
            sent_at = now
        self.arrived_at = max(self.arrived_at, sent_at)
        day = self.arrived_at.astimezone(self.timezone).date()
        if not self.batches or self.batches[-1].day != day:
            self.batches.append(Batch(self.partition, day, self.next_offset, self.next_offset, clock))
        self.batches[-1].add(offset, self.arrived_at, value)
        self.next_offset = offset + 1

    def due(self, clock: float, oldest_s: float, largest_bytes: float) -> Iterator[Batch]:
        """Yield the batches to be published now, the first ones first."""
        for number, batch in enumerate(list(self.batches)):
            is_over = number + 1 < len(self.batches)
            if not is_over and clock - batch.begun_at < oldest_s and batch.size < largest_bytes:
                return
            yield batch

    def published(self, batch: Batch) -> None:
        """Forget a batch that a file holds now."""
        self.batches.remove(batch)
