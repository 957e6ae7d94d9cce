"""Tests of `ecom_assets.correlation`."""
