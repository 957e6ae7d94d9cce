"""Tests of `ecom_assets.sales`."""
