"""Limits on the size of a request body, the time to send it, and the time to answer.

The server limits the time to send the headers (`http_server/connections.py`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http_server.problems import RequestRefusal
from ecom_assets.interfaces.api.store.store import AGAIN_AFTER_S, IN_SCOPE, Cancellation
from ecom_assets.interfaces.api.streams import OpenStreams, is_stream


@dataclass(frozen=True)
class RequestBounds:
    """ASGI middleware that reads the whole body of a request, within limits,
    before the app sees the request.

    `larger_bodies` has the limits of paths that take files.
    """

    app: ASGIApp
    max_body_bytes: int
    client_timeout_s: float
    answer_timeout_s: float
    streams: OpenStreams
    larger_bodies: Mapping[str, int] = field(default_factory=dict)
    _ending: set["asyncio.Future[None]"] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its whole body, or refuse it if it exceeds a limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._body(scope, receive)
        except ClientDisconnect:
            return
        if isinstance(body, RequestRefusal):
            await body.response(scope)(scope, receive, send)
        elif is_stream(scope):
            with self.streams.opened(scope) as refusal:
                answer = self.app if refusal is None else refusal.response(scope)
                await answer(scope, _replay(body, receive), send)
        else:
            await self._answer(scope, body, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | RequestRefusal:
        max_body_bytes = max(self.max_body_bytes, self.larger_bodies.get(scope["path"], 0))
        detail = f"The body is larger than {max_body_bytes} bytes; send it in parts."
        too_large = RequestRefusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", detail, {"connection": "close"}
        )
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > max_body_bytes:
            return too_large
        if announced == b"0" and b"transfer-encoding" not in headers:
            return b""
        body = bytearray()
        try:
            async with asyncio.timeout(self.client_timeout_s):
                async for part in Request(scope, receive).stream():
                    body += part
                    if len(body) > max_body_bytes:
                        return too_large
        except TimeoutError:
            detail = f"The body did not come within {self.client_timeout_s:g} s; send it faster."
            return RequestRefusal(
                HTTPStatus.REQUEST_TIMEOUT, "body_too_slow", detail, {"connection": "close"}
            )
        return bytes(body)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        answer, cancellation = _InterruptibleResponse(send), Cancellation()
        scope[IN_SCOPE] = cancellation
        working = asyncio.ensure_future(self.app(scope, _replay(body, receive), answer.send))
        try:
            await self._wait(working, answer)
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
            await self._out_of_time().response(scope)(scope, receive, send)

    async def _wait(
        self, working: "asyncio.Future[None]", answer: "_InterruptibleResponse"
    ) -> None:
        """Wait until an answer has ended, or nothing of it was passed on in the time to answer: one
        that is sent block by block takes as long as its client reads.
        """
        while not working.done():
            before = answer.part_count
            await asyncio.wait({working}, timeout=self.answer_timeout_s)
            if answer.part_count == before:
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
