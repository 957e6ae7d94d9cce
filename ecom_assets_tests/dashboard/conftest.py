"""The dashboard over the small shop of the API's tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from ecom_assets.dashboard.app import build_dashboard_app
from ecom_assets.settings.settings import Settings
from ecom_assets_tests.api.conftest import served
from ecom_assets_tests.api.conftest import settings as settings  # noqa: PLC0414 (the fixture, for this folder too)


@dataclass(frozen=True)
class Client:
    """Asks a server, as a browser that keeps its cookies does."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a path, and follow no redirect."""
        return self.session.get(self.address + path, headers=headers, timeout=60, allow_redirects=False)


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[Client]:
    """The API and the dashboard."""
    with served(build_dashboard_app(settings)) as asked:
        yield Client(asked.address)
