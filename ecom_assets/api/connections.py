"""Connections of uvicorn, with limits for slow clients and long headers that it lacks with httptools."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from typing import Any, Final

import uvicorn
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ecom_assets.api.middleware.request_log import json_lines
from ecom_assets.api.problems import RETRY_S

MOST_HEAD_BYTES: Final = 32_768
"""The limit for the request line and the headers; those of browsers and proxies stay below 16 KB."""


def _refusal(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


TOO_MANY: Final = Response(status_code=503, headers={"retry-after": RETRY_S, "connection": "close"})
"""The answer where the server has as many connections as it may have; uvicorn's own says no time."""
TOO_SLOW: Final = _refusal(b"408 Request Timeout")
TOO_LONG: Final = _refusal(b"431 Request Header Fields Too Large")


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed if the head of a request is too large or too slow, or if the client stops reading.

    A request is refused if there are more than `most_connections` or running requests.
    """

    client_timeout_s = 10.0
    most_connections = 500

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (uvicorn's arguments)
        """Set up the connection; no timer runs yet."""
        super().__init__(*arguments, **named)
        self._in_head = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the timer for the head of the first request."""
        super().connection_made(transport)
        self._head_begins()

    def data_received(self, data: bytes) -> None:
        """Pass data on, or refuse the request if its head is too large."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and b"\r\n\r\n" not in data[:MOST_HEAD_BYTES]:
                self._refuse(TOO_LONG)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Start the timer for the head of a later request."""
        if not self._in_head:
            self._head_begins()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the timer for the head, and let the application answer, if there are not too many."""
        self._head_ends()
        is_full = max(len(self.connections), len(self.tasks)) >= self.most_connections
        self.app = TOO_MANY if is_full else self.config.loaded_app
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Start the timer for a client that does not read the response."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.client_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer: the client reads again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._head_ends()
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def _head_begins(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._head_timer = self.loop.call_later(self.client_timeout_s, self._refuse, TOO_SLOW)

    def _head_ends(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, answer: bytes) -> None:
        self._head_ends()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


LOOK_AT_PARENT_S = 1.0


def bounded_config(
    app: Any,  # noqa: ANN401 (any application)
    trusted_proxies: Sequence[str],
    *,
    client_timeout_s: float,
    most_connections: int,
    stop_s: int,
    **own: Any,  # noqa: ANN401 (as uvicorn has them)
) -> uvicorn.Config:
    """Return a configuration of uvicorn: bounded connections, headers of trusted proxies only, and no access log."""
    bounds = {"client_timeout_s": client_timeout_s, "most_connections": most_connections}
    return uvicorn.Config(
        app,
        http=type("Connection", (BoundedConnection,), bounds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=stop_s,
        **own,
    )


def run_server(
    config: uvicorn.Config, sockets: list[socket.socket] | None = None, *, until_parent_ends: bool = False
) -> None:
    """Run a server until SIGINT, SIGTERM or the end of the parent process; requests in progress are finished first."""
    # uvicorn stops gracefully, and then raises the signal again for earlier handlers; the handlers set here ignore it.
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, lambda *_: None)
    with json_lines(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), sockets, until_parent_ends=until_parent_ends))


async def _serve(server: uvicorn.Server, sockets: list[socket.socket] | None, *, until_parent_ends: bool) -> None:
    watching = asyncio.create_task(stop_with_parent(server)) if until_parent_ends else None
    try:
        await server.serve(sockets=sockets)
    finally:
        if watching is not None:
            watching.cancel()


async def stop_with_parent(server: uvicorn.Server) -> None:
    """Stop a server when the parent of this process has ended."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (the end of a parent process raises no event)
        await asyncio.sleep(LOOK_AT_PARENT_S)
    server.should_exit = True
