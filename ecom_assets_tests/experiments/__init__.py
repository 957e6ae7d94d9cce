"""Tests of `ecom_assets.experiments`."""
