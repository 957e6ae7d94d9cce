"""Tests of `ecom_assets.commerce.sales`."""
