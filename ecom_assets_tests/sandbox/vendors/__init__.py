"""Tests of `ecom_assets.sandbox.vendors`."""
