"""A real broker with one topic, and a home whose events come from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecom_assets_tests.ingestion.stream.broker import JARS, KafkaBroker
from ecom_assets_tests.ingestion.stream.streamed import TOPIC, StreamHome


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    assert (JARS / "libs").exists(), "run `make kafka`, which puts the broker's jars there"
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    broker.create(TOPIC)
    yield broker
    broker.kill()


@pytest.fixture
def home(tmp_path: Path, broker: KafkaBroker) -> StreamHome:
    (tmp_path / "home").mkdir()
    return StreamHome(tmp_path / "home", broker.address)
