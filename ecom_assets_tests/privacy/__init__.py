"""Tests of `ecom_assets.privacy`."""
