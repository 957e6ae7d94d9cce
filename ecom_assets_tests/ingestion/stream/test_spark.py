"""Spark Structured Streaming into landing files: repeated batches and
killed queries double nothing.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets.ingestion.sources.landing import NEXT_OFFSET, footer_of
from ecom_assets.ingestion.stream import spark
from ecom_assets.ingestion.stream.address import StreamAddress
from ecom_assets.ingestion.stream.spark import LandingTask
from ecom_assets_tests.command import ecom, environment
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.ingestion.stream.broker import (
    JARS,
    SHORT_LIVED,
    KafkaBroker,
    producer,
    send,
    shop_that_sends,
)
from ecom_assets_tests.ingestion.stream.streamed import (
    TOPIC,
    StreamHome,
    event,
    wait_for,
    wait_for_more,
)

PAGE = Path(__file__).parents[3] / "docs" / "stream.md"
QUIET = ("--conf", "spark.ui.enabled=false", "--conf", "spark.log.level=WARN")
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
COLUMNS = ("topic", "partition", "offset", "sent_ms", "value")


def messages(partition: int, offsets: Sequence[int]) -> pa.RecordBatch:
    """Return messages as a task gets them: `p0-3` is the event at offset 3 of partition 0;
    offset 9 is not JSON.
    """
    rows = [
        (
            TOPIC,
            partition,
            offset,
            NOW_MS,
            b"{" if offset == 9 else as_json(f"p{partition}-{offset}"),
        )
        for offset in offsets
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column) for column in zip(*rows, strict=True)], names=COLUMNS
    )


def as_json(name: str) -> bytes:
    return str(event(name)).replace("'", '"').encode()


def starts(home: StreamHome) -> dict[str, str]:
    """Return the next offset of each file by its partition and start."""
    return {
        path.stem[-22:]: footer_of(path)[NEXT_OFFSET] for path in home.landing.glob("*/*.parquet")
    }


def test_a_batch_that_is_repeated_in_another_division_publishes_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, task = prepared(tmp_path, monkeypatch)
    before_the_crash = [messages(0, [0, 1, 2]), messages(1, [0, 1])]
    again = [
        messages(0, [0, 1]),
        messages(0, [2, 5, 9]),
        messages(1, [0, 1]),
    ]  # 3 and 4 were aborted
    for batches in (before_the_crash, again, again):
        assert list(task.run(iter(batches))) == []
    assert sorted(home.ids()) == ["p0-0", "p0-1", "p0-2", "p0-5", "p1-0", "p1-1"]
    assert starts(home) == {
        "0-00000000000000000000": "3",
        "0-00000000000000000003": "10",
        "1-00000000000000000000": "2",
    }
    assert [letter["detail"] for letter in home.letters()] == ["offset 9"]
    env = {"ECOM_EVENTS": home.address}
    output = ecom("status", home=home.folder, env=env).out
    assert f"{TOPIC}/0 is read up to offset 10." in output
    assert f"Refused records are kept in {home.landing}_dead_letters: 1 unreadable." in output


def test_a_topic_that_is_created_again_lands_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, task = prepared(tmp_path, monkeypatch)
    list(task.run(iter([messages(0, [0, 1])])))
    _, task = prepared(tmp_path, monkeypatch, topic_id="another id")
    with pytest.raises(SourceError, match="was deleted and created again"):
        list(task.run(iter([messages(0, [2])])))
    assert home.ids() == ["p0-0", "p0-1"]


def prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, topic_id: str = "id"
) -> tuple[StreamHome, LandingTask]:
    """Return a home, and the task of a query over a topic that has this id at the brokers."""

    def ids(_: Mapping[str, str]) -> object:
        return lambda topics: dict.fromkeys(topics, topic_id)

    monkeypatch.setattr(spark, "ids_of_brokers", ids)
    home = StreamHome(tmp_path / "home", "broker:9092")
    return home, LandingTask(
        home.settings(), StreamAddress.parse(home.address), home.landing, {TOPIC: "id"}
    )


class SparkJob:
    """The job of the page, in processes of its own."""

    def __init__(self, home: StreamHome, log: Path) -> None:
        """Start it."""
        job = home.folder / "job.py"
        (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        job.write_text(text, encoding="utf-8")
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = environment(
            home.folder, {"ECOM_EVENTS": home.address, "PATH": tools, "SPARK_LOCAL_IP": "127.0.0.1"}
        )
        jars = ",".join(map(str, sorted((JARS / "spark").glob("*.jar"))))
        java = ("--driver-java-options", SHORT_LIVED)
        command = ["spark-submit", "--master", "local[2]", *QUIET, *java, "--jars", jars, str(job)]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command, env=env, stdout=errors, stderr=errors, start_new_session=True
            )

    def kill_driver(self) -> None:
        """Kill Java only: Python's workers go on for a moment, and may still publish."""
        self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """Kill all of its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def spark_job(home: StreamHome, log: Path) -> Iterator[SparkJob]:
    job = SparkJob(home, log)
    try:
        yield job
    finally:
        job.kill()


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(3600)
def test_spark_is_killed_and_each_event_is_there_once(
    broker: KafkaBroker, home: StreamHome
) -> None:
    """All of its processes die at once, or Java does and its workers go on for a moment."""
    log, dice = home.folder / "spark.log", random.Random(34)  # noqa: S311 (when to kill)
    with shop_that_sends(broker) as sent:
        for number in range(max(2, len(seeds(range(20))))):
            before = len(home.files())
            with spark_job(home, log) as job:
                wait_for_more(home, before, log)
                time.sleep(dice.uniform(0, 4))
                if number % 2:
                    job.kill_driver()
    send(producer(broker), ["last"])
    with spark_job(home, log):
        wait_for(home, {*sent, "last"}, log, within_s=400)
    assert Counter(home.ids()) == Counter([*sent, "last"])
    home.read(0)  # `ecom stream` goes on from there, and has nothing to read
    env = {"ECOM_EVENTS": home.address}
    output = ecom("status", home=home.folder, env=env).out
    assert f"{TOPIC}/0 is read up to offset {len(sent) // 2 + 1:,}." in output, output
