"""The API's log: a line of JSON for each request, with its id, and without a key."""

import io
import json
import re
import socket
from pathlib import Path
from typing import Any

import structlog

from ecom_assets.core.http_server.json_log import hide_secrets
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.served import HELD, logged, running
from ecom_assets_tests.patience import wait_until

SALES = "/analytics/sales"


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def requests_in(log: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines_of(log) if line["event"] == "request"]


def test_every_request_has_an_id_in_its_answer_and_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        own = served.get(SALES).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", own)
        assert (
            served.get(SALES, **{"X-Request-ID": "from-the-proxy.1"}).headers["x-request-id"]
            == "from-the-proxy.1"
        )
        odd = served.get(SALES, **{"X-Request-ID": 'a" b'}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", odd)
    lines = requests_in(served.log)
    assert [line["request_id"] for line in lines] == [own, "from-the-proxy.1", odd]
    assert {name: type(value).__name__ for name, value in lines[1].items()} == {
        "event": "str",
        "level": "str",
        "request_id": "str",
        "method": "str",
        "path": "str",
        "route": "str",
        "status": "int",
        "took_ms": "float",
        "sent_bytes": "int",
        "caller": "str",
        "address": "str",
        "cache": "str",
        "refused": "str",
        "timestamp": "str",
    }
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
    # The app of this test writes a held key into the text of its own error, whose lines are of no
    # known shape.
    assert [line for line in logs.splitlines() if HELD in line and "RuntimeError" not in line] == []


def test_an_error_of_the_app_is_logged_with_its_trace_and_answered_without_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as served:
        answer = served.get("/analytics/breaks")
        assert (answer.status_code, HELD in answer.text, "Traceback" in answer.text) == (
            500,
            False,
            False,
        )
    (failed,) = [line for line in lines_of(served.log) if line["event"] == "request_failed"]
    assert "RuntimeError: broken" in failed["exception"]
    assert requests_in(served.log)[0]["status"] == 500


@each(
    "text, shown",
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
            connection.sendall(
                b"POST /collect HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\nx"
            )
            wait_until(lambda: served.metric("ecom_api_requests_in_progress ") == 2)
        wait_until(lambda: '"path": "/collect"' in served.log.getvalue())
    assert [line["status"] for line in requests_in(served.log) if line["path"] == "/collect"] == [
        499
    ]


def test_lines_of_structlog_are_json_with_hidden_secrets() -> None:
    with logged() as log:
        structlog.get_logger("x").warning("opened", url="redis://:pa55@c", count=3)
    (line,) = lines_of(log)
    assert line.pop("timestamp")
    assert line == {"event": "opened", "level": "warning", "url": "redis://***c", "count": 3}
