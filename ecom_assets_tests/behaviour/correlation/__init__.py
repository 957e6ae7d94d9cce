"""Tests of `ecom_assets.behaviour.correlation`."""
