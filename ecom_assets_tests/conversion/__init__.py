"""Tests of `ecom_assets.conversion`."""
