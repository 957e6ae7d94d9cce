"""Tests of `ecom_assets.customers`."""
