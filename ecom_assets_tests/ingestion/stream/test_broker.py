"""A real Apache Kafka broker and `ecom stream` in processes of their own, both killed:
each message once.
"""

import json
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from playwright.sync_api import expect, sync_playwright

from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.command import ECOM, FEW_TABLES, UNTIL_DUE, ecom, environment
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.ingestion.stream.broker import KafkaBroker, producer, send, shop_that_sends
from ecom_assets_tests.ingestion.stream.streamed import (
    TOPIC,
    StreamHome,
    event,
    read,
    steps_until,
    wait_for,
    wait_for_more,
)
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.interfaces.ui.test_ui import ARGUMENTS, CHROMIUM
from ecom_assets_tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kafka")]


@dataclass
class StreamProcess:
    """`ecom stream` in a process of its own."""

    home: StreamHome
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, home: StreamHome, log: Path) -> "StreamProcess":
        """Start it; a member of the group that dies is missed after 6 s."""
        config = home.folder / "client.properties"
        config.write_text(
            "session.timeout.ms=6000\nheartbeat.interval.ms=1000\nreconnect.backoff.max.ms=500\n"
        )
        env = environment(
            home.folder,
            {
                "ECOM_EVENTS": home.address,
                "ECOM_STREAM_PORT": "0",
                "ECOM_STREAM_CONFIG_FILE": str(config),
            },
        )
        with log.open("ab") as errors:
            return cls(home, subprocess.Popen([*ECOM, "stream"], env=env, stderr=errors), log)

    def wait_until_up(self) -> None:
        """Wait until it says that it reads, and so can be stopped."""
        wait_until(lambda: "stop it with Ctrl-C" in self.log.read_text())

    def kill(self) -> None:
        """Kill it at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Stop it as Ctrl-C does."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


def _story(broker: KafkaBroker, home: StreamHome, kill_count: int, seed: int) -> None:
    """Kill each of two streams and the broker in turn, at random moments, while a shop goes on
    sending.
    """
    dice = random.Random(seed)  # noqa: S311 (when to kill)
    log = home.folder / "stream.log"
    streams = [StreamProcess.start(home, log), StreamProcess.start(home, home.folder / "2.log")]
    with shop_that_sends(broker) as sent:
        for number in range(kill_count):
            wait_for_more(home, len(home.files()), log)
            time.sleep(dice.uniform(0, 1))
            victim = number % 3
            if victim == 2:
                broker.kill()
                time.sleep(dice.uniform(0, 2))
                broker.start()
            else:
                streams[victim].kill()
                streams[victim] = StreamProcess.start(home, home.folder / f"again{number}.log")
    for stream in streams:
        stream.wait_until_up()
    wait_for(home, set(sent), log)
    for stream in streams:
        stream.end()
    assert Counter(home.ids()) == Counter(sent)


@pytest.mark.timeout(3600)
def test_streams_and_the_broker_are_killed_and_each_event_is_there_once(
    broker: KafkaBroker, home: StreamHome
) -> None:
    _story(broker, home, kill_count=max(4, len(seeds(range(80)))), seed=34)
    env = {"ECOM_EVENTS": home.address}
    assert ecom("run", "--select", UNTIL_DUE, home=home.folder, env=env).exit_code == 0
    tables = {
        row["table"]: row["rows"]
        for row in ecom("status", "--json", home=home.folder, env=env).json
    }
    assert tables["raw.events"] == len(home.ids())


def test_what_retention_deleted_first_is_shown_and_the_rest_is_read(
    broker: KafkaBroker, home: StreamHome
) -> None:
    send(producer(broker), ["a", "b"])
    home.read(2)
    send(producer(broker), ["c", "d", "e"])
    broker.delete_before(TOPIC, 0, 4)
    with home.opened() as stream:
        read(stream, 1)
        assert stream.counts.lost_counts[TOPIC, 0] == 2
    assert home.ids() == ["a", "b", "e"]
    with home.opened() as stream:
        assert stream.counts.lost_counts[TOPIC, 0] == 2, "the ledger keeps it"


def test_retention_that_overtakes_a_running_stream_is_shown_too(
    broker: KafkaBroker, home: StreamHome
) -> None:
    send(producer(broker), ["a"])
    with home.opened() as stream:
        read(stream, 1)
        stream._consumer.pause([TopicPartition(TOPIC, 0)])  # noqa: SLF001 (slower than the broker)
        send(producer(broker), ["b", "c"])
        broker.delete_before(TOPIC, 0, 2)
        stream._consumer.resume([TopicPartition(TOPIC, 0)])  # noqa: SLF001 (as above)
        steps_until(stream, lambda: len(home.ids()) == 2)
        assert home.ids() in (["a", "c"], ["a", "b", "c"]), "b may have been fetched before"


def test_a_topic_that_is_created_again_stops_the_process_with_a_sentence(
    broker: KafkaBroker, home: StreamHome
) -> None:
    log = home.folder / "stream.log"
    send(producer(broker), ["a", "b"])
    stream = StreamProcess.start(home, log)
    wait_for(home, {"a", "b"}, log)
    broker.delete(TOPIC)
    broker.create(TOPIC)
    send(producer(broker), ["c", "d", "e"])
    assert stream.process.wait(60) == 1
    assert "was deleted and created again" in log.read_text()
    assert set(home.ids()) == {"a", "b"}
    with home.opened(accepts_reset=True) as again:
        read(again, 3)
    assert sorted(home.ids()) == ["a", "b", "c", "d", "e"]


def test_messages_of_an_aborted_transaction_are_not_read(
    broker: KafkaBroker, home: StreamHome
) -> None:
    sender = producer(broker, **{"transactional.id": "shop"})
    sender.init_transactions(30)
    for name, is_kept in (("a", True), ("b", False), ("c", True)):
        sender.begin_transaction()
        send(sender, [name])
        sender.commit_transaction(30) if is_kept else sender.abort_transaction(30)
    home.read(2)
    assert home.ids() == ["a", "c"]


def test_the_groups_offsets_say_how_far_the_stream_is(
    broker: KafkaBroker, home: StreamHome
) -> None:
    log = home.folder / "stream.log"
    send(producer(broker), [f"e{number}" for number in range(7)])
    stream = StreamProcess.start(home, log)
    wait_for(home, {f"e{number}" for number in range(7)}, log)
    stream.end()
    asking = Consumer({"bootstrap.servers": broker.address, "group.id": "ecom_assets"})
    (position,) = asking.committed([TopicPartition(TOPIC, 0)], timeout=PATIENCE_S)
    assert position.offset == 7
    asking.close()


@pytest.mark.browser
@pytest.mark.timeout(1200)
def test_what_a_shop_sends_is_on_the_live_page_and_once_in_the_marts_though_the_broker_is_killed(
    broker: KafkaBroker, home: StreamHome
) -> None:
    log = home.folder / "stream.log"
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    sender = producer(broker, **{"message.timeout.ms": "300000", "reconnect.backoff.max.ms": "500"})

    def seen(*products: str) -> None:
        for product in products:
            view = event(
                product,
                product_id=product,
                event_type="product_view",
                event_timestamp=now,
                session_id="s",
            )
            sender.produce(TOPIC, json.dumps(view).encode(), partition=0)

    stream = StreamProcess.start(home, log)
    settings = home.settings()
    # The browser ends before the run: its loop goes on in this thread.
    with sync_playwright() as chromium, serving(settings, build_dashboard_app(settings)) as client:
        live = chromium.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS).new_page()
        live.goto(f"{client.address}/dashboard/live")
        seen("black-boots")
        expect(live.get_by_text("black-boots")).to_be_visible(timeout=60_000)
        broker.kill()
        seen("red-hat")  # waits in the shop's client
        time.sleep(1)
        broker.start()
        expect(live.get_by_text("red-hat")).to_be_visible(timeout=120_000)
        live.close()  # its stream would keep the server open
    stream.end()
    env = {"ECOM_EVENTS": home.address}
    run = ecom("run", *FEW_TABLES, home=home.folder, env=env)
    assert run.exit_code == 0
    assert "is not over: its numbers are provisional, and grow." in run.out
    tables = {
        row["table"]: row["rows"]
        for row in ecom("status", "--json", home=home.folder, env=env).json
    }
    names = ("raw.events", "staging.events", "mart.sessions")
    assert [tables[name] for name in names] == [2, 2, 1]
