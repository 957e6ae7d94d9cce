"""Tests of `ecom_assets.serving`."""
