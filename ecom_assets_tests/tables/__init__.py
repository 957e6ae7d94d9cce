"""Tests of `ecom_assets.tables`."""
