"""Tests of `ecom_assets.sessions`."""
