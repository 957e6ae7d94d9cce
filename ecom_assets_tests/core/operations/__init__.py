"""Tests of `ecom_assets.core.operations`."""
