"""Clients that send too much, too slowly or endlessly, or do not read,
and answers that take too long.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
import requests

from ecom_assets.core.http_server.connections import MOST_HEAD_BYTES
from ecom_assets.interfaces.api import app
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.served import (
    BLOCK_COUNT,
    LARGE_BYTES,
    Running,
    running,
)
from ecom_assets_tests.patience import wait_until

FUNNEL = "POST /analytics/funnel HTTP/1.1\r\nhost: 127.0.0.1\r\n"
LARGEST, PATIENCE_S = 10_000, 0.4


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API that takes 10,000 bytes and waits 0.4 s for them."""
    home = tmp_path_factory.mktemp("bounds")
    with (
        patch.object(app, "MAX_BODY_BYTES", LARGEST),
        running(home, api_client_timeout_s=PATIENCE_S) as actual,
    ):
        yield actual


def answer_to(served: Running, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send parts on one connection, and return all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused while we were still sending
        return all_of(connection)


def all_of(connection: socket.socket) -> bytes:
    """Read until the end."""
    got = b""
    try:
        while part := connection.recv(65_536):
            got += part
    except ConnectionResetError:
        pass
    return got


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_body_of_100_mb_is_refused_before_any_of_it_is_read(served: Running) -> None:
    answer = answer_to(served, f"{FUNNEL}content-length: 100000000\r\n\r\n".encode())
    assert status_of(answer) == 413
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == (
        "The body is larger than 10000 bytes; send it in parts."
    )


def test_a_client_that_sends_100_mb_all_the_same_is_stopped(served: Running) -> None:
    head = f"{FUNNEL}content-length: 100000000\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall(head)
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 100_000_000:
                sent += connection.send(b"x" * 100_000)
        assert sent < 20_000_000, "what the network kept; nobody read it"


def test_an_endless_body_in_chunks_is_stopped_once_it_is_too_large(served: Running) -> None:
    chunk = b"1000\r\n" + b"x" * 4_096 + b"\r\n"
    answer = answer_to(
        served, f"{FUNNEL}transfer-encoding: chunked\r\n\r\n".encode(), *[chunk] * 50
    )
    assert status_of(answer) == 413


@pytest.mark.parametrize(("size", "status"), [(LARGEST, 200), (LARGEST + 1, 413)])
def test_the_bound_is_a_bound_on_both_sides(served: Running, size: int, status: int) -> None:
    head = f"{FUNNEL}content-length: {size}\r\nconnection: close\r\n\r\n".encode()
    assert status_of(answer_to(served, head, b"x" * size)) == status
    chunked = (
        f"{FUNNEL}transfer-encoding: chunked\r\nconnection: close\r\n\r\n{size:x}\r\n".encode()
    )
    assert status_of(answer_to(served, chunked, b"x" * size + b"\r\n0\r\n\r\n")) == status


def test_a_body_that_trickles_in_is_given_up(served: Running) -> None:
    head = f"{FUNNEL}content-length: 100\r\n\r\n".encode()
    answer = answer_to(served, head, *[b"x"] * 8, pause_s=PATIENCE_S / 4)
    assert status_of(answer) == 408
    assert b"did not come within 0.4 s" in answer


@each("begun", [b"", b"GET /analytics/sales HTTP/1.1\r\nhost: 127.0.0.1\r\n", b"G"])
def test_a_head_that_never_ends_is_given_up(served: Running, begun: bytes) -> None:
    started = time.monotonic()
    assert status_of(answer_to(served, begun)) == 408
    # The server's event loop runs timers up to its clock's resolution early.
    assert time.monotonic() - started >= 0.98 * PATIENCE_S


def test_a_second_head_on_a_kept_connection_is_given_up_too(served: Running) -> None:
    whole = b"GET /analytics/sales HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    answers = answer_to(served, whole, b"GET /analytics/sales HTTP/1.1\r\n", pause_s=0.05)
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.count(b"HTTP/1.1 408") == 1


def test_endless_header_lines_are_stopped(served: Running) -> None:
    line = b"x-more: " + b"y" * 1_000 + b"\r\n"
    lines = [line] * (2 * MOST_HEAD_BYTES // len(line))
    assert status_of(answer_to(served, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n", *lines)) == 431


def test_many_slow_clients_do_not_keep_others_waiting(served: Running) -> None:
    other = ("127.0.0.2", 0)
    slow = [
        socket.create_connection(("127.0.0.1", served.port), source_address=other)
        for _ in range(200)
    ]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        assert served.get("/analytics/sales").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_does_not_read_is_hung_up_on(tmp_path: Path) -> None:
    """It holds the only connection there may be: others are answered once it is closed."""
    with (
        running(tmp_path, bounds={"MAX_CONNECTIONS": 1}, api_client_timeout_s=PATIENCE_S) as served,
        socket.socket() as connection,
    ):
        # What the client's side keeps is bounded before it connects: by itself, the system keeps
        # tens of megabytes.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(b"GET /analytics/large HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: '"path": "/analytics/large"' in served.log.getvalue())
        wait_until(lambda: served.get("/analytics/sales").status_code == 200)
        assert len(all_of(connection)) < LARGE_BYTES


def test_a_client_that_reads_slowly_gets_all(served: Running) -> None:
    """A large answer needs several times the 0.4 s in which some of it must be read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(
            b"GET /analytics/large HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
        )
        got, begun = 0, time.monotonic()
        while part := connection.recv(1_000_000):
            got += len(part)
            is_slow = time.monotonic() - begun < 3 * PATIENCE_S
            time.sleep(PATIENCE_S / 100 if is_slow else 0)
    assert got > LARGE_BYTES


def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with running(tmp_path, api_timeout_s=0.2) as served:
        answer = served.get("/analytics/waits")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert (
            answer.json()["detail"]
            == "The answer took longer than 0.2 s; ask for fewer days or fewer steps."
        )
        wait_until(lambda: served.get("/analytics/sales").status_code == 200)


@pytest.mark.slow
def test_an_answer_in_blocks_is_whole_however_long_it_takes_and_given_up_if_it_stops(
    tmp_path: Path,
) -> None:
    """Eight blocks 0.1 s apart take longer than the 0.4 s that an answer may; 2 s apart, the second
    one does not come in these.
    """
    with running(tmp_path, api_timeout_s=0.4) as served:
        answer = served.get("/analytics/blocks?pause_s=0.1")
        assert answer.text.split() == [str(number) for number in range(BLOCK_COUNT)]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            served.get("/analytics/blocks?pause_s=2")


def test_more_connections_than_are_allowed_are_asked_to_come_back(tmp_path: Path) -> None:
    with running(tmp_path, bounds={"MAX_CONNECTIONS": 3}) as served:
        idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(3)]
        wait_until(lambda: served.get("/analytics/sales").status_code == 503)
        assert served.get("/analytics/sales").headers["retry-after"] == "30"
        for connection in idle:
            connection.close()
        wait_until(lambda: served.get("/analytics/sales").status_code == 200)
