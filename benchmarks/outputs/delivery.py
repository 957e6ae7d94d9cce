"""Events from the mart to acknowledged and in the ledger, against Amplitude's own
Python client; and memory.

Both read the same table, send 2,000 events a request to the same receiver in a process of its own,
which answers at once, and the receiver must have counted every event before any time counts.
Amplitude's client keeps no ledger: what it has not sent, a killed process loses.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event

import duckdb
import pandas  # noqa: F401, ICN001 (Arrow loads it with the first list that it is given; no package loads within the time)
import pyarrow as pa
import requests
from amplitude import Amplitude, BaseEvent, Config

from benchmarks.measuring import Result, report, run_process, say, scratch, script
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import SqliteStore
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger
from ecom_assets.outputs.delivery.payloads import EVENT_COLUMNS
from ecom_assets.outputs.delivery.sending import Delivery
from ecom_assets.outputs.delivery.tools.all import destinations

FLAT = 1.5
BATCH, CHUNK_ROWS = 2_000, 50_000
MART_MEMORY = "32MB"
"""For what the mart's engine keeps of its file: unbounded, this cache would be the
peak of ten million events.
"""
DAY = date(2026, 1, 5)
NAME = "amplitude_events"
FLAGS = ("joins_nobody", "is_sign_in")
EVENTS = """
CREATE TABLE events AS
SELECT md5(i::TEXT) AS event_id, TIMESTAMP '2026-01-05' + INTERVAL (i * 86399 // {count}) SECOND
  AS event_at,
  CASE WHEN i % 40 = 0 THEN 'purchase' WHEN i % 9 = 0 THEN 'add_to_cart' ELSE 'product_view' END
    AS event_type,
  'visitor-' || (i * 7919 % ({count} // 10 + 1)) AS visitor_id, visitor_id AS user_id,
  's-' || (i * 7919 % ({count} // 10 + 1)) AS source_session_id, (1000 + i % 700)::TEXT
    AS product_id,
  NULL::VARCHAR AS device_id, 'shoes' AS product_category,
  'https://shop.example.com/p/' || (1000 + i % 700) || '-heritage-polo' AS page_url,
  'https://shop.example.com/c/shoes' AS referrer_url,
  CASE WHEN i % 9 = 0 OR i % 40 = 0 THEN (i % 10000 / 100)::DECIMAL(18, 2) END AS cart_amount,
  '{{"device":"mobile","country":"' || CASE i % 3 WHEN 0 THEN 'DE' WHEN 1 THEN 'FR'
    ELSE 'US' END || '"}}' AS properties
FROM range({count}) AS t(i)
"""


def chunks(path: Path) -> Iterator[pa.Table]:
    """The rows of the mart, some at a time."""
    with duckdb.connect(str(path), read_only=True) as mart:
        mart.execute(f"SET memory_limit = '{MART_MEMORY}'")
        made = {**dict.fromkeys(FLAGS, "false"), "session_started_at": "event_at"}
        columns = ", ".join(name for name in EVENT_COLUMNS if name not in made)
        added = ", ".join(f"{sql} AS {name}" for name, sql in made.items())
        query = f"SELECT {columns}, {added} FROM events"
        for batch in mart.sql(query).to_arrow_reader(CHUNK_ROWS):
            yield pa.Table.from_batches([batch])


def send_ours(path: Path, url: str, ledger: Path) -> int:
    """Deliver, and return how many events the ledger knows as delivered."""
    settings = Settings(amplitude_api_key="key", amplitude_url=url)
    destination = destinations(settings)[NAME]
    books = DeliveryLedger(SqliteStore(ledger))
    with books.writer(destination) as writer:
        cohort_counts = Delivery(destination, books, writer).deliver(DAY, chunks(path))
    books.close()
    return cohort_counts.delivered


def send_by_sdk(path: Path, url: str) -> int:
    """Track each event with Amplitude's client, and return how many it says are in."""
    expected, done, all_done = 0, [0], Event()

    def count(_event: BaseEvent, code: int, _message: str | None = None) -> None:
        done[0] += code == requests.codes.ok
        if done[0] == expected:
            all_done.set()

    client = Amplitude(
        "key", Config(server_url=f"{url}/batch", flush_queue_size=BATCH, callback=count)
    )
    with duckdb.connect(str(path), read_only=True) as mart:
        expected = mart.execute("SELECT count(*) FROM events").fetchall()[0][0]
    for chunk in chunks(path):
        for row in chunk.to_pylist():
            client.track(
                BaseEvent(
                    event_type=row["event_type"],
                    user_id=row["visitor_id"],
                    time=int(row["event_at"].replace(tzinfo=UTC).timestamp() * 1000),
                    insert_id=row["event_id"],
                    event_properties={
                        "session_id": row["source_session_id"],
                        "product_id": row["product_id"],
                        "product_category": row["product_category"],
                        "page_url": row["page_url"],
                        "referrer_url": row["referrer_url"],
                        **json.loads(row["properties"]),
                    },
                )
            )
    client.flush()
    all_done.wait(600)
    return done[0]


def one_client(client: str, path: Path, url: str, ledger: Path) -> None:
    """Send in this process and print what it took, from the opening of the mart to
    the last acknowledgement.
    """
    begun, cpu = time.perf_counter(), time.process_time()
    delivered = send_ours(path, url, ledger) if client == "ours" else send_by_sdk(path, url)
    answer = {
        "events": delivered,
        "wall_s": time.perf_counter() - begun,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer), flush=True)
    os._exit(0)  # Amplitude's client leaves threads behind that nobody can end


@contextmanager
def receiving() -> Iterator[str]:
    """The address of a receiver in a process of its own."""
    command = script("outputs.delivery_receiver")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        yield f"http://127.0.0.1:{port}"
        process.communicate()


def run(client: str, count: int, folder: Path) -> dict[str, float]:
    """Send so many events in a fresh process to a fresh receiver; it must have
    got them all, and each once.
    """
    path = folder / f"{count}.duckdb"
    if (
        not path.exists()
    ):  # in a process of its own: a process' peak is never reported as less than that of its parent
        run_process([*script("outputs.delivery"), "--mart", str(path), str(count)])
    with receiving() as url:
        ledger = folder / f"{client}-{count}-{datetime.now(UTC).timestamp()}.sqlite"
        spent = run_process(
            [*script("outputs.delivery"), "--client", client, str(path), url, str(ledger)]
        )
        answer: dict[str, float] = json.loads(spent.printed)
        counted = requests.get(url, timeout=600).json()
    if not answer["events"] == counted["events"] == count:
        sys.exit(
            f"{client}: {count} events were due, {counted['events']} arrived, {answer['events']} "
            "are acknowledged"
        )
    say(
        f"{client}: {count:,} events in {answer['wall_s']:.2f} s, {count / answer['wall_s']:,.0f} "
        "a second"
    )
    return answer


def measure(ours: int, sdk: int, sizes: list[int]) -> None:
    """Compare speed, then memory."""
    with scratch() as folder:
        slow, fast = run("sdk", sdk, folder), run("ours", ours, folder)
        about: dict[str, object] = {
            "ours_per_s": round(ours / fast["wall_s"]),
            "sdk_per_s": round(sdk / slow["wall_s"]),
            "ours_per_cpu_s": round(ours / fast["cpu_s"]),
            "sdk_per_cpu_s": round(sdk / slow["cpu_s"]),
        }
        ratio = ours / fast["wall_s"] / (sdk / slow["wall_s"])
        report(
            Result(
                "delivery: events/s, mart to ledger / Amplitude's client",
                ratio,
                "x",
                at_most=False,
                about=about,
            )
        )
        peaks = [run("ours", size, folder)["peak_mb"] for size in sizes]
    name = f"delivery: peak memory of {sizes[-1]:,} events / of {sizes[0]:,}"
    report(
        Result(
            name,
            peaks[-1] / peaks[0],
            "x",
            FLAT,
            about={"peaks_mb": [round(peak) for peak in peaks]},
        )
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--sdk-events", type=int, default=100_000)
    parser.add_argument("--memory", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--mart", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.mart:
        path, count = arguments.mart
        with duckdb.connect(path) as mart:
            mart.execute(EVENTS.format(count=count))
    elif arguments.client:
        client, path, url, ledger = arguments.client
        one_client(client, Path(path), url, Path(ledger))
    else:
        measure(arguments.events, arguments.sdk_events, arguments.memory)


if __name__ == "__main__":
    main()
