"""The Postgres that tests of publishing publish to."""

from collections.abc import Iterator

import pytest

from ecom_assets.serving.places import publication_target
from ecom_assets.settings.settings import Settings
from ecom_assets.warehouse.engines.postgres.engine import PostgresEngine


@pytest.fixture
def target(postgres_url: str) -> Iterator[PostgresEngine]:
    """An empty database."""
    engine = publication_target(Settings(postgres_url=postgres_url)).open()
    yield engine
    engine.close()
