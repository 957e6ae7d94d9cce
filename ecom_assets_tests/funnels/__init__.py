"""Tests of `ecom_assets.funnels`."""
