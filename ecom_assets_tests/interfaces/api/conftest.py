"""The API over the small shop: files, a real run, a real server."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from fastapi import FastAPI

from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.commerce.sales.contracts import Calendar
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.ingestion.sources.first_partition import remember_paths
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.orchestration.registry import MARTS
from ecom_assets.outputs.serving.assets import SERVED
from ecom_assets.outputs.serving.places import publication_target
from ecom_assets.outputs.serving.postgres import publish
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.interfaces.api.shop_files import DAYS, FIRST, SEGMENTS, write_shop
from ecom_assets_tests.interfaces.api.small_run import run, settings_of
from ecom_assets_tests.patience import PATIENCE_S

Row = dict[str, Any]
SEGMENTS_FILE = "visitor_segments.yaml"
PUBLISHED = tuple(table for table in MARTS if table in {*SERVED, SessionEvents, Calendar})


@dataclass(frozen=True)
class Api:
    """A client of a running API."""

    address: str

    def get(
        self, path: str, headers: dict[str, str] | None = None, **parameters: object
    ) -> requests.Response:
        """Return the response to a GET."""
        query = {name: str(value) for name, value in parameters.items()}
        return requests.get(self.address + path, query, headers=headers, timeout=PATIENCE_S)

    def json(self, path: str, **parameters: object) -> Row:
        """Return the JSON of a path."""
        result = self.get(path, None, **parameters)
        assert result.status_code == 200, result.text
        body: Row = result.json()
        return body

    def post(self, path: str, body: Any, **parameters: object) -> requests.Response:
        """Return the response to a question by POST."""
        query = {name: str(value) for name, value in parameters.items()}
        return requests.post(self.address + path, json=body, params=query, timeout=PATIENCE_S)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of an API over the small shop, whose files were run and published."""
    return published_shop(tmp_path_factory.getbasetemp() / "api")


@cache
def published_shop(folder: Path) -> Settings:
    """Return the settings of a copy of the small shop that is this process's own."""
    shutil.copytree(published_once(), folder)
    settings = _settings_in(folder)
    remember_paths(settings)
    return settings


def published_once() -> Path:
    """Run and publish the small shop, once for all processes of a session; return its folder."""
    folder = Path(os.environ["PYTEST_DEBUG_TEMPROOT"]) / "small_shop"
    with file_lock(folder.with_suffix(".lock")):
        if not folder.exists():
            making = folder.with_suffix(".making")
            making.mkdir()
            write_shop(making / "files")
            (making / SEGMENTS_FILE).write_text(SEGMENTS)
            monday = FIRST.date() - FIRST.weekday() * ONE_DAY  # weeks are named by their Monday
            run(_settings_in(making), Days.between(monday, FIRST.date() + DAYS * ONE_DAY))
            making.rename(folder)
    return folder


def _settings_in(folder: Path) -> Settings:
    return settings_of(
        folder / "home",
        folder / "files",
        visitor_segments=folder / SEGMENTS_FILE,
        customer_api_url="https://customers.example",
        publish_email_addresses=True,
        api_timeout_s=PATIENCE_S,
        adhoc_timeout_s=PATIENCE_S,
    )


@pytest.fixture(scope="module")
def in_postgres(settings: Settings, postgres_warehouse: str) -> Settings:
    """Settings of an API over what was published in Postgres."""
    postgres_settings = settings.model_copy(
        update={"postgres_url": type(settings.postgres_url)(postgres_warehouse)}
    )
    with (
        closing(new_engine(settings).open()) as engine,
        closing(publication_target(postgres_settings).open()) as target,
    ):
        publish(engine, target, PUBLISHED, "run-1")
    return postgres_settings


@pytest.fixture(scope="session")
def shop(settings: Settings) -> PlainShop:
    """What must come out."""
    return PlainShop(settings.home.parent / "files")


@pytest.fixture(scope="session")
def api(settings: Settings) -> Iterator[Api]:
    """The API, on a port of its own."""
    with served(build_app(settings)) as answer:
        yield answer


class served:  # noqa: N801 (used as a function)
    """Serve an application for as long as the context is open."""

    def __init__(self, app: FastAPI) -> None:
        """Take the application."""
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Api:
        """Start, and wait until it listens."""
        self._thread.start()
        deadline = time.monotonic() + 120
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return Api(f"http://127.0.0.1:{port}")

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.should_exit = True
        self._thread.join(30)
