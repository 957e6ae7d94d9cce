"""How the API tells that it is well: health, metrics, logs with request ids, traces. Not here: the process."""

import asyncio
import io
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog

from ecom_assets.api.logs import hide_secrets
from ecom_assets.api.served_data import ServedData
from ecom_assets.api.store import NothingPublishedError, Published
from ecom_assets.settings import Settings
from ecom_assets.warehouse.opening import serving_folder
from ecom_assets.warehouse.snapshot import POINTER
from ecom_assets_tests.api.served import HELD, Shop, logged, running, wait_until

SALES = "/analytics/sales"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def requests_in(log: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines_of(log) if line["event"] == "request"]


def test_it_is_ready_once_there_are_fresh_data(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        told = served.get("/health")
        assert (told.status_code, told.headers["cache-control"]) == (200, "no-store")
        assert told.json() == {
            "live": True,
            "ready": True,
            "reason": "",
            "data_as_of": "2026-01-30",
            "published_at": "2026-01-31T00:00:00Z",
        }


def test_without_data_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path, Shop(published=None, complaint="Nothing is published yet.")) as served:
        assert [served.get(f"/health{path}").status_code for path in ("", "/live", "/ready")] == [503, 200, 503]
        told = served.get("/health/ready").json()
        assert (told["ready"], told["reason"], told["data_as_of"]) == (False, "Nothing is published yet.", None)


class FakeStore:
    """A store whose state a test changes."""

    def __init__(self) -> None:
        self.state: Published | Exception = Published("v1", NOON, date(2026, 1, 30))
        self.looks = 0

    @contextmanager
    def reading(self) -> Iterator[Any]:
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
    folder = serving_folder(Settings(home=home))
    folder.mkdir(parents=True)
    (folder / POINTER).write_text("1")
    return folder / POINTER


def served_at(home: Path, store: FakeStore, now: datetime) -> ServedData:
    return ServedData(store, Settings(home=home, api_fresh_hours=24), lambda: now)


@pytest.mark.usefixtures("pointer")
@pytest.mark.parametrize(("hours", "complaint"), [(0, ""), (24, ""), (25, "The data were published 25.0 h ago")])
def test_data_are_fresh_for_as_long_as_the_setting_says(
    home: Path, store: FakeStore, hours: float, complaint: str
) -> None:
    served = served_at(home, store, NOON + timedelta(hours=hours))
    asyncio.run(served.version())
    assert served.complaint.startswith(complaint)
    assert bool(served.complaint) == bool(complaint)
    assert served.age_s == hours * 3600


def test_the_store_is_asked_only_when_its_pointer_has_changed(home: Path, store: FakeStore, pointer: Path) -> None:
    async def story() -> list[str]:
        served = served_at(home, store, NOON)
        told = [await served.version() for _ in range(3)]
        assert store.looks == 1
        store.state = Published("v2", NOON, date(2026, 1, 31))
        beside = pointer.with_suffix(".new")
        beside.write_text("2")
        beside.replace(pointer)
        told.append(await served.version())
        assert store.looks == 2
        store.state = NothingPublishedError("Nothing is published yet.")
        pointer.unlink()  # noqa: ASYNC240 (nobody else waits in this loop)
        told.append(await served.version())
        assert served.complaint == "Nothing is published yet."
        return told

    first, *_, second, last = asyncio.run(story())
    assert (first[:2], second[:2], last) == ("v1", "v2", "")


def test_a_store_that_breaks_is_told_and_does_not_break_the_health(home: Path, store: FakeStore) -> None:
    store.state = RuntimeError("with a password in its text")
    served = served_at(home, store, NOON)
    assert asyncio.run(served.version()) == ""
    assert served.complaint == "The store cannot be read (RuntimeError); see the log of the API."


def test_metrics_tell_time_by_route_and_never_by_what_people_type(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        for n in range(5):
            served.get(f"/typed/{n}")
        served.get(SALES)
        told = served.get("/metrics")
        assert told.headers["content-type"].startswith("text/plain; version=")
        assert "/typed" not in told.text
        assert served.metric('ecom_api_request_seconds_count{route="unmatched",status="404"}') == 5
        assert served.metric("ecom_api_snapshot_age_seconds") == 60.0


def test_metrics_count_refusals_by_their_reason(tmp_path: Path) -> None:
    with running(tmp_path, api_keys=f"read:{HELD}") as served:
        served.get(SALES)
        served.get(SALES, "wrong")
        assert served.metric('ecom_api_refused_requests_total{reason="missing_key"}', HELD) == 1
        assert served.metric('ecom_api_refused_requests_total{reason="wrong_key"}', HELD) == 1


def test_every_request_has_an_id_in_its_answer_and_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        own = served.get(SALES).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", own)
        assert served.get(SALES, **{"X-Request-ID": "from-the-proxy.1"}).headers["x-request-id"] == "from-the-proxy.1"
        odd = served.get(SALES, **{"X-Request-ID": 'a" b'}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", odd)
    lines = requests_in(served.log)
    assert [line["request_id"] for line in lines] == [own, "from-the-proxy.1", odd]
    assert {name: type(value).__name__ for name, value in lines[1].items()} == {
        "event": "str", "level": "str", "request_id": "str", "method": "str", "path": "str", "route": "str",
        "status": "int", "took_ms": "float", "sent_bytes": "int", "caller": "str", "address": "str", "cache": "str",
        "refused": "str", "timestamp": "str",
    }  # fmt: skip
    assert [line["cache"] for line in lines] == ["miss", "hit", "hit"]
    assert [line["sent_bytes"] for line in lines] == [6, 6, 6]


def test_no_log_has_a_key_wherever_it_was_sent(tmp_path: Path) -> None:
    made = "ecom_01234567_" + "k" * 43
    with running(tmp_path, api_keys=f"read:{HELD},read:{made}") as served:
        for key in (HELD, made):
            served.get(SALES, key)
            served.get(f"{SALES}?api_key={key}")
            served.get(SALES, **{"X-API-Key": key})
            served.get("/analytics/breaks", key)
            served.get(f"/analytics/{made}", key)
    logs = served.log.getvalue() + (tmp_path / "api_audit.jsonl").read_text()
    assert logs.count('"event": "request"') == 10
    assert made not in logs
    # The app of this test writes a held key into the text of its own error, whose lines are of no known shape.
    assert [line for line in logs.splitlines() if HELD in line and "RuntimeError" not in line] == []


def test_an_error_of_the_app_is_logged_with_its_trace_and_told_without_it(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        answer = served.get("/analytics/breaks")
        assert (answer.status_code, HELD in answer.text, "Traceback" in answer.text) == (500, False, False)
    (failed,) = [line for line in lines_of(served.log) if line["event"] == "request_failed"]
    assert "RuntimeError: broken" in failed["exception"]
    assert requests_in(served.log)[0]["status"] == 500


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ecom_01ab23cd_" + "x" * 43, "***"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "Bearer ***"),
        ("redis://:pa55@cache.example:6379/0", "redis://***cache.example:6379/0"),
        ("postgres://shop:pa55@db/shop", "postgres://***db/shop"),
        ("ann@shop.example asked", "ann@shop.example asked"),
        ("ecom_api_request_seconds", "ecom_api_request_seconds"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_in_any_line(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown


def test_a_log_that_cannot_be_written_keeps_no_answer_back(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        served.log.close()
        assert [served.get(SALES).status_code for _ in range(3)] == [200] * 3


def test_a_client_that_hangs_up_is_noted_as_one(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(b"POST /collect HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\nx")
            wait_until(lambda: served.metric("ecom_api_requests_in_progress ") == 2)
        wait_until(lambda: '"path": "/collect"' in served.log.getvalue())
    assert [line["status"] for line in requests_in(served.log) if line["path"] == "/collect"] == [499]


def test_a_published_schema_is_asked_for_its_version_once_a_second_at_most(home: Path, store: FakeStore) -> None:
    async def story() -> None:
        served = ServedData(store, Settings(home=home, postgres_url="postgres://shop@db/shop"))
        for _ in range(100):
            await served.version()

    begun = time.monotonic()
    asyncio.run(story())
    assert 1 <= store.looks <= 2 + time.monotonic() - begun


def test_lines_of_structlog_are_json_with_hidden_secrets() -> None:
    with logged() as log:
        structlog.get_logger("x").warning("told", url="redis://:pa55@c", count=3)
    (line,) = lines_of(log)
    assert line.pop("timestamp")
    assert line == {"event": "told", "level": "warning", "url": "redis://***c", "count": 3}


@pytest.mark.parametrize(
    ("path", "policy"),
    [(SALES, "default-src 'none'; frame-ancestors 'none'"), ("/nowhere", "default-src 'none'; frame-ancestors 'none'")],
)
def test_every_answer_has_security_headers(tmp_path: Path, path: str, policy: str) -> None:
    with running(tmp_path) as served:
        for headers in (served.get(path).headers, served.get(path).headers):
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["content-security-policy"] == policy
            assert "server" not in headers


def test_the_page_of_the_documents_may_load_what_it_is_made_of(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        page = served.get("/docs")
        for source in re.findall(r'(?:src|href)="(https://[^/"]+)', page.text):
            assert source in page.headers["content-security-policy"]


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
    for told in (b"ecom_api", b"GET /analytics/sales", b"http.response.status_code", b"setting:1"):
        assert told in sent
    assert HELD.encode() not in sent
    assert b"secret" not in sent


def test_published_states_differ_by_when_they_were_published_too(home: Path, store: FakeStore, pointer: Path) -> None:
    assert pointer.exists()
    first = asyncio.run(served_at(home, store, NOON).version())
    assert isinstance(store.state, Published)
    store.state = replace(store.state, published_at=NOON + timedelta(hours=1))
    assert asyncio.run(served_at(home, store, NOON).version()) != first
