"""Tests of `ecom_assets.core.warehouse.engines`."""
