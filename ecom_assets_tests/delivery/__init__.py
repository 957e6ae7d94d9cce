"""Tests of `ecom_assets.delivery`."""
