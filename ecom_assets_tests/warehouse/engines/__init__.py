"""Tests of `ecom_assets.warehouse.engines`."""
