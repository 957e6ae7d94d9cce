"""Kafka topics by Spark Structured Streaming: the files of `ecom stream`,
by the same ledgers and exclusive create.

The checkpoint is of no account, as the brokers' committed offsets are: each query begins where
ledgers and files end, and a task skips what they have already. So a batch that is repeated, by a
retry or after a crash, publishes nothing twice, and a checkpoint that is lost or of another folder
loses nothing.
"""

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import pyarrow as pa

from ecom_assets.core.errors import WorkError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.home import keep_private
from ecom_assets.core.settings.intake import StreamKind
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.landing import address_of, make_folder
from ecom_assets.ingestion.sources.stream_ledger import (
    LedgerEntry,
    PartitionLedger,
    begin_partition,
    ledger_folder,
)
from ecom_assets.ingestion.stream.address import StreamAddress, client_settings, stream_landing
from ecom_assets.ingestion.stream.consumer import BYTES_OF_MB, WATERMARK_S
from ecom_assets.ingestion.stream.publishing import (
    MS_OF_S,
    BatchPublisher,
    Partition,
    PartitionReader,
)
from ecom_assets.ingestion.stream.running import opened_publisher
from ecom_assets.ingestion.stream.topic_ids import StreamTopics, ids_of_brokers

with packages_of("kafka", "a stream by Spark"):
    from confluent_kafka import Consumer, KafkaException, TopicPartition
with packages_of("spark", "a stream by Spark"):
    from pyspark.sql import DataFrame

PATIENCE_S: Final = 60.0
"""How long a task waits for one that was given up and still publishes."""
COLUMNS: Final = ("topic", "partition", "offset", "unix_millis(timestamp) AS sent_ms", "value")
"""What is read of Spark's Kafka source."""
CHECKPOINTS: Final = "spark_checkpoint_"

_Message = tuple[str, int, int, int, bytes | None]


@dataclass(frozen=True)
class SparkLanding:
    """The landing folder of a Spark query; made in the driver, before the query's source."""

    source_options: Mapping[str, str]
    """Options of Spark's source `kafka`."""
    checkpoint: str
    """The `checkpointLocation` of the query, which is a new one each time."""
    partition_count: int
    task: "LandingTask"

    @classmethod
    def begin(
        cls, address: str = "", kind: StreamKind = "events", settings: Settings | None = None
    ) -> "SparkLanding":
        """Prepare a query over the topics of an address.

        Args:
            address: `kafka://HOST:PORT/TOPIC`; without one, that of the settings.
            kind: What the messages are.
            settings: By default those of the environment, as `ecom stream` reads them.

        Raises:
            EcomError: A setting is wrong, a topic was created again or lost its end, or the brokers
                do not answer.
        """
        keep_private()
        settings = settings or Settings()
        source = StreamAddress.parse(address or address_of(settings, kind), kind)
        landing = stream_landing(settings, kind, address)
        config = client_settings(settings, source)
        topics = StreamTopics(source.topics, ids_of_brokers(config))
        ids = dict(topics.ids(source.topics))
        topics.begin(landing, ids)
        offsets = _begin_partitions(config, ids, landing, settings.stream_start)
        options = {
            "kafka.bootstrap.servers": source.brokers,
            "kafka.isolation.level": config["isolation.level"],
            "subscribe": ",".join(source.topics),
            "startingOffsets": json.dumps(offsets),
            "failOnDataLoss": "true",
        }
        count = sum(map(len, offsets.values()))
        # The folder of a new checkpoint beside the ledgers; the one before goes, whose query
        # would end by that.
        folder = ledger_folder(landing)
        for left_over in folder.glob(f"{CHECKPOINTS}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        checkpoint = folder / f"{CHECKPOINTS}{uuid4().hex}"
        make_folder(checkpoint)
        return cls(
            options,
            checkpoint.absolute().as_uri(),
            count,
            LandingTask(settings, source, landing, ids),
        )

    def land_batch(self, batch: DataFrame, _batch_id: int) -> None:
        """Publish a micro-batch: the function for `foreachBatch`.

        Whatever it cannot publish ends the query with an error; the next query goes on from there.
        """
        # Spark may read a partition in several tasks, and in another division when it repeats a
        # batch.
        messages = batch.selectExpr(*COLUMNS).repartition(
            self.partition_count, "topic", "partition"
        )
        in_order = messages.sortWithinPartitions("topic", "partition", "offset")
        in_order.mapInArrow(self.task.run, "nothing boolean").collect()


@dataclass(frozen=True)
class LandingTask:
    """What tasks of Spark do with their messages, in processes of their own,
    on machines that share the folder.
    """

    settings: Settings
    address: StreamAddress
    landing: Path
    ids: Mapping[str, str]

    def run(self, messages: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Publish messages that are in the order of topic, partition and offset; return no rows."""
        keep_private()
        rows = (
            row
            for batch in messages
            for row in zip(*(column.to_pylist() for column in batch), strict=True)
        )
        for first in rows:  # many tasks have none
            topics = StreamTopics(
                self.address.topics, ids_of_brokers(client_settings(self.settings, self.address))
            )
            with opened_publisher(self.settings, self.address.kind, self.landing) as publisher:
                for (topic, number), own in groupby(chain([first], rows), key=itemgetter(0, 1)):
                    self._land(own, Partition(topic, self.ids[topic], number), publisher, topics)
        yield from ()

    def _land(
        self,
        messages: Iterable[_Message],
        partition: Partition,
        publisher: BatchPublisher,
        topics: StreamTopics,
    ) -> None:
        ledger = publisher.ledger(partition)
        with ledger.locked(PATIENCE_S):
            entry = ledger.settled()
            if entry is None:  # a partition that was added to the topic since the query began
                entry = LedgerEntry(partition.topic, 0)
                ledger.write(entry)
        first_day = self.settings.first_plausible_day
        reader = PartitionReader(
            partition, entry.next_offset, ZoneInfo(self.settings.timezone), first_day
        )

        def publish() -> None:
            for batch in list(reader.batches):
                publisher.publish(batch, lambda: topics.check(publisher.landing))
                reader.published(batch)

        for _, _, offset, sent_ms, value in messages:
            reader.take(offset, sent_ms, value, int(time.time() * MS_OF_S), time.monotonic())
            if reader.size >= self.settings.stream_file_mb * BYTES_OF_MB:
                publish()
        publish()


def _begin_partitions(
    config: Mapping[str, str], ids: Mapping[str, str], landing: Path, start: str
) -> dict[str, dict[str, int]]:
    """Return where each partition of each topic is to be read from."""
    offsets: dict[str, dict[str, int]] = {}
    client = Consumer(dict(config))
    try:
        for topic, topic_id in ids.items():
            offsets[topic] = {}
            for number in client.list_topics(topic, timeout=WATERMARK_S).topics[topic].partitions:
                watermarks = client.get_watermark_offsets(
                    TopicPartition(topic, number), timeout=WATERMARK_S
                )
                ledger = PartitionLedger(landing, topic_id, number)
                entry = begin_partition(ledger, topic, watermarks, start, accepts_reset=False)
                offsets[topic][str(number)] = entry.next_offset
    except KafkaException as error:
        raise WorkError(
            f"The brokers do not say where the topics begin ({error.args[0].str()}); try again."
        ) from error
    finally:
        client.close()
    return offsets
