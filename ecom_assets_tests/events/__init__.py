"""Tests of `ecom_assets.events`."""
