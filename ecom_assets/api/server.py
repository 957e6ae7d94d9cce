"""The HTTP server: uvicorn, with bounds on slow clients and long header lines that it lacks with httptools."""

import asyncio
import os
import signal
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ecom_assets.api.middleware.request_context import Front, build_front
from ecom_assets.api.middleware.request_log import json_lines
from ecom_assets.settings.settings import Settings

MOST_HEAD_BYTES: Final = 32_768
"""Request line and header lines; what browsers and proxies send stays below 16 KB."""


def _refusal(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


TOO_SLOW: Final = _refusal(b"408 Request Timeout")
TOO_LONG: Final = _refusal(b"431 Request Header Fields Too Large")


class BoundedConnection(HttpToolsProtocol):
    """A connection whose client has so many seconds for the head of a request, and to take what is sent."""

    client_timeout_s = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (uvicorn's own)
        """Begin as uvicorn's connections do."""
        super().__init__(*arguments, **named)
        self._in_head = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._head_begins()

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless they are too many for the head of a request."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and b"\r\n\r\n" not in data[:MOST_HEAD_BYTES]:
                self._refuse(TOO_LONG)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        if not self._in_head:
            self._head_begins()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head of a request is there."""
        self._head_ends()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Note that the client does not take what is sent."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.client_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it takes it again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
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


def serve(settings: Settings, *, until_parent_ends: bool = False) -> None:
    """Serve the API until SIGINT or SIGTERM; requests under way are answered first.

    Args:
        settings: Where it listens, and everything else.
        until_parent_ends: Whether to end, too, once the process that started this one has.

    Raises:
        EcomError: A setting is wrong, or everybody would be let in.
    """
    front = build_front(settings)
    config = new_config(settings, front)
    # uvicorn ends gracefully, and then raises the signal again for those who were here before it.
    for asked_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked_to_end, lambda *_: None)
    with json_lines(), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), until_parent_ends=until_parent_ends))


def new_config(settings: Settings, front: Front) -> uvicorn.Config:
    """Return how uvicorn serves it: bounded connections, proxies only where they are trusted, no log of its own."""
    connection = type("Connection", (BoundedConnection,), {"client_timeout_s": settings.api_client_timeout_s})
    return uvicorn.Config(
        front,
        host=settings.api_host,
        port=settings.api_port,
        http=connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=list(settings.api_trusted_proxies),
        limit_concurrency=settings.api_max_connections,
        timeout_graceful_shutdown=max(1, round(settings.api_stop_s)),
    )


async def _serve(server: uvicorn.Server, *, until_parent_ends: bool) -> None:
    watching = asyncio.create_task(_stop_with_parent(server)) if until_parent_ends else None
    try:
        await server.serve()
    finally:
        if watching is not None:
            watching.cancel()


async def _stop_with_parent(server: uvicorn.Server) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (no event tells of the end of a parent)
        await asyncio.sleep(LOOK_AT_PARENT_S)
    server.should_exit = True
