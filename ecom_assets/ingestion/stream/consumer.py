"""The consumer of a stream: one thread that takes messages, publishes what is due,
and always goes on polling.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from ecom_assets.core.errors import SourceError, WorkError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.landing import make_folder
from ecom_assets.ingestion.sources.stream_ledger import (
    ASSIGN_PATIENCE_S,
    begin_partition,
    noted_topic_id,
)
from ecom_assets.ingestion.stream.publishing import (
    MS_OF_S,
    Batch,
    BatchPublisher,
    OvertakenError,
    Partition,
    PartitionReader,
)
from ecom_assets.ingestion.stream.topic_ids import BrokerDownError, StreamTopics, TopicMissingError

with packages_of("kafka", "`ecom stream`"):
    from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

MOST_AT_ONCE: Final = 10_000
POLL_S: Final = 0.1
FILE_S: Final = 0.5
"""Seconds after which the messages of a partition become a landing file."""
RETRY_S: Final = 1.0
WATERMARK_S: Final = 10.0
START_PATIENCE_S: Final = 60.0
"""How long a process that begins waits for brokers that it does not know,
which may be coming up beside it.
"""
BYTES_OF_MB: Final = 1_000_000
_OUT_OF_RANGE: Final = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # noqa: SLF001 (its public name)

_Key = tuple[str, int]


@dataclass
class StreamCounts:
    """What a process has done since it began."""

    message_count: int = 0
    event_count: int = 0
    refused_count: int = 0
    file_count: int = 0
    last_error: str = ""
    readers: dict[_Key, PartitionReader] = field(default_factory=dict)
    """What it reads now, by topic and partition."""
    lost_counts: dict[_Key, int] = field(default_factory=dict)
    """Messages that the broker deleted before they were read, by topic and partition."""


class TopicStream:
    """Reads topics into a landing folder until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        config: Mapping[str, str],
        topics: StreamTopics,
        publisher: BatchPublisher,
    ) -> None:
        """Join the group.

        Raises:
            SourceError: A topic is not there, or is another one than before.
            BrokerDownError: No broker answers.
        """
        self.counts = StreamCounts()
        self._settings = settings
        self._timezone = ZoneInfo(settings.timezone)
        self._publisher = publisher
        self._topics = topics
        self._ids = dict(self._first_ids())
        topics.begin(publisher.landing, self._ids)
        self._is_stopping = False
        self._is_paused = False
        self._retry_at = 0.0
        self._fault: WorkError | None = None
        self._consumer = Consumer({**config, "error_cb": self._note_client_error})
        self._consumer.subscribe(
            list(topics.names),
            on_assign=self._assigned,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )

    @property
    def landing(self) -> Path:
        """Return the folder of the files."""
        return self._publisher.landing

    def stop(self) -> None:
        """Let `run` publish what it has, and return."""
        self._is_stopping = True

    def run(self) -> None:
        """Read until `stop`; what is taken by then is published.

        Raises:
            SourceError: A topic was created again or lost its end, so that offsets mean other
                messages.
        """
        make_folder(self.landing)
        try:
            while not self._is_stopping:
                self.step()
            self._publish(is_last=True)
        finally:
            self.close()

    def close(self) -> None:
        """Leave the group; what is not published is read again by others."""
        self._consumer.close()
        self.counts.readers.clear()

    def step(self) -> None:
        """Take what the brokers have, publish what is due, and pause or go on by what waits."""
        self._take(self._consumer.consume(MOST_AT_ONCE, timeout=POLL_S))
        if self._fault:
            raise self._fault
        if time.monotonic() >= self._retry_at:
            self._publish()
            if self.counts.last_error and not any(
                reader.batches for reader in self.counts.readers.values()
            ):
                self._look_again()
        self._pause_or_resume()

    def _look_again(self) -> None:
        """Forget the last error once the brokers answer: without messages,
        no file would show that it is over.
        """
        self._retry_at = time.monotonic() + RETRY_S
        try:
            self._check_topics()
            self.counts.last_error = ""
        except BrokerDownError as error:
            self._note(str(error))

    def _take(self, messages: Sequence[Message]) -> None:
        readers = self.counts.readers
        now_ms, clock = int(time.time() * MS_OF_S), time.monotonic()
        for message in messages:
            key = (message.topic() or "", message.partition() or 0)
            reader = readers.get(key)
            if (error := message.error()) is not None:
                self._note(f"{key[0]}/{key[1]}: {error.str()}")
                if error.code() in _OUT_OF_RANGE and reader is not None:
                    self._begin_again(reader)
            elif reader is not None:
                reader.take(
                    message.offset() or 0, message.timestamp()[1], message.value(), now_ms, clock
                )
                self.counts.message_count += 1

    def _publish(self, *, is_last: bool = False) -> None:
        oldest_s = 0.0 if is_last else FILE_S
        largest = self._settings.stream_file_mb * BYTES_OF_MB
        clock = time.monotonic()
        for reader in list(self.counts.readers.values()):
            for batch in reader.due(clock, oldest_s, largest):
                if not self._is_published(reader, batch):
                    break

    def _is_published(self, reader: PartitionReader, batch: Batch) -> bool:
        try:
            rows = self._publisher.publish(batch, self._check_topics)
        except OvertakenError as error:
            self._note(str(error))
            self._begin_again(reader)
            return False
        except SourceError:
            raise
        except (
            OSError,
            WorkError,
        ) as error:  # a full disk, the registry, the brokers: messages wait
            self._note(str(error))
            reader.error = str(error)
            self._retry_at = time.monotonic() + RETRY_S
            return False
        reader.published(batch)
        reader.error = ""
        self.counts.last_error = ""
        self.counts.file_count += 1
        self.counts.event_count += len(rows.positions)
        self.counts.refused_count += len(rows.refused)
        self._commit(batch)
        return True

    def _commit(self, batch: Batch) -> None:
        """Report to the brokers how far the group is, for tools that show its lag;
        nothing here reads it.
        """
        position = TopicPartition(batch.partition.topic, batch.partition.number, batch.end)
        with suppress(KafkaException):
            self._consumer.commit(offsets=[position], asynchronous=True)
            reader = self.counts.readers[batch.partition.topic, batch.partition.number]
            reader.high = max(
                self._consumer.get_watermark_offsets(position, cached=True)[1], reader.next_offset
            )

    def _pause_or_resume(self) -> None:
        waiting = sum(reader.size for reader in self.counts.readers.values())
        most = self._settings.stream_waiting_mb * BYTES_OF_MB
        partitions = [TopicPartition(topic, number) for topic, number in self.counts.readers]
        if not self._is_paused and waiting > most:
            self._consumer.pause(partitions)
            self._is_paused = True
        elif self._is_paused and 2 * waiting < most:
            self._consumer.resume(partitions)
            self._is_paused = False

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition where its files end; the broker's own offsets say nothing."""
        self._is_paused = False
        try:
            for own in partitions:
                own.offset = self._begin(Partition(own.topic, self._ids[own.topic], own.partition))
            consumer.assign(partitions)
        except WorkError as error:
            # Raised by `step`: an error in a callback of the client would be lost in others.
            self._fault = error
        except KafkaException as error:
            self._fault = WorkError(
                f"The partitions cannot be read ({error}); start the stream again."
            )

    def _begin(self, partition: Partition) -> int:
        """Return where a partition is to be read from,
        and note what retention has deleted before.
        """
        entry = begin_partition(
            self._publisher.ledger(partition),
            partition.topic,
            self._watermarks(partition),
            self._settings.stream_start,
            accepts_reset=self._topics.accepts_reset,
        )
        first_day = self._settings.first_plausible_day
        reader = PartitionReader(partition, entry.next_offset, self._timezone, first_day)
        self.counts.readers[partition.topic, partition.number] = reader
        self.counts.lost_counts[partition.topic, partition.number] = entry.lost_count
        return entry.next_offset

    def _begin_again(self, reader: PartitionReader) -> None:
        partition = reader.partition
        position = TopicPartition(partition.topic, partition.number, self._begin(partition))
        try:
            self._consumer.seek(position)
        except KafkaException:  # not fetched from yet; a single partition cannot be assigned again
            readers = self.counts.readers.items()
            partitions = [
                TopicPartition(topic, number, reader.next_offset)
                for (topic, number), reader in readers
            ]
            self._consumer.assign(partitions)
            self._is_paused = False

    def _watermarks(self, partition: Partition) -> tuple[int, int]:
        own = TopicPartition(partition.topic, partition.number)
        until = time.monotonic() + ASSIGN_PATIENCE_S
        while True:
            try:
                low, high = self._consumer.get_watermark_offsets(own, timeout=WATERMARK_S)
                return int(low), int(high)
            except KafkaException as error:
                self._note(f"{partition}: {error.args[0].str()}")
                if time.monotonic() > until or self._is_stopping:
                    raise WorkError(
                        f"The brokers do not say where {partition} begins; try again."
                    ) from error
                time.sleep(RETRY_S)

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Forget what is not published: the consumer that gets the partitions reads it again."""
        for gone in partitions:
            self.counts.readers.pop((gone.topic, gone.partition), None)

    def _first_ids(self) -> Mapping[str, str]:
        """Return the ids of the topics; wait for brokers that are down,
        and for topics that were read before.

        Brokers whose topics were read before are waited for without end, as by a process that runs
        already.
        """
        until = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                return self._topics.ids(self._topics.names)
            except (BrokerDownError, TopicMissingError) as error:
                is_missing = isinstance(error, TopicMissingError)
                topics = (
                    [error.topic] if isinstance(error, TopicMissingError) else self._topics.names
                )
                is_known = all(noted_topic_id(self.landing, topic) for topic in topics)
                is_late = time.monotonic() >= until
                if (is_missing and not is_known) or (is_late and (is_missing or not is_known)):
                    raise
                self._note(str(error))
                time.sleep(RETRY_S)

    def _check_topics(self) -> None:
        self._topics.check(self.landing)

    def _note_client_error(self, error: KafkaError) -> None:
        self._note(error.str())

    def _note(self, error: str) -> None:
        if error != self.counts.last_error:
            structlog.get_logger(__name__).warning("stream", reason=error)
        self.counts.last_error = error
