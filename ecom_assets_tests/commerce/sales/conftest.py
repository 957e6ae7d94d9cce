"""What tests of sales share with those of order lines."""

from ecom_assets_tests.commerce.orders.conftest import opened, shop

__all__ = ["opened", "shop"]
