"""Clients that are slow, leave early or come by the thousand, and a queue that is full."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ecom_assets.core.clock import now_utc
from ecom_assets.ingestion.collector.segments import (
    GroupCommit,
    OverloadError,
    SegmentEntry,
    SegmentLayout,
)
from ecom_assets_tests.ingestion.collector.served import (
    CollectClient,
    collect_settings,
    collecting,
    start_process,
)
from ecom_assets_tests.ports import free_port

EVENT = json.dumps({"event_id": "1", "event_type": "page_view", "user_id": "anna"}).encode()


def _connection(client: CollectClient) -> socket.socket:
    host, _, port = client.address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_a_client_that_is_too_slow_is_told_so_and_holds_up_nobody(tmp_path: Path) -> None:
    with (
        collecting(collect_settings(tmp_path, collect_client_timeout_s=0.3)) as client,
        _connection(client) as slow,
    ):
        slow.sendall(b"POST /collect HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        assert client.post(EVENT).status_code == 200
        assert slow.recv(1_000).startswith(b"HTTP/1.1 408")
        with _connection(client) as silent:
            silent.sendall(b"POST /coll")
            assert silent.recv(1_000).startswith(b"HTTP/1.1 408")
        client.wait_for(1)


def test_a_client_that_leaves_within_its_body_leaves_nothing(tmp_path: Path) -> None:
    with collecting(collect_settings(tmp_path)) as client:
        with _connection(client) as leaving:
            leaving.sendall(
                b"POST /collect HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n" + EVENT[:30]
            )
        assert client.post(EVENT).status_code == 200
        client.wait_for(1)


def test_a_full_queue_refuses_before_anything_is_lost() -> None:
    taken: list[SegmentEntry] = []
    disk = threading.Event()

    def append(entries: Sequence[SegmentEntry]) -> None:
        disk.wait(10)
        taken.extend(entries)

    entry = SegmentEntry(now_utc().date(), SegmentLayout.NATIVE, b"x" * 600)

    async def story() -> list[object]:
        commits = GroupCommit(append, most_waiting_bytes=1_000)
        first = asyncio.create_task(commits.commit([entry]))
        await asyncio.sleep(0.05)
        with pytest.raises(OverloadError, match="again later"):
            await commits.commit([entry])
        disk.set()
        await first
        await commits.commit([entry])
        commits.close()
        return list(taken)

    assert asyncio.run(story()) == [entry, entry]


def test_beyond_its_connections_it_says_when_to_come_back(tmp_path: Path) -> None:
    with collecting(collect_settings(tmp_path), MAX_CONNECTIONS=3) as client:
        held = [_connection(client) for _ in range(3)]
        time.sleep(0.1)
        refused = client.post(EVENT)
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
        for connection in held:
            connection.close()
        time.sleep(0.1)
        assert client.post(EVENT).status_code == 200


def test_one_address_holds_its_own_connections_and_health_is_always_answered(
    tmp_path: Path,
) -> None:
    bounds = {"MAX_CONNECTIONS_PER_ADDRESS": 2, "MAX_CONNECTIONS": 3}
    with collecting(collect_settings(tmp_path), **bounds) as client, ExitStack() as stack:
        port = int(client.address.rpartition(":")[2])
        for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2"):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
            )
        time.sleep(0.1)
        assert client.post(EVENT).status_code == 503
        assert [
            client.get(path).status_code for path in ("/health", "/v1/health", "/health/live")
        ] == [200] * 3


def test_requests_that_wait_beyond_sixteen_close_their_connection(tmp_path: Path) -> None:
    """Of 50,000 tiny requests on one connection, most are never read."""
    with collecting(collect_settings(tmp_path)) as client, _connection(client) as flooding:
        answers = b""
        with suppress(BrokenPipeError, ConnectionResetError):
            flooding.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n" * 50_000)
            while part := flooding.recv(65_536):
                answers += part
        assert answers.count(b"HTTP/1.1 200") < 500
        assert client.post(EVENT).status_code == 200


@pytest.mark.slow
def test_ten_thousand_connections_are_held_and_answered(tmp_path: Path) -> None:
    collector = start_process(tmp_path, free_port())
    answers = asyncio.run(_many(int(collector.address.rpartition(":")[2]), 10_000))
    assert answers == 10_000
    assert len(collector.wait_for(10_000)) == 10_000
    collector.stop()


async def _many(port: int, count: int) -> int:
    """Open so many connections, 200 from an address, send an event on each, and return how many
    were answered 200.
    """
    connections = []
    for first in range(0, count, 200):
        connections += await asyncio.gather(
            *(
                asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(f"127.0.1.{1 + first // 200}", 0)
                )
                for _ in range(first, first + 200)
            )
        )
    for number, (_, writer) in enumerate(
        connections
    ):  # all are sent before an answer is awaited, as clients do
        body = EVENT.replace(b'"1"', b'"%d"' % number)
        writer.write(
            b"POST /collect HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
    lines = [await reader.readline() for reader, _ in connections]
    answers = sum(line.startswith(b"HTTP/1.1 200") for line in lines)
    for _, writer in connections:
        writer.close()
    return answers
