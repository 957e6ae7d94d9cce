"""The API under another server's command, such as `uvicorn ecom_assets.interfaces.api.app:app`.

Its settings come from the environment.
"""

import asyncio
import importlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import requests
from fastapi import FastAPI

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import create_app
from ecom_assets_tests.command import environment
from ecom_assets_tests.interfaces.api.served import HELD
from ecom_assets_tests.interfaces.api.test_process import answers
from ecom_assets_tests.patience import PATIENCE_S, wait_until
from ecom_assets_tests.ports import free_port

WAYS = {
    "asgi": ["ecom_assets.asgi:app"],
    "app": ["ecom_assets.interfaces.api.app:app"],
    "factory": ["--factory", "ecom_assets.interfaces.api.app:create_app"],
}
SALES = "/analytics/sales"


@contextmanager
def uvicorn_process(settings: Settings, *arguments: str, **env: str) -> Iterator[tuple[int, Path]]:
    """Run uvicorn's own command over the small shop: the port, and the file of what it says."""
    port, result = free_port(), settings.home.with_name("uvicorn.txt")
    with result.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *arguments, "--port", str(port)],
            env=environment(settings.home, {"ECOM_CATALOGUE": str(settings.catalogue), **env}),
            cwd=settings.home.parent,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}/health/live"),
            PATIENCE_S,
        )
        assert process.poll() is None, result.read_text()
        yield port, result
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    assert "Traceback" not in result.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("target", WAYS)
def test_uvicorn_serves_the_whole_api(settings: Settings, target: str) -> None:
    with uvicorn_process(settings, *WAYS[target], ECOM_API_KEYS=f"read:{HELD}") as (port, _):
        address = f"http://127.0.0.1:{port}"
        answer = [
            requests.get(address + SALES, headers={"X-API-Key": key}, timeout=PATIENCE_S)
            for key in ("", "wrong", HELD)
        ]
        assert [row.status_code for row in answer] == [401, 401, 200]
        assert answer[2].json()["data_as_of"] == "2026-02-09"
        assert answer[2].headers["x-request-id"]
        described = requests.get(f"{address}/openapi.json", timeout=PATIENCE_S).json()
        assert described["paths"][f"/v1{SALES}"]["get"]["security"]


@pytest.mark.slow
def test_without_keys_uvicorn_answers_this_machine_alone(settings: Settings) -> None:
    outside = own_address()
    with uvicorn_process(settings, *WAYS["app"], "--host", "0.0.0.0") as (port, _):  # noqa: S104 (the question)
        assert (
            requests.get(f"http://127.0.0.1:{port}{SALES}", timeout=PATIENCE_S).status_code == 200
        )
        headers = {"Host": f"127.0.0.1:{port}"}
        for name in (f"127.0.0.1:{port}", f"{outside}:{port}"):
            response = requests.get(
                f"http://{outside}:{port}{SALES}",
                headers={**headers, "Host": name},
                timeout=PATIENCE_S,
            )
            assert response.status_code == 421


def own_address() -> str:
    """Return the address that this machine has in its network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        try:
            connection.connect(
                ("198.51.100.1", 9)
            )  # an address for documentation: it is looked up, and nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = connection.getsockname()[0]
    return address


@pytest.mark.slow
def test_the_app_is_what_python_code_expects(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "EVENTS", "ORDERS"):
        monkeypatch.setenv(f"ECOM_{name}", str(getattr(settings, name.lower())))

    app: FastAPI = create_app()

    async def question(peer: str, host: str, path: str = SALES) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(peer, 50_000)), base_url=f"http://{host}"
        ) as client:
            return await client.get(path)

    answer = asyncio.run(question("testclient", "testserver"))
    assert (answer.status_code, answer.json()["data_as_of"]) == (200, "2026-02-09")
    assert (
        asyncio.run(question("testclient", "testserver", "/dashboard/overview")).status_code == 404
    )
    peers = [
        ("127.0.0.1", "localhost"),
        ("::1", "[::1]"),
        ("203.0.113.7", "127.0.0.1"),
        ("2001:db8::1", "[::1]"),
    ]
    assert [asyncio.run(question(*peer)).status_code for peer in peers] == [200, 200, 421, 421]
    app = importlib.import_module("ecom_assets.asgi").app
    assert [asyncio.run(question(*peer)).status_code for peer in peers] == [200, 200, 421, 421]
    page = asyncio.run(question("127.0.0.1", "localhost", "/dashboard/overview"))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
