"""Tests of `ecom_assets.outputs.serving`."""
