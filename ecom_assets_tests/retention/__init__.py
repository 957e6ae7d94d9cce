"""Tests of `ecom_assets.retention`."""
