"""Tests of `ecom_assets.reconciliation`."""
