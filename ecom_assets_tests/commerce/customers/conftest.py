"""A shop that tests about customers fill."""

import pytest

from ecom_assets_tests.platform import Platform


@pytest.fixture
def shop(platform: Platform) -> Platform:
    return platform
