"""The collector: events per second in batches, and single requests per second,
each acknowledged as durable.

Usage: collect.py [SECONDS]. The clients run on the same machine, and cost as much as the server.
"""

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from urllib.error import URLError
from urllib.request import urlopen

import duckdb

from benchmarks.measuring import ECOM, Result, report

PORT = 8_190
BATCH, CONNECTIONS = 100, 32
BATCHED_TARGET, SINGLE_TARGET, P99_MS = 20_000, 2_000, 200
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 "
    "Safari/537.36"
)


def event(number: int) -> dict[str, object]:
    """Return an event of usual size, about 400 bytes."""
    return {
        "event_id": f"{os.getpid()}-{number}-5f0c-4a7e-9d1b",
        "event_type": "product_view",
        "event_timestamp": "2026-11-24T10:00:00.000Z",
        "user_id": f"user-{number % 5_000}",
        "anonymous_id": f"device-{number % 5_000}",
        "session_id": f"session-{number % 9_000}",
        "product_id": f"sku-{number % 900}",
        "product_category": "shoes",
        "page_url": f"https://shop.example/products/{number % 900}?utm_source=newsletter",
        "user_agent": AGENT,
        "properties": {"position": number % 20, "list": "search"},
    }


async def _client(body_of: int, until: float, first: int) -> list[float]:
    """Send bodies of so many events on one connection, one after the other;
    return the seconds that each took.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    took = []
    number = first
    while time.time() < until:
        batch = [event(number + n) for n in range(body_of)]
        number += body_of
        body = json.dumps({"batch": batch} if body_of > 1 else batch[0]).encode()
        began = time.perf_counter()
        writer.write(
            b"POST /collect HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
    writer.close()
    return took


def clients(body_of: int, seconds: float) -> list[float]:
    """Send on all connections for some seconds."""

    async def all_of_them() -> list[list[float]]:
        until = time.time() + seconds
        sending = (_client(body_of, until, n * 10_000_000) for n in range(CONNECTIONS))
        return list(await asyncio.gather(*sending))

    return [took for each in asyncio.run(all_of_them()) for took in each]


def measured(name: str, body_of: int, seconds: float, target: int) -> None:
    """Run a collector, send to it from a process of its own, and compare what landed
    with what was acknowledged.
    """
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DISK", ".")) as folder:
        command = [ECOM, "collect", "--events", f"{folder}/events", "--port", str(PORT)]
        environment = os.environ | {"ECOM_HOME": f"{folder}/home"}
        with (
            Path(folder, "log").open("wb") as log,
            subprocess.Popen(command, env=environment, stderr=log) as server,
        ):
            _wait()
            with multiprocessing.Pool(1) as pool:
                took = pool.apply(clients, (body_of, seconds))
            peak_mb = _peak_mb(server.pid)
            server.send_signal(signal.SIGTERM)
        with duckdb.connect() as con:
            sql = f"SELECT count(*), count(DISTINCT event_id) FROM '{folder}/events/*/*.parquet'"
            [landed] = con.execute(sql).fetchall()
    if landed != (len(took) * body_of, len(took) * body_of):
        raise RuntimeError(f"{len(took) * body_of:,} events were acknowledged, and {landed} landed")
    p99_ms = quantiles(took, n=100)[98] * 1_000
    about: dict[str, object] = {
        "p50_ms": quantiles(took, n=2)[0] * 1_000,
        "peak_mb": peak_mb,
        "requests": len(took),
    }
    report(
        Result(
            f"{name}, durable",
            len(took) * body_of / seconds,
            "events/s",
            target,
            at_most=False,
            about=about,
        ),
        Result(f"{name}, p99", p99_ms, "ms", P99_MS),
    )


def _wait() -> None:
    for _ in range(200):
        try:
            urlopen(f"http://127.0.0.1:{PORT}/health", timeout=1).close()
        except URLError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the collector does not come up")


def _peak_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1_000


def main(seconds: float = 20) -> None:
    """Measure batches and single events."""
    measured("collector, batches of 100", BATCH, seconds, BATCHED_TARGET)
    measured("collector, single events", 1, seconds, SINGLE_TARGET)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
