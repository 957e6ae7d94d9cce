"""Tests of `ecom_assets.commerce.costs`."""
