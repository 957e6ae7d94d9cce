"""Connections of uvicorn, with limits for slow clients and long headers
that it lacks with httptools.
"""

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Any, Final

import uvicorn
from starlette.responses import Response
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ecom_assets.core.errors import WorkError
from ecom_assets.core.http_server.admission import MOST_RESERVED, Admission
from ecom_assets.core.http_server.callers import is_health
from ecom_assets.core.http_server.json_log import json_lines
from ecom_assets.core.http_server.problems import RETRY_S

MOST_HEAD_BYTES: Final = 32_768
"""The limit for the request line and the headers; those of browsers and proxies stay below 16 KB.
"""
HEADER_BYTES: Final = 4
"""What a header has besides its name and value: a colon, a space and a line end."""
MOST_WAITING: Final = 16
"""Pipelined requests of a connection that may wait for the answer before theirs;
browsers and proxies send none.
"""
MOST_WAITING_BYTES: Final = 262_144
"""The limit for their heads and bodies together."""
LEAST_READ_BYTES: Final = 65_536
"""How much of an answer that waits a client must read in each of its timeouts: 6 KB a second where
that is 10 s. A slow line reads more, and a client that reads a byte now and then does not count.
"""
RESERVE_S: Final = 2.0
"""Seconds that a connection of the reserve may last: the head of a health check, and its answer."""
OTHER_FILES: Final = 200
"""Open files besides connections, such as tables, logs,
pipes to processes and segments of the collector.
"""


def _refusal(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


TOO_MANY: Final = Response(status_code=503, headers={"retry-after": RETRY_S, "connection": "close"})
"""The answer where the server has as many connections as it may have; uvicorn's own says no time.
"""
TOO_SLOW: Final = _refusal(b"408 Request Timeout")
TOO_LONG: Final = _refusal(b"431 Request Header Fields Too Large")


class RefusedError(Exception):
    """Stops the parser of a connection that is being closed."""


class BoundedConnection(HttpToolsProtocol):
    """A connection of uvicorn with the limits that it lacks.

    It is closed if the head of a request is too large or too slow, if too many pipelined requests
    wait, if a body goes on after its answer, or if the client stops reading. Where there are too
    many connections, or of one address, or too many running requests, everything but a health check
    is refused.
    """

    client_timeout_s = 10.0
    admission = Admission(500, 100)

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (uvicorn's arguments)
        """Set up the connection; no timer runs yet."""
        super().__init__(*arguments, **named)
        self._is_served = True
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._unused_bytes = 0
        self._answering: RequestResponseCycle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the timer for the head of the first request."""
        super().connection_made(transport)
        self._is_served = self.admission.add(self, self._peer())
        if self._is_served:
            self._await_end()
        else:
            self._end_timer = self.loop.call_later(RESERVE_S, self.hang_up)
        self._head_begins()

    def data_received(self, data: bytes) -> None:
        """Pass data on, and refuse a request whose head,
        or what is between the parts of its body, is too large.
        """
        is_idle = not (self._in_head or self._in_body) and (
            self.cycle is None or self.cycle.response_complete
        )
        # line ends before a request begin it, too: uvicorn no longer waits for the end of its pause
        if is_idle:
            self._head_begins()
        self._unused_bytes += len(data)
        super().data_received(data)
        if not (self._in_head or self._in_body) or self.transport.is_closing():
            return
        if self._unused_bytes > MOST_HEAD_BYTES:
            self._refuse(TOO_LONG)
        elif self._in_body and self._body_timer is None:
            self._body_timer = self.loop.call_later(self.client_timeout_s, self._end_body)

    def on_message_begin(self) -> None:
        """Start the timer for the head of a later request."""
        if self.transport.is_closing():
            raise RefusedError
        if not self._in_head:
            self._head_begins()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, up to a limit; those after a body in chunks are ignored,
        as RFC 9110 lets servers do.
        """
        if not self._in_head:
            return
        self._head_bytes += len(name) + len(value) + HEADER_BYTES
        if self._head_bytes > MOST_HEAD_BYTES:  # at once: 40,000 tiny ones may be in one packet
            self._refuse(TOO_LONG)
            raise RefusedError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the timer for the head, and let the application answer,
        if there are not too many.
        """
        if self._head_bytes + len(self.url) > MOST_HEAD_BYTES:
            self._refuse(TOO_LONG)
            raise RefusedError
        self._refuse_too_many_waiting(MOST_WAITING - 1)
        self._head_ends()
        self._in_body, self._unused_bytes = True, 0
        self.app = self._application()
        super().on_headers_complete()
        if not self._is_served:
            self.cycle.keep_alive = False

    def _application(self) -> Any:  # noqa: ANN401 (any application)
        """Return what answers a request: the application, or the refusal of a full server,
        which answers the health.
        """
        if not self._is_served and self.admission.serve(self, self._peer()):
            self._is_served = True
            self._await_end()
        if is_health(self.url.partition(b"?")[0].decode("latin-1")):
            self.admission.spare(self)
            return self.config.loaded_app
        is_full = not self._is_served or len(self.tasks) >= self.admission.most
        return TOO_MANY if is_full else self.config.loaded_app

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless those of waiting requests are too large."""
        self._unused_bytes = 0
        super().on_body(body)
        self._refuse_too_many_waiting(MOST_WAITING)

    def on_message_complete(self) -> None:
        """Stop the timer for the body."""
        self._body_ends()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Start to answer, and note which request:
        uvicorn knows only the one that it has parsed last.
        """
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, unless the connection was refused already."""
        if not self.transport.is_closing():
            self._stop_timers()
            super().send_400_response(msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Do nothing: a request for a WebSocket is answered as any other,
        and has its line in the log.
        """

    def pause_writing(self) -> None:
        """Start the timer for a client that does not read the response."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """Stop the timer: the client reads again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and make room for another connection."""
        self._stop_timers()
        for timer in (self._write_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        self._give_up_requests()
        self.admission.remove(self)
        super().connection_lost(exc)

    def hang_up(self) -> None:
        """Close the connection without waiting for the client to read what was sent."""
        self.transport.abort()

    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def _head_begins(self) -> None:
        self._in_head, self._unused_bytes = True, 0
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.client_timeout_s, self._refuse, TOO_SLOW)

    def _head_ends(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_body(self) -> None:
        """Close the connection if it still sends a body that is answered; until then the
        application waits or not.
        """
        if self.cycle.response_complete:
            self._refuse(b"")
        else:
            self._body_timer = self.loop.call_later(self.client_timeout_s, self._end_body)

    def _body_ends(self) -> None:
        self._in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _await_end(self, closing_with_bytes: int | None = None) -> None:
        """Hang up if the connection was closed at the last look and the client has read hardly
        anything of what was sent to it since; else look again later.

        uvicorn closes connections in many ways, and each waits until the client has read all.
        """
        is_closing = self.transport.is_closing()
        if closing_with_bytes is not None and self._reads_too_little(closing_with_bytes):
            self.hang_up()
            return
        if self._end_timer is not None:
            self._end_timer.cancel()
        left_bytes = self.transport.get_write_buffer_size() if is_closing else None
        look_again = partial(self._await_end, left_bytes)
        self._end_timer = self.loop.call_later(self.client_timeout_s, look_again)

    def _await_reading(self, waiting_bytes: int | None = None) -> None:
        """Hang up if the client has read hardly anything of what waits since the last look."""
        if waiting_bytes is not None and self._reads_too_little(waiting_bytes):
            self.hang_up()
            return
        look_again = partial(self._await_reading, self.transport.get_write_buffer_size())
        self._write_timer = self.loop.call_later(self.client_timeout_s, look_again)

    def _reads_too_little(self, waiting_bytes: int) -> bool:
        """Return whether a client has read less than it must of the bytes that waited at the last
        look; the end of them may be less.
        """
        return waiting_bytes - self.transport.get_write_buffer_size() < LEAST_READ_BYTES

    def _refuse_too_many_waiting(self, most: int) -> None:
        """Close the connection if more pipelined requests wait, or more bytes of them.

        Raises:
            RefusedError: It is closed; the parser stops.
        """
        if not self.pipeline:
            return
        if (
            len(self.pipeline) > most
            or sum(map(_waiting_bytes, self.pipeline)) > MOST_WAITING_BYTES
        ):
            self._refuse(b"")
            raise RefusedError

    def _stop_timers(self) -> None:
        self._head_ends()
        self._body_ends()

    def _give_up_requests(self) -> None:
        """Send no more answers: what is being answered learns that the client is gone,
        as a stream has to.
        """
        self.pipeline.clear()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _refuse(self, answer: bytes) -> None:
        self._stop_timers()
        self._give_up_requests()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


def _waiting_bytes(waiting: tuple[RequestResponseCycle, Any]) -> int:
    cycle, _ = waiting
    return len(cycle.body) + sum(len(name) + len(value) for name, value in cycle.scope["headers"])


LOOK_AT_PARENT_S = 1.0


@dataclass(frozen=True)
class ConnectionBounds:
    """The limits of a server's connections; those of one address leave out trusted proxies,
    which have many clients.
    """

    client_timeout_s: float
    most_connections: int
    most_per_address: int
    trusted_proxies: Sequence[str] = ()

    def protocol(self) -> type[BoundedConnection]:
        """Return the class of the connections of one server."""
        files = MOST_RESERVED + OTHER_FILES
        # Let this process have so many open files, or as many as the system allows; return how
        # many of them it may.
        count = self.most_connections + files
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        most = max(1, wanted - files)
        admission = Admission(most, self.most_per_address, self.trusted_proxies)
        return type(
            "Connection",
            (BoundedConnection,),
            {"client_timeout_s": self.client_timeout_s, "admission": admission},
        )


def bounded_config(
    app: Any,  # noqa: ANN401 (any application)
    bounds: ConnectionBounds,
    *,
    stop_s: int,
    **own: Any,  # noqa: ANN401 (as uvicorn has them)
) -> uvicorn.Config:
    """Return a configuration of uvicorn: bounded connections, headers of trusted proxies only,
    and no access log.
    """
    proxies = [
        str(ip_network(proxy, strict=False)) for proxy in bounds.trusted_proxies
    ]  # as uvicorn knows them
    return uvicorn.Config(
        app,
        http=bounds.protocol(),
        ws="none",
        lifespan="on",  # an application that cannot start must not come up and answer 500 to all
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=stop_s,
        **own,
    )


def run_server(
    config: uvicorn.Config,
    sockets: list[socket.socket] | None = None,
    *,
    until_parent_ends: bool = False,
) -> None:
    """Run a server until SIGINT, SIGTERM or the end of the parent process;
    requests in progress are finished first.

    Raises:
        WorkError: Its application could not start.
    """
    # uvicorn stops gracefully, and then raises the signal again for earlier handlers; the handlers
    # set here ignore it.
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, lambda *_: None)
    with json_lines(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), sockets, until_parent_ends=until_parent_ends))


async def _serve(
    server: uvicorn.Server, sockets: list[socket.socket] | None, *, until_parent_ends: bool
) -> None:
    watching = asyncio.create_task(stop_with_parent(server)) if until_parent_ends else None
    try:
        await server.serve(sockets=sockets)
    except (
        SystemExit
    ) as end:  # of uvicorn, where the application cannot start or the port cannot be listened on
        raise WorkError(
            "The server could not start; fix the error above and start it again."
        ) from end
    finally:
        if watching is not None:
            watching.cancel()


async def stop_with_parent(server: uvicorn.Server) -> None:
    """Stop a server when the parent of this process has ended."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (the end of a parent process raises no event)
        await asyncio.sleep(LOOK_AT_PARENT_S)
    server.should_exit = True
