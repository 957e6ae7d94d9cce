"""Tests of `ecom_assets.core.tables`."""
