"""The messages of a partition that one landing file will hold: a half-open range of offsets, of one day of arrival."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

MS_OF_S: Final = 1000


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
    """Messages of [start, end), all of which arrived on `day`, before `day_end_ms` (Unix time in milliseconds)."""

    partition: Partition
    day: date
    day_end_ms: int
    start: int
    end: int
    begun_at: float
    """When its first message was taken, by the monotonic clock, in seconds."""
    offsets: list[int] = field(default_factory=list)
    arrivals_ms: list[int] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    size: int = 0
    """Bytes of the values."""


@dataclass
class PartitionReader:
    """What was read of an assigned partition, and not published yet."""

    partition: Partition
    next_offset: int
    timezone: ZoneInfo
    first_day: date
    """Earlier days are implausible: the clock of the producer was wrong."""
    batches: list[Batch] = field(default_factory=list)
    arrived_ms: int = 0
    high: int = 0
    """The offset after the newest message of the broker, as far as it is known."""
    error: str = ""

    def __post_init__(self) -> None:
        """Compute the first plausible instant."""
        self._first_ms = self._start_of(self.first_day)

    @property
    def published_to(self) -> int:
        """Return the offset after the last one in a landing file; another thread may ask."""
        return next((batch.start for batch in tuple(self.batches)), self.next_offset)

    @property
    def lag(self) -> int:
        """Return how many offsets of the broker are not in a landing file yet."""
        return max(self.high - self.published_to, 0)

    @property
    def size(self) -> int:
        """Return the bytes that wait."""
        return sum(batch.size for batch in self.batches)

    def take(self, offset: int, sent_ms: int, value: bytes | None, now_ms: int, clock: float) -> None:
        """Add a message to the last batch, or begin a new one if it arrived on a later day.

        The broker's time is its arrival, never before that of the message before and never in the future, so days
        only go forward, and a second reader of the same messages comes to the same days. Offsets that are left out
        (compaction, aborts) hold nothing.
        """
        if offset < self.next_offset:  # was in the client's queue before a seek
            return
        if sent_ms > now_ms or sent_ms < self._first_ms:
            sent_ms = now_ms
        self.arrived_ms = max(self.arrived_ms, sent_ms)
        arrived_ms = self.arrived_ms
        if not self.batches or arrived_ms >= self.batches[-1].day_end_ms:
            self.batches.append(self._new_batch(clock))
        batch = self.batches[-1]
        batch.offsets.append(offset)
        batch.arrivals_ms.append(arrived_ms)
        batch.values.append(value)
        if value:
            batch.size += len(value)
        batch.end = self.next_offset = offset + 1

    def _new_batch(self, clock: float) -> Batch:
        day = datetime.fromtimestamp(self.arrived_ms / MS_OF_S, self.timezone).date()
        end_ms = self._start_of(day + timedelta(days=1))
        return Batch(self.partition, day, end_ms, self.next_offset, self.next_offset, clock)

    def _start_of(self, day: date) -> int:
        start = datetime(day.year, day.month, day.day, tzinfo=self.timezone)
        return int(start.astimezone(UTC).timestamp() * MS_OF_S)

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
