"""The dashboard over the small shop of the API's tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.interfaces.api.conftest import published_shop, served
from ecom_assets_tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Client:
    """Asks a server, as a browser that keeps its cookies does."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a path, and follow no redirect."""
        return self.session.get(
            self.address + path, headers=headers, timeout=PATIENCE_S, allow_redirects=False
        )


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the API over the small shop, whose files were run and published."""
    return published_shop(tmp_path_factory.getbasetemp() / "api")


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[Client]:
    """The API and the dashboard."""
    with served(build_dashboard_app(settings)) as answer:
        yield Client(answer.address)
