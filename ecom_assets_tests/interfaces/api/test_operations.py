"""How the API reports that it is well: health, metrics, headers, traces."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ecom_assets.core.operations.heartbeats import Heartbeat, note_heartbeats
from ecom_assets.core.operations.publications import note_due
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.store.served_data import ServedData
from ecom_assets.interfaces.api.store.store import (
    NothingPublishedError,
    PublishedState,
    SnapshotStore,
)
from ecom_assets.outputs.serving.places import serving_folder
from ecom_assets.outputs.serving.snapshot import POINTER
from ecom_assets_tests.interfaces.api.served import HELD, Shop, running

SALES = "/analytics/sales"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_it_is_ready_once_there_are_fresh_data(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        answer = served.get("/health")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert answer.json() == {
            "live": True,
            "ready": True,
            "reason": "",
            "data_as_of": "2026-01-30",
            "published_at": "2026-01-31T00:00:00Z",
            "daemon": None,
            "heartbeats": [],
            "overdue": [],
        }


def test_a_daemon_that_is_late_changes_no_status_and_is_named(tmp_path: Path) -> None:
    beat_at = datetime.now(UTC) - timedelta(hours=3)
    note_heartbeats(tmp_path, [Heartbeat("daemon", "SENSOR", beat_at, beat_at)])
    note_due(tmp_path, "daily_orders", beat_at, "run 1 has failed.")
    with running(tmp_path) as served:
        answer = served.get("/health")
        assert answer.status_code == 200
        health = answer.json()
    assert [beat["is_late"] for beat in health["heartbeats"]] == [True]
    assert [overdue["source"] for overdue in health["overdue"]] == ["daily_orders"]
    assert "the daemon SENSOR since" in health["daemon"]
    assert "is not published: run 1 has failed." in health["daemon"]


def test_without_data_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path, Shop(published=None, complaint="Nothing is published yet.")) as served:
        assert [served.get(f"/health{path}").status_code for path in ("", "/live", "/ready")] == [
            503,
            200,
            503,
        ]
        answer = served.get("/health/ready").json()
        assert (answer["ready"], answer["reason"], answer["data_as_of"]) == (
            False,
            "Nothing is published yet.",
            None,
        )


class FakeStore:
    """A store whose state a test changes."""

    def __init__(self) -> None:
        self.state: PublishedState | Exception = PublishedState("v1", NOON, date(2026, 1, 30))
        self.looks = 0

    @contextmanager
    def reading(self, _cancellation: object = None) -> Iterator[Any]:
        """Open the state, or fail as it does."""
        self.looks += 1
        if isinstance(self.state, Exception):
            raise self.state
        yield type("Reading", (), {"published": self.state})()

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def pointer(home: Path) -> Path:
    """The file that says which snapshot is the current one."""
    folder = serving_folder(home)
    folder.mkdir(parents=True)
    (folder / POINTER).write_text("1")
    return folder / POINTER


def served_at(home: Path, store: FakeStore, now: datetime) -> ServedData:
    return ServedData(store, Settings(home=home, api_fresh_hours=24), lambda: now)


@pytest.mark.usefixtures("pointer")
@pytest.mark.parametrize(
    ("hours", "complaint"), [(0, ""), (24, ""), (25, "The data were published 25.0 h ago")]
)
def test_data_are_fresh_as_long_as_the_setting_says(
    home: Path, store: FakeStore, hours: float, complaint: str
) -> None:
    served = served_at(home, store, NOON + timedelta(hours=hours))
    asyncio.run(served.version())
    assert served.complaint.startswith(complaint)
    assert bool(served.complaint) == bool(complaint)
    assert served.age_s == hours * 3600


def test_the_store_is_asked_only_when_its_pointer_has_changed(
    home: Path, store: FakeStore, pointer: Path
) -> None:
    async def story() -> list[str]:
        served = served_at(home, store, NOON)
        answer = [await served.version() for _ in range(3)]
        assert store.looks == 1
        store.state = PublishedState("v2", NOON, date(2026, 1, 31))
        beside = pointer.with_suffix(".new")
        beside.write_text("2")
        beside.replace(pointer)
        answer.append(await served.version())
        assert store.looks == 2
        store.state = NothingPublishedError("Nothing is published yet.")
        pointer.unlink()  # noqa: ASYNC240 (nobody else waits in this loop)
        answer.append(await served.version())
        assert served.complaint.startswith("Nothing is published yet; run `ecom run`")
        return answer

    first, *_, second, last = asyncio.run(story())
    assert (first[:2], second[:2], last) == ("v1", "v2", "")


def test_a_store_that_breaks_is_reported_and_does_not_break_the_health(
    home: Path, store: FakeStore
) -> None:
    store.state = RuntimeError("with a password in its text")
    served = served_at(home, store, NOON)
    assert asyncio.run(served.version()) == ""
    assert served.complaint == "The store cannot be read (RuntimeError); see the log of the API."


def test_a_pointer_that_cannot_be_read_does_not_count_as_nothing_published(
    home: Path, pointer: Path
) -> None:
    pointer.unlink()
    pointer.symlink_to(pointer)  # a loop, which not even root can follow
    settings = Settings(home=home)
    with closing(SnapshotStore(settings)) as store:
        served = ServedData(store, settings, lambda: NOON)
        assert asyncio.run(served.version()) == ""
    assert served.complaint == "The store cannot be read (OSError); see the log of the API."


def test_metrics_have_time_by_route_and_never_by_what_people_type(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        for n in range(5):
            served.get(f"/typed/{n}")
        served.get(SALES)
        answer = served.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert "/typed" not in answer.text
        assert served.metric('ecom_api_request_seconds_count{route="unmatched",status="404"}') == 5
        assert served.metric("ecom_api_snapshot_age_seconds") == 60.0


def test_metrics_count_refusals_by_their_reason(tmp_path: Path) -> None:
    with running(tmp_path, api_keys=f"read:{HELD}") as served:
        served.get(SALES)
        served.get(SALES, "wrong")
        assert served.metric('ecom_api_refused_requests_total{reason="missing_key"}', HELD) == 1
        assert served.metric('ecom_api_refused_requests_total{reason="wrong_key"}', HELD) == 1


def test_a_published_schema_is_asked_for_its_version_once_a_second_at_most(
    home: Path, store: FakeStore
) -> None:
    async def story() -> None:
        served = ServedData(store, Settings(home=home, postgres_url="postgres://shop@db/shop"))
        for _ in range(100):
            await served.version()

    begun = time.monotonic()
    asyncio.run(story())
    assert 1 <= store.looks <= 2 + time.monotonic() - begun


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        (SALES, "default-src 'none'; frame-ancestors 'none'"),
        ("/nowhere", "default-src 'none'; frame-ancestors 'none'"),
    ],
)
def test_every_answer_has_security_headers(tmp_path: Path, path: str, policy: str) -> None:
    with running(tmp_path) as served:
        for headers in (served.get(path).headers, served.get(path).headers):
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["content-security-policy"] == policy
            assert "server" not in headers


def test_the_pages_of_the_documents_may_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        for page in ("/docs", "/redoc"):
            policy = served.get(page).headers["content-security-policy"]
            assert policy.startswith("default-src 'self'; ")
            assert "http" not in policy


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Take what an OTLP/HTTP exporter sends."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", got
        server.shutdown()


def test_traces_go_where_the_setting_says_within_the_caller_s_trace(tmp_path: Path) -> None:
    with collector() as (address, got):
        with running(tmp_path, otel_endpoint=address, api_keys=f"read:{HELD}") as served:
            trace = "0af7651916cd43dd8448eb211c80319c"
            served.get(f"{SALES}?secret=q", HELD, traceparent=f"00-{trace}-b7ad6b7169203331-01")
        sent = b"".join(got)
    assert bytes.fromhex(trace) in sent
    for answer in (
        b"ecom_api",
        b"GET /analytics/sales",
        b"http.response.status_code",
        b"setting:1",
    ):
        assert answer in sent
    assert HELD.encode() not in sent
    assert b"secret" not in sent


def test_published_states_differ_by_when_they_were_published_too(
    home: Path, store: FakeStore, pointer: Path
) -> None:
    assert pointer.exists()
    first = asyncio.run(served_at(home, store, NOON).version())
    assert isinstance(store.state, PublishedState)
    store.state = replace(store.state, published_at=NOON + timedelta(hours=1))
    assert asyncio.run(served_at(home, store, NOON).version()) != first
