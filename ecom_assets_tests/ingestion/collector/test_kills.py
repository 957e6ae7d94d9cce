"""The collector killed at random moments, and a disk that takes nothing:
what was acknowledged is there, once.
"""

import json
import random
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ecom_assets.ingestion.collector.segments import segments_folder
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.ingestion.collector.served import (
    CollectProcess,
    collect_settings,
    collecting,
    start_process,
)
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port


class RepeatingClient(threading.Thread):
    """Sends batches as a client does that repeats what was not acknowledged;
    half of them are Segment's calls.
    """

    def __init__(self, address: str, name: str) -> None:
        super().__init__()
        self._address = address
        self._name = name
        self._over = threading.Event()
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        """Send until the end, and then whatever is not acknowledged."""
        number = 0
        while not self._over.is_set():
            ids = [f"{self._name}-{number}-{event}" for event in range(20)]
            if number % 2:
                calls = [
                    {"type": "page", "userId": "anna", "messageId": event_id} for event_id in ids
                ]
                path, body = "/v1/batch", {"batch": calls}
            else:
                path, body = "/collect", {"batch": [_event(event_id) for event_id in ids]}
            self._until_acknowledged(path, json.dumps(body))
            self.acknowledged.update(ids)
            number += 1

    def end(self) -> None:
        """Send no further batch, and wait for the last one."""
        self._over.set()
        self.join()

    def _until_acknowledged(self, path: str, body: str) -> None:
        while True:
            try:
                answer = requests.post(self._address + path, data=body, timeout=10)
            except requests.RequestException:
                time.sleep(0.02)
                continue
            if answer.status_code == 200:
                assert answer.json()["accepted"] == 20
                return
            assert "retry-after" in answer.headers
            time.sleep(0.05)


def _event(event_id: str) -> dict[str, str]:
    return {"event_id": event_id, "event_type": "page_view", "user_id": "anna"}


def _story(folder: Path, kill_count: int, seed: int) -> None:
    """Kill a collector so often, with two clients that go on, and compare what landed
    with what was acknowledged.
    """
    dice = random.Random(seed)  # noqa: S311 (when to kill)
    port = free_port()
    collector = start_process(folder, port)
    senders = [RepeatingClient(collector.address, f"s{number}") for number in range(2)]
    for sender in senders:
        sender.start()
    for _ in range(kill_count):
        time.sleep(dice.uniform(0.02, 0.6))
        collector.kill()
        collector = start_process(folder, port)
    for sender in senders:
        sender.end()
    # Each kill leaves some 20 segments, which the last one lands one by one.
    collector.stop(within_s=20 * (kill_count + 1))
    _compare(collector, senders, kill_count)


def _compare(collector: CollectProcess, senders: list[RepeatingClient], kill_count: int) -> None:
    acknowledged = set().union(*(sender.acknowledged for sender in senders))
    ids = [row["event_id"] for row in collector.events()]
    assert acknowledged
    assert acknowledged == set(ids)
    # A batch whose answer a kill has cut off was sent again, so its events may be there twice;
    # cleaning drops copies by id. Nothing else is: a kill can cut off one answer of each client.
    assert len(ids) - len(set(ids)) <= 20 * len(senders) * kill_count
    assert not collector.letters()
    assert not list(collector.folder.parent.glob("home/collector/*/*.ndjson"))
    files = list(collector.folder.glob("*/*"))
    assert all(file.name.startswith("collect-") for file in files), files


@pytest.mark.slow
@each("seed", seeds(range(10)))
def test_what_was_acknowledged_before_many_kills_has_landed(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """The first kill leaves segments of one process; the others also those that one was landing."""
    _story(tmp_path_factory.mktemp("kills"), kill_count=4, seed=seed)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectProcess]:
    collector = start_process(tmp_path_factory.mktemp("disk"), free_port())
    yield collector
    collector.kill()


@pytest.fixture
def running(started: CollectProcess) -> CollectProcess:
    for file in started.folder.glob("*/*.parquet"):
        file.unlink()
    return started


@pytest.mark.slow
def test_a_full_disk_is_answered_503_and_nothing_is_lost(running: CollectProcess) -> None:
    assert running.post(_event("before")).status_code == 200
    running.wait_for(1)
    _limit_files(running, 0)  # the kernel refuses every byte, as it does on a full disk
    refused = running.post(_event("refused"))
    assert (refused.status_code, refused.json()["reason"]) == (503, "disk")
    assert int(refused.headers["retry-after"]) > 0
    assert running.get("/health").status_code == 503
    assert running.get("/health/live").status_code == 200
    _limit_files(running, resource.RLIM_INFINITY)
    assert running.post(_event("refused")).status_code == 200
    assert [row["event_id"] for row in running.wait_for(2)] == ["before", "refused"]


@pytest.mark.slow
def test_a_disk_that_fills_within_a_group_keeps_what_was_acknowledged(
    running: CollectProcess,
) -> None:
    _limit_files(running, 8_000)
    events = [{**_event(str(number)), "note": "x" * 1_500} for number in range(100)]
    acknowledged = [event["event_id"] for event in events if running.post(event).status_code == 200]
    assert 0 < len(acknowledged) < 100
    _limit_files(running, resource.RLIM_INFINITY)
    assert running.post(_event("after")).status_code == 200
    running.wait_for(len(acknowledged) + 1)
    assert sorted(row["event_id"] for row in running.events()) == sorted([*acknowledged, "after"])


def _limit_files(running: CollectProcess, size: int) -> None:
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_what_cannot_be_landed_stays_and_is_landed_by_the_next_process(tmp_path: Path) -> None:
    settings = collect_settings(tmp_path)
    with collecting(settings) as client:
        Path(settings.events).rmdir()
        Path(settings.events).write_text("not a folder", encoding="utf-8")
        assert client.post(_event("1")).status_code == 200
        end = time.monotonic() + PATIENCE_S
        while (health := client.get("/health")).status_code == 200:
            assert time.monotonic() < end, "it still says that it lands"
            time.sleep(0.01)
        assert (health.status_code, health.json()["unsealed_bytes"] > 0) == (503, True)
    (segment,) = segments_folder(settings.home).glob("*/*.ndjson")
    line = (
        f"{segment.stat().st_size:,} bytes of collected events have not landed yet; `ecom "
        "collect` lands them."
    )
    assert line in ecom("status", home=settings.home).out
    Path(settings.events).unlink()
    with collecting(settings) as client:
        assert [row["event_id"] for row in client.wait_for(1)] == ["1"]


def test_a_torn_line_is_left_out_since_nobody_was_told_of_it(tmp_path: Path) -> None:
    segment = (
        tmp_path / "home" / "collector" / "received_date=2026-11-24" / "dead-3.ecommerce.ndjson"
    )
    segment.parent.mkdir(parents=True)
    whole = {
        **_event("1"),
        "event_timestamp": "2026-11-24T04:00:00Z",
        "received_at": "2026-11-24T04:00:01Z",
    }
    segment.write_text(json.dumps(whole) + '\n{"event_id": "2", "event_ty', encoding="utf-8")
    with collecting(collect_settings(tmp_path)) as client:
        (row,) = client.wait_for(1)
    assert (row["event_id"], str(row["received_date"])) == ("1", "2026-11-24")
    assert [file.name for file in client.folder.glob("*/*")] == ["collect-dead-3.parquet"]
    assert not segment.exists()


@pytest.mark.slow
def test_two_processes_share_a_port_and_a_folder(tmp_path: Path) -> None:
    port = free_port()
    collectors = [start_process(tmp_path, port), start_process(tmp_path, port)]
    senders = [RepeatingClient(collectors[0].address, f"s{number}") for number in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    collectors[0].kill()
    time.sleep(0.5)
    for sender in senders:
        sender.end()
    collectors[1].stop()
    third = start_process(
        tmp_path, port
    )  # the survivor looks every ten seconds, a new process at once
    time.sleep(0.5)
    third.stop()
    _compare(third, senders, 1)
    assert len({file.name.split("-")[1] for file in third.folder.glob("*/*")}) >= 2
