"""What a stranger, or the holder of one key, may send: each attack by its name,
as one round that ends by itself.

A round opens and closes its own connections, lasts a second or so, and is repeated by whoever
attacks.
"""

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.sharedctypes import Synchronized
from typing import Final

ROUND_S: Final = 1.0
"""Seconds for which a round holds its connections."""
LEAST_ROUND_S: Final = 0.25
TINY: Final = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """A server that is attacked, with a key that everybody may know: one that reads,
    or one that sends events.
    """

    name: str
    port: int
    key: str
    address: str = "127.0.0.1"
    """The attacker's: each attack has one of its own, or the rate limit of
    one would hide the next one.
    """

    def connect(self) -> socket.socket:
        """Return a new connection, which does not wait longer than a round."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=ROUND_S, source_address=(self.address, 0)
        )

    def head(self, line: str, *more: str) -> bytes:
        """Return the head of a request with the key."""
        return "\r\n".join(
            [f"{line} HTTP/1.1", "host: 127.0.0.1", f"x-api-key: {self.key}", *more, "", ""]
        ).encode()

    def post(self, body: bytes, *more: str) -> bytes:
        """Return a whole request with a body: of events, or a question."""
        path = "/v1/collect" if self.name == "collector" else "/v1/analytics/funnel"
        return self.head(f"POST {path}", f"content-length: {len(body)}", *more) + body


Attack = Callable[[Target], None]


@contextmanager
def held(target: Target, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Hold so many connections, on each of which the same bytes were sent."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            with suppress(OSError):
                connection = stack.enter_context(target.connect())
                connection.sendall(first)
                connections.append(connection)
        yield connections


def drip(connections: Iterable[socket.socket], more: bytes, seconds: float = ROUND_S) -> None:
    """Send a little on each connection, again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for connection in connections:
            with suppress(OSError):
                connection.sendall(more)
        time.sleep(0.1)


def nothing(_target: Target) -> None:
    """Nothing, to compare with: what a health check takes on this machine now."""
    time.sleep(ROUND_S)


def pipelined_requests(target: Target) -> None:
    """15 MB of tiny requests on ten connections, whose answers nobody reads."""
    with held(target, 10, TINY * (1_500_000 // len(TINY))):
        time.sleep(ROUND_S / 4)


def pipelined_slowly(target: Target) -> None:
    """Pipelined requests in small packets, so that each packet alone is harmless."""
    with held(target, 50, b"") as connections:
        for _ in range(20):
            drip(connections, TINY * 20, seconds=0)


def half_sent_heads(target: Target) -> None:
    """520 heads that do not end."""
    with held(target, 520, b"GET / HTTP/1.1\r\nx: ") as connections:
        drip(connections[::20], b"y")


def half_sent_bodies(target: Target) -> None:
    """520 bodies of which all but the end is sent."""
    body = b"x" * 60_000
    whole = target.post(body)
    with held(target, 520, whole[:-1]) as connections:
        drip(connections[::20], b"")


def endless_chunks(target: Target) -> None:
    """Bodies in chunks that never end, some of them of requests that are refused."""
    path = "/v1/collect" if target.name == "collector" else "/v1/analytics/funnel"
    for line in (f"POST {path}", "POST /nowhere"):
        with held(target, 50, target.head(line, "transfer-encoding: chunked")) as connections:
            drip(connections, b"400\r\n" + b"x" * 1_024 + b"\r\n", seconds=ROUND_S / 2)


def endless_trailers(target: Target) -> None:
    """Headers after a body in chunks, without an end."""
    with held(
        target, 20, target.head("POST /nowhere", "transfer-encoding: chunked") + b"0\r\n"
    ) as connections:
        for _ in range(40):
            drip(connections, b"x: " + b"y" * 20_000, seconds=0)


def kept_alive(target: Target) -> None:
    """Connections that are answered once, and then kept by line ends."""
    with held(target, 200, TINY) as connections:
        drip(connections, b"\r\n")


def upgrades(target: Target) -> None:
    """Requests for WebSockets, and frames after them."""
    with held(
        target, 100, target.head("GET /", "connection: upgrade", "upgrade: websocket")
    ) as connections:
        drip(connections, b"\x81\x05hello")


def header_floods(target: Target) -> None:
    """Heads of 250 kB, of one header and of many."""
    for lines in (b"x: " + b"y" * 250_000 + b"\r\n", b"a: b\r\n" * 40_000):
        with held(target, 20, b"GET / HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n"):
            time.sleep(ROUND_S / 10)


def unread_answers(target: Target) -> None:
    """Large answers, of which nobody reads anything."""
    path = "/ecom.js" if target.name == "collector" else "/dashboard/static/vendor/vega.min.js"
    with ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.settimeout(ROUND_S)
            with suppress(OSError):
                connection.bind((target.address, 0))
                connection.connect(("127.0.0.1", target.port))
                connection.sendall(target.head(f"GET {path}") * 10)
        time.sleep(ROUND_S)


def reconnects(target: Target) -> None:
    """Connections that are closed at once, with a reset."""
    end = time.monotonic() + ROUND_S
    while time.monotonic() < end:
        with suppress(OSError), target.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        time.sleep(0.001)


def streams(target: Target) -> None:
    """500 streams of real time by one key that reads."""
    with held(target, 500, target.head("GET /v1/analytics/realtime/stream")):
        time.sleep(2 * ROUND_S)


def forgotten_streams(target: Target) -> None:
    """Streams with a request behind each, whose client leaves at once."""
    with held(target, 20, target.head("GET /v1/analytics/realtime/stream") * 2):
        time.sleep(ROUND_S / 10)


def bodies(*parts: bytes, headers: Iterable[str] = ()) -> Attack:
    """Return the attack that sends each body, as fast as they are answered."""

    def send(target: Target) -> None:
        for body in parts:
            with suppress(OSError), target.connect() as connection:
                connection.sendall(target.post(body, "connection: close", *headers))
                while connection.recv(65_536):
                    pass

    return send


@cache
def _packed() -> bytes:
    """Return a JSON list that is 100 MB of spaces, packed: 100 kB."""
    return gzip.compress(b"[" + b" " * 100_000_000 + b"]", 6)


def packed_events(target: Target) -> None:
    """Bodies that are a thousand times as large once they are unpacked."""
    bodies(_packed(), headers=["content-encoding: gzip"])(target)


def event(**fields: object) -> bytes:
    """Return an event that is right but for some fields."""
    return json.dumps({"event_type": "page_view", "user_id": "anna", **fields}).encode()


DEEP: Final = (
    b'{"event_type": "page_view", "user_id": "anna", "properties": '
    + b'{"a":' * 253
    + b"1"
    + b"}" * 254
)
OF_ANY_SERVER: Final = (
    nothing,
    pipelined_requests,
    pipelined_slowly,
    half_sent_heads,
    half_sent_bodies,
    endless_chunks,
    endless_trailers,
    kept_alive,
    upgrades,
    header_floods,
    unread_answers,
    reconnects,
)
ATTACKS: Final[dict[str, dict[str, Attack]]] = {
    "api": {
        **{attack.__name__: attack for attack in OF_ANY_SERVER},
        "streams": streams,
        "forgotten_streams": forgotten_streams,
        "deep_questions": bodies(b"[" * 400_000, b'{"steps":' * 300 + b"1" + b"}" * 300),
    },
    "collector": {
        **{attack.__name__: attack for attack in OF_ANY_SERVER},
        "non_events": bodies(json.dumps([0] * 200_000, separators=(",", ":")).encode()),
        "deep_events": bodies(DEEP, b"[" * 400_000),
        "odd_times": bodies(
            event(event_timestamp="0001-01-01T00:00:00+01:00"),
            json.dumps({"sentAt": "0001-01-01T00:00:00Z", "batch": [json.loads(event())]}).encode(),
        ),
        "packed_events": packed_events,
    },
}
"""The attacks on each server by name; the next one is added here."""


def repeat(target: Target, name: str, rounds: "Synchronized[int]") -> None:
    """Attack until the process is killed; the first round has begun when `rounds` is 1.

    Rounds that end early wait for the next one: how many connections a second a machine takes is
    not the question.
    """
    while True:
        rounds.value += 1
        begun = time.monotonic()
        ATTACKS[target.name][name](target)
        time.sleep(max(0.0, LEAST_ROUND_S - (time.monotonic() - begun)))
