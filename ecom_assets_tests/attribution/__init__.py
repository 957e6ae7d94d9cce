"""Tests of `ecom_assets.attribution`."""
