"""Tests of `ecom_assets.behaviour.trends`."""
