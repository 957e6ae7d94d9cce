"""Tests of `ecom_assets.trends`."""
