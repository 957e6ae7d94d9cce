"""The OpenAPI document where the first requests for it come at the same time."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.auth.callers import SCHEMES, document_security

THREADS = 8


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads take turns every microsecond, as they might on a busy machine."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.usefixtures("often_switched")
def test_threads_that_ask_at_the_same_time_get_one_whole_document(tmp_path: Path) -> None:
    app = build_app(Settings(home=tmp_path))
    document_security(app)
    all_ready = threading.Barrier(THREADS)

    def described(_number: int) -> dict[str, Any]:
        all_ready.wait()
        return app.openapi()

    with ThreadPoolExecutor(THREADS) as threads:
        first, *others = threads.map(described, range(THREADS))
    assert all(other is first for other in others)
    assert "ProblemDocument" in first["components"]["schemas"]
    assert first["components"]["securitySchemes"] == SCHEMES
    assert first["paths"]["/v1/analytics/sales"]["get"]["security"] == [
        {name: []} for name in SCHEMES
    ]
    assert "security" not in first["paths"]["/v1/health"]["get"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/openapi.json", "/v1/openapi.json"])
def test_the_event_loop_does_not_make_the_document(tmp_path: Path, path: str) -> None:
    """It takes a second, in which no other request would be answered; once made, it is at hand."""
    app = build_app(Settings(home=tmp_path))
    described, makers = app.openapi, []

    def openapi() -> dict[str, Any]:
        makers.append(threading.current_thread())
        return described()

    app.openapi = openapi  # type: ignore[method-assign]

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    answer = asyncio.run(asked())
    assert (answer.status_code, answer.json() == described()) == (200, True)
    assert makers[0] is not threading.current_thread()
