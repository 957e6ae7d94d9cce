"""Connections that queue requests, go on after their answer, or take those of others."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from ecom_assets.core.http_server.admission import MOST_RESERVED, Admission
from ecom_assets.core.http_server.connections import (
    MOST_HEAD_BYTES,
    MOST_WAITING,
    BoundedConnection,
    ConnectionBounds,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.interfaces.api.served import HELD, Running, running
from ecom_assets_tests.interfaces.api.test_bounds import all_of, answer_to, status_of
from ecom_assets_tests.patience import wait_until

GET = b"GET /analytics/sales HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HEALTH = b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
CLOSED_GET = GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
PATIENCE_S = 0.3


class Wire(asyncio.Transport):
    """The other end of a connection: what was sent to it, and whether it is closed."""

    def __init__(self, peer: str = "198.51.100.7") -> None:
        super().__init__({"peername": (peer, 40_000), "sockname": ("198.51.100.1", 80)})
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        """Keep what is sent; nothing may be sent after the end."""
        assert not self.closed or not data
        self.sent += data

    def get_write_buffer_size(self) -> int:
        """Return what the client has not read: it reads nothing."""
        return len(self.sent)

    def is_closing(self) -> bool:
        """Return whether it is closed."""
        return self.closed

    def close(self) -> None:
        """Close it."""
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        """Do nothing: what was read is passed on, as that of a full socket is."""

    resume_reading = pause_reading


class SlowApp:
    """An application that answers when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.calls = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer 204."""
        self.calls += 1
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def connected(app: Any, bounds: ConnectionBounds | None = None) -> tuple[BoundedConnection, Wire]:
    """Return a connection of a server by itself, and its other end."""
    protocol = (bounds or ConnectionBounds(10, 500, 100)).protocol()
    config = uvicorn.Config(
        app, http=protocol, ws="none", log_config=None, proxy_headers=False, interface="asgi3"
    )
    connection, wire = protocol(config, ServerState(), {}), Wire()
    connection.connection_made(wire)
    return connection, wire


@each("at_once", ["in one packet", "one by one"])
@each("count", [1 + MOST_WAITING, 2 + MOST_WAITING])
def test_beyond_sixteen_waiting_requests_a_connection_is_closed(count: int, at_once: str) -> None:
    """One is being answered and 16 wait: all are answered in turn. One more, and none is."""

    async def story() -> None:
        app = SlowApp()
        connection, wire = connected(app)
        for data in [GET * count] if at_once == "in one packet" else [GET] * count:
            connection.data_received(data)
            await asyncio.sleep(0)
        assert (wire.closed, app.calls) == (count > 1 + MOST_WAITING, 1)
        app.may_answer.set()
        await asyncio.sleep(0.05)
        assert wire.sent.count(b"HTTP/1.1 204") == (0 if wire.closed else count)
        connection.connection_lost(None)

    asyncio.run(story())


def test_an_answer_ends_when_its_client_is_gone_also_with_a_request_behind_it() -> None:
    async def story() -> None:
        left = asyncio.Event()

        async def stream(_scope: Scope, receive: Receive, _send: Send) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        connection, _ = connected(stream)
        connection.data_received(GET * 2)
        await asyncio.sleep(0.01)
        connection.connection_lost(None)
        async with asyncio.timeout(5):
            await left.wait()

    asyncio.run(story())


def test_a_flood_of_tiny_requests_leaves_sixteen_in_memory() -> None:
    async def story() -> None:
        connection, wire = connected(SlowApp())
        connection.data_received(GET * 5_000)
        assert wire.closed
        assert len(connection.pipeline) <= MOST_WAITING
        connection.connection_lost(None)

    asyncio.run(story())


@pytest.mark.parametrize("body_bytes", [10_000, 100_000])
def test_waiting_bodies_are_limited_together(body_bytes: int) -> None:
    """Ten bodies of 10 kB may wait, ten of 100 kB may not."""

    async def story() -> None:
        connection, wire = connected(SlowApp())
        connection.data_received(GET)
        head = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % body_bytes
        for _ in range(10):
            if not wire.closed:
                connection.data_received(head + b"x" * body_bytes)
        assert wire.closed == (body_bytes > 26_000)
        connection.connection_lost(None)

    asyncio.run(story())


@examples(100)
@given(sizes=st.lists(st.integers(1, 60_000), min_size=1, max_size=8), cut=st.integers(1, 70_000))
def test_a_head_is_refused_by_its_size_however_it_is_cut(sizes: list[int], cut: int) -> None:
    lines = [b"x-%d: %b\r\n" % (number, b"y" * size) for number, size in enumerate(sizes)]
    head = b"GET / HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"
    own_bytes = sum(sizes) + len("x-0") * len(sizes) + len("/")

    async def story() -> None:
        connection, wire = connected(SlowApp())
        for first in range(0, len(head), cut):
            if not wire.closed:
                connection.data_received(head[first : first + cut])
        if own_bytes > MOST_HEAD_BYTES:
            assert wire.sent.startswith(b"HTTP/1.1 431")
        if len(head) <= MOST_HEAD_BYTES:
            assert (wire.sent, len(connection.tasks)) == (b"", 1)
        connection.connection_lost(None)

    asyncio.run(story())


def test_each_request_of_a_connection_may_have_a_large_head() -> None:
    async def story() -> None:
        app = SlowApp()
        app.may_answer.set()
        connection, wire = connected(app)
        for _ in range(5):
            connection.data_received(b"GET / HTTP/1.1\r\nx: " + b"y" * 30_000 + b"\r\n\r\n")
            await asyncio.sleep(0.01)
        assert wire.sent.count(b"HTTP/1.1 204") == 5
        connection.connection_lost(None)

    asyncio.run(story())


class Door:
    """A connection as `Admission` sees it."""

    def __init__(self) -> None:
        self.is_hung_up = False

    def hang_up(self) -> None:
        """Note it."""
        self.is_hung_up = True


ADDRESSES = st.sampled_from(
    ["198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2", "10.0.0.5", ""]
)


@examples(100)
@given(
    most=st.integers(1, 5),
    per_address=st.integers(1, 3),
    steps=st.lists(st.tuples(ADDRESSES, st.integers(0, 9))),
)
def test_served_connections_are_counted_in_all_and_by_address(
    most: int, per_address: int, steps: list[tuple[str, int]]
) -> None:
    """The two IPv6 addresses are of one network, and count as one; 10.0.0.5 is a proxy."""
    admission, served = Admission(most, per_address, ["10.0.0.0/8"]), dict[Door, str]()
    for address, leaving in steps:
        door, counted = Door(), "2001" if ":" in address else address
        of_address = list(served.values()).count(counted)
        is_bounded = counted not in {"10.0.0.5", ""}
        expected = len(served) < most and not (is_bounded and of_address >= per_address)
        assert admission.add(door, address) == expected
        if expected:
            served[door] = counted
        if leaving < len(served):
            gone = list(served)[leaving]
            admission.remove(gone)
            del served[gone]


def test_the_oldest_of_the_reserve_gives_way_and_a_health_check_last() -> None:
    admission = Admission(1, 1)
    doors = [Door() for _ in range(1 + MOST_RESERVED)]
    assert [admission.add(door, "198.51.100.1") for door in doors[:2]] == [True, False]
    for door in doors[2:]:
        admission.add(door, "198.51.100.1")
    admission.spare(doors[1])
    admission.add(Door(), "198.51.100.2")
    assert [door.is_hung_up for door in doors[:4]] == [False, False, True, False]
    admission.remove(doors[0])
    assert admission.serve(doors[3], "198.51.100.1"), "there is room"


def test_an_ipv4_address_counts_alone_also_at_a_socket_for_both() -> None:
    admission = Admission(9, 1, ["10.0.0.5"])
    addresses = [
        "::ffff:198.51.100.1",
        "::ffff:198.51.100.2",
        "198.51.100.1",
        "::ffff:10.0.0.5",
        "::ffff:10.0.0.5",
    ]
    assert [admission.add(Door(), address) for address in addresses] == [
        True,
        True,
        False,
        True,
        True,
    ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API that serves six connections, three of them of one address,
    and waits 0.3 s for clients.
    """
    bounds = {"MAX_CONNECTIONS": 6, "MAX_CONNECTIONS_PER_ADDRESS": 3}
    settings: dict[str, Any] = {
        "api_client_timeout_s": PATIENCE_S,
        "api_keys": f"read:{HELD}",
        "rate_limit_address": "none",
    }
    with running(tmp_path_factory.mktemp("connections"), bounds=bounds, **settings) as actual:
        yield actual


@contextmanager
def half_heads(served: Running, addresses: list[str], count: int) -> Iterator[list[socket.socket]]:
    """Hold connections of some addresses with heads that do not end."""
    with ExitStack() as stack:
        held = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", served.port), source_address=(address, 0))
            )
            for address in addresses
            for _ in range(count)
        ]
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        yield held


def asked(served: Running, request: bytes, address: str = "127.0.0.1") -> int:
    """Return the status of an answer to an address; 0 if the connection is cut."""
    with socket.create_connection(
        ("127.0.0.1", served.port), 5, source_address=(address, 0)
    ) as connection:
        connection.sendall(request)
        answer = all_of(connection) if b"close" in request else connection.recv(10_000)
        return status_of(answer) if answer else 0


def test_one_address_holds_its_connections_and_no_others(served: Running) -> None:
    with half_heads(served, ["127.0.0.2"], 5):
        assert asked(served, CLOSED_GET, "127.0.0.2") == 503, "it has three"
        assert asked(served, HEALTH, "127.0.0.2") == 200, "whatever it holds"
        assert asked(served, CLOSED_GET) == 401, (
            "a key is needed, and the other address is answered"
        )


def test_health_is_answered_when_all_connections_are_held(served: Running) -> None:
    with half_heads(served, ["127.0.0.2", "127.0.0.3", "127.0.0.4"], 3):
        for address in ("127.0.0.1", "127.0.0.2"):
            assert asked(served, CLOSED_GET, address) == 503
            assert [asked(served, HEALTH, address) for _ in range(20)] == [200] * 20


def test_health_is_answered_beyond_the_reserve(served: Running) -> None:
    with half_heads(served, ["127.0.0.2"], MOST_RESERVED + 20) as held:
        assert asked(served, HEALTH, "127.0.0.2") == 200
        try:
            left = held[3].recv(10)
        except ConnectionResetError:  # so it may end, too: its half of a request was not read yet
            left = b""
        assert left == b"", "the oldest of the reserve gave way"


def test_a_connection_of_the_reserve_answers_once(served: Running) -> None:
    with (
        half_heads(served, ["127.0.0.2"], 3),
        socket.create_connection(
            ("127.0.0.1", served.port), 5, source_address=("127.0.0.2", 0)
        ) as connection,
    ):
        connection.sendall(HEALTH * 3)
        assert all_of(connection).count(b"HTTP/1.1 200") == 1


def test_trusted_proxies_have_as_many_connections_as_there_are(tmp_path: Path) -> None:
    bounds, proxies = {"MAX_CONNECTIONS_PER_ADDRESS": 2}, ("127.0.0.2/24",)
    with (
        running(tmp_path, bounds=bounds, api_trusted_proxies=proxies) as served,
        half_heads(served, ["127.0.0.2"], 9),
    ):
        assert asked(served, CLOSED_GET, "127.0.0.2") == 200


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "a body that drips after its refusal": (
        b"POST /analytics/funnel HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n",
        b"x",
    ),
    "chunks that drip after their refusal": (
        b"POST /analytics/funnel HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
    ),
    "trailers that never end": (
        b"POST /analytics/funnel HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        b"x: y\r\n",
    ),
    "a chunk's extension that never ends": (
        b"POST /analytics/funnel HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;",
        b"x" * 9,
    ),
    "line ends after an answer": (GET, b"\r\n"),
    "a WebSocket that nobody speaks": (
        b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"\x81\x05hello",
    ),
    "line ends before a request": (b"\r\n", b"\r\n"),
}


@each("name", ENDLESS)
def test_no_connection_lasts_by_sending_a_little(served: Running, name: str) -> None:
    """Each is closed within twice the 0.3 s for clients, and uvicorn's 5 s of
    keep-alive do not begin again.
    """
    first, more = ENDLESS[name]
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall(first)
        begun = time.monotonic()
        lasted_s = _lasts(connection, more, until=begun + 20 * PATIENCE_S) - begun
    assert lasted_s < 10 * PATIENCE_S


def _lasts(connection: socket.socket, more: bytes, until: float) -> float:
    """Send a little again and again;
    return the time at which the connection is closed, or `until`.
    """
    connection.settimeout(0.05)
    while time.monotonic() < until:
        try:
            connection.sendall(more)
            if not connection.recv(10_000):
                break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    return time.monotonic()


def test_trailers_take_no_memory(served: Running) -> None:
    head = b"POST /analytics/funnel HTTP/1.1\r\nhost: x\r\nx-api-key: " + HELD.encode() + b"\r\n"
    head += b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    assert answer_to(served, head + b"x: y\r\n\r\n" + CLOSED_GET).startswith(b"HTTP/1.1 200"), (
        "a few are ignored"
    )
    answer = answer_to(served, head, *[b"x: " + b"y" * 10_000] * 50)
    assert status_of(answer) == 431


def test_an_upgrade_is_answered_as_any_other_request(served: Running) -> None:
    upgrade = (
        b"\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-api-key: "
        + HELD.encode()
        + b"\r\n\r\n"
    )
    assert asked(served, GET.replace(b"\r\n\r\n", upgrade)) == 200
    assert "Unsupported upgrade" not in served.log.getvalue()


def test_a_client_that_reads_nothing_is_hung_up_on_after_the_close_too() -> None:
    """What was sent before a close waits for the client 10 s at most,
    though it is less than uvicorn waits for.
    """

    async def story() -> None:
        app = SlowApp()
        app.may_answer.set()
        connection, wire = connected(app, ConnectionBounds(0.05, 9, 9))
        hung_up: list[bool] = []
        wire.abort = lambda: hung_up.append(True)  # type: ignore[method-assign]
        connection.data_received(CLOSED_GET)
        await _until(lambda: wire.closed)
        await _until(lambda: bool(hung_up))
        connection.connection_lost(None)

    asyncio.run(story())


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 (no event says so)
            await asyncio.sleep(0.01)


def test_requests_whose_answers_nobody_reads_are_not_kept(served: Running) -> None:
    """Three connections send 150,000 requests each: they are closed with few read,
    and others are answered.
    """
    for _ in range(3):
        with socket.socket() as connection:
            connection.settimeout(5)
            connection.connect(("127.0.0.1", served.port))
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(GET * 150_000)
    wait_until(lambda: asked(served, CLOSED_GET, "127.0.0.5") == 401)
    assert served.log.getvalue().count("/analytics/sales") < 1_000
