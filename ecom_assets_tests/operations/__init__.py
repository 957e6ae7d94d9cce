"""Tests of `ecom_assets.operations`."""
