"""Streams as tests use them: over librdkafka's own mock cluster, or over a real broker,
with what has landed.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Producer, TopicPartition
from pyarrow import parquet

from ecom_assets.core.settings.intake import StreamKind
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.stream.address import StreamAddress
from ecom_assets.ingestion.stream.consumer import TopicStream
from ecom_assets.ingestion.stream.running import opened_stream
from ecom_assets_tests.ingestion.collector.served import Landed

Row = dict[str, Any]
TOPIC = "events"


def event(event_id: str, **fields: Any) -> Row:
    """Return an event as a shop sends it."""
    at = {"event_type": "page_view", "event_timestamp": "2026-11-24T07:00:00Z", "user_id": "anna"}
    return {"event_id": event_id, **at, **fields}


@dataclass
class MockCluster:
    """librdkafka's mock cluster, which lives in a producer; it cannot say topic ids."""

    producer: Producer = field(
        default_factory=lambda: Producer(
            {"bootstrap.servers": "-", "test.mock.num.brokers": 1, "log_level": 2}
        )
    )
    topic_id: str = "topic-id-1"

    @property
    def address(self) -> str:
        """Return where clients connect."""
        broker = next(iter(self.producer.list_topics(timeout=10).brokers.values()))
        return f"{broker.host}:{broker.port}"

    def ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """Return the id of each topic, in place of the brokers."""
        return dict.fromkeys(topics, self.topic_id)

    def send(self, *values: Row | bytes | None, partition: int = 0, at_ms: int = 0) -> None:
        """Send messages, and wait until the cluster has them."""
        for value in values:
            body = json.dumps(value).encode() if isinstance(value, dict) else value
            self.producer.produce(TOPIC, body, partition=partition, timestamp=at_ms)
        self.producer.flush(10)


@dataclass
class StreamHome:
    """The home of a platform whose events, orders or customers come from a stream."""

    folder: Path
    brokers: str
    topic_ids: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    kind: StreamKind = "events"

    @property
    def landing(self) -> Path:
        """Return where they land."""
        return self.folder / "landing" / self.kind

    @property
    def address(self) -> str:
        """Return what ECOM_EVENTS, or the kind's setting, is."""
        return f"kafka://{self.brokers}/{TOPIC}"

    def settings(self, **values: Any) -> Settings:
        """Return the settings of its stream."""
        own = {"stream_port": 0, self.kind: self.address}
        return Settings(home=self.folder, **{**own, **values})

    @contextmanager
    def opened(
        self, *, accepts_reset: bool = False, partitions: Sequence[int] = (0, 1), **values: Any
    ) -> Iterator[TopicStream]:
        """Open a stream, and end it without publishing what it has.

        The partitions are assigned by hand: the mock cluster lets each member of a group wait for
        three seconds. Without partitions, the group assigns them.
        """
        address = StreamAddress.parse(self.address, self.kind)
        ids, settings = self.topic_ids, self.settings(**values)
        with opened_stream(
            settings, address, self.landing, topic_ids=ids, accepts_reset=accepts_reset
        ) as stream:
            try:
                if partitions:
                    consumer = stream._consumer  # noqa: SLF001 (in place of the group)
                    consumer.unsubscribe()
                    stream._assigned(  # noqa: SLF001 (as above)
                        consumer, [TopicPartition(TOPIC, number) for number in partitions]
                    )
                yield stream
            finally:
                stream.close()

    def read(self, count: int, partitions: Sequence[int] = (0, 1), **values: Any) -> None:
        """Read with a stream of its own until so many messages are in files,
        dead letters included.
        """
        with self.opened(partitions=partitions, **values) as stream:
            read(stream, count)

    def ids(self) -> list[str]:
        """Return the ids of all landed events; what landed twice is there twice."""
        return [row["event_id"] for row in self.rows()]

    def rows(self) -> list[Row]:
        """Return all landed rows."""
        return Landed(self.landing).rows("received_at")

    def files(self) -> list[Path]:
        """Return the files of events that have landed."""
        return list(self.landing.glob("*/*.parquet"))

    def row_count(self) -> int:
        """Return how many events have landed, without reading them."""
        return sum(parquet.read_metadata(file).num_rows for file in self.files())

    def letters(self) -> list[Row]:
        """Return all dead letters."""
        return Landed(self.landing).letters()


def read(stream: TopicStream, count: int, within_s: float = 30) -> None:
    """Let a stream go on until so many of its messages are in files."""
    steps_until(
        stream, lambda: stream.counts.event_count + stream.counts.refused_count >= count, within_s
    )


def steps_until(stream: TopicStream, is_over: Callable[[], bool], within_s: float = 30) -> None:
    """Let a stream go on until a condition holds."""
    end = time.monotonic() + within_s
    while not is_over():
        assert time.monotonic() < end, stream.counts
        stream.step()


def wait_for(home: StreamHome, ids: set[str], log: Path, within_s: float = 120) -> None:
    """Wait until just these events have landed; the log of who lands them says why not."""
    end = time.monotonic() + within_s
    while home.row_count() < len(ids) or set(home.ids()) != ids:
        assert time.monotonic() < end, (len(ids - set(home.ids())), log.read_text()[-2000:])
        time.sleep(0.5)


def wait_for_more(home: StreamHome, file_count: int, log: Path, within_s: float = 400) -> None:
    """Wait until more than so many files have landed; the log of who lands them says why not."""
    end = time.monotonic() + within_s
    while len(home.files()) <= file_count:
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.2)
