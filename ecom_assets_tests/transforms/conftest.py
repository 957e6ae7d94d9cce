"""A shop that tests about customers fill. Not here: what they ask."""

from collections.abc import Iterator

import pytest

from ecom_assets_tests.platform import Platform


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    one = Platform()
    yield one
    one.close()


@pytest.fixture
def shop(opened: Platform) -> Platform:
    opened.clear()
    return opened
