"""Tests of `ecom_assets.orchestration`."""
