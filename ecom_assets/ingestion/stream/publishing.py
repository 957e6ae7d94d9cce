"""The messages of a partition that one landing file will hold, and how they are published.

A batch is a half-open range of offsets, of one day of arrival. It becomes a landing file: published
once by its start offset, with the ledger after it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.core.atomic_files import replacing
from ecom_assets.core.errors import WorkError
from ecom_assets.ingestion.sources.files.mapping import EVENT, ORDER
from ecom_assets.ingestion.sources.landed_rows import Mapper, MessageRows, filled, instants
from ecom_assets.ingestion.sources.landing import (
    DEAD_LETTERS,
    MAPPED_BY,
    NEXT_OFFSET,
    TOPIC,
    day_folder,
    dead_letter_folder,
    land,
    make_folder,
    stream_file_name,
)
from ecom_assets.ingestion.sources.stream_ledger import LedgerEntry, PartitionLedger
from ecom_assets.ingestion.stream.decoding import Decoder

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
    """Messages of [start, end), all of which arrived on `day`,
    before `day_end_ms` (Unix time in milliseconds).
    """

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

    def take(
        self, offset: int, sent_ms: int, value: bytes | None, now_ms: int, clock: float
    ) -> None:
        """Add a message to the last batch, or begin a new one if it arrived on a later day.

        The broker's time is its arrival, never before that of the message before and never in the
        future, so days only go forward, and a second reader of the same messages comes to the same
        days. Offsets that are left out (compaction, aborts) hold nothing.
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


US_OF_MS: Final = 1000
_IDS: Final = {EVENT.id, ORDER.id}
SENT_BY: Final = "sent_by"
"""The column that says which key or topic an event came by; a message may say it itself."""


class OvertakenError(WorkError):
    """Another process has published messages of this range;
    they are read again from where it stands.
    """


class BatchPublisher:
    """Writes batches into a landing folder."""

    def __init__(self, landing: Path, mapper: Mapper, decode: Decoder, mapping_name: str) -> None:
        """Set the folder, and how messages become rows."""
        self.landing = landing
        self._mapper = mapper
        self._decode = decode
        self._mapping_name = mapping_name

    def ledger(self, partition: Partition) -> PartitionLedger:
        """Return the ledger of a partition."""
        return PartitionLedger(self.landing, partition.topic_id, partition.number)

    def publish(self, batch: Batch, is_same_topic: Callable[[], None]) -> MessageRows:
        """Publish a batch, and return its rows.

        Args:
            batch: The messages.
            is_same_topic: Raises if the topic was created again, which is asked after all messages
                were taken.

        Raises:
            OvertakenError: Another process was faster.
            OSError: The disk takes nothing; the batch can be published again.
            RegistryDownError: The schema registry does not answer.
        """
        lines, reasons = self._decode(batch.values)
        rows = self._mapper.rows(lines, reasons)
        table = _positioned(rows, batch)
        is_same_topic()
        ledger = self.ledger(batch.partition)
        with ledger.locked():
            entry = ledger.settled()
            if entry is None or entry.next_offset != batch.start:
                raise OvertakenError(
                    f"{batch.partition} was read by another process from {batch.start} on."
                )
            self._land(batch, table, rows.refused)
            ledger.write(LedgerEntry(batch.partition.topic, batch.end, entry.lost))
        return rows

    def _land(self, batch: Batch, table: pa.Table, refused: Mapping[int, str]) -> None:
        name = stream_file_name(batch.partition.topic_id, batch.partition.number, batch.start)
        # first, since the main file ends the range; without that, an earlier attempt may be
        # replaced
        if refused:
            target = day_folder(dead_letter_folder(self.landing), batch.day) / name
            make_folder(target.parent)
            with replacing(target) as fresh:
                rows = [
                    {
                        "received_at": datetime.fromtimestamp(
                            batch.arrivals_ms[position] / MS_OF_S, UTC
                        ),
                        "reason": reason,
                        "detail": f"offset {batch.offsets[position]}",
                        "layout": self._mapping_name,
                        "caller": str(batch.partition),
                        "value": batch.values[position],
                    }
                    for position, reason in sorted(refused.items())
                ]
                pq.write_table(
                    pa.Table.from_pylist(rows, schema=DEAD_LETTERS), fresh, compression="zstd"
                )
        footer = {
            NEXT_OFFSET: str(batch.end),
            TOPIC: batch.partition.topic,
            MAPPED_BY: self._mapping_name,
        }
        if not land(table, day_folder(self.landing, batch.day) / name, footer):
            raise OvertakenError(
                f"{batch.partition} was published by another process from {batch.start} on."
            )


def _positioned(rows: MessageRows, batch: Batch) -> pa.Table:
    """Return rows with the instant of their arrival,
    and their position as the id of those that have none.
    """
    table = rows.table
    arrivals = _arrivals_us(batch)
    columns = {"received_at": instants([arrivals[position] for position in rows.positions])}
    for name in _IDS.intersection(table.column_names):
        columns[name] = filled(table[name], lambda: _ids(rows, batch))
    if SENT_BY in table.column_names:
        topic = f"topic:{batch.partition.topic}"
        columns[SENT_BY] = filled(table[SENT_BY], lambda: [topic] * len(table))
    for name, column in columns.items():
        table = table.set_column(
            table.schema.get_field_index(name), table.schema.field(name), column
        )
    return table


def _arrivals_us(batch: Batch) -> list[int]:
    """Return when messages arrived, in microseconds: those of one millisecond follow each other,
    as their offsets do.

    Of several copies of an order line or a customer the last one counts.
    """
    arrivals: list[int] = []
    before = 0
    for arrived_ms in batch.arrivals_ms:
        start = arrived_ms * US_OF_MS
        before = max(start, min(before + 1, start + US_OF_MS - 1))
        arrivals.append(before)
    return arrivals


def _ids(rows: MessageRows, batch: Batch) -> list[str]:
    """Return the position of each row: that of its message,
    and which of the message's rows it is beyond the first.
    """
    part = f"{batch.partition.topic_id}-{batch.partition.number}"
    ids, last, number = [], -1, 0
    for position in rows.positions:
        number = number + 1 if position == last else 0
        last = position
        ids.append(f"{part}-{batch.offsets[position]}" + (f"-{number}" if number else ""))
    return ids
