"""Tests of `ecom_assets.behaviour.visitor_segments`."""
