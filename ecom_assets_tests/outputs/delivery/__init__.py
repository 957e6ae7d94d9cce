"""Tests of `ecom_assets.outputs.delivery`."""
