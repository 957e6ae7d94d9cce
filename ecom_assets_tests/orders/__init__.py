"""Tests of `ecom_assets.orders`."""
