"""Tests of `ecom_assets.products`."""
