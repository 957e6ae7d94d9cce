"""Kafka's messages in landing files: each once,
whatever happens between the file and its ledger.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import duckdb
import pyarrow as pa
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.ingestion.sources.compaction import compact
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.landed_rows import MessageMapper
from ecom_assets.ingestion.sources.stream_ledger import (
    LedgerEntry,
    PartitionLedger,
    note_process,
    noted_processes,
)
from ecom_assets.ingestion.stream import consumer
from ecom_assets.ingestion.stream.health import shown, stream_state
from ecom_assets.ingestion.stream.topic_ids import BrokerDownError
from ecom_assets.orchestration.privacy.landing_files import landing_files, remove_records
from ecom_assets.orchestration.privacy.other_files import remove_letters
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.stream.streamed import (
    MockCluster,
    StreamHome,
    event,
    read,
    steps_until,
)
from ecom_assets_tests.ports import free_port

NEXT_WEEK_S = 7 * 86_400
PAID = """
name: paid
fields:
  event_id: id
  user_id: who
  event_type: what
  event_timestamp: at
  cart_value: paid
  currency: {expression: "coalesce(money, 'EUR')"}
"""
HASHED = """
name: clicks
fields:
  event_id: {hash_of: [who, what, at]}
  user_id: who
  event_type: what
  event_timestamp: at
"""


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[MockCluster, StreamHome]:
    cluster = MockCluster()
    return cluster, StreamHome(tmp_path, cluster.address, cluster.ids)


def ledger(home: StreamHome, partition: int = 0) -> PartitionLedger:
    return PartitionLedger(home.landing, "topic-id-1", partition)


def test_messages_land_once_and_what_cannot_be_read_is_kept_with_its_place(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(
        event("a", colour="red"), b"{oops", b"\xff", None, b"[1]", event("b", page_url="/\n")
    )
    cluster.send(
        b'{\n "event_type": "x",\n "event_timestamp": "2026-11-24T07:00:00Z", "user_id": "u"}',
        partition=1,
    )
    home.read(7)
    rows = {row["event_id"]: row for row in home.rows()}
    assert set(rows) == {"a", "b", "topic-id-1-1-0"}, "without an id, the position is the id"
    assert json.loads(rows["a"]["properties"]) == {"colour": "red"}, (
        "a new column does not stop the stream"
    )
    letters = [(row["detail"], row["reason"], row["value"]) for row in home.letters()]
    assert sorted(letters) == [
        ("offset 1", "unreadable", b"{oops"),
        ("offset 2", "unreadable", b"\xff"),
        ("offset 3", "empty", None),
        ("offset 4", "unreadable", b"[1]"),
    ]
    assert ledger(home).read() == LedgerEntry("events", 6)


@pytest.mark.slow
def test_a_crash_between_the_file_and_its_ledger_doubles_nothing(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(*[event(f"e{number}") for number in range(3)])
    home.read(3)
    ledger(home).write(
        LedgerEntry("events", 0)
    )  # as if the process had died before it wrote the ledger
    cluster.send(event("e3"))
    home.read(1)
    assert sorted(home.ids()) == ["e0", "e1", "e2", "e3"]
    ledger(home).path.unlink()  # somebody tidied up
    cluster.send(event("e4"))
    home.read(1)
    assert sorted(home.ids()) == ["e0", "e1", "e2", "e3", "e4"]


@pytest.mark.slow
def test_a_paused_writer_and_its_successor_cut_differently_and_nothing_is_doubled(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(*[event(f"e{number}") for number in range(5)])
    with home.opened(stream_file_s=60) as paused:
        steps_until(paused, lambda: paused.counts.message_count == 5)
        cluster.send(event("e5"))
        home.read(6, stream_group="successor")
        paused.stop()
        paused.run()  # wakes up, and publishes what it has
    cluster.send(event("e6"))
    home.read(1)
    assert Counter(home.ids()) == Counter(f"e{number}" for number in range(7))


@pytest.mark.slow
def test_a_disk_that_takes_nothing_makes_messages_wait(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    home.landing.parent.mkdir()
    cluster.send(event("a"))
    with home.opened(stream_waiting_mb=0.0001) as stream:
        home.landing.write_text("no folder can be made here")
        steps_until(stream, lambda: bool(stream.counts.last_error))
        cluster.send(*[event(f"b{number}") for number in range(20)])
        steps_until(stream, lambda: stream._is_paused)  # noqa: SLF001 (bounded memory, instead of growth)
        assert not home.ids()
        home.landing.unlink()
        read(stream, 21)
    assert len(home.ids()) == len(set(home.ids())) == 21


@pytest.mark.slow
def test_a_topic_that_was_created_again_stops_the_stream_until_somebody_agrees(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(event("a"), event("b"))
    home.read(2)
    cluster.topic_id = "topic-id-2"
    with pytest.raises(SourceError, match="deleted and created again"):
        home.read(1)
    with home.opened(accepts_reset=True) as stream:
        read(stream, 2)
    assert sorted(home.ids()) == ["a", "a", "b", "b"], (
        "to the stream they are other messages; cleaning knows the ids"
    )


def test_a_topic_that_is_created_again_while_it_is_read_publishes_nothing_of_it(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(event("a"))
    with home.opened() as stream:
        read(stream, 1)
        cluster.topic_id = "topic-id-2"
        cluster.send(event("of another topic"))
        with pytest.raises(SourceError, match="--accept-reset"):
            read(stream, 2)
    assert home.ids() == ["a"]


def test_a_partition_that_lost_its_end_stops_the_stream_until_somebody_agrees(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(event("a"), event("b"))
    with ledger(home).locked():
        ledger(home).write(LedgerEntry("events", 10))  # ten were read, and the broker has two
    with (
        pytest.raises(SourceError, match=r"ends at offset 2, but was read up to 10"),
        home.opened() as stream,
    ):
        stream.step()
    with home.opened(accepts_reset=True) as stream:
        cluster.send(event("c"))
        read(stream, 1)
    assert home.ids() == ["c"]


@pytest.mark.slow
def test_compaction_leaves_a_file_alone_until_its_ledger_has_passed_it(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    for name in ("a", "b", "c"):
        cluster.send(event(name))
        home.read(1)
    ledger(home).write(LedgerEntry("events", 2))
    with ledger(home).locked():  # the writer lives, and has published c, but not noted it yet
        done = compact(home.settings(), now=lambda: home_time(home) + NEXT_WEEK_S)
    assert done.merged_count == 2
    compact(home.settings(), now=lambda: home_time(home) + 2 * NEXT_WEEK_S)
    assert ledger(home).read() == LedgerEntry("events", 3), (
        "its writer is dead, so compaction noted it"
    )
    cluster.send(event("d"))
    home.read(1)
    assert ledger(home).read() == LedgerEntry("events", 4)


def test_an_idle_stream_is_healthy_again_once_the_brokers_answer(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(event("a"))
    home.read(1)
    with home.opened() as stream:
        stream._note_client_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))  # noqa: SLF001 (the client's callback)
        assert stream_state(stream)["status"] == "waiting"
        steps_until(stream, lambda: stream_state(stream)["status"] == "ok")


@pytest.mark.slow
def test_a_process_that_begins_waits_for_brokers_that_are_coming_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = MockCluster()
    answers = [BrokerDownError("The brokers do not answer.")]

    def ids(topics: Sequence[str]) -> Mapping[str, str]:
        if answers:
            raise answers.pop()
        return cluster.ids(topics)

    cluster.send(event("a"))
    home = StreamHome(tmp_path, cluster.address, ids)
    home.read(1)
    monkeypatch.setattr(consumer, "START_PATIENCE_S", 0.0)
    answers.append(BrokerDownError("They are down for longer."))
    cluster.send(event("b"))
    home.read(1)
    assert home.ids() == ["a", "b"], "brokers that were read before are waited for without end"
    answers.append(BrokerDownError("Nobody has ever answered."))
    with (
        pytest.raises(BrokerDownError),
        StreamHome(tmp_path / "new", cluster.address, ids).opened(),
    ):
        pass


def test_another_mapping_and_messages_without_an_id(fresh: tuple[MockCluster, StreamHome]) -> None:
    cluster, home = fresh
    mapping = home.folder / "clicks.yaml"
    mapping.write_text(HASHED)
    click = b'{"who": "anna", "what": "page_view", "at": "2026-11-24T07:00:00Z"}'
    cluster.send(click, click)
    home.read(2, events_mapping=str(mapping))
    rows = [(row["event_id"], row["user_id"]) for row in home.rows()]
    assert sorted(rows) == [("topic-id-1-0-0", "anna"), ("topic-id-1-0-1", "anna")], (
        "equal messages are both kept"
    )


def test_amounts_keep_their_currency_and_several_are_not_added_up(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    """A sale of 10 euros, which the mapping says, and one of 20 dollars."""
    cluster, home = fresh
    mapping = home.folder / "paid.yaml"
    mapping.write_text(PAID)
    sale = {"who": "anna", "what": "purchase", "at": "2026-11-24T07:00:00Z"}
    cluster.send({**sale, "id": "1", "paid": 10}, {**sale, "id": "2", "paid": 20, "money": "usd"})
    home.read(2, events_mapping=str(mapping))
    assert sorted(row["currency"] for row in home.rows()) == ["EUR", "USD"]
    opened = FileEvents.open([str(home.landing)], home.settings(events_mapping="ecommerce"))
    amounts = opened.clean().cart_amount.to_pyarrow().to_pylist()
    assert amounts in ([Decimal("10.00"), None], [None, Decimal("10.00")])


def test_a_mapping_that_makes_several_events_of_a_record_is_refused(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    _, home = fresh
    with (
        pytest.raises(MappingError, match="cannot map single messages"),
        home.opened(events_mapping="matomo"),
    ):
        pass


@pytest.mark.slow
def test_an_engine_that_lacks_memory_makes_messages_wait(
    fresh: tuple[MockCluster, StreamHome], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, home = fresh
    cluster.send(event("a"), event("b"))
    read_lines = MessageMapper._read  # noqa: SLF001 (the engine's part)
    faults = [duckdb.OutOfMemoryException("no memory")]

    def once_without_memory(mapper: MessageMapper, lines: Sequence[bytes]) -> pa.Table:
        if faults:
            raise faults.pop()
        return read_lines(mapper, lines)

    monkeypatch.setattr(MessageMapper, "_read", once_without_memory)
    home.read(2)
    assert (sorted(home.ids()), home.letters()) == (["a", "b"], [])


def test_the_status_forgets_a_process_that_was_killed(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    _, home = fresh
    dead = note_process(home.landing, {"process": 1, "at": 0.0})
    assert noted_processes(home.landing) == []
    os.utime(dead, (0, 0))
    note_process(home.landing, {"process": 2, "at": time.time()})
    assert [state["process"] for state in noted_processes(home.landing)] == [2]
    assert not dead.exists()


def home_time(home: StreamHome) -> float:
    return max(path.stat().st_mtime for path in home.landing.glob("*/*.parquet"))


def test_health_names_the_lag_of_each_partition(fresh: tuple[MockCluster, StreamHome]) -> None:
    cluster, home = fresh
    cluster.send(event("a"), event("b"))
    port = free_port()
    with home.opened() as stream, shown(stream, "127.0.0.1", port) as address:
        read(stream, 2)
        with urlopen(address) as answer:  # noqa: S310 (this machine)
            state = json.load(answer)
        assert state["status"] == "ok"
        first = next(entry for entry in state["partitions"] if entry["partition"] == 0)
        assert first == {
            "topic": "events",
            "partition": 0,
            "published_to": 2,
            "lag": 0,
            "waiting_bytes": 0,
            "lost": 0,
            "error": "",
        }
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert 'ecom_stream_lag{partition="0",topic="events"} 0.0' in answer.read().decode()


@pytest.mark.slow
def test_erasing_somebody_from_the_last_file_keeps_how_far_the_stream_is(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    now = datetime.now(UTC).isoformat()
    cluster.send(
        event("a", event_timestamp=now), event("b", user_id="forget-me", event_timestamp=now)
    )
    cluster.send(b'{"user_id": "forget-me", "event', b"forget-me-not is somebody else")
    with home.opened() as stream:
        steps_until(stream, lambda: stream.counts.message_count == 4)
        stream.stop()
        stream.run()
    person = Person(users=("forget-me",))
    with closing(plain_connection("200MB")) as con:
        for files in landing_files(con, home.settings()):
            assert [file.record_count for file in remove_records(files, person)] == [1]
    remove_letters(home.settings(), person)
    assert home.ids() == ["a"]
    assert [row["value"] for row in home.letters()] == [b"forget-me-not is somebody else"]
    ledger(home).path.unlink()
    cluster.send(event("c"))
    home.read(1)
    assert home.ids() == ["a", "c"]


class StoppedFetching:
    """A client that refuses to seek, as after an offset that the broker does not have."""

    def __init__(self, client: Consumer) -> None:
        self._client = client

    def seek(self, _: TopicPartition) -> None:
        """Refuse."""
        raise KafkaException(KafkaError(KafkaError._STATE))  # noqa: SLF001 (its public name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.mark.slow
def test_a_partition_of_a_group_is_begun_again_after_fetching_has_stopped(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(event("a"), event("b"))
    with home.opened(partitions=()) as stream:
        read(stream, 2)
        stream._consumer = StoppedFetching(stream._consumer)  # type: ignore[assignment]  # noqa: SLF001 (its client)
        stream._begin_again(stream.counts.readers["events", 0])  # noqa: SLF001 (as where a range was not to be had)
        cluster.send(event("c"))
        read(stream, 3)
    assert home.ids() == ["a", "b", "c"]


@pytest.mark.slow
def test_a_group_hands_out_the_partitions_and_a_run_reads_what_landed(
    fresh: tuple[MockCluster, StreamHome],
) -> None:
    cluster, home = fresh
    cluster.send(
        *[
            event(f"e{number}", session_id="s", event_timestamp=datetime.now(UTC).isoformat())
            for number in range(4)
        ]
    )
    home.read(4, partitions=())
    env = {"ECOM_EVENTS": home.address, "ECOM_EVENTS_MAPPING": "ecommerce"}
    assert (
        ecom("run", "--select", '+key:"staging/events"', home=home.folder, env=env).exit_code == 0
    )
    tables = {
        row["table"]: row["rows"]
        for row in ecom("status", "--json", home=home.folder, env=env).json
    }
    assert (tables["raw.events"], tables["staging.events"]) == (4, 4)
    assert "events/0 is read up to offset 4." in ecom("status", home=home.folder, env=env).out
