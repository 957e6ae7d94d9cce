"""The API takes up what uploads say without a restart: requests that are under way are answered by
the app that they came to.
"""

import asyncio
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.settings.uploaded import choose_shop
from ecom_assets.interfaces.api.renewed import RenewedApp


class ZoneApp:
    """Answers with the zone of its settings; `/slow` only when it is let."""

    def __init__(self, settings: Settings, log: list[str]) -> None:
        self.zone, self.log, self.let = settings.timezone, log, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop."""
        if scope["type"] == "lifespan":
            await receive()
            self.log.append(f"start {self.zone}")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.log.append(f"stop {self.zone}")
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/slow":
            await self.let.wait()
        await send({"type": "answer", "zone": self.zone})


async def answered(app: RenewedApp, path: str) -> Any:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    await app({"type": "http", "path": path}, receive, send)
    return said[0]["zone"]


async def story(home: Path) -> tuple[list[str], list[str]]:
    log: list[str] = []
    app = RenewedApp(load_settings(home=home), lambda settings: ZoneApp(settings, log))
    lifespan: asyncio.Queue[Message] = asyncio.Queue()
    said: asyncio.Queue[Message] = asyncio.Queue()
    serving = asyncio.create_task(app({"type": "lifespan"}, lifespan.get, said.put))
    await lifespan.put({"type": "lifespan.startup"})
    await said.get()
    zones = [await answered(app, "/")]
    first = app.app
    assert isinstance(first, ZoneApp)
    slow = asyncio.create_task(answered(app, "/slow"))
    await asyncio.sleep(0)
    choose_shop(home, {"shop_name": "Lamps", "timezone": "Europe/Berlin"})
    zones.append(await answered(app, "/"))
    assert log == ["start UTC", "start Europe/Berlin"], "the first one still answers"
    first.let.set()
    zones.append(await slow)
    choose_shop(home, {"timezone": "Europe/Berlin"})  # nothing is another than before
    zones.append(await answered(app, "/"))
    await lifespan.put({"type": "lifespan.shutdown"})
    await said.get()
    await serving
    return zones, log


def test_an_app_is_built_anew_when_the_page_of_uploads_changes_the_shop(tmp_path: Path) -> None:
    zones, log = asyncio.run(story(tmp_path))
    assert zones == ["UTC", "Europe/Berlin", "UTC", "Europe/Berlin"]
    assert log == ["start UTC", "start Europe/Berlin", "stop UTC", "stop Europe/Berlin"]
