"""Takes up what uploads say of the shop, and where their rows are, without a restart of the API."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from ecom_assets.core.settings.settings import Settings, with_uploads
from ecom_assets.core.settings.uploaded import FOLDER, LIST, SHOP_CHOICES


@dataclass
class NewSettings:
    """ASGI middleware that reads the settings again where uploads or the choices about the shop
    have changed since the last request.

    `take_up` is called with settings that differ from the last ones.
    """

    app: ASGIApp
    settings: Settings
    take_up: Callable[[Settings], None]
    _mark: tuple[int, ...] = ()
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Note how the files are now: the settings are as they are."""
        self._mark = _mark_of(self.settings.home)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at two files, and pass the request on."""
        if scope["type"] == "http" and _mark_of(self.settings.home) != self._mark:
            async with self._lock:
                mark = _mark_of(self.settings.home)
                if mark != self._mark:
                    fresh = await asyncio.to_thread(with_uploads, self.settings)
                    self._mark = mark
                    if fresh is not self.settings:
                        self.settings = fresh
                        self.take_up(fresh)
        await self.app(scope, receive, send)


def _mark_of(home: Path) -> tuple[int, ...]:
    return tuple(_time_of(home / FOLDER / name) for name in (SHOP_CHOICES, LIST))


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
