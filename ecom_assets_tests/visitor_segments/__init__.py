"""Tests of `ecom_assets.visitor_segments`."""
