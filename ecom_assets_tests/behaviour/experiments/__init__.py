"""Tests of `ecom_assets.behaviour.experiments`."""
