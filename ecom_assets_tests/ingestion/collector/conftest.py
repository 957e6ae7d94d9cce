"""A collector of each file's own, with the keys that the file makes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets_tests.ingestion.collector.served import CollectClient, collect_settings, collecting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collector")


@pytest.fixture(scope="module")
def key_file(folder: Path) -> KeyFile:
    return KeyFile(folder / "home")


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """Return no keys; a file that needs some has a fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def running(folder: Path, keys: dict[str, str]) -> Iterator[CollectClient]:  # noqa: ARG001 (made before it starts)
    with collecting(collect_settings(folder)) as client:
        yield client


@pytest.fixture
def client(running: CollectClient) -> CollectClient:
    running.remove_landed()
    return running
