"""Tests of `ecom_assets.interfaces`."""
