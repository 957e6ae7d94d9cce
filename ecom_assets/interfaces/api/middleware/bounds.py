"""Limits on the size of a request body, the time to send it, and the time to answer.

The server limits the time to send the headers (`http_server/connections.py`).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http_server.problems import RequestRefusal
from ecom_assets.interfaces.api.store.store import AGAIN_AFTER_S, IN_SCOPE, Cancellation
from ecom_assets.interfaces.api.streams import OpenStreams, is_stream

MOST_UPLOADS: Final = 4
"""Files that one caller may be sending at once."""
RATE_S: Final = 30.0
LEAST_BYTES_PER_S: Final = 1_000
"""Of a file that is sent, so many bytes come in each second, over so many seconds."""


@dataclass(frozen=True)
class RequestBounds:
    """ASGI middleware that reads the whole body of a request, within limits,
    before the app sees the request.

    `streamed_bodies` has the limits of paths that take files: these read their body themselves,
    block by block, once they know that the caller may send one, and the time limit is that of a
    block. `refuse` makes the response of a refusal of theirs.
    """

    app: ASGIApp
    max_body_bytes: int
    client_timeout_s: float
    answer_timeout_s: float
    streams: OpenStreams
    streamed_bodies: Mapping[str, int] = field(default_factory=dict)
    refuse: Callable[[RequestRefusal, Scope], Response] = RequestRefusal.response
    uploads: OpenStreams = field(
        default_factory=lambda: OpenStreams(
            MOST_UPLOADS, "uploads", "wait until one of them has come, then send the next"
        )
    )
    _ending: set["asyncio.Future[None]"] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole body, or refuse it if it exceeds a limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.streamed_bodies.get(scope["path"]) if scope["method"] == "POST" else None
        if most is not None:
            body = StreamedBody(receive, most, self.client_timeout_s)
            with self.uploads.opened(scope) as refusal:
                if refusal is None:
                    await self._stream(scope, body, send)
                else:
                    await self.refuse(refusal, scope)(scope, receive, send)
            return
        try:
            whole = await self._body(scope, receive)
        except ClientDisconnect:
            return
        if isinstance(whole, RequestRefusal):
            await whole.response(scope)(scope, receive, send)
        elif is_stream(scope):
            with self.streams.opened(scope) as refusal:
                answer = self.app if refusal is None else refusal.response(scope)
                await answer(scope, _replay(whole, receive), send)
        else:
            await self._answer(scope, _replay(whole, receive), send)

    async def _stream(self, scope: Scope, body: "StreamedBody", send: Send) -> None:
        """Pass a request on whose body is read as it comes, and refuse it where the body does not
        come, or does not end.
        """
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > body.most_bytes:
            await self.refuse(_file_too_large(body.most_bytes), scope)(scope, body.receive, send)
            return

        async def unless_refused(message: Message) -> None:
            if body.refusal is None:
                await send(message)

        await self._answer(scope, body.receive, unless_refused, body)
        if body.refusal is not None:
            await self.refuse(body.refusal, scope)(scope, body.receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | RequestRefusal:
        max_body_bytes = self.max_body_bytes
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > max_body_bytes:
            return _too_large(max_body_bytes)
        if announced == b"0" and b"transfer-encoding" not in headers:
            return b""
        body = bytearray()
        try:
            async with asyncio.timeout(self.client_timeout_s):
                async for part in Request(scope, receive).stream():
                    body += part
                    if len(body) > max_body_bytes:
                        return _too_large(max_body_bytes)
        except TimeoutError:
            return _too_slow(self.client_timeout_s)
        return bytes(body)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, body: "StreamedBody | None" = None
    ) -> None:
        answer, cancellation = _InterruptibleResponse(send), Cancellation()
        scope[IN_SCOPE] = cancellation
        working = asyncio.ensure_future(self.app(scope, receive, answer.send))
        try:
            await self._wait(working, answer, body)
        except asyncio.CancelledError:
            working.cancel()
            raise
        if working.done():
            working.result()
            return
        # A thread cannot be stopped: cancel its queries to the store, and send nothing that it
        # returns from now on.
        answer.is_over = True
        working.cancel()
        working.add_done_callback(_forget)
        self._ending.add(ending := asyncio.ensure_future(_end(cancellation, working)))
        ending.add_done_callback(self._ending.discard)
        if not answer.has_begun:
            await self.refuse(self._out_of_time(), scope)(scope, receive, send)

    async def _wait(
        self,
        working: "asyncio.Future[None]",
        answer: "_InterruptibleResponse",
        body: "StreamedBody | None",
    ) -> None:
        """Wait until an answer has ended, or nothing of it was passed on in the time to answer: one
        that is sent block by block takes as long as its client reads, and one to a body that is
        read block by block as long as its client sends.
        """
        while not working.done():
            before = answer.part_count, body.block_count if body else 0
            await asyncio.wait({working}, timeout=self.answer_timeout_s)
            if before == (answer.part_count, body.block_count if body else 0):
                return

    def _out_of_time(self) -> RequestRefusal:
        detail = (
            f"The answer took longer than {self.answer_timeout_s:g} s; ask for fewer days or "
            "fewer steps."
        )
        return RequestRefusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "out_of_time", detail, {"retry-after": "60"}
        )


@dataclass
class StreamedBody:
    """The body of a request as its endpoint reads it: block by block, each within a time, and so
    many bytes within another one: a body of a byte every few seconds would stay for ever.

    Where a block does not come in time, or the body is too large, the endpoint learns that the
    client is gone, and `refusal` says what is answered.
    """

    pass_on: Receive
    most_bytes: int
    block_timeout_s: float
    byte_count: int = 0
    block_count: int = 0
    is_read: bool = False
    refusal: RequestRefusal | None = None
    _waited_s: float = 0.0
    _bytes_since: int = 0

    async def receive(self) -> Message:
        """Return the next block, or what comes after the body."""
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        if self.is_read:
            return await self.pass_on()
        left_s, begun = RATE_S - self._waited_s, time.monotonic()
        try:
            async with asyncio.timeout(min(self.block_timeout_s, left_s)):
                message = await self.pass_on()
        except TimeoutError:
            is_slow = left_s < self.block_timeout_s
            self.refusal = _file_slow() if is_slow else _file_stopped(self.block_timeout_s)
            return {"type": "http.disconnect"}
        self._waited_s += time.monotonic() - begun  # not what it takes to write them here
        self._bytes_since += len(message.get("body", b""))
        if self._bytes_since >= RATE_S * LEAST_BYTES_PER_S:
            self._waited_s, self._bytes_since = 0.0, 0
        self.block_count += 1
        self.byte_count += len(message.get("body", b""))
        self.is_read = not message.get("more_body", False)
        if self.byte_count > self.most_bytes:
            self.refusal = _file_too_large(self.most_bytes)
            return {"type": "http.disconnect"}
        return message


def _too_large(most_bytes: int) -> RequestRefusal:
    return _closed(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"The body is larger than {most_bytes} bytes; send it in parts.",
    )


def _file_too_large(most_bytes: int) -> RequestRefusal:
    return _closed(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"This file is larger than {most_bytes / 1e6:,.0f} MB, which is the most that may be sent "
        "at once; export fewer days at a time, and send several files.",
    )


def _too_slow(timeout_s: float) -> RequestRefusal:
    return _closed(
        HTTPStatus.REQUEST_TIMEOUT,
        "body_too_slow",
        f"The body did not come within {timeout_s:g} s; send it faster.",
    )


def _file_stopped(timeout_s: float) -> RequestRefusal:
    return _closed(
        HTTPStatus.REQUEST_TIMEOUT,
        "body_too_slow",
        f"Nothing more of this file came for {timeout_s:g} s, so nothing of it is kept; look at "
        "your connection, and send it again.",
    )


def _file_slow() -> RequestRefusal:
    return _closed(
        HTTPStatus.REQUEST_TIMEOUT,
        "body_too_slow",
        f"Less than {LEAST_BYTES_PER_S / 1000:g} kB of this file came in a second, for "
        f"{RATE_S:g} s, so nothing of it is kept; look at your connection, and send it again.",
    )


def _closed(status: HTTPStatus, reason: str, detail: str) -> RequestRefusal:
    return RequestRefusal(status, reason, detail, {"connection": "close"})


@dataclass
class _InterruptibleResponse:
    """Passes a response on; sends nothing more once `is_over` is set."""

    pass_on: Send
    has_begun: bool = False
    is_over: bool = False
    part_count: int = 0

    async def send(self, message: Message) -> None:
        if not self.is_over:
            self.has_begun = True
            await self.pass_on(message)
            self.part_count += 1


def _replay(body: bytes, receive: Receive) -> Receive:
    is_replayed = False

    async def replayed() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _end(cancellation: Cancellation, working: "asyncio.Future[None]") -> None:
    """Cancel queries until the work has ended; in a thread, because the engine may be remote."""
    while not working.done():
        await asyncio.to_thread(cancellation.end)
        await asyncio.sleep(AGAIN_AFTER_S)


def _forget(late: "asyncio.Future[None]") -> None:
    """Retrieve the exception of abandoned work, or asyncio logs that nobody retrieved it."""
    if not late.cancelled():
        late.exception()
