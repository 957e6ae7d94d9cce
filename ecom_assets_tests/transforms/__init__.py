"""Tests of `ecom_assets.transforms`."""
