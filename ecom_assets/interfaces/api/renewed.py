"""The API over a home whose settings change while it serves: what is chosen for a shop on the page
of uploads, and which kinds of rows uploads bring. It is rebuilt, without a restart.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.settings import Settings, with_uploads
from ecom_assets.core.settings.uploaded import chosen_costs, shop_choices, uploads_stamp

Build = Callable[[Settings], ASGIApp]
LIFESPAN: Final = "lifespan"


@dataclass(eq=False)
class _Serving:
    """An app that is started, and how many requests it answers just now."""

    app: ASGIApp
    settings: Settings
    open_count: int = 0
    _sent: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    _answers: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    _task: asyncio.Task[None] | None = None

    async def start(self, state: dict[str, Any]) -> None:
        """Start it, as a server does."""
        scope = {"type": LIFESPAN, "asgi": {"version": "3.0"}, "state": state}
        called = self.app(scope, self._sent.get, self._answers.put)
        self._task = asyncio.create_task(_awaited(called))
        await self._send_lifespan("startup")

    async def stop(self) -> None:
        """Let it close what it has open."""
        if self._task is not None:
            await self._send_lifespan("shutdown")
            await self._task

    async def _send_lifespan(self, what: str) -> None:
        await self._sent.put({"type": f"{LIFESPAN}.{what}"})
        answered = asyncio.create_task(self._answers.get())
        assert self._task is not None  # noqa: S101 (started above)
        await asyncio.wait({answered, self._task}, return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()


def _chosen(home: Path) -> frozenset[str]:
    """Return the settings that are chosen for the shop, on its pages."""
    return frozenset(shop_choices(home) | chosen_costs(home))


async def _awaited(called: Any) -> None:  # noqa: ANN401 (what an ASGI application returns)
    await called


class RenewedApp:
    """An ASGI application that is rebuilt when uploads change the settings of its home.

    Requests in progress are answered by the app that they came to.
    """

    def __init__(self, settings: Settings, build: Build, first: ASGIApp | None = None) -> None:
        """Set the app for the settings as they are, by default the one that `build` returns.

        Raises:
            EcomError: A setting is wrong.
        """
        self._build = build
        self._stamp, self._chosen = uploads_stamp(settings.home), _chosen(settings.home)
        self._now = _Serving(first or build(settings), settings)
        self._lock = asyncio.Lock()
        self._state: dict[str, Any] = {}

    @property
    def app(self) -> ASGIApp:
        """Return the app that answers now."""
        return self._now.app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the app for the settings as they are now."""
        if scope["type"] == LIFESPAN:
            await self._live(receive, send)
            return
        if uploads_stamp(self._now.settings.home) != self._stamp:
            await self._renew()
        serving = self._now
        serving.open_count += 1
        try:
            await serving.app(scope, receive, send)
        finally:
            serving.open_count -= 1
            if serving is not self._now and not serving.open_count:
                await serving.stop()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._now.start(self._state)
        await send({"type": f"{LIFESPAN}.startup.complete"})
        await receive()
        await self._now.stop()
        await send({"type": f"{LIFESPAN}.shutdown.complete"})

    async def _renew(self) -> None:
        """Rebuild the app if the settings have changed; else keep it as it is."""
        async with self._lock:
            before, stamp = self._now, uploads_stamp(self._now.settings.home)
            if stamp == self._stamp:  # another request was faster
                return
            self._stamp = stamp
            try:
                fresh = await asyncio.to_thread(self._made, before.settings)
            except EcomError as error:  # it goes on, and says what is wrong when it is started next
                structlog.get_logger("ecom_assets.api").warning("not renewed", why=str(error))
                return
            if fresh is None:
                return
            await fresh.start(self._state)
            self._now = fresh
            if not before.open_count:
                await before.stop()

    def _made(self, settings: Settings) -> _Serving | None:
        now = with_uploads(settings, self._chosen)
        self._chosen = _chosen(settings.home)
        return None if now is settings else _Serving(self._build(now), now)
