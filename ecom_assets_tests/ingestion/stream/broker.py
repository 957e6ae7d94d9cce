"""A real Apache Kafka broker (KRaft, one node) in a process of its own,
which tests stop and kill.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ecom_assets_tests.ingestion.stream.streamed import TOPIC, event
from ecom_assets_tests.ports import free_port

JARS: Final = Path(__file__).parents[3] / ".kafka"
"""Where `make kafka` puts the broker's jars."""
START_S: Final = 90
SHORT_LIVED: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xshare:auto"
"""Options of a Java that is killed before compiling its code well would pay."""


@dataclass
class KafkaBroker:
    """One broker, with its data in `folder`."""

    folder: Path
    port: int = field(default_factory=free_port)
    _controller_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Return where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def admin(self) -> AdminClient:
        """Return a client that creates and deletes topics."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 2})

    def start(self) -> None:
        """Start the broker, over the data that it has, and wait until it answers."""
        properties = self.folder / "server.properties"
        if not properties.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            properties.write_text(self._properties())
            _java(
                "kafka.tools.StorageTool", "format", "-t", uuid4().hex[:22], "-c", str(properties)
            ).wait(START_S)
        with (self.folder / "broker.log").open("ab") as log:
            self._process = _java("kafka.Kafka", str(properties), log=log.fileno())
        until = time.monotonic() + START_S
        while True:
            try:
                self.admin.list_topics(timeout=2)
            except KafkaException:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise AssertionError((self.folder / "broker.log").read_text()[-3000:]) from None
            else:
                return

    def kill(self) -> None:
        """Kill the broker at once."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def create(self, topic: str, partitions: int = 2, **config: str) -> None:
        """Create a topic, and wait until it is there."""
        new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
        admin = self.admin  # the client must outlive its answer
        admin.create_topics([new])[topic].result(30)
        until = time.monotonic() + START_S
        while topic not in self.admin.list_topics(timeout=5).topics and time.monotonic() < until:
            time.sleep(0.2)

    def delete(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        admin = self.admin
        admin.delete_topics([topic])[topic].result(30)
        while topic in self.admin.list_topics(timeout=5).topics:
            time.sleep(0.2)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Delete what is before an offset, as retention does."""
        end = TopicPartition(topic, partition, offset)
        admin = self.admin
        next(iter(admin.delete_records([end]).values())).result(30)

    def _properties(self) -> str:
        return "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
                "controller.listener.names=CONTROLLER",
                f"controller.quorum.voters=1@127.0.0.1:{self._controller_port}",
                f"log.dirs={self.folder / 'data'}",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "auto.create.topics.enable=false",
                "share.coordinator.state.topic.replication.factor=1",
                "share.coordinator.state.topic.min.isr=1",
            ]
        )


def _java(*arguments: str, log: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    command = ["java", *SHORT_LIVED.split(), "-Xmx512m", "-cp", f"{JARS}/libs/*", *arguments]
    return subprocess.Popen(command, stdout=log, stderr=log)


def producer(broker: KafkaBroker, **config: str) -> Producer:
    """Return a client that sends, and doubles nothing by repeating."""
    return Producer(
        {"bootstrap.servers": broker.address, "enable.idempotence": True, "log_level": 0, **config}
    )


def produce(to: Producer, name: str, partition: int) -> None:
    """Hand an event to a client, once the client has room for it."""
    while True:
        try:
            to.produce(TOPIC, json.dumps(event(name)).encode(), partition=partition)
        except BufferError:
            to.poll(0.1)  # the broker is down
        else:
            return


def send(to: Producer, ids: list[str], partition: int = 0) -> None:
    """Send events, and wait until the broker has them."""
    for name in ids:
        produce(to, name, partition)
    assert to.flush(60) == 0


@contextmanager
def shop_that_sends(broker: KafkaBroker) -> Iterator[list[str]]:
    """Send events to both partitions while the block runs; yield the list
    of their ids, which grows.
    """
    sender = producer(broker, **{"message.timeout.ms": "300000", "reconnect.backoff.max.ms": "500"})
    sent: list[str] = []
    is_over = threading.Event()

    def shop() -> None:
        while not is_over.is_set():
            ids = [f"e{len(sent) + number}" for number in range(50)]
            for number, name in enumerate(ids):
                produce(sender, name, partition=number % 2)
            sent.extend(ids)
            sender.poll(0)
            time.sleep(0.2)  # at most 250 events a second: the kills are the test

    thread = threading.Thread(target=shop)
    thread.start()
    try:
        yield sent
    finally:
        is_over.set()
        thread.join()
    assert sender.flush(120) == 0
