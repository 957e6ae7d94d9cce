"""The published small shop of the API's tests, with a store of its own for each test."""

import pytest
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.interfaces.api.conftest import published_shop


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the API over the small shop, whose files were run and published."""
    return published_shop(tmp_path_factory.getbasetemp() / "api")


@pytest.fixture
def own(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same with an empty store of alerts."""
    file = tmp_path_factory.mktemp("alerts") / "boards.sqlite"
    return settings.model_copy(update={"boards_url": SecretStr(f"sqlite://{file}")})
