"""Kafka Connect writes a file, is killed and repeats messages: a run reads the file as it is,
each event once.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecom_assets_tests.command import UNTIL_DUE, ecom
from ecom_assets_tests.ingestion.stream.broker import (
    JARS,
    SHORT_LIVED,
    KafkaBroker,
    producer,
    send,
)
from ecom_assets_tests.ingestion.stream.streamed import TOPIC

PAGE = Path(__file__).parents[3] / "docs" / "stream.md"


@contextmanager
def connect(broker: KafkaBroker, folder: Path) -> Iterator[None]:
    """Run Kafka Connect with the properties of the page, and kill it."""
    for text in re.findall(r"```properties\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        own = (
            text.replace("broker:9092", broker.address)
            .replace("shop.events", TOPIC)
            .replace("/data", str(folder))
        )
        (folder / own.partition("\n")[0].removeprefix("# ")).write_text(
            own + "listeners=http://127.0.0.1:0\n"
        )
    command = [
        "java",
        *SHORT_LIVED.split(),
        "-Xmx256m",
        "-cp",
        f"{JARS}/connect/*",
        "org.apache.kafka.connect.cli.ConnectStandalone",
    ]
    with (folder / "connect.log").open("ab") as log:
        files = [str(folder / "worker.properties"), str(folder / "sink.properties")]
        process = subprocess.Popen([*command, *files], stdout=log, stderr=log)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_lines(path: Path, count: int) -> int:
    """Wait until a file has so many lines, and return how many it has then."""
    end = time.monotonic() + 300
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < end, (path.parents[1] / "connect.log").read_text()[-3000:]
        time.sleep(0.5)
    return path.read_bytes().count(b"\n")


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(1200)
def test_what_kafka_connect_writes_is_read_as_it_is(broker: KafkaBroker, tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    file = tmp_path / "events" / "shop.ndjson"
    send(producer(broker), [f"e{number}" for number in range(300)])
    with connect(broker, tmp_path):
        assert wait_for_lines(file, 300) == 300
    send(producer(broker), [f"e{number}" for number in range(300, 500)], partition=1)
    with connect(broker, tmp_path):
        line_count = wait_for_lines(file, 800)
    assert line_count == 800, "Connect had not noted the first 300, and wrote them again"
    env = {"ECOM_EVENTS": str(tmp_path / "events")}
    home = tmp_path / "home"
    run = ecom("run", "--select", UNTIL_DUE, home=home, env=env)
    assert run.exit_code == 0, run.err
    tables = {
        row["table"]: row["rows"] for row in ecom("status", "--json", home=home, env=env).json
    }
    assert (tables["raw.events"], tables["staging.events"]) == (800, 500)
