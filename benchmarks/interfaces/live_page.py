"""How long a message in a topic of a real Kafka broker takes to the Live page in Chromium,
through `ecom stream`.

Needs `make kafka` and `make browser`. Messages come one by one, each after the one before is on the
page.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer
from playwright.sync_api import expect, sync_playwright

from benchmarks.measuring import ECOM, Result, report, say
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.ingestion.stream.broker import JARS, KafkaBroker
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.interfaces.ui.test_ui import ARGUMENTS, CHROMIUM

TOPIC = "clicks"
TARGET_S = 2.0
APART_S = 1.3
"""More than a second, so that the page, which changes once a second,
does not wait for the message before.
"""


def main(count: int = 10) -> None:
    """Measure so many messages, after one that is not counted."""
    if CHROMIUM is None or not (JARS / "libs").exists():
        say("no broker or no browser: run `make kafka browser`")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = KafkaBroker(folder / "kafka")
        broker.start()
        try:
            broker.create(TOPIC, 1)
            took_s = _measured(broker, folder, count)
        finally:
            broker.kill()
    about: dict[str, object] = {"messages": count, "median_s": statistics.median(took_s)}
    report(
        Result("Live page, slowest message from its topic", max(took_s), "s", TARGET_S, about=about)
    )


def _measured(broker: KafkaBroker, folder: Path, count: int) -> list[float]:
    """Return how many seconds each message took."""
    address = f"kafka://{broker.address}/{TOPIC}"
    environment = os.environ | {
        "ECOM_HOME": str(folder / "home"),
        "ECOM_EVENTS": address,
        "ECOM_STREAM_PORT": "0",
    }
    settings = Settings(home=folder / "home", events=address)
    producer = Producer({"bootstrap.servers": broker.address})
    took_s = []
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([ECOM, "stream"], env=environment, stderr=log) as stream,
    ):
        with (
            sync_playwright() as browser,
            serving(settings, build_dashboard_app(settings)) as client,
        ):
            page = browser.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS).new_page()
            page.goto(f"{client.address}/dashboard/live")
            for number in range(count + 1):
                began = time.perf_counter()
                _send(producer, f"boots-{number}.")
                expect(page.get_by_text(f"boots-{number}.")).to_be_visible(timeout=60_000)
                took_s.append(time.perf_counter() - began)
                time.sleep(APART_S)
            page.close()
        stream.send_signal(signal.SIGTERM)
    return took_s[1:]


def _send(producer: Producer, product: str) -> None:
    view = {
        "event_id": product,
        "user_id": "ann",
        "session_id": "s",
        "event_type": "product_view",
        "product_id": product,
        "event_timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    producer.produce(TOPIC, json.dumps(view).encode())
    producer.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
