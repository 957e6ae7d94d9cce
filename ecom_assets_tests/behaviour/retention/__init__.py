"""Tests of `ecom_assets.behaviour.retention`."""
