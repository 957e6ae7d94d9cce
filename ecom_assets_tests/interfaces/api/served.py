"""A small app behind all that `ecom api` puts in front of one, on a real socket."""

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from unittest.mock import patch

import requests
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import StreamingResponse

from ecom_assets.core.http_server.json_log import json_lines
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api import server as api_server
from ecom_assets.interfaces.api.app import build_stack
from ecom_assets.interfaces.api.middleware.request_log import ApiMetrics
from ecom_assets.interfaces.api.routes.operation import router as operations
from ecom_assets.interfaces.api.server import new_config
from ecom_assets.interfaces.api.store.store import PublishedState
from ecom_assets_tests.patience import PATIENCE_S, wait_until

HELD = "a-key-that-somebody-holds"
NO_BOUNDS: Final[Mapping[str, int]] = MappingProxyType({})
"""A key that may read."""


@dataclass
class Shop:
    """What the small app answers from: its version, what it says, and how often it was asked."""

    version: str = "v1"
    text: str = "sold 7"
    calls: int = 0
    published: PublishedState | None = field(
        default_factory=lambda: PublishedState(
            "v1", datetime(2026, 1, 31, tzinfo=UTC), date(2026, 1, 30)
        )
    )
    complaint: str = ""
    age_s: float = 60.0
    finish: threading.Event = field(default_factory=threading.Event)

    async def current(self) -> str:
        """Return the version, as `ServedData.version` does."""
        return self.version


@dataclass
class Running:
    """The served app."""

    address: str
    shop: Shop
    home: Path
    log: io.StringIO

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self.address.rpartition(":")[2])

    def get(self, path: str, key: str = "", **headers: str) -> requests.Response:
        """Ask on a connection of its own."""
        answer = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.get(self.address + path, headers={**answer, **headers}, timeout=PATIENCE_S)

    def metric(self, name: str, key: str = "") -> float:
        """Return the sum of a metric's values; the labels in `name` must be there."""
        wanted, _, label = name.partition("{")
        lines = self.get("/metrics", key).text.splitlines()
        actual = [line for line in lines if line.startswith(wanted) and label.rstrip("}") in line]
        return sum(float(line.rpartition(" ")[2]) for line in actual)


def _more_than_buffers() -> int:
    """Return more bytes than the system keeps of an answer for a client that does not read."""
    try:
        most = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text(encoding="ascii").split()[2])
    except OSError:
        most = 0
    return max(30_000_000, 2 * most)


LARGE_BYTES = _more_than_buffers()
BLOCK_COUNT = 8
"""The blocks of `/analytics/blocks`, a line each."""


def small_app(shop: Shop, settings: Settings | None = None) -> FastAPI:
    """Return an app whose answers tests can distinguish."""
    app = FastAPI()
    app.state.settings = settings or Settings(home=Path("never written"))
    app.state.served = shop_served(shop)
    app.state.metrics = ApiMetrics(lambda: shop.age_s)

    @app.get("/analytics/sales")
    async def sales() -> Response:
        shop.calls += 1
        headers = {"ETag": f'W/"{shop.version}"', "Cache-Control": "no-cache"}
        return Response(shop.text, media_type="application/json", headers=headers)

    @app.get("/analytics/now")
    async def now() -> Response:
        shop.calls += 1
        return Response(shop.text, headers={"ETag": '"x"', "Cache-Control": "no-store"})

    @app.get("/analytics/large")
    async def large() -> Response:
        return Response(b"x" * LARGE_BYTES)

    @app.get("/analytics/blocks")
    async def blocks(pause_s: float) -> StreamingResponse:
        async def some() -> AsyncIterator[bytes]:
            for number in range(BLOCK_COUNT):
                yield f"{number}\n".encode()
                await asyncio.sleep(pause_s)

        return StreamingResponse(some(), media_type="text/csv")

    @app.get("/analytics/waits")
    def waits() -> str:
        shop.calls += 1
        shop.finish.wait(10)
        return "done"

    @app.get("/analytics/breaks")
    async def breaks() -> str:
        raise RuntimeError(f"broken, with {HELD} in the message")

    @app.post("/analytics/funnel")
    @app.post("/collect")
    async def funnel(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    app.include_router(operations)
    return app


def shop_served(shop: Shop) -> Any:
    """Return the shop as what health and cache look at."""

    class Served:
        version = staticmethod(shop.current)

        @property
        def published(self) -> PublishedState | None:
            return shop.published

        @property
        def complaint(self) -> str:
            return shop.complaint

    return Served()


@contextmanager
def running(
    home: Path, shop: Shop | None = None, bounds: Mapping[str, int] = NO_BOUNDS, **settings: Any
) -> Iterator[Running]:
    """Serve the small app, with these settings, and bounds of the server."""
    shop = shop or Shop()
    api_settings = Settings(**{"home": home, **settings})
    with serving(api_settings, small_app(shop, api_settings), shop, **bounds) as actual:
        yield actual


@contextmanager
def serving(
    settings: Settings, app: FastAPI, shop: Shop | None = None, **bounds: int
) -> Iterator[Running]:
    """Serve an app in a thread, behind all that `ecom api` puts in front of it, with other bounds
    of the server if these are given.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    shop, address = shop or Shop(), f"http://127.0.0.1:{listening.getsockname()[1]}"
    with patch.dict(vars(api_server), {"STOP_S": 1, **bounds}):
        server = uvicorn.Server(new_config(settings, build_stack(settings, app)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    with logged() as log:
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield Running(address, shop, settings.home, log)
        finally:
            shop.finish.set()
            server.should_exit = True
            thread.join(10)
            listening.close()
    assert not thread.is_alive()


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Have the API's log written into a text, and everything as it was after."""
    log = io.StringIO()
    with json_lines(log):
        yield log
