"""The stream: events per second from a real Kafka broker into Parquet,
and whether its memory stays flat.

Usage: stream.py [EVENTS]. The broker (`make kafka`) runs on the same machine; all messages are in
it before the stream begins. Beside it is the least that a consumer in Python does: the same client
and pyarrow, automatic commits, and neither ledger, dead letters, days nor a mapping; when it is
killed, it loses and doubles messages. Both are compared by processor time, which other work on the
machine hardly changes.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from confluent_kafka import Producer

from benchmarks.ingestion.collect import event
from benchmarks.measuring import ECOM, Result, report, say
from ecom_assets_tests.ingestion.stream.broker import JARS, KafkaBroker

TOPIC, PARTITIONS = "events", 2
TARGET = 100_000
PLAIN_CONSUMER = """
import io, sys
import pyarrow.json as pj, pyarrow.parquet as pq
from confluent_kafka import Consumer
address, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer(
    {"bootstrap.servers": address, "group.id": "plain", "auto.offset.reset": "earliest"}
)
consumer.subscribe(["events"])
read, waiting = 0, []
while read < count:
    messages = consumer.consume(10_000, 0.1)
    waiting += [message.value() for message in messages if message.error() is None]
    if len(waiting) >= 50_000 or (read + len(waiting) >= count and waiting):
        table = pj.read_json(io.BytesIO(b"\\n".join(waiting)))
        pq.write_table(table, f"{folder}/{read}.parquet", compression="zstd")
        read, waiting = read + len(waiting), []
consumer.close()
"""
FLAT = 1.25
"""The most that memory may grow between a third of the events and all of them."""


def send(broker: KafkaBroker, count: int) -> None:
    """Send events of usual size, about 450 bytes."""
    producer = Producer(
        {"bootstrap.servers": broker.address, "linger.ms": 20, "compression.type": "lz4"}
    )
    for number in range(count):
        body = json.dumps(event(number))
        while True:
            try:
                producer.produce(TOPIC, body, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def memory_mb(process_id: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1_000


def landed(folder: Path) -> tuple[int, int]:
    """Return the number of rows and of different ids in landing files."""
    with duckdb.connect() as con:
        sql = f"SELECT count(*), count(DISTINCT event_id) FROM '{folder}/*/*.parquet'"
        [(rows, ids)] = con.execute(sql).fetchall()
    return int(rows), int(ids)


def _followed(
    process: subprocess.Popen[bytes], folder: Path, count: int
) -> list[tuple[float, int, float]]:
    """Return moments, with the rows that had landed by then and the memory."""
    seen: dict[Path, int] = {}
    moments = []
    while sum(seen.values()) < count:
        time.sleep(0.5)
        if process.poll() is not None:
            raise RuntimeError((folder.parent / "log").read_text())
        for path in folder.glob("*/*.parquet"):
            if path not in seen:
                seen[path] = pq.read_metadata(path).num_rows
        if seen:
            newest = max(path.stat().st_mtime for path in seen)
            moments.append((newest, sum(seen.values()), memory_mb(process.pid)))
    return moments


def main(count: int = 10_000_000) -> None:
    """Measure a stream over so many events."""
    if not (JARS / "libs").exists():
        say("no broker: run `make kafka`")
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DISK", ".")) as name:
        folder = Path(name)
        broker = KafkaBroker(folder / "kafka")
        broker.start()
        try:
            broker.create(TOPIC, PARTITIONS)
            send(broker, count)
            moments, own_cpu_s = _stream(broker, folder, count)
            floor_cpu_s = _floor(broker, folder / "floor", count)
        finally:
            broker.kill()
        if landed(folder / "events") != (count, count):
            raise RuntimeError(
                f"{count:,} events were sent, and {landed(folder / 'events')} landed"
            )
    (began, first, _), (ended, last, _) = moments[0], moments[-1]
    third = next(memory for _, rows, memory in moments if 3 * rows >= count)
    peak = max(memory for _, _, memory in moments)
    about: dict[str, object] = {"events": count, "peak_mb": peak}
    report(
        Result(
            "stream, events into Parquet",
            (last - first) / (ended - began),
            "events/s",
            TARGET,
            at_most=False,
            about=about,
        ),
        Result("stream, memory at its peak over that at a third", peak / third, "x", FLAT),
        Result(
            "stream, processor time over that of a plain consumer", own_cpu_s / floor_cpu_s, "x"
        ),
    )


def _stream(
    broker: KafkaBroker, folder: Path, count: int
) -> tuple[list[tuple[float, int, float]], float]:
    """Return what was seen of the stream, and its processor time in seconds."""
    address = f"kafka://{broker.address}/{TOPIC}"
    command = [ECOM, "stream", address, "--events", str(folder / "events")]
    environment = os.environ | {"ECOM_HOME": str(folder / "home"), "ECOM_STREAM_PORT": "0"}
    before = _children_cpu_s()
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stderr=log) as process,
    ):
        moments = _followed(process, folder / "events", count)
        process.send_signal(signal.SIGTERM)
        process.wait()
    return moments, _children_cpu_s() - before


def _floor(broker: KafkaBroker, folder: Path, count: int) -> float:
    """Return the processor time, in seconds, of a plain consumer in a process of its own."""
    folder.mkdir()
    before = _children_cpu_s()
    subprocess.run(
        [sys.executable, "-c", PLAIN_CONSUMER, broker.address, str(folder), str(count)], check=True
    )
    return _children_cpu_s() - before


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
