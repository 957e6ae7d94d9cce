"""A batch becomes a landing file: published once by its start offset, with the ledger after it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.atomic_files import replacing
from ecom_assets.errors import WorkError
from ecom_assets.sources.files.mapping import EVENT, ORDER
from ecom_assets.sources.landed_rows import Mapper, MessageRows, filled, instants
from ecom_assets.sources.landing import (
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
from ecom_assets.sources.stream_ledger import LedgerEntry, PartitionLedger
from ecom_assets.stream.batch import MS_OF_S, Batch, Partition
from ecom_assets.stream.decoding import Decoder

US_OF_MS: Final = 1000
_IDS: Final = {EVENT.id, ORDER.id}


class OvertakenError(WorkError):
    """Another process has published messages of this range; they are read again from where it stands."""


class BatchPublisher:
    """Writes batches into a landing folder."""

    def __init__(self, landing: Path, mapper: Mapper, decoder: Decoder, mapping_name: str) -> None:
        """Set the folder, and how messages become rows."""
        self.landing = landing
        self._mapper = mapper
        self._decoder = decoder
        self._mapping_name = mapping_name

    def ledger(self, partition: Partition) -> PartitionLedger:
        """Return the ledger of a partition."""
        return PartitionLedger(self.landing, partition.topic_id, partition.number)

    def publish(self, batch: Batch, is_same_topic: Callable[[], None]) -> MessageRows:
        """Publish a batch, and return its rows.

        Args:
            batch: The messages.
            is_same_topic: Raises if the topic was created again, which is asked after all messages were taken.

        Raises:
            OvertakenError: Another process was faster.
            OSError: The disk takes nothing; the batch can be published again.
            RegistryDownError: The schema registry does not answer.
        """
        lines, reasons = self._decoder.lines(batch.values)
        rows = self._mapper.rows(lines, reasons)
        table = _positioned(rows, batch)
        is_same_topic()
        ledger = self.ledger(batch.partition)
        with ledger.locked():
            entry = ledger.settled()
            if entry is None or entry.next_offset != batch.start:
                raise OvertakenError(f"{batch.partition} was read by another process from {batch.start} on.")
            self._land(batch, table, rows.refused)
            ledger.write(LedgerEntry(batch.partition.topic, batch.end, entry.lost))
        return rows

    def _land(self, batch: Batch, table: pa.Table, refused: Mapping[int, str]) -> None:
        name = stream_file_name(batch.partition.topic_id, batch.partition.number, batch.start)
        if refused:  # first, since the main file ends the range; without that, an earlier attempt may be replaced
            target = day_folder(dead_letter_folder(self.landing), batch.day) / name
            make_folder(target.parent)
            with replacing(target) as fresh:
                pq.write_table(self._letters(batch, refused), fresh, compression="zstd")
        footer = {NEXT_OFFSET: str(batch.end), TOPIC: batch.partition.topic, MAPPED_BY: self._mapping_name}
        if not land(table, day_folder(self.landing, batch.day) / name, footer):
            raise OvertakenError(f"{batch.partition} was published by another process from {batch.start} on.")

    def _letters(self, batch: Batch, refused: Mapping[int, str]) -> pa.Table:
        rows = [
            {
                "received_at": datetime.fromtimestamp(batch.arrivals_ms[position] / MS_OF_S, UTC),
                "reason": reason,
                "detail": f"offset {batch.offsets[position]}",
                "layout": self._mapping_name,
                "caller": str(batch.partition),
                "value": batch.values[position],
            }
            for position, reason in sorted(refused.items())
        ]
        return pa.Table.from_pylist(rows, schema=DEAD_LETTERS)


def _positioned(rows: MessageRows, batch: Batch) -> pa.Table:
    """Return rows with the instant of their arrival, and their position as the id of those that have none."""
    table = rows.table
    arrivals = _arrivals_us(batch)
    columns = {"received_at": instants([arrivals[position] for position in rows.positions])}
    for name in _IDS.intersection(table.column_names):
        columns[name] = filled(table[name], lambda: _ids(rows, batch))
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    return table


def _arrivals_us(batch: Batch) -> list[int]:
    """Return when messages arrived, in microseconds: those of one millisecond follow each other, as their offsets do.

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
    """Return the position of each row: that of its message, and which of the message's rows it is beyond the first."""
    part = f"{batch.partition.topic_id}-{batch.partition.number}"
    ids, last, number = [], -1, 0
    for position in rows.positions:
        number = number + 1 if position == last else 0
        last = position
        ids.append(f"{part}-{batch.offsets[position]}" + (f"-{number}" if number else ""))
    return ids
