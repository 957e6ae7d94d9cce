"""What tests of order lines share: one warehouse of orders per module, emptied before each test."""

import pytest

from ecom_assets_tests.platform import OrderPlatform


@pytest.fixture(scope="module")
def opened() -> OrderPlatform:
    return OrderPlatform()


@pytest.fixture
def shop(opened: OrderPlatform) -> OrderPlatform:
    opened.clear()
    return opened
